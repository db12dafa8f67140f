"""Values at which columns and drivers are known to alter something, each with a name for people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal

from adapters.odbc.catalog import Column
from agent.core.change import RawValue
from agent.core.objects import FieldType


@dataclass(frozen=True, slots=True)
class Sample:
    """One value and what is special about it."""

    name: str
    value: RawValue


_LENGTHS = (127, 128, 255, 4001, 70_000)
_TEXTS = (
    Sample("letters", "Aa09"),
    Sample("case", "aA"),
    Sample("umlauts", "äÖß€"),
    Sample("Greek and Cyrillic", "ΩЖ"),
    Sample("Chinese", "漢字"),
    Sample("emoji", "😀"),
    Sample("quotes", "a'b\"c\\d;--"),
    Sample("line end", "a\r\nb"),
    Sample("blank in front", " a"),
)
_NUMBERS = (0, 1, -1, 32_767, 2**31 - 1, 2**31 + 5, -(2**31), 2**53 + 1, 2**63 - 1, -(2**63))
_DECIMALS = ("0", "0.1", "-1.5", "0.01", "999.99", "12345678901234.56", "123456789012345678.1234")
_DAYS = (date(1900, 1, 1), date(1969, 12, 31), date(2026, 2, 28), date(2028, 2, 29), date(9999, 12, 31))
_MOMENTS = (
    ("summer", datetime(2026, 7, 1, 10, 30, tzinfo=UTC)),
    ("winter", datetime(2026, 1, 1, 10, 30, 15, tzinfo=UTC)),
    ("milliseconds", datetime(2026, 1, 1, 10, 30, 15, 123_000, tzinfo=UTC)),
    ("milliseconds that are no multiple of 3.33", datetime(2026, 1, 1, 10, 30, 15, 998_000, tzinfo=UTC)),
    ("clocks put back in Europe", datetime(2026, 10, 25, 1, 30, tzinfo=UTC)),
    ("before 1970", datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC)),
    ("after 2038", datetime(2038, 1, 19, 4, tzinfo=UTC)),
    ("year 9999", datetime(9999, 12, 30, 12, tzinfo=UTC)),
)


def samples(column: Column, kind: FieldType) -> Sequence[Sample]:
    """What to try on a column that a field of this kind is mapped to."""
    match kind:
        case FieldType.INTEGER:
            return [Sample(str(number), number) for number in _NUMBERS]
        case FieldType.DECIMAL:
            return [Sample(text, Decimal(text)) for text in _DECIMALS]
        case FieldType.BOOLEAN:
            return [Sample("true", True), Sample("false", False)]
        case FieldType.DATE:
            return [Sample(day.isoformat(), day) for day in _DAYS]
        case FieldType.DATETIME:
            return [Sample(name, moment) for name, moment in _MOMENTS]
    if column.scale is not None or "int" in column.type_name:
        return [Sample(str(number), str(number)) for number in _NUMBERS]
    lengths = {*_LENGTHS, column.length} if column.length else set(_LENGTHS)
    longest = column.length or max(_LENGTHS)
    long = [Sample(f"{length} characters", "x" * length) for length in sorted(lengths) if length <= longest]
    return [*(one for one in _TEXTS if len(str(one.value)) <= longest), *long]
