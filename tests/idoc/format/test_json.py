"""The JSON form: nothing is lost on its way through, and every problem of a document is told of."""

from __future__ import annotations

import copy
import io
import json
from typing import Any

import pytest

from adapters.idoc.format.conversion import Conversion, convert
from adapters.idoc.format.document import Idoc
from adapters.idoc.format.flat_writing import write_idoc
from adapters.idoc.format.json_form import read_json
from adapters.idoc.format.opening import Form, Opened
from adapters.idoc.format.problems import Findings, ReadFault, ValueFault
from tests.idoc.format.exports import flat_file, orders_dictionary, record

FLAT = flat_file(
    record("E2EDK01005", "000", "000001", "000000", "01"),
    record("E2EDP01011", "000010", "000002", "000000", "02"),
    record("E2EDP19003", "001A-1", "000005", "000002", "03"),
    record("Z2OWN000", 'any \\ "text"', "000006", "000000", "01"),
    DOCNUM=f"{7:016d}",
)


def to(form: Form, content: bytes) -> tuple[bytes, Findings]:
    found = Findings()
    known = orders_dictionary()
    opened = Opened(io.BytesIO(content), dictionary=known, report=found.add)
    return b"".join(convert(opened, Conversion(form), known, found.add)), found


def document() -> Any:
    return json.loads(to(Form.JSON, FLAT)[0])


def problems(value: Any) -> list[str]:
    return [str(problem) for problem in to(Form.FLAT, json.dumps(value).encode())[1]]


def test_what_was_not_touched_comes_back_with_its_gaps() -> None:
    assert problems(document()) == []
    back = to(Form.FLAT, json.dumps(document()).encode())[0]
    assert [line.rstrip() for line in back.split(b"\n")] == [line.rstrip() for line in FLAT.split(b"\n")]


def test_all_problems_of_a_document_are_told_of_with_idoc_number_and_path() -> None:
    wrong = document()
    wrong["idocs"].append(copy.deepcopy(wrong["idocs"][0]))
    first, second = wrong["idocs"]
    first["control"]["MESTYP"] = 1
    first["segments"][0]["fields"] = []
    second["control"]["DOCNUM"] = f"{8:016d}"
    second["segments"][1]["children"][0]["fields"]["QUALF"] = 12.5
    told = problems(wrong)
    assert any("IDoc 1" in each and "control.MESTYP" in each for each in told)
    assert any("segments[0].fields: not an object" in each for each in told)
    place = f"IDoc 2 ({8:016d}), segment $.idocs[1].segments[1].children[0].fields.QUALF"
    assert any(place in each and "not a text" in each for each in told)


@pytest.mark.parametrize(
    ("path", "name", "nearest"),
    [
        ((), "idoc", "idocs"),
        (("idocs", 0), "segmets", "segments"),
        (("idocs", 0, "segments", 0), "field", "fields"),
    ],
)
def test_a_member_that_would_not_be_read_is_refused_with_the_nearest_name(
    path: tuple[Any, ...], name: str, nearest: str
) -> None:
    wrong = document()
    here = wrong
    for step in path:
        here = here[step]
    here[name] = here[nearest]
    assert any(
        f"unknown member '{name}'" in each and f"did you mean '{nearest}'" in each for each in problems(wrong)
    )


def test_a_member_that_stands_twice_is_told_of_with_its_path() -> None:
    text = '{"idocs": [{"control": {}, "segments": [{"type": "E1A", "fields": {"A": "1", "A": "2"}}]}]}'
    with pytest.raises(ReadFault, match=r"segments\[0\].fields: an object has two members 'A'"):
        list(read_json(io.BytesIO(text.encode())))


def test_a_segment_added_between_others_has_the_whole_idoc_numbered_anew() -> None:
    changed = document()
    changed["idocs"][0]["segments"].insert(1, {"type": "E1EDK14", "fields": {"QUALF": "012"}})
    content, found = to(Form.FLAT, json.dumps(changed).encode())
    assert len(found) == 0
    assert [line[49:55] for line in content.split(b"\n")[1:-1]] == [b"%06d" % at for at in range(1, 6)]


