"""How each table of an ERP is captured and written: the operator's choice, and what makes no sense."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum

from pydantic import Field, model_validator

from adapters.odbc.writing import WriteSettings
from agent.core.objects import ObjectSpec
from agent.errors import Problem


class Capture(StrEnum):
    """Where the changes of a table come from."""

    JOURNAL = "journal"  # triggers note keys; rows of the journal are deleted once they are durable here
    SNAPSHOT = "snapshot"  # the same triggers on PostgreSQL, rows read below the oldest open transaction
    HIGH_WATER = "high-water"  # a column that grows with every write; deletes only by a comparison beside it
    CHANGE_TRACKING = "change-tracking"  # what SQL Server itself tracks: keys in the order of commits
    DIFFERENCE = "difference"  # hashes of the whole table, compared again and again
    NONE = "none"  # the table is read and written, never captured


#: Those that need the agent's triggers.
WITH_TRIGGERS = frozenset({Capture.JOURNAL, Capture.SNAPSHOT})


class TableSettings(WriteSettings):
    """Options of ``[systems.NAME.tables.TABLE]``, besides those of ``WriteSettings``.

    capture             where its changes come from
    column              set by the server with every write: a time, or a number that grows
    overlap_s           seconds below the highest time that are read again, for transactions that commit late
    overlap_rows        rows below the highest that are read again, at most; for numbers the only bound
    deletes_every_s     seconds from one comparison of the keys to the next; None: deletes are not seen
    difference_every_s  seconds from one comparison of the whole table to the next
    segment_rows        rows that are hashed together; a segment that differs is looked at row by row
    max_vanished        share of the table (from 50 rows) that may vanish at once; beyond it nothing is told
    """

    capture: Capture = Capture.JOURNAL
    column: str | None = Field(default=None, min_length=1)
    overlap_s: float = Field(default=60.0, gt=0, le=86400)
    overlap_rows: int = Field(default=5000, ge=1, le=100_000)
    deletes_every_s: float | None = Field(default=None, gt=0, le=86400 * 7)
    difference_every_s: float = Field(default=60.0, gt=0, le=86400)
    segment_rows: int = Field(default=1000, ge=10, le=5000)
    max_vanished: float = Field(default=0.2, gt=0, le=1)

    @model_validator(mode="after")
    def _used(self) -> TableSettings:
        given = self.model_fields_set & _USED_BY.keys()
        unused = sorted(name for name in given if self.capture not in _USED_BY[name])
        if unused:
            names = " or ".join(f"'{kind}'" for kind in _USED_BY[unused[0]])
            raise ValueError(f"{', '.join(unused)} would be ignored: for capture = {names} only")
        if self.capture is Capture.HIGH_WATER and self.column is None:
            raise ValueError("capture = 'high-water' needs column")
        return self


_USED_BY: Mapping[str, tuple[Capture, ...]] = {
    "difference_every_s": (Capture.DIFFERENCE,),
    "segment_rows": (Capture.DIFFERENCE, Capture.HIGH_WATER),
    "max_vanished": (Capture.DIFFERENCE, Capture.HIGH_WATER),
    "column": (Capture.HIGH_WATER,),
    "overlap_s": (Capture.HIGH_WATER,),
    "overlap_rows": (Capture.HIGH_WATER,),
    "deletes_every_s": (Capture.HIGH_WATER,),
}


def table_problems(
    name: str, tables: Mapping[str, TableSettings], objects: Sequence[ObjectSpec]
) -> Iterator[Problem]:
    """Tables that no entity is mapped to: a typing error would leave the default in force."""
    known = [spec.name for spec in objects]
    for table in tables:
        if table not in known:
            near = difflib.get_close_matches(table, known, n=1)
            yield Problem(
                "configuration",
                f"systems.{name}.tables.{table}",
                "no entity is mapped to this table",
                near[0] if near else None,
            )
