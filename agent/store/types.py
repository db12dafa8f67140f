"""Column types. STRICT tables refuse VARCHAR and BIGINT, so every column takes its type from here."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pydantic_core import PydanticUndefined
from sqlalchemy import BigInteger, CheckConstraint, Column, Integer, LargeBinary, Text
from sqlmodel import Field

#: Table options: every value has its column's type.
STRICT = {"sqlite_strict": True}
#: 64-bit whole numbers: SQLite's INTEGER, BIGINT elsewhere. Times are milliseconds since 1970 UTC.
Int64 = BigInteger().with_variant(Integer(), "sqlite")


def _default(default: Any, *, null: bool) -> Any:
    return PydanticUndefined if default is None and not null else default


def text(*, null: bool = False, default: str | None = None, primary: bool = False) -> Any:
    """A text column."""
    return Field(
        default=_default(default, null=null), sa_column=Column(Text, nullable=null, primary_key=primary)
    )


def whole(*, null: bool = False, default: int | None = None, primary: bool = False) -> Any:
    """A whole-number column."""
    return Field(
        default=_default(default, null=null), sa_column=Column(Int64, nullable=null, primary_key=primary)
    )


def serial() -> Any:
    """A key that the database counts up and never uses twice."""
    return Field(default=None, sa_column=Column(Int64, primary_key=True, autoincrement=True))


def binary(*, null: bool = False) -> Any:
    """Bytes as received."""
    return Field(default=_default(None, null=null), sa_column=Column(LargeBinary, nullable=null))


def one_of(column: str, words: Iterable[str], *, null: bool = False) -> CheckConstraint:
    """A CHECK that the column holds one of these words."""
    listed = ", ".join(f"'{word}'" for word in sorted(words))
    rule = f"{column} IN ({listed})"
    return CheckConstraint(f"{column} IS NULL OR {rule}" if null else rule, name=f"ck_{column}_word")