def test_segments_that_were_reordered_below_their_old_numbers_are_refused() -> None:
    wrong = document()
    wrong["idocs"][0]["segments"].reverse()
    assert any("out of order" in each and "leave 'header' out" in each for each in problems(wrong))


def test_a_control_record_that_was_changed_below_old_headers_is_refused() -> None:
    wrong = document()
    for segment in (wrong["idocs"][0]["segments"][0],):
        segment["header"] = f"   {9:016d}" + segment["header"][19:]
    assert any("DOCNUM of a header differs" in each for each in problems(wrong))


def test_fields_that_contradict_the_data_beside_them_are_not_dropped_in_silence() -> None:
    wrong = document()
    segment = wrong["idocs"][0]["segments"][1]
    segment["data"] = "000010"
    assert problems(wrong) == []
    segment["fields"]["POSEX"] = "000020"
    assert any("fields and data contradict each other" in each for each in problems(wrong))


def test_a_type_that_is_not_its_definitions_is_refused() -> None:
    wrong = document()
    wrong["idocs"][0]["segments"][0]["type"] = "E1EDP01"
    assert any("type and definition contradict" in each for each in problems(wrong))


def test_half_a_character_is_shown_and_written_nowhere() -> None:
    wrong = document()
    wrong["idocs"][0]["control"]["SNDPRN"] = "\ud800"
    wrong["idocs"][0]["segments"][0]["fields"]["BELNR"] = "x\udc00"
    wrong["idocs"][0]["segments"][2]["data"] = "\ud800"
    text = json.dumps(wrong).encode()
    for form, reason in ((Form.FLAT, "half of a character"), (Form.XML, "XML cannot hold")):
        assert sum(reason in str(each) for each in to(form, text)[1]) == 3
    content, found = to(Form.JSON, text)
    assert len(found) == 0
    assert json.loads(content)["idocs"][0]["control"]["SNDPRN"] == "\ud800"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"[" * 100_000, "nested too deep"),
        (b'{"idocs": ' + b"9" * 10_000 + b"}", "too long"),
        (b'{"idocs": [{"control": {"MANDT": "\xff"}}]}', "not valid in utf-8"),
        (b"null", "holds no IDoc"),
        (b"{}", "holds no IDoc"),
        (b'{"idocs": [7]}', "not an object"),
        (b'{"idocs": [NaN]}', "not an object"),
    ],
)
def test_a_document_that_is_none_of_idocs_is_refused_with_a_reason(text: bytes, reason: str) -> None:
    with pytest.raises(ReadFault, match=reason):
        list(read_json(io.BytesIO(text)))


@pytest.mark.parametrize("name", ["EDI_DC40", "EDI_DD40", "EDI_DS40"])
def test_a_segment_called_like_a_record_is_not_written_for_it_would_be_read_as_one(name: str) -> None:
    wrong = document()
    wrong["idocs"][0]["segments"][2]["definition"] = wrong["idocs"][0]["segments"][2]["type"] = name
    assert any("cannot stand in SEGNAM" in each for each in problems(wrong))


def test_a_control_record_of_another_kind_is_not_written() -> None:
    wrong = document()
    wrong["idocs"][0]["control"]["TABNAM"] = "EDI_DC"
    assert any("neither EDI_DC40 nor EDI_DC40_U" in each for each in problems(wrong))


@pytest.mark.parametrize("name", ["IDOCTYP", "MESTYP"])
def test_an_idoc_that_does_not_say_what_it_is_is_refused_in_json_and_by_the_flat_writer(name: str) -> None:
    control = {"IDOCTYP": "ORDERS05", "MESTYP": "ORDERS", name: ""}
    with pytest.raises(ReadFault, match=f"{name} of the control record is blank"):
        list(read_json(io.BytesIO(json.dumps({"idocs": [{"control": control}]}).encode())))
    with pytest.raises(ValueFault, match="blank: nobody could tell what this IDoc is"):
        write_idoc(Idoc(control, ()))
