"""Nothing of a document vanishes: what is in no IDoc is told of."""

from __future__ import annotations

import pytest

from adapters.idoc.format.problems import ReadFault
from tests.idoc.format.test_xml import HEAD, ONE, read, told

IDOC = ONE.removeprefix("<ORDERS05>").removesuffix("</ORDERS05>")
SEGMENT = "<E1EDK01 SEGMENT='1'><CURCY>EUR</CURCY></E1EDK01>"


def beside(content: str) -> str:
    """An order with something behind its IDoc."""
    return f"<ORDERS05>{IDOC}{content}</ORDERS05>"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (IDOC.replace("IDOC ", "Idoc ").replace("/IDOC>", "/Idoc>"), "named Idoc, not IDOC"),
        ("<idoc><A>1</A></idoc>", "named idoc, not IDOC"),
        (SEGMENT, "E1EDK01 stands outside any IDOC"),
        (HEAD, "EDI_DC40 stands outside any IDOC"),
        ("<EDI_DC40_U><MANDT>100</MANDT></EDI_DC40_U>", "EDI_DC40_U stands outside any IDOC"),
        ("<E1EDK01><CURCY>EUR</CURCY></E1EDK01>", "E1EDK01 stands outside any IDOC"),
        ("<Z1NEW SEGMENT='1'/>", "Z1NEW stands outside any IDOC"),
        ("<NOTE>keep</NOTE>", "NOTE stands beside IDOC"),
        ("<NOTE id='1'/>", "NOTE stands beside IDOC"),
        ("<ORDER><POSITION>1</POSITION></ORDER>", "ORDER stands beside IDOC"),
    ],
)
def test_content_outside_the_idoc_is_an_error_and_not_lost_silently(content: str, reason: str) -> None:
    for text in (beside(content), f"<ORDERS05>{content}{IDOC}</ORDERS05>"):
        (problem,) = told(text)
        assert reason in problem
        assert "would be lost" in problem
        with pytest.raises(ReadFault, match=reason):
            read(text)


def test_an_idoc_whose_element_is_named_otherwise_is_told_of_once_with_what_to_do() -> None:
    problem, *_ = told(f"<ORDERS05><DOC>{HEAD}{SEGMENT}</DOC></ORDERS05>")
    assert "the element around an IDoc is named IDOC, not DOC" in problem
    assert told(f"<ORDERS05>{IDOC.replace('IDOC ', 'IDoc ').replace('/IDOC>', '/IDoc>')}</ORDERS05>") == [
        "line 1, column 11, byte 10: the element is named IDoc, not IDOC: what it holds would be lost"
        " (name it IDOC)"
    ]


def test_every_segment_outside_is_told_of_at_its_place() -> None:
    problems = told(beside(f"\n{SEGMENT}\n{SEGMENT}"))
    assert [problem.partition(":")[0] for problem in problems] == [
        "line 2, column 1, byte 166",
        "line 3, column 1, byte 216",
    ]


def test_an_empty_element_and_a_text_beside_the_idoc_lose_nothing_and_are_warned_of() -> None:
    (problem,) = told(beside("<NOTE/>"))
    assert "NOTE stands beside IDOC and holds nothing" in problem
    (problem,) = told(beside("è"))
    assert "text stands beside IDOC" in problem
    assert len(read(beside("è<NOTE/>"))) == 1


@pytest.mark.parametrize(
    "text",
    [
        f"<e:Envelope xmlns:e='u'><e:Header><To id='1'>x</To></e:Header><e:Body>{ONE}</e:Body></e:Envelope>",
        f"<Batch><Header><Count>2</Count></Header>{ONE}<OTHER>{IDOC}</OTHER></Batch>",
        f"<Batch>{ONE}<ORDERS05/></Batch>",
        f"<Batch>note{ONE}</Batch>",
        f"<Batch>{IDOC}{ONE}</Batch>",
        f"<Idoc>{ONE}</Idoc>",
        IDOC,
    ],
)
def test_what_is_wrapped_around_roots_is_passed_over_without_a_word(text: str) -> None:
    assert told(text) == []


def test_a_document_that_cannot_be_read_is_not_said_to_hold_no_idoc_as_well() -> None:
    (problem,) = told("<ORDERS05><A></ORDERS05>")
    assert "not well-formed" in problem
    (problem,) = told("<!DOCTYPE a [<!ENTITY x 'y'>]><a/>")
    assert "entity" in problem
    (problem,) = told("<ORDERS05><NOTE>1</NOTE></ORDERS05>")
    assert "no element IDOC" in problem
