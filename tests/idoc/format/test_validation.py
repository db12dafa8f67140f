"""What validation tells of: every problem of a file, each with IDoc, segment, line and reason."""

from __future__ import annotations

import io

import pytest

from adapters.idoc.format.layout import Field, Layout
from adapters.idoc.format.problems import Findings, Problem, Severity
from adapters.idoc.format.schema import read_schema
from tests.idoc.format.exports import SAMPLES, findings, flat_file, orders_dictionary, record

ITEM = (record("E2EDP01011", "000010"), record("E2EDP20002", "5"))


def reasons(*records: str, **control: str) -> list[str]:
    return [str(problem) for problem in findings(flat_file(*records, **control))]


def test_a_file_as_its_dictionary_says_has_no_problem() -> None:
    assert reasons(record("E2EDK01005"), record("E2EDK14", "012TA"), *ITEM, record("E2EDS01", "002")) == []


@pytest.mark.parametrize(
    ("records", "reason"),
    [
        (ITEM, "E1EDK01 is missing at the top"),
        ((record("E2EDK01005"), record("E2EDS01"), *ITEM), "E1EDP01 stands behind E1EDS01"),
        ((record("E2EDK01005"), record("E2EDK01005")), "more than 1 of E1EDK01"),
        ((record("E2EDK01005"), record("E2XXX000")), "the IDoc type has no segment E1XXX"),
        ((record("E2EDK01005"), record("E2EDK14", "012".ljust(38) + "X")), "1 characters stand behind"),
        (
            (record("E2EDK01005", number="000001"), record("E2EDK14", number="000005")),
            "SEGNUM 000005 follows",
        ),
    ],
)
def test_what_the_idoc_type_does_not_allow_is_told_of(records: tuple[str, ...], reason: str) -> None:
    assert any(reason in told for told in reasons(*records)), reasons(*records)


def test_a_segment_below_the_wrong_parent_is_told_of() -> None:
    rows = (
        record("E2EDK01005", number="000001", level="01"),
        record("E2EDP20002", number="000002", parent="000001", level="02"),
    )
    assert any("E1EDP20 does not belong below E1EDK01" in told for told in reasons(*rows))


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("CREDAT", "20260230", "not a day of the calendar"),
        ("CRETIM", "256000", "not a time of the day"),
        ("DIRECT", "3", "does not list"),
        ("SNDPRN", "", "SNDPRN is blank"),
        ("DOCNUM", "12A", "not only digits"),
    ],
)
def test_a_wrong_control_record_is_told_of(field: str, value: str, reason: str) -> None:
    told = reasons(record("E2EDK01005"), **{field: value})
    assert any(reason in each and field in each for each in told), told


def test_values_are_checked_where_the_dictionary_tells_types_and_lists() -> None:
    known = orders_dictionary()
    fields = (Field("QUALF", 0, 3, values=("012",)), Field("ORGID", 3, 8, "DATS"))
    known.add(Layout("E1EDK14", "E2EDK14", fields, partial=True))
    found = findings(flat_file(record("E2EDK01005"), record("E2EDK14", "011" + "2026")), known)
    assert [(problem.field, problem.line) for problem in found] == [("QUALF", 3), ("ORGID", 3)]


def test_nodata_is_no_value_of_any_type() -> None:
    known = orders_dictionary()
    known.add(Layout("E1EDK14", "E2EDK14", (Field("QUALF", 0, 8, "DATS"),), partial=True))
    assert len(findings(flat_file(record("E2EDK01005"), record("E2EDK14", "/")), known)) == 0


def test_no_value_of_the_file_stands_in_a_problem() -> None:
    known = orders_dictionary()
    known.add(Layout("E1EDK14", "E2EDK14", (Field("QUALF", 0, 8, "DATS"),)))
    (problem,) = findings(flat_file(record("E2EDK01005"), record("E2EDK14", "SECRET")), known)
    assert "SECRET" not in str(problem)


def test_a_code_page_that_looks_wrong_is_hinted_at_once() -> None:
    rows = (
        record("E2EDK01005"),
        record("E2EDKA1003", "AG Müller \x93x\x94"),
        record("E2EDKA1003", "WE \x93"),
    )
    content = flat_file(*rows).decode().encode("latin-1")
    hints = [str(each) for each in findings(content, encoding="1100") if each.severity is Severity.WARNING]
    assert len(hints) == 1
    assert "cp1252" in hints[0]
    twice = flat_file(record("E2EDK01005"), record("E2EDKA1003", "AG MÃ¼ller"))
    assert any("encoded twice" in str(each) for each in findings(twice))


def test_what_no_dictionary_describes_is_a_warning_once() -> None:
    rows = [record("Z2OWN000", "a")] * 3
    found = findings(flat_file(*rows, IDOCTYP="ZOWN01", MESTYP="ZOWN") * 2)
    assert found.errors == 0
    assert found.warnings == 2


def test_a_real_document_fits_a_schema_but_for_its_made_up_names_and_the_field_of_a_later_release() -> None:
    known = read_schema(io.BytesIO((SAMPLES / "sap_recipes_ORDERS05.wsdl").read_bytes()))
    found = findings((SAMPLES / "sap_recipes_ORDERS05.xml").read_bytes(), known)
    assert {problem.field for problem in found if problem.severity is Severity.ERROR} == {
        "SNDPRN",
        "RCVPRN",
        "IDTNR_LONG",
    }


def test_problems_are_counted_when_they_are_too_many_to_keep() -> None:
    found = Findings(most=3)
    for _ in range(10):
        found.add(Problem("wrong"))
    assert (len(found.kept), len(found), found.untold) == (3, 10, 7)


def test_a_unit_that_is_no_iso_code_is_a_warning() -> None:
    item = record("E2EDP01011", "000010".ljust(26) + "ST")
    (problem,) = findings(flat_file(record("E2EDK01005"), item))
    assert (problem.field, problem.severity) == ("MENEE", Severity.WARNING)
    assert len(findings(flat_file(record("E2EDK01005"), item.replace("ST", "PCE")))) == 0


def test_names_that_no_dictionary_knows_are_not_kept_without_end() -> None:
    line = flat_file(record("Z2OWN000"), IDOCTYP="Z%06d", MESTYP="Z").decode()
    found = findings("".join(line.replace("Z%06d", f"Z{at:06d}") for at in range(12_000)).encode())
    assert found.warnings == 10_000
