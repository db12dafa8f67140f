"""Cells and rows of bulk results: every way in which CSV can be cut up, and every type."""

from __future__ import annotations

import csv
import io
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.salesforce.jobs.csv_cells import Cells, CsvCells
from adapters.salesforce.read.csv_rows import CsvRows
from adapters.salesforce.table import Table
from agent.core.objects import FieldSpec, FieldType, ObjectSpec

CELL = st.text(alphabet='ab",;\r\n\t é\u2028\u0085漢🙂#N/A', max_size=12)
ROWS = st.lists(st.lists(CELL, min_size=3, max_size=3), max_size=8)
TITLES = ["Id", "IsDeleted", "LastModifiedDate"]
AT = "2026-11-23T01:45:32.000Z"
KEY = "a00000000000001AAA"


def written(rows: list[Cells], ending: str) -> bytes:
    out = io.StringIO()
    writer = csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator=ending)
    writer.writerow(["A", "B", "C"])
    writer.writerows(rows)
    return out.getvalue().encode()


def read(data: bytes, *cuts: int) -> tuple[Cells, list[Cells]]:
    """Titles and records of data that arrives in pieces."""
    cells, records, start = CsvCells(), [], 0
    for cut in sorted({*cuts, len(data)}):
        records += cells.feed(data[start:cut])
        start = cut
    records += cells.end()
    return cells.titles, records


@settings(max_examples=200, deadline=None)
@given(
    ROWS,
    st.sampled_from(["\n", "\r\n"]),
    st.booleans(),
    st.lists(st.integers(0, 400), max_size=12),
    st.booleans(),
)
def test_records_are_the_same_however_the_bytes_are_cut(
    rows: list[Cells], ending: str, marked: bool, cuts: list[int], last: bool
) -> None:
    data = (b"\xef\xbb\xbf" if marked else b"") + written(rows, ending)
    data = data if last else data.removesuffix(ending.encode())
    assert read(data, *(cut for cut in cuts if cut < len(data))) == (["A", "B", "C"], rows)


def test_byte_by_byte_is_the_same_too() -> None:
    rows = [["漢字", 'say "hi"', "two\r\nlines"], ["", "#N/A", "🙂"]]
    data = written(rows, "\n")
    assert read(data, *range(len(data))) == (["A", "B", "C"], rows)


def test_a_long_text_of_the_longest_that_a_field_holds_is_read() -> None:
    text = "x" * 131_072 + '"' * 10
    assert read(written([[text, "", ""]], "\n"), 70_000)[1] == [[text, "", ""]]


def test_bytes_of_nothing_are_passed_over() -> None:
    assert read(b'"A"\n"x\0y"\n')[1] == [["xy"]]


@pytest.mark.parametrize("data", [b'"A"\n"cut o', b'"A"\n"x"y\n', b'"A"\n"\xff"\n', b'"A"\n"\xe6\xbc'])
def test_damaged_files_are_noticed(data: bytes) -> None:
    with pytest.raises(ValueError):
        read(data)


def test_a_record_without_an_end_is_not_kept_for_ever() -> None:
    cells = CsvCells()
    cells.feed(b'"A"\n"')
    for _ in range(64):
        cells.feed(b"x" * ((1 << 20) - 1))
    with pytest.raises(ValueError, match="does not end"):
        cells.feed(b"x" * 100)


@pytest.mark.parametrize("text", [b"Records not found for this query", b"Records not found for this query\n"])
def test_an_empty_result_of_bulk_1_is_no_csv(text: bytes) -> None:
    assert read(text)[1] == []


def rows_of(kind: FieldType, described: str, *cells: str) -> list[object]:
    """What the cells of one column become."""
    table = Table(ObjectSpec("Thing__c", "Id", (FieldSpec("F__c", kind),)))
    maker = CsvRows(table, {"F__c": described} if described else {}, [*TITLES, "F__c"])
    made = maker.rows([[KEY, "false", AT, cell] for cell in cells])
    return [None if row.fields is None else row.fields["F__c"] for row in made]


