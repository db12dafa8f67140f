"""What makes IDoc files hard, each by its name: framing, code pages, hierarchy, names, values."""

from __future__ import annotations

import io
import tracemalloc
from datetime import time
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.idoc.format.codepage import codec_of
from adapters.idoc.format.conversion import Conversion, convert
from adapters.idoc.format.dictionary import Dictionary
from adapters.idoc.format.document import Entry, Idoc, Segment, assemble, items_of
from adapters.idoc.format.flat import FlatReader, read_idocs
from adapters.idoc.format.flat_writing import FlatForm, FlatWriter, write_idoc
from adapters.idoc.format.framing import Numbering, Padding
from adapters.idoc.format.layout import layout_of
from adapters.idoc.format.opening import Form, Opened
from adapters.idoc.format.parser_export import read_parser_export
from adapters.idoc.format.problems import Findings, ReadFault, ValueFault
from adapters.idoc.format.values import (
    check_value,
    long_value,
    read_decimal,
    read_numc,
    read_time,
    write_long,
    write_numc,
)
from adapters.idoc.format.xml_writing import write_xml
from tests.idoc.format.exports import (
    SAMPLES,
    control_line,
    flat_file,
    items,
    orders_dictionary,
    parser_text,
    record,
    shape,
)

FLAT = ("sap_recipes_ORDERS05_flat_crlf.txt", "sap_recipes_INVOIC01_flat_crlf.txt")
SAMPLE = (SAMPLES / "blueseer_ACME_IDOC_INVOIC02out.txt").read_bytes()


def again(content: bytes, encoding: str = "utf-8") -> bytes:
    """Read and written back as it was."""
    reader = FlatReader(io.BytesIO(content), encoding=encoding)
    form = FlatForm(encoding, reader.framing, Padding.AS_READ, Numbering.AS_READ)
    return b"".join(FlatWriter(form).write(reader))


def to(form: Form, content: bytes, dictionary: Dictionary | None = None, encoding: str = "") -> bytes:
    found = Findings()
    known = dictionary or orders_dictionary()
    opened = Opened(io.BytesIO(content), dictionary=known, encoding=encoding, report=found.add)
    result = b"".join(convert(opened, Conversion(form), known, found.add))
    assert [str(problem) for problem in found] == []
    return result


@pytest.mark.parametrize("name", [*FLAT, "blueseer_ACME_IDOC_INVOIC02out.txt"])
def test_a_real_flat_file_is_written_back_byte_for_byte(name: str) -> None:
    content = (SAMPLES / name).read_bytes()
    assert again(content) == content


LINES = SAMPLE.decode().split("\n")[:-1]
WIDE = "".join(line.ljust(1063) if not line.startswith("EDI") else line.ljust(524) for line in LINES)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(SAMPLE.replace(b"\n", b"\r\n"), id="crlf"),
        pytest.param(SAMPLE.replace(b"\n", b"\r"), id="cr"),
        pytest.param(SAMPLE[:-1], id="no-last-line-end"),
        pytest.param(SAMPLE + b"\x1a", id="ctrl-z"),
        pytest.param(SAMPLE + b"\0\0", id="nul"),
        pytest.param(b"\xef\xbb\xbf" + SAMPLE, id="mark"),
        pytest.param("\n".join(line.rstrip() for line in LINES).encode() + b"\n", id="right-trimmed"),
        pytest.param("\n".join(line.ljust(1063) for line in LINES).encode() + b"\n", id="padded-to-1063"),
        pytest.param(WIDE.encode(), id="contiguous"),
        pytest.param(WIDE.encode() + b"\r\n", id="contiguous-with-end"),
        pytest.param(SAMPLE * 3, id="three-idocs"),
    ],
)
def test_every_framing_is_written_back_byte_for_byte(content: bytes) -> None:
    assert again(content) == content


@pytest.mark.parametrize("encoding", ["1100", "1160", "4102", "4103", "4110", "8000"])
def test_every_code_page_is_written_back_byte_for_byte(encoding: str) -> None:
    text = flat_file(record("E2EDKA1003", "AG ABC"), record("E2EDKA1003", "WE XYZ")).decode()
    if encoding != "8000":
        text = text.replace("ABC", "Größe")
    content = text.encode(codec_of(encoding))
    assert again(content, encoding) == content


def test_an_incomplete_last_line_loses_no_field() -> None:
    (idoc,) = read_idocs(
        io.BytesIO(flat_file(record("E2EDK14", "012TA"))[:-1]), dictionary=orders_dictionary()
    )
    assert idoc.segments[0].values(orders_dictionary()) == {"QUALF": "012", "ORGID": "TA"}


