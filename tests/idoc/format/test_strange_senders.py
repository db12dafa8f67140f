"""What programs and people between SAP and us do to files."""

from __future__ import annotations

import codecs
import io
import json
from pathlib import Path

import pytest

from adapters.idoc.format.conversion import Conversion, convert
from adapters.idoc.format.document import Entry, Idoc, Segment, assemble
from adapters.idoc.format.flat import FlatReader, read_idocs
from adapters.idoc.format.flat_writing import FlatForm, FlatWriter, write_idoc
from adapters.idoc.format.framing import Numbering, Padding
from adapters.idoc.format.json_form import read_json
from adapters.idoc.format.loading import load_dictionary
from adapters.idoc.format.opening import Form, Opened, form_of
from adapters.idoc.format.problems import Findings, Problem, ReadFault, Severity, ValueFault
from adapters.idoc.format.table import read_table
from adapters.idoc.format.xml_writing import write_xml
from tests.idoc.format.exports import (
    SAMPLES,
    control_line,
    findings,
    flat_file,
    items,
    orders_dictionary,
    parser_text,
    record,
    shape,
)

ROWS = (record("E2EDK01005", "000"), record("E2EDP01011", "000010"))


def orders(content: bytes) -> list[Idoc]:
    return list(read_idocs(io.BytesIO(content), dictionary=orders_dictionary()))


def test_a_contiguous_file_may_pad_its_control_record_like_data_records() -> None:
    rows = "".join(line.ljust(1063) for line in (control_line(), *ROWS))
    content = (rows * 2).encode()
    assert len(orders(content)) == 2
    reader = FlatReader(io.BytesIO(content), dictionary=orders_dictionary())
    form = FlatForm(framing=reader.framing, padding=Padding.AS_READ, numbering=Numbering.AS_READ)
    assert b"".join(FlatWriter(form).write(reader)) == content


@pytest.mark.parametrize("between", [b"\xef\xbb\xbf", b"\x1a", b"\x00\x00", b"\x1a\xef\xbb\xbf"])
def test_files_that_were_joined_with_their_marks_are_read(between: bytes) -> None:
    assert len(orders(flat_file(*ROWS) + between + flat_file(*ROWS))) == 2


def test_a_segment_right_trimmed_to_its_name_is_whole() -> None:
    content = flat_file("E2EDK01005", "E2EDP01011")
    (idoc,) = orders(content)
    assert shape(idoc) == [("E1EDK01", 0), ("E1EDP01", 0)]
    reader = FlatReader(io.BytesIO(content))
    form = FlatForm(framing=reader.framing, padding=Padding.AS_READ, numbering=Numbering.AS_READ)
    assert b"".join(FlatWriter(form).write(reader)) == content


@pytest.mark.parametrize("start", ["UNA:+.? 'UNB+UNOC:3", "UNB+UNOC:3", "ISA*00*"])
def test_a_message_of_another_standard_is_named(start: str) -> None:
    with pytest.raises(ReadFault, match="EDIFACT"):
        items(start.encode())


@pytest.mark.parametrize("start", [b"PK\x03\x04xxxx", b"\x1f\x8b\x08\x00"])
def test_a_compressed_file_is_named(start: bytes) -> None:
    with pytest.raises(ReadFault, match="compressed"):
        items(start)


def test_an_error_page_of_a_web_server_is_no_idoc() -> None:
    with pytest.raises(ReadFault, match="no element IDOC"):
        items(b"<html><body>Service unavailable</body></html>")


def test_a_declaration_of_utf_16_left_by_a_program_is_named_as_that() -> None:
    with pytest.raises(ReadFault, match="correct the declaration"):
        items(b"<?xml version='1.0' encoding='utf-16'?><ORDERS05/>")


