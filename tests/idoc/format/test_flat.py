"""Reading and writing the flat form, in every form real senders use."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from adapters.idoc.format.document import Idoc, Segment
from adapters.idoc.format.flat import read_idocs, read_status, sort_key
from adapters.idoc.format.flat_writing import write_idoc, write_status
from adapters.idoc.format.framing import LastLine
from adapters.idoc.format.problems import ReadFault, ValueFault
from adapters.idoc.format.records import CONTROL
from tests.idoc.files import DICTIONARY, control, customer, flat, segment

SAMPLES = Path(__file__).parents[2] / "data" / "idoc"


def read(content: bytes, encoding: str = "utf-8", last_line: LastLine = LastLine.OPTIONAL) -> list[Idoc]:
    return list(read_idocs(io.BytesIO(content), encoding=encoding, last_line=last_line))


def contiguous(content: bytes) -> bytes:
    """The same IDocs without line ends: control records of 524, data records of 1063 characters."""
    lines = content.decode().split("\n")[:-1]
    return "".join(line.ljust(524 if line.startswith("EDI_DC40") else 1063) for line in lines).encode()


TWO = (customer(1, NAME1="Größe & Söhne"), customer(2, segment("E1KNB1M", {"BUKRS": "1000"}), ORT01="Graz"))
WRITTEN = flat(*TWO)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(WRITTEN, id="line-feed"),
        pytest.param(WRITTEN.replace(b"\n", b"\r\n"), id="carriage-return-line-feed"),
        pytest.param(WRITTEN.replace(b"\n", b"\r"), id="carriage-return"),
        pytest.param(b"\xef\xbb\xbf" + WRITTEN, id="byte-order-mark"),
        pytest.param(b"\n \n" + WRITTEN.replace(b"\n", b"\n\n") + b" \n", id="blank-lines"),
        pytest.param(WRITTEN + b"\x1a", id="ctrl-z"),
        pytest.param(WRITTEN + b"\x00\x00\x00", id="trailing-nul"),
        pytest.param(WRITTEN[:-1] + b"\x1a", id="ctrl-z-instead-of-the-last-line-end"),
        pytest.param(WRITTEN[:-1] + b"\x00\x00", id="nul-instead-of-the-last-line-end"),
        pytest.param(b"\n".join(line.rstrip() for line in WRITTEN.split(b"\n")), id="right-trimmed"),
        pytest.param(
            "\n".join(line.ljust(1063) for line in WRITTEN.decode().split("\n")[:-1]).encode(),
            id="padded-to-1063",
        ),
        pytest.param(contiguous(WRITTEN), id="contiguous"),
        pytest.param(contiguous(WRITTEN) + b"\n", id="contiguous-with-a-last-line-end"),
        pytest.param(WRITTEN.replace(b"EDI_DC40_U", b"EDI_DC40_U"), id="unicode-table-name"),
        pytest.param(WRITTEN.rstrip(b"\n"), id="without-last-line-end"),
    ],
)
def test_every_framing_of_real_senders_gives_the_same_idocs(content: bytes) -> None:
    assert tuple(read(content)) == tuple(read(WRITTEN))
    assert [idoc.segments for idoc in read(content)] == [idoc.segments for idoc in TWO]


@pytest.mark.parametrize("encoding", ["1100", "1160", "4102", "4103", "4110"])
def test_characters_are_counted_and_not_bytes_in_every_code_page(encoding: str) -> None:
    content = write_idoc(TWO[0], encoding=encoding)
    assert read(content, encoding)[0].segments == TWO[0].segments


def test_a_unicode_table_name_leaves_no_blank_before_the_client() -> None:
    assert WRITTEN.startswith(b"EDI_DC40_U100")
    assert read(WRITTEN)[0].control["TABNAM"] == "EDI_DC40_U"
    assert read(WRITTEN)[0].control["MANDT"] == "100"


def test_only_line_feeds_and_carriage_returns_end_a_line() -> None:
    idoc = customer(1, NAME1="a\x0b\x0c\x1c\x85\u2028b")
    assert read(flat(idoc))[0].segments == idoc.segments


def test_leading_blanks_are_data() -> None:
    idoc = customer(1, SORTL="  0")
    assert read(flat(idoc))[0].segments[0].value("SORTL", DICTIONARY) == "  0"


_NAMES = st.text("ABCXYZ019_/", min_size=1, max_size=20).map(lambda text: f"Z2{text}A")
_DATA = st.text(
    st.characters(exclude_characters="\r\n\x00\x1a\ufeff", exclude_categories=["Cs"]), max_size=60
).map(lambda text: text.rstrip(" "))


def _segments(children: st.SearchStrategy[list[Segment]]) -> st.SearchStrategy[Segment]:
    return st.builds(
        lambda name, data, below: Segment(DICTIONARY.type_of(name), name, data, tuple(below)),
        _NAMES,
        _DATA,
        children,
    )


_LEAVES = _segments(st.just([]))
_TREES = st.lists(
    st.recursive(_LEAVES, lambda below: _segments(st.lists(below, max_size=3)), max_leaves=8),
    min_size=1,
    max_size=4,
)
_CONTROLS = st.fixed_dictionaries(
    {
        entry.name: st.text("ABC019 ", max_size=entry.length).map(str.rstrip)
        for entry in CONTROL.fields
        if entry.name not in ("TABNAM", "IDOCTYP", "MESTYP")
    }
)


@pytest.mark.invariant("I13")
@settings(max_examples=60, deadline=None)
@given(_CONTROLS, _TREES)
def test_decoding_what_was_encoded_is_the_identity(fields: dict[str, str], roots: list[Segment]) -> None:
    head = {**fields, "TABNAM": "EDI_DC40", "IDOCTYP": "ZTYPE01", "MESTYP": "ZTYPE"}
    idoc = Idoc({entry.name: head[entry.name] for entry in CONTROL.fields}, tuple(roots))
    assert read(write_idoc(idoc)) == [idoc]


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=40), st.integers(0, len(WRITTEN)), st.integers(0, 40))
@example(b"\n", 300, 0)
def test_a_damaged_file_is_read_or_refused_with_a_place_inside_it(damage: bytes, at: int, cut: int) -> None:
    content = WRITTEN[:at] + damage + WRITTEN[at + cut :]
    fault, idocs = attempt(content)
    if fault is not None:
        assert 0 <= fault.offset <= len(content) + 8
        assert fault.line >= 1
        assert fault.reason
    assert all(idoc.span and idoc.span.end <= len(content) for idoc in idocs)


def attempt(content: bytes) -> tuple[ReadFault | None, list[Idoc]]:
    try:
        return None, read(content)
    except ReadFault as fault:
        return fault, []


@pytest.mark.parametrize("name", ["blueseer_ACME_IDOC_INVOIC02out.txt", "sap_recipes_ORDERS05_flat_crlf.txt"])
def test_a_real_file_is_written_back_as_it_was(name: str) -> None:
    content = (SAMPLES / name).read_bytes()
    (idoc,) = read(content, last_line=LastLine.REQUIRED)
    lines = [line.rstrip() for line in content.replace(b"\r", b"").split(b"\n") if line.strip()]
    again = [line.rstrip() for line in write_idoc(idoc).split(b"\n") if line.strip()]
    assert again[0] == lines[0]
    assert [line[:30] + line[63:] for line in again] == [line[:30] + line[63:] for line in lines]


def test_a_real_orders_file_has_its_items_below_each_other() -> None:
    (idoc,) = read((SAMPLES / "sap_recipes_ORDERS05_flat_crlf.txt").read_bytes())
    item = next(entry for entry in idoc.segments if entry.type == "E1EDP01")
    assert {"E1EDP02", "E1EDP20", "E1EDP19"} <= {child.type for child in item.children}
    assert idoc.segments[0].type == "E1EDK01"
    assert idoc.control["MESTYP"] == "ORDERS"


def test_a_real_file_with_gaps_in_its_numbers_and_an_extension_keeps_every_segment() -> None:
    content = (SAMPLES / "blueseer_ACME_IDOC_INVOIC02out.txt").read_bytes()
    (idoc,) = read(content)
    assert sum(1 for _ in idoc.walk()) == content.count(b"\n") - 1
    extension = next(entry for entry in idoc.walk() if entry.definition == "ZE1EDK810000")
    assert extension.type == "ZE1EDK810"
    assert extension.data.startswith("47868.25")


def test_an_idoc_is_found_again_by_its_place_in_the_file() -> None:
    first, second = read(WRITTEN)
    assert first.span and second.span
    assert read(WRITTEN[second.span.start : second.span.end]) == [second]
    assert second.span.line == 3


#: DOCNUM, SEGNUM and PSGNUM of the last record.
NUMBERS = b"0000000000000002" + b"000002" + b"000001"

REFUSED = {
    "empty": (b"", "no IDoc", 1, 0),
    "release-3-layout": (b"EDI_DC    100\nEDI_DD    100\n", "release 3.x", 1, 0),
    "xml": (b"<?xml version='1.0'?><DEBMAS06/>", "XML", 1, 0),
    "data-before-control": (WRITTEN.split(b"\n", 1)[1], "before any control record", 1, 0),
    "control-without-data": (WRITTEN.split(b"\n")[0] + b"\n", "without data records", 1, 0),
    "wrong-code-page": (
        WRITTEN.replace("ö".encode(), b"\xf6"),
        "not valid in the declared code page",
        2,
        None,
    ),
    "too-long": (WRITTEN.replace(b"\n", b"\n" + b"X" * 1064 + b"\n", 1), "longer than 1063", 2, 525),
    "nul-inside": (WRITTEN.replace(b"Works", b"\x00orks").replace(b"Gr", b"\x00r"), "NUL or Ctrl-Z", 2, 525),
    "out-of-order": (WRITTEN.replace(NUMBERS, NUMBERS[:16] + b"000001000001"), "out of order", 5, None),
    "parent-unknown": (WRITTEN.replace(NUMBERS, NUMBERS[:16] + b"000003000002"), "names no segment", 5, None),
    "foreign-number": (
        WRITTEN.replace(b"1000000000000000002000001", b"1000000000000000003000001"),
        "DOCNUM",
        4,
        None,
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_broken_file_is_refused_with_reason_line_and_byte(name: str) -> None:
    content, reason, line, offset = REFUSED[name]
    with pytest.raises(ReadFault, match=reason) as fault:
        read(content)
    assert fault.value.line == line
    assert offset is None or fault.value.offset == offset


def test_a_wrong_byte_is_named_at_its_place() -> None:
    content = WRITTEN.replace("ö".encode(), b"\xf6")
    with pytest.raises(ReadFault) as fault:
        read(content)
    assert content[fault.value.offset] == 0xF6


def test_a_utf8_file_is_not_read_as_latin_1_because_all_fields_would_shift() -> None:
    with pytest.raises(ReadFault, match="fields would shift"):
        read(WRITTEN, "1100")
    with pytest.raises(ReadFault, match="UTF-8 mark"):
        read(b"\xef\xbb\xbf" + WRITTEN, "1100")


def test_a_last_record_without_line_end_counts_as_cut_where_that_is_asked_for() -> None:
    whole = WRITTEN.rstrip(b"\n")
    assert len(read(whole, last_line=LastLine.REQUIRED)) == 2
    with pytest.raises(ReadFault, match="may be cut"):
        read(whole[:-300], last_line=LastLine.REQUIRED)


def test_a_contiguous_file_that_is_cut_is_refused() -> None:
    with pytest.raises(ReadFault, match="is cut after 1062"):
        read(contiguous(WRITTEN)[:-1])


def lines(*rows: tuple[str, str, str, str], head: str = "") -> bytes:
    """Records with chosen SEGNUM, PSGNUM and HLEVEL."""
    text = head or CONTROL.write(control(7))
    for name, number, parent, level in rows:
        text += f"\n{name:<30}{'':19}{number:<6}{parent:<6}{level:<2}"
    return f"{text}\n".encode()


def shape(idoc: Idoc) -> list[tuple[str, int]]:
    def walk(entry: Segment, depth: int) -> list[tuple[str, int]]:
        return [(entry.type, depth), *(place for child in entry.children for place in walk(child, depth + 1))]

    return [place for root in idoc.segments for place in walk(root, 0)]


def test_the_hierarchy_comes_from_the_parent_number_even_when_the_root_level_is_02() -> None:
    (idoc,) = read(lines(("E2MARAM009", "000001", "000000", "02"), ("E2MAKTM001", "000002", "000001", "03")))
    assert shape(idoc) == [("E1MARAM", 0), ("E1MAKTM", 1)]


def test_the_hierarchy_comes_from_levels_alone() -> None:
    rows = [("E2A", "000001", "000000", "02"), ("E2B", "000002", "", "03"), ("E2C", "000003", "", "04")]
    (idoc,) = read(lines(*rows, ("E2D", "000004", "000000", "03"), ("E2A", "000005", "", "02")))
    assert shape(idoc) == [("E1A", 0), ("E1B", 1), ("E1C", 2), ("E1D", 1), ("E1A", 0)]


def test_the_hierarchy_comes_from_the_grammar_when_all_numbers_are_blank() -> None:
    names = ("E2KNA1M005", "E2KNVVM007", "E1KNVPM", "Z2EXT000", "E2KNVVM007", "E2KNB1M006")
    (idoc,) = read(lines(*((name, "", "", "") for name in names)))
    assert shape(idoc) == [
        ("E1KNA1M", 0),
        ("E1KNVVM", 1),
        ("E1KNVPM", 2),
        ("Z1EXT", 3),
        ("E1KNVVM", 1),
        ("E1KNB1M", 1),
    ]


def test_a_value_outside_the_code_page_is_refused_naming_its_field() -> None:
    with pytest.raises(ValueFault, match=r"E1KNA1M.ORT01: a character that the code page iso8859-1") as fault:
        write_idoc(customer(1, ORT01="Łódź"), encoding="1100")
    assert (fault.value.offset, fault.value.length) == (321, 35)


def test_a_line_end_within_a_value_is_refused() -> None:
    with pytest.raises(ValueFault, match="line end"):
        customer(1, NAME1="a\nb")


def test_written_records_end_with_their_segment() -> None:
    lengths = [len(line.decode()) for line in WRITTEN.split(b"\n")]
    assert lengths == [524, 1003, 524, 1003, 815, 0]


def test_files_are_ordered_by_the_clock_and_number_of_their_first_idoc() -> None:
    assert sort_key(io.BytesIO(WRITTEN), "utf-8") == ("20260314", "101500", f"{1:016d}")
    assert sort_key(io.BytesIO(b"\xff\xfe"), "utf-8") == ("", "", "")


def test_a_status_file_comes_back() -> None:
    record = {"MANDT": "100", "DOCNUM": f"{9:016d}", "STATUS": "53", "STATXT": "Posted"}
    ((fields, place),) = read_status(io.BytesIO(write_status([record])))
    assert {name: fields[name] for name in record} == record
    assert (place.line, place.offset, place.end) == (1, 0, 563)