def test_types_of_several_idocs_may_differ_in_one_file() -> None:
    content = flat_file(record("E2EDK01005")) + flat_file(
        record("E2KNA1M005"), IDOCTYP="DEBMAS06", MESTYP="DEBMAS"
    )
    assert [idoc.message_type for idoc in read_idocs(io.BytesIO(content))] == ["ORDERS", "DEBMAS"]


@pytest.mark.parametrize("start", ["EDI_DC    ", "EDI_DD    "])
def test_release_3_is_recognised_by_its_name_and_refused(start: str) -> None:
    with pytest.raises(ReadFault, match=rf"{start[:6]} is the record layout of release 3\.x"):
        items(start.ljust(464).encode() + b"\n")


@pytest.mark.parametrize(
    ("content", "encoding", "hint"),
    [
        (flat_file(record("E2EDK01005")).decode().encode("utf-16-le"), "utf-8", "UTF-16 little endian"),
        (flat_file(record("E2EDK01005")).decode().encode("utf-16-be"), "1100", "UTF-16 big endian"),
        (b"\xff\xfe" + flat_file(record("E2EDK01005")).decode().encode("utf-16-le"), "utf-8", "UTF-16"),
        (flat_file(record("E2EDK01005")), "4103", "UTF-8"),
        (flat_file(record("E2EDK01005")).decode().encode("utf-16-le"), "4102", "other byte order"),
        (flat_file(record("E2EDK01005")).decode().encode("cp500"), "1100", "EBCDIC"),
        (b"\xef\xbb\xbf" + flat_file(record("E2EDK01005")), "1100", "UTF-8 mark"),
    ],
)
def test_a_wrong_code_page_is_refused_with_a_hint(content: bytes, encoding: str, hint: str) -> None:
    with pytest.raises(ReadFault, match=hint):
        items(content, encoding=encoding)


def test_a_character_of_two_units_counts_twice_in_lines_and_in_contiguous_files() -> None:
    face = "\U0001f600"
    line = record("E2EDK14", f"012{face}").ljust(1062)
    assert len(line.encode("utf-16-le")) == 2 * 1063
    content = (control_line() + line + record("E2EDK14", "011").ljust(1063)).encode()
    first, second = next(read_idocs(io.BytesIO(content))).segments
    assert (first.data, second.data) == (f"012{face}", "011")


def test_all_problems_of_a_flat_file_are_told_of_and_the_rest_is_read() -> None:
    content = flat_file(
        record("E2EDK01005", number="000001", level="01"),
        record("E2EDK14", "bad", number="00X002", level="02"),
        "?? not a segment",
        record("E2EDK14", "good", number="000003", level="02"),
    ).replace(b"good", b"g\xffod")
    found = Findings()
    entries = [
        item
        for item in FlatReader(io.BytesIO(content), dictionary=orders_dictionary(), report=found.add)
        if isinstance(item, Entry)
    ]
    reasons = [problem.reason for problem in found]
    assert len(entries) == 3
    assert any("SEGNUM holds other characters" in reason for reason in reasons)
    assert any("not valid in the declared code page" in reason for reason in reasons)
    assert any("does not begin with a segment name" in reason for reason in reasons)
    assert {problem.line for problem in found} >= {3, 4, 5}


def test_the_root_level_of_matmas_is_02() -> None:
    rows = (
        record("E2MARAM009", number="000001", parent="000000", level="02"),
        record("E2MAKTM001", number="000002", parent="000000", level="03"),
        record("E2MARCM008", number="000003", parent="000000", level="03"),
        record("E2MARDM002", number="000004", parent="000000", level="04"),
    )
    (idoc,) = read_idocs(io.BytesIO(flat_file(*rows, IDOCTYP="MATMAS05", MESTYP="MATMAS")))
    assert shape(idoc) == [("E1MARAM", 0), ("E1MAKTM", 1), ("E1MARCM", 1), ("E1MARDM", 2)]


@pytest.mark.parametrize("parent", ["000000", "000001"])
def test_header_segments_of_orders_hang_at_the_top_or_below_the_first_as_the_sender_says(parent: str) -> None:
    rows = (
        record("E2EDK01005", number="000001", parent="000000", level="01"),
        record("E2EDK14", number="000002", parent=parent, level="02"),
        record("E2EDP01011", number="000003", parent="000000", level="02"),
        record("E2EDP02001", number="000004", parent="000003", level="03"),
    )
    (idoc,) = read_idocs(io.BytesIO(flat_file(*rows)))
    assert [kind for kind, _ in shape(idoc)] == ["E1EDK01", "E1EDK14", "E1EDP01", "E1EDP02"]
    assert shape(idoc)[1][1] == int(parent)


