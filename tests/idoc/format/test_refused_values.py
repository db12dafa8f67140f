"""What cannot be written is told of completely, at its place, and with nothing that is not wrong."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping

import pytest

from adapters.idoc.format.conversion import Conversion, convert
from adapters.idoc.format.document import Idoc, Segment
from adapters.idoc.format.flat_writing import write_idoc
from adapters.idoc.format.json_form import to_json
from adapters.idoc.format.opening import Form, Opened
from adapters.idoc.format.problems import Findings, ReadFault, ValueFault
from adapters.idoc.format.xml import read_xml
from adapters.idoc.format.xml_writing import write_xml
from tests.idoc.format.exports import findings, orders_dictionary

CONTROL = {"IDOCTYP": "ORDERS05", "MESTYP": "ORDERS"}


def order(*segments: Mapping[str, object], **control: str) -> bytes:
    """A JSON document of one order."""
    return json.dumps({"idocs": [{"control": {**CONTROL, **control}, "segments": segments}]}).encode()


def told(content: bytes, to: Form, encoding: str = "") -> list[str]:
    """What is told when a file is converted."""
    found = Findings()
    known = orders_dictionary()
    opened = Opened(io.BytesIO(content), dictionary=known, report=found.add)
    for _ in convert(opened, Conversion(to, encoding), known, found.add):
        pass
    return [str(problem) for problem in found]


LONG = {"type": "E1EDK01", "fields": {"ACTION": "12345", "CURCY": "EURO", "HWAER": "EUR"}}


def test_every_value_of_a_segment_that_is_too_long_is_told_of_and_not_only_the_first() -> None:
    first, second, third = told(order(LONG, MANDT="1000"), Form.FLAT)
    assert "$.idocs[0].control, EDI_DC40.MANDT: 4 characters do not fit into 3" in first
    assert "$.idocs[0].segments[0], E1EDK01.ACTION: 5 characters do not fit into 3" in second
    assert "$.idocs[0].segments[0], E1EDK01.CURCY: 4 characters do not fit into 3" in third


def test_a_fault_that_is_raised_names_every_value_too() -> None:
    idoc = Idoc(CONTROL, (Segment("E1EDK01", "E1EDK01", "", named={"ACTION": "1234", "CURCY": "EURO"}),))
    with pytest.raises(ValueFault, match=r"E1EDK01\.ACTION: 4 .*; E1EDK01\.CURCY: 4 ") as raised:
        write_idoc(idoc, dictionary=orders_dictionary())
    assert [each.field for each in raised.value.each] == ["E1EDK01.ACTION", "E1EDK01.CURCY"]


def test_every_field_outside_the_code_page_is_told_of() -> None:
    segment = {"type": "E1EDKA1", "fields": {"NAME1": "Łódź", "PARTN": "1", "NAME2": "Kraków"}}
    first, second = told(order(segment), Form.FLAT, "ascii")
    assert "E1EDKA1.NAME1" in first and "E1EDKA1.NAME2" in second


def test_every_value_that_no_xml_can_hold_is_told_of() -> None:
    problems = told(order({"type": "E1EDK01", "fields": {"ACTION": "\x01", "CURCY": "\x02"}}), Form.XML)
    assert len(problems) == 2


def test_segments_below_one_that_cannot_be_written_are_not_called_wrong_for_that() -> None:
    below = {
        "type": "E1EDP02",
        "fields": {"QUALF": "001"},
        "children": [{"type": "Z1", "fields": {"A": "1"}}],
    }
    (problem,) = told(order({"type": "E1EDP01", "fields": {"POSEX": "\x01"}, "children": [below]}), Form.XML)
    assert "E1EDP01.POSEX" in problem


def test_a_problem_of_a_json_document_has_its_path_when_it_is_written_or_checked() -> None:
    child = {"type": "E1EDP20", "fields": {"EDATU": "2026-11-24"}}
    content = order({"type": "E1EDK01"}, {"type": "E1EDP01", "children": [child, child]})
    problems = [str(problem) for problem in findings(content)]
    assert any("$.idocs[0].segments[1].children[1], E1EDP20.EDATU" in problem for problem in problems)
    assert any("$.idocs[0].control, EDI_DC40.SNDPRN" in problem for problem in problems)


@pytest.mark.parametrize("name", ["IDOCTYP", "MESTYP"])
def test_a_blank_type_is_refused_by_every_writer_in_the_same_words(name: str) -> None:
    idoc = Idoc({**CONTROL, name: ""}, (Segment("E1EDK01", "E2EDK01005", "009"),))
    writers: tuple[Callable[[list[Idoc]], bytes], ...] = (
        lambda each: write_idoc(each[0]),
        write_xml,
        to_json,
    )
    for write in writers:
        with pytest.raises(ValueFault, match=f"EDI_DC40.{name}: blank: nobody could tell"):
            write([idoc])


def test_an_empty_control_record_in_xml_is_an_error() -> None:
    text = b"<ORDERS05><IDOC BEGIN='1'><EDI_DC40 SEGMENT='1'/><E1EDK01 SEGMENT='1'/></IDOC></ORDERS05>"
    with pytest.raises(ReadFault, match="IDOCTYP of the control record is blank"):
        list(read_xml(io.BytesIO(text)))
