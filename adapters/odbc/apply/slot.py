"""A column that commands write: most of its values need none of what the others do."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from zoneinfo import ZoneInfo

from adapters.odbc.catalog import Column
from adapters.odbc.values import encode
from agent.core.change import RawValue
from agent.core.objects import FieldType

_TEXTS = frozenset({FieldType.TEXT, FieldType.REFERENCE})
#: Columns that keep every ASCII text as it is.
_PLAIN = frozenset({"varchar", "text", "nvarchar", "longtext", "mediumtext"})
#: Columns of numbers that keep the digits they are given, up to their scale.
_DIGITS = frozenset({"numeric", "decimal"})
#: Columns of whole numbers, which a key may be.
_WHOLE = frozenset({"int2", "int4", "int8", "smallint", "int", "integer", "bigint"})
_COUNT = re.compile(r"0|[1-9][0-9]{0,29}")


@dataclass(frozen=True, slots=True)
class Slot:
    """One column as one kind of field. Whatever the way, ``text`` is what ``values.encode`` gives.

    plain   ASCII texts up to this length are bound as they are; -1: none
    count   so are texts of a whole number without a sign
    number  how a number looks that only zeros are put behind, its decimal places in the one group
    day     days are bound as they are
    """

    column: Column
    kind: FieldType
    plain: int = -1
    count: bool = False
    number: re.Pattern[str] | None = None
    day: bool = False

    @classmethod
    def of(cls, column: Column, kind: FieldType) -> Slot:
        """By the column's type."""
        if kind in _TEXTS and column.type_name in _PLAIN:
            return cls(column, kind, plain=sys.maxsize if column.length is None else column.length)
        if column.zoned or column.length is not None:
            return cls(column, kind)
        if kind in _TEXTS:
            return cls(column, kind, count=column.type_name in _WHOLE)
        if kind is FieldType.DECIMAL and column.type_name in _DIGITS and column.scale:
            return cls(column, kind, number=re.compile(rf"-?[0-9]{{1,30}}\.([0-9]{{1,{column.scale}}})"))
        return cls(column, kind, day=kind is FieldType.DATE and column.type_name == "date")

    def text(self, value: RawValue, zone: ZoneInfo) -> str | None:
        """The text to bind. Raises Unfit where the ERP would alter it silently."""
        if type(value) is str:
            if 0 < len(value) <= self.plain and value.isascii() and "\0" not in value:
                return value
            if self.count and _COUNT.fullmatch(value):
                return value
        elif type(value) is Decimal:
            text = str(value)
            found = self.number.fullmatch(text) if self.number is not None else None
            if found is not None:
                return text + "0" * ((self.column.scale or 0) - len(found[1]))
        elif self.day and type(value) is date:
            return value.isoformat()
        return encode(self.column, self.kind, value, zone)