@pytest.mark.parametrize(
    ("kind", "described", "cell", "value"),
    [
        (FieldType.TEXT, "string", "#N/A", "#N/A"),
        (FieldType.TEXT, "string", " a ", " a "),
        (FieldType.TEXT, "boolean", "true", True),
        (FieldType.TEXT, "double", "1.0E7", Decimal("1.0E7")),
        (FieldType.TEXT, "int", "-7", -7),
        (FieldType.TEXT, "datetime", AT, "2026-11-23T01:45:32.000+0000"),
        (FieldType.TEXT, "date", "2026-11-23", "2026-11-23"),
        (FieldType.TEXT, "time", "10:30:00.000Z", "10:30:00.000Z"),
        (FieldType.DECIMAL, "currency", "1234567890123456.78", Decimal("1234567890123456.78")),
        (FieldType.DECIMAL, "int", "5", Decimal(5)),
        (FieldType.DECIMAL, "", "0.10", Decimal("0.10")),
        (FieldType.INTEGER, "double", "5.0", 5),
        (FieldType.INTEGER, "double", "5.5", Decimal("5.5")),
        (FieldType.INTEGER, "int", "-5", -5),
        (FieldType.BOOLEAN, "boolean", "false", False),
        (FieldType.BOOLEAN, "", "true", True),
        (FieldType.DATE, "date", "2026-02-28", date(2026, 2, 28)),
        (FieldType.DATETIME, "datetime", AT, datetime(2026, 11, 23, 1, 45, 32, tzinfo=UTC)),
        (
            FieldType.DATETIME,
            "datetime",
            "2026-11-23T02:45:32.123+0100",
            datetime(2026, 11, 23, 1, 45, 32, 123000, tzinfo=UTC),
        ),
        (FieldType.REFERENCE, "reference", KEY, KEY),
        (FieldType.DECIMAL, "string", "12", "12"),
    ],
)
def test_cells_are_typed_as_rest_types_them(
    kind: FieldType, described: str, cell: str, value: object
) -> None:
    found = rows_of(kind, described, cell, "", cell)
    assert found == [value, None, value]
    assert type(found[0]) is type(value)


@pytest.mark.parametrize(
    ("kind", "described", "cell"),
    [
        (FieldType.DECIMAL, "double", "1,5"),
        (FieldType.DATE, "date", "soon"),
        (FieldType.DATETIME, "datetime", "2026-11-23T01:45:32"),
        (FieldType.BOOLEAN, "boolean", "yes"),
        (FieldType.INTEGER, "int", "x"),
    ],
)
def test_a_cell_of_another_type_is_named_by_field_and_never_shown(
    kind: FieldType, described: str, cell: str
) -> None:
    with pytest.raises(ValueError, match="F__c: a value that is none of its type") as fault:
        rows_of(kind, described, cell)
    assert cell not in str(fault.value)


def test_a_record_of_another_width_is_no_record() -> None:
    maker = CsvRows(Table(ObjectSpec("Thing__c", "Id", ())), {}, TITLES)
    with pytest.raises(ValueError, match="number of cells"):
        maker.rows([[KEY, "false"]])


def test_a_result_without_a_mapped_field_is_refused() -> None:
    with pytest.raises(ValueError, match="no column F__c"):
        CsvRows(Table(ObjectSpec("Thing__c", "Id", (FieldSpec("F__c"),))), {}, TITLES)


def test_columns_are_found_by_title_whatever_their_order() -> None:
    table = Table(ObjectSpec("Account", "Id", (FieldSpec("Name"), FieldSpec("Id"))))
    titles = ["Name", "MasterRecordId", "LastModifiedDate", "IsDeleted", "Id"]
    [row, gone] = CsvRows(table, {}, titles).rows([["N", "", AT, "false", KEY], ["G", "K", AT, "true", "X"]])
    assert (row.key, row.fields, row.version) == (KEY, {"Name": "N", "Id": KEY}, AT)
    assert (gone.key, gone.fields, gone.merged_into) == ("X", None, "K")
