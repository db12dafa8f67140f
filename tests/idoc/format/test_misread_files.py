"""What is said about files in another code page or form than they are declared to be."""

from __future__ import annotations

import io

import pytest

from adapters.idoc.format.conversion import Conversion, convert
from adapters.idoc.format.opening import Form, Opened, form_of
from adapters.idoc.format.problems import Findings, Problem, Severity
from adapters.idoc.format.table import read_table
from tests.idoc.format.exports import findings, flat_file, orders_dictionary, record
from tests.idoc.format.test_xml import ONE, told

HEADER = "segment,definition,field,length"


def converted(content: bytes, wanted: Conversion, encoding: str = "") -> tuple[bytes, list[Problem]]:
    """A file in another form, and what was told of it."""
    found = Findings()
    known = orders_dictionary()
    opened = Opened(io.BytesIO(content), dictionary=known, encoding=encoding, report=found.add)
    return b"".join(convert(opened, wanted, known, found.add)), list(found)


def partner(name: str) -> bytes:
    """A file in UTF-8 with a partner's name, trimmed as transfers do."""
    return flat_file(record("E2EDKA1003", f"AG {'':34}{name}"))


@pytest.mark.parametrize("encoding", ["8000", "8400", "8500", "8300", "gbk", "ascii"])
def test_utf8_that_is_not_valid_in_a_national_code_page_is_said_to_look_like_utf8(encoding: str) -> None:
    problems = [str(problem) for problem in findings(partner("中文测试公司人"), encoding=encoding)]
    assert any("it looks like UTF-8 (4110)" in problem for problem in problems)
    assert not any("try cp" in problem or "try gbk" in problem for problem in problems)


def test_russian_in_utf8_is_noticed_in_a_chinese_code_page_and_a_short_chinese_word_is_not() -> None:
    assert any("is UTF-8" in str(problem) for problem in findings(partner("Москва"), encoding="gb18030"))
    legal = partner("小学").decode().encode("gb18030")
    assert not any("UTF-8" in str(problem) for problem in findings(legal, encoding="gb18030"))


def test_a_byte_that_cannot_be_decoded_is_not_said_to_have_been_lost_before() -> None:
    content = partner("Müller").decode().encode("latin-1")
    assert not any("U+FFFD" in str(problem) for problem in findings(content))
    assert any("U+FFFD" in str(problem) for problem in findings(partner("M�ller")))


def test_converting_hints_at_another_code_page_as_validating_does() -> None:
    content = partner("10 €").decode().encode("cp1252")
    for form in Form:
        _, problems = converted(content, Conversion(form), "1100")
        assert any("1160" in problem.reason for problem in problems), form


@pytest.mark.parametrize("codec", ["utf-32", "utf-32-le", "utf-32-be"])
def test_a_document_in_utf_32_is_named(codec: str) -> None:
    content = ONE.encode(codec)
    assert form_of(content[:64]) is Form.XML
    (problem,) = told(content)
    assert "UTF-32" in problem and "save it as UTF-8" in problem


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        (Conversion(Form.JSON, encoding="1100"), "JSON is always UTF-8"),
        (Conversion(Form.JSON, line_end="\r\n"), "json has no line end"),
        (Conversion(Form.XML, types=True), "xml has no types"),
    ],
)
def test_what_is_asked_for_and_the_form_does_not_have_is_told_of(wanted: Conversion, said: str) -> None:
    _, problems = converted(ONE.encode(), wanted)
    assert any(said in problem.reason and problem.severity is Severity.WARNING for problem in problems)


def test_utf8_asked_for_in_json_is_what_json_is() -> None:
    assert converted(ONE.encode(), Conversion(Form.JSON, encoding="4110"))[1] == []


@pytest.mark.parametrize("form", [Form.XML, Form.JSON])
def test_a_value_too_long_for_its_field_is_warned_of_where_the_form_does_not_mind(form: Form) -> None:
    text = ONE.replace("EUR", "EURO").replace("<MESTYP>", "<MANDT>1000</MANDT><MESTYP>")
    content, problems = converted(text.encode(), Conversion(form))
    assert [(problem.field, problem.severity) for problem in problems] == [
        ("EDI_DC40.MANDT", Severity.WARNING),
        ("E1EDK01.CURCY", Severity.WARNING),
    ]
    assert b"EURO" in content
    assert converted(ONE.encode(), Conversion(form))[1] == []


def test_a_table_whose_lines_end_with_cr_alone_is_read() -> None:
    dictionary = read_table(io.BytesIO(f"{HEADER}\rZ1P,Z2P001,A,5\rZ1P,Z2P001,B,5\r".encode()))
    layout = dictionary.layout("Z2P001")
    assert layout is not None and layout.length == 10


@pytest.mark.parametrize("row", ["Z1 P,Z2P,A,5", "Z1P,Z2<P,A,5", 'Z1P,Z2P,"A\nB",5', "Z1P,Z2P,A\0B,5"])
def test_what_is_no_name_is_not_taken_for_one_in_a_table(row: str) -> None:
    found = Findings()
    read_table(io.BytesIO(f"{HEADER}\n{row}\nZ1Q,Z2Q,A,5\n".encode()), report=found.add)
    assert found.errors == 1


@pytest.mark.parametrize(("text", "encoding"), [("NESCAFÉ® GOLD", "1100"), ("NESCAFÉ® GOLD", ""), ("Ø½", "")])
def test_a_legal_text_is_not_said_to_be_encoded_twice(text: str, encoding: str) -> None:
    content = partner(text).decode().encode("latin-1" if encoding else "utf-8")
    assert not any("looks wrong" in str(problem) for problem in findings(content, encoding=encoding))


@pytest.mark.parametrize("codec", ["cp1252", "iso8859-1"])
def test_a_text_encoded_twice_is_warned_of(codec: str) -> None:
    content = partner("Müller Größe".encode().decode(codec))
    assert any("encoded twice" in str(problem) for problem in findings(content))


@pytest.mark.parametrize("form", list(Form))
def test_a_blank_type_is_told_of_once_when_a_file_is_converted(form: Form) -> None:
    text = ONE.replace("<MESTYP>ORDERS</MESTYP>", "").replace("<IDOCTYP>ORDERS05</IDOCTYP>", "")
    _, problems = converted(text.encode(), Conversion(form))
    assert [problem.reason.split()[0] for problem in problems] == ["IDOCTYP", "MESTYP"]