def test_blank_hierarchy_comes_from_the_idoc_type_in_its_order() -> None:
    names = ("E2EDK01005", "E2EDKA1003", "E2EDP01011", "E2EDP20002", "E2EDP19003", "E2EDP01011", "E2EDS01")
    content = flat_file(*(record(name) for name in names))
    (idoc,) = read_idocs(io.BytesIO(content), dictionary=orders_dictionary())
    assert [depth for _, depth in shape(idoc)] == [0, 0, 0, 1, 1, 0, 0]


def test_a_segment_that_may_stand_at_two_places_is_put_where_the_order_allows_it() -> None:
    inner = ("E2TXT000", "E1TXT", 3, False, 9, "LINE:70", ())
    tree = (
        ("E2POS000", "E1POS", 2, False, 9, "A:3", (inner, ("E2QTY000", "E1QTY", 3, False, 9, "B:3", ()))),
        ("E2TXT000", "E1TXT", 2, False, 9, "LINE:70", ()),
    )
    known = read_parser_export(io.BytesIO(parser_text(tree, name="ZPOS01").encode()))
    names = ("E2POS000", "E2TXT000", "E2QTY000", "E2TXT000")
    content = flat_file(*(record(name) for name in names), IDOCTYP="ZPOS01", MESTYP="ZPOS")
    (idoc,) = read_idocs(io.BytesIO(content), dictionary=known)
    assert shape(idoc) == [("E1POS", 0), ("E1TXT", 1), ("E1QTY", 1), ("E1TXT", 0)]


def test_a_type_written_into_segnam_is_accepted() -> None:
    (idoc,) = read_idocs(io.BytesIO(flat_file(record("E1EDK14", "012"))), dictionary=orders_dictionary())
    assert idoc.segments[0].value("QUALF", orders_dictionary()) == "012"


def test_an_older_shorter_record_is_read_with_the_newer_layout() -> None:
    content = flat_file(record("E2EDP01008", "000010"), record("E2EDP19001", "001ABC"))
    (idoc,) = read_idocs(io.BytesIO(content), dictionary=orders_dictionary())
    values = idoc.segments[0].children[0].values(orders_dictionary())
    assert (values["IDTNR"], values["IDTNR_LONG"]) == ("ABC", "")


def test_a_newer_longer_record_is_not_cut_on_its_way_to_xml() -> None:
    content = flat_file(record("E2EDK14", "012".ljust(38) + "NEW"))
    found = Findings()
    known = orders_dictionary()
    opened = Opened(io.BytesIO(content), dictionary=known, report=found.add)
    list(convert(opened, Conversion(Form.XML), known, found.add))
    (problem,) = found
    assert "3 characters stand behind the last field" in problem.reason
    assert (problem.line, problem.idoc, problem.segment) == (2, 1, "E2EDK14")


def test_an_unknown_segment_passes_through_every_form_unchanged() -> None:
    extension = record("Z2MYOWN000", "any <text> & more", "000002", "000001", "02")
    content = flat_file(record("E2EDK01005", "001", "000001", "000000", "01").ljust(137), extension)
    assert to(Form.FLAT, content) == content
    for form in (Form.XML, Form.JSON):
        assert to(Form.FLAT, to(form, content)) == content


def test_a_file_of_idocs_comes_back_through_json_with_its_numbers_and_gaps() -> None:
    known = Dictionary()
    back = to(Form.FLAT, to(Form.JSON, SAMPLE, known), known)
    assert [line.rstrip() for line in back.split(b"\n")] == [line.rstrip() for line in SAMPLE.split(b"\n")]


def test_xml_becomes_flat_with_definitions_padding_and_numbers_and_comes_back() -> None:
    tree = Segment(
        "E1EDP01",
        "E1EDP01",
        "",
        (Segment("E1EDP19", "E1EDP19", "", named={"QUALF": "002"}),),
        named={"POSEX": "10"},
    )
    head = {"IDOCTYP": "ORDERS05", "MESTYP": "ORDERS", "MANDT": "100", "DOCNUM": "1"}
    xml = write_xml([Idoc(head, (tree,))])
    flat = to(Form.FLAT, xml)
    lines = flat.decode().split("\n")
    assert lines[1][:63] == f"{'E2EDP01011':<30}100{'1':<16}00000100000002"
    assert lines[2][:63] == f"{'E2EDP19003':<30}100{'1':<16}00000200000103"
    assert [len(line) for line in lines] == [524, 63 + 29, 63 + 148, 0]
    (back,) = assemble(Opened(io.BytesIO(to(Form.XML, flat)), dictionary=orders_dictionary()))
    assert back.segments == (tree,)


