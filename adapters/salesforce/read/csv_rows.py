"""Rows from the cells of a bulk result: one converter per column, made once per file, run column by column.

A cell has no type of its own, so the object's description gives it; the values are those that REST gives for
the same record. In the result of a query an empty cell is null and ``#N/A`` is text, unlike in an upload.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation

from adapters.salesforce.jobs.csv_cells import Cells
from adapters.salesforce.table import MASTER, MODIFIED, Table
from adapters.salesforce.values import parse_moment, version_in
from agent.core.change import RawValue, Row
from agent.core.objects import FieldType

_Column = Callable[[Sequence[str]], Sequence[RawValue]]
_BOOLEANS = {"true": True, "false": False}
_NUMBERS = frozenset({"double", "currency", "percent", "long"})


class CsvRows:
    """Makes rows of one object. ``described``: field name → its type in the object's description.

    Raises ValueError for titles without a mapped field.
    """

    def __init__(self, table: Table, described: Mapping[str, str], titles: Sequence[str]) -> None:
        missing = [name for name in table.asked if name not in titles]
        if missing:
            raise ValueError(f"no column {missing[0]}")
        self._width = len(titles)
        self._names = tuple(table.kinds)
        self._columns = tuple(
            (titles.index(name), _column(kind, described.get(name, ""))) for name, kind in table.kinds.items()
        )
        self._key, self._modified = titles.index("Id"), titles.index(MODIFIED)
        self._deleted = titles.index("IsDeleted")
        self._master = titles.index(MASTER) if table.tells_merges else None

    def rows(self, records: Sequence[Cells]) -> list[Row]:
        """One row per record. Raises ValueError for a cell that its type does not take; never repeats it."""
        if not records:
            return []
        if any(len(record) != self._width for record in records):
            raise ValueError("a record with another number of cells than there are titles")
        cells = tuple(zip(*records, strict=True))
        columns = []
        for name, (at, convert) in zip(self._names, self._columns, strict=True):
            try:
                columns.append(convert(cells[at]))
            except (ValueError, KeyError, InvalidOperation):
                raise ValueError(f"{name}: a value that is none of its type") from None
        names = self._names
        values = zip(*columns, strict=True) if columns else (() for _ in records)
        rows = [
            Row(key, dict(zip(names, each, strict=True)), version)
            for key, version, each in zip(
                cells[self._key], map(version_in, cells[self._modified]), values, strict=True
            )
        ]
        if "true" in cells[self._deleted]:
            return [self._gone(row, record) for row, record in zip(rows, records, strict=True)]
        return rows

    def _gone(self, row: Row, record: Cells) -> Row:
        if record[self._deleted] != "true":
            return row
        return Row(row.key, None, merged_into=(record[self._master] or None) if self._master else None)


def _column(kind: FieldType, described: str) -> _Column:
    convert = _converter(kind, described)
    if convert is None:
        return lambda cells: [cell or None for cell in cells]
    return lambda cells: [convert(cell) if cell else None for cell in cells]


def _converter(kind: FieldType, described: str) -> Callable[[str], RawValue] | None:
    """What makes a value of a cell that is not empty; None where it stays text."""
    if described == "boolean" or (not described and kind is FieldType.BOOLEAN):
        return _BOOLEANS.__getitem__
    if described == "int" or described in _NUMBERS or (not described and kind in _NUMERIC):
        return _NUMERIC.get(kind, _number)
    if kind is FieldType.DATETIME:
        return _moment
    if kind is FieldType.DATE:
        return date.fromisoformat
    return _offset if described == "datetime" else None


def _number(cell: str) -> RawValue:
    """As JSON tells them apart: a whole number, or one with a point or an exponent."""
    return int(cell) if cell.lstrip("-").isdigit() else Decimal(cell)


def _integer(cell: str) -> RawValue:
    if cell.lstrip("-").isdigit():
        return int(cell)
    number = Decimal(cell)
    return int(number) if number == number.to_integral_value() else number


_NUMERIC: Mapping[FieldType, Callable[[str], RawValue]] = {
    FieldType.DECIMAL: Decimal,
    FieldType.INTEGER: _integer,
}


def _moment(cell: str) -> datetime:
    moment = datetime.fromisoformat(cell)
    return moment if moment.tzinfo is UTC else parse_moment(cell)


def _offset(cell: str) -> str:
    """A time as REST writes it: ``+0000`` where the bulk APIs write ``Z``."""
    return cell.removesuffix("Z") + "+0000" if cell.endswith("Z") else cell