def test_one_level_for_every_segment_says_nothing_where_the_idoc_type_is_known() -> None:
    rows = [
        record(name, "", f"{at:06d}", "000000", "01")
        for at, name in enumerate(("E2EDK01005", "E2EDP01011", "E2EDP19003", "E2EDP01011"), 1)
    ]
    (idoc,) = orders(flat_file(*rows))
    assert shape(idoc) == [("E1EDK01", 0), ("E1EDP01", 0), ("E1EDP19", 1), ("E1EDP01", 0)]


@pytest.mark.parametrize("parent", ["000001", "000000"])
def test_header_segments_numbered_below_the_first_one_stand_beside_it_as_the_idoc_type_says(
    parent: str,
) -> None:
    rows = (
        record("E2EDK01005", "000", "000001", "000000", "01"),
        record("E2EDK14", "012TA", "000002", parent, "02"),
        record("E2EDP01011", "000010", "000003", parent, "02"),
        record("E2EDP19003", "001", "000004", "000003" if parent == "000001" else "000000", "03"),
    )
    content = flat_file(*rows)
    (idoc,) = orders(content)
    assert shape(idoc) == [("E1EDK01", 0), ("E1EDK14", 0), ("E1EDP01", 0), ("E1EDP19", 1)]
    assert [str(problem) for problem in findings(content)] == []
    assert b"</E1EDK01>\n    <E1EDK14" in write_xml([idoc], dictionary=orders_dictionary())


def test_a_last_record_without_line_end_is_warned_of() -> None:
    found = findings(flat_file(*ROWS)[:-1])
    assert [(each.severity, "may be cut" in each.reason) for each in found] == [(Severity.WARNING, True)]


def test_a_parent_that_is_closed_already_can_be_shown_and_written_back_but_not_nested() -> None:
    rows = (
        record("Z2A000", "", "000001", "000000", "01"),
        record("Z2B000", "", "000002", "000000", "01"),
        record("Z2C000", "", "000003", "000001", "02"),
    )
    content = flat_file(*rows, IDOCTYP="ZX01", MESTYP="ZX")
    entries = [item for item in items(content) if isinstance(item, Entry)]
    assert [entry.parent for entry in entries] == [0, 0, 1]
    found = Findings()
    known = orders_dictionary()
    opened = Opened(io.BytesIO(content), dictionary=known, report=found.add)
    list(convert(opened, Conversion(Form.XML), known, found.add))
    assert any("closed already" in problem.reason and problem.line == 4 for problem in found)


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        ('{"idocs": [{"control": {"MANDT": "1", "MANDT": "2"}}]}', "two members"),
        (
            '{"idocs": [{"control": {}, "segments": [{"type": "E1A", "header": "x\\ny"}]}]}',
            "not MANDT to HLEVEL",
        ),
        ('{"idocs": [{"control": {}, "segments": [{"type": "E1A", "fields": {"A": 12.5}}]}]}', "not a text"),
        ('{"idocs": [{"control": {"NAME": "x"}}]}', "no field"),
        ('{"idocs": []}', "holds no IDoc"),
        ("[1]", "not an object"),
        ('{"idocs": ', "no JSON"),
    ],
)
def test_a_json_document_that_would_lose_or_smuggle_something_is_refused(document: str, reason: str) -> None:
    with pytest.raises(ReadFault, match=reason):
        list(read_json(io.BytesIO(document.encode())))


@pytest.mark.parametrize("name", ["E2A\nEDI_DC40", "E2A B", "e2a", "E" * 31, ""])
def test_a_segment_name_that_would_shift_the_record_is_not_written(name: str) -> None:
    with pytest.raises(ValueFault, match="SEGNAM"):
        write_idoc(Idoc({"IDOCTYP": "A", "MESTYP": "A"}, (Segment("E1A", name, "x"),)))