def test_a_value_too_long_for_its_field_is_refused_and_never_cut() -> None:
    long = Segment("E1EDK14", "E1EDK14", "", named={"QUALF": "0123"})
    with pytest.raises(ValueFault, match=r"E1EDK14.QUALF: 4 characters do not fit into 3"):
        write_idoc(Idoc({"IDOCTYP": "A", "MESTYP": "A"}, (long,)), dictionary=orders_dictionary())


def test_every_value_too_long_is_told_of_in_one_go() -> None:
    segments = "".join(f"<E1EDK14 SEGMENT='1'><QUALF>{'9' * n}</QUALF></E1EDK14>" for n in (3, 4, 5))
    xml = (
        "<ORDERS05><IDOC BEGIN='1'><EDI_DC40 SEGMENT='1'><IDOCTYP>ORDERS05</IDOCTYP><MESTYP>ORDERS</MESTYP>"
        f"</EDI_DC40>{segments}</IDOC></ORDERS05>"
    ).encode()
    found = Findings()
    opened = Opened(io.BytesIO(xml), dictionary=orders_dictionary(), report=found.add)
    list(convert(opened, Conversion(Form.FLAT), orders_dictionary(), found.add))
    assert [problem.field for problem in found] == ["E1EDK14.QUALF"] * 2


def test_a_segment_without_definition_is_not_written_flat_under_a_guessed_name() -> None:
    known = Dictionary([layout_of("E1NEW", "A:3")])
    idoc = Idoc({"IDOCTYP": "A", "MESTYP": "A"}, (Segment("E1NEW", "E1NEW", "", named={"A": "1"}),))
    with pytest.raises(ValueFault, match="no definition"):
        write_idoc(idoc, dictionary=known)
    form = FlatForm(types=True)
    assert b"E1NEW" in b"".join(FlatWriter(form, known).write(items_of([idoc])))


def test_an_idoc_of_any_length_streams_in_bounded_memory() -> None:
    class Endless(io.BytesIO):
        count = 0

        def read(self, _size: int | None = -1, /) -> bytes:
            self.count += 1
            if self.count == 1:
                return (control_line() + "\n").encode()
            start = (self.count - 2) * 100
            rows = (
                record("E2EDP01011", "x" * 400, f"{at:06d}", "000000", "02")
                for at in range(start + 1, start + 101)
            )
            return ("\n".join(rows) + "\n").encode() if self.count < 402 else b""

    tracemalloc.start()
    read = sum(1 for _ in FlatReader(Endless(), dictionary=orders_dictionary()))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert read == 40_001
    assert peak < 12 << 20


@pytest.mark.parametrize(
    ("text", "number"), [("10.500-", "-10.500"), ("-10.500", "-10.500"), ("302.35-", "-302.35")]
)
def test_a_trailing_minus_is_read_and_a_leading_one_understood(text: str, number: str) -> None:
    assert read_decimal(text) == Decimal(number)


def test_240000_is_a_legal_time_and_250000_is_none() -> None:
    assert read_time("240000") == time.max
    assert read_time("") is None
    with pytest.raises(ValueError):
        read_time("250000")


def test_digits_are_zero_filled_and_zeros_are_initial() -> None:
    assert write_numc(7, 6) == "000007"
    assert write_numc(None, 6) == "000000"
    assert read_numc("000010") == 10
    assert read_numc("000000") is None
    with pytest.raises(ValueError):
        write_numc(1_000_000, 6)


@given(st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=40))
def test_a_long_field_is_read_first_and_its_short_twin_is_never_cut(value: str) -> None:
    written = write_long("MATNR", value, 18)
    assert long_value(written, "MATNR") == value
    assert written["MATNR"] in ("", value)
    assert long_value({"MATNR": "OLD", "MATNR_LONG": ""}, "MATNR") == "OLD"
    assert long_value({"MATNR": "SHORT", "MATNR_LONG": "LONGER"}, "MATNR") == "LONGER"


@pytest.mark.parametrize(
    ("text", "kind", "fine"),
    [
        ("00000000", "DATS", True),
        ("20260230", "DATS", False),
        ("240000", "TIMS", True),
        ("8924.80-", "CURR", True),
        ("1,50", "QUAN", False),
        ("000010", "NUMC", True),
        ("10A", "NUMC", False),
        ("anything", "CHAR", True),
    ],
)
def test_values_are_checked_by_their_type(text: str, kind: str, fine: bool) -> None:
    if fine:
        check_value(text, kind)
        return
    with pytest.raises(ValueError) as error:
        check_value(text, kind)
    assert text not in str(error.value)