@pytest.mark.parametrize("mark", [codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE])
def test_a_dictionary_saved_as_unicode_text_on_a_pc_is_read(mark: bytes, tmp_path: Path) -> None:
    codec = "utf-16-le" if mark == codecs.BOM_UTF16_LE else "utf-16-be"
    (tmp_path / "orders.txt").write_bytes(mark + parser_text(end="\r\n").encode(codec))
    (tmp_path / "debmas.xsd").write_bytes(
        mark
        + (SAMPLES / "sap_recipes_ZZ_DEBMAS_360.xsd").read_text().replace("UTF-8", "UTF-16").encode(codec)
    )
    known = load_dictionary([tmp_path / "orders.txt", tmp_path / "debmas.xsd"])
    assert known.idoc_type("ORDERS05") is not None
    assert known.idoc_type("DEBMAS07", "ZZ_DEBMAS_360") is not None


@pytest.mark.parametrize(
    ("start", "form"),
    [
        (b"EDI_DC40", Form.FLAT),
        (b"\xef\xbb\xbfEDI_DC40", Form.FLAT),
        ("\ufeffEDI_DC40".encode("utf-16-le"), Form.FLAT),
        (b"\r\n <?xml", Form.XML),
        ("\ufeff<ORDERS05>".encode("utf-16-be"), Form.XML),
        (b'\xef\xbb\xbf{"idocs"', Form.JSON),
        (b"", Form.FLAT),
    ],
)
def test_the_form_is_told_by_the_first_bytes(start: bytes, form: Form) -> None:
    assert form_of(start) is form


def test_json_in_other_shapes_of_unicode_is_read() -> None:
    document = {
        "idocs": [
            {"control": {"IDOCTYP": "A", "MESTYP": "A"}, "segments": [{"type": "E1A", "fields": {"F": "ü"}}]}
        ]
    }
    for encoding in ("utf-8-sig", "utf-16"):
        content = json.dumps(document).encode(encoding)
        (idoc,) = assemble(Opened(io.BytesIO(content), form=Form.JSON))
        assert idoc.segments[0].named == {"F": "ü"}


def test_a_flat_file_of_blank_lines_or_nothing_is_told_of() -> None:
    for content in (b"", b"\n\n", b"\x1a", b"   "):
        with pytest.raises(ReadFault, match="no IDoc"):
            items(content)


@pytest.mark.parametrize("form", ["flat", "xml"])
def test_the_idocs_before_a_fault_are_handed_out(form: str) -> None:
    if form == "flat":
        content = flat_file(*ROWS) * 2 + b"EDI_DC40  cut"
    else:
        one = write_xml(orders(flat_file(*ROWS)), dictionary=orders_dictionary())
        inner = one[one.index(b"<IDOC") : one.index(b"</ORDERS05>")]
        content = b"<ORDERS05>" + inner * 2 + b"<IDOC BEGIN='1'><broken"
    found: list[Idoc] = []
    with pytest.raises(ReadFault):
        found.extend(assemble(Opened(io.BytesIO(content), dictionary=orders_dictionary())))
    assert len(found) == 2


def test_an_empty_segment_that_no_dictionary_knows_is_written_flat() -> None:
    written = write_idoc(
        Idoc({"IDOCTYP": "ORDERS05", "MESTYP": "ORDERS"}, (Segment("Z1NEW", "Z1NEW", "", named={}),))
    )
    ((segment,),) = [idoc.segments for idoc in read_idocs(io.BytesIO(written), encoding="utf-8")]
    assert (segment.definition, segment.data) == ("Z1NEW", "")


def test_a_dictionary_of_other_idoc_types_makes_no_file_unreadable() -> None:
    """Its segment stands elsewhere in the type that is described; the file's own type is not."""
    described = "segment,field,length,idoctype,parent\nZ1TOP,A,1,ZTYPE01,\nE1EDK01,B,1,ZTYPE01,Z1TOP\n"
    dictionary = read_table(io.BytesIO(described.encode()))
    content = flat_file(f"{'E1EDK01':<30}{'':33}1", IDOCTYP="ZTYPE02")
    problems: list[Problem] = []
    (idoc,) = read_idocs(io.BytesIO(content), encoding="utf-8", dictionary=dictionary, report=problems.append)
    assert [segment.type for segment in idoc.segments] == ["E1EDK01"]
    assert [problem.severity for problem in problems] == [Severity.WARNING]
