"""What a source saw: the input side of every adapter, in the system's own names and values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time
from decimal import Decimal
from enum import StrEnum
from typing import Any

from agent.core.record import record

#: A value as a driver gives it. Adapters never pass floats for money: Decimal, or the original text.
RawValue = None | bool | int | float | Decimal | str | datetime | date | time


class ChangeKind(StrEnum):
    """How much a change says, which decides what it may do to an image."""

    EVENT = "event"  # the named fields were written, in the order of its stream (Salesforce CDC)
    READ = "read"  # the whole mapped row as it is now, re-read by key (ODBC journal, confirm read)
    TOLD = "told"  # the source sent the object, whole or in part (IDoc)
    GAP = "gap"  # these keys changed, but how is not known
    OVERFLOW = "overflow"  # anything of this object may have changed
    UNDECODABLE = "undecodable"  # could not be understood; `reason` says why, `raw` keeps the bytes
    ANSWER = "answer"  # a late outcome of one of our commands (ALEAUD, status file)


class Operation(StrEnum):
    """What happened to the record."""

    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"
    UNDELETE = "undelete"


@dataclass(frozen=True, slots=True)
class Answer:
    """A late outcome: what the target made of the command whose ``handle`` (IDoc: DOCNUM) it names.

    ``outcome`` is one of accepted, rejected, pending (refused for now, may still be posted: IDoc status 51).
    ``key`` is the target's key of the record, where the answer tells it.
    """

    handle: str
    outcome: str
    code: str = ""
    text: str = ""
    key: str | None = None


@record(frozen=True, slots=True)
class Change:
    """One thing a source saw.

    source_id    identity within (system, stream): a repeated delivery has the same one and is dropped
    keys         record keys; several when the source merged equal changes, none for an overflow
    fields       source field name → value; a field that is absent is unchanged or unknown, None is null
    order        grows along the stream of this system; compared only within it, 0 when the source has none
    at           the source's own commit time, aware UTC
    version      the source's version of the record after this change, for compare-and-set, if it has one
    origin       the client that wrote it, where the source says so; saves calls, decides nothing
    whole        for TOLD: the object was sent whole (a mapped field that is absent is null)
    differences  source field name → what changed in a long text, as the source sent it (core.difference)
    """

    source_id: str
    stream: str
    kind: ChangeKind
    object: str
    keys: tuple[str, ...] = ()
    operation: Operation = Operation.UPDATE
    fields: Mapping[str, RawValue] = field(default_factory=dict)
    order: int = 0
    at: datetime | None = None
    version: str | None = None
    origin: str | None = None
    transaction: str | None = None
    whole: bool = False
    differences: Mapping[str, str] = field(default_factory=dict)
    answer: Answer | None = None
    reason: str = ""
    raw: bytes = b""


@dataclass(frozen=True, slots=True)
class Batch:
    """Changes that are made durable together with the position behind them.

    position     opaque; stored in the transaction that stores the changes, None leaves it as it is
    receipt      whatever the source needs to release the changes in ``ack`` (journal ids, file names)
    """

    stream: str
    changes: tuple[Change, ...]
    position: bytes | None = None
    receipt: Any = None


@dataclass(frozen=True, slots=True)
class Row:
    """One record as a read found it; ``fields`` is None when there is no such record.

    merged_into   the key of the record that took its place, where it is gone and the system tells
    """

    key: str
    fields: Mapping[str, RawValue] | None
    version: str | None = None
    merged_into: str | None = None


@dataclass(frozen=True, slots=True)
class ReadResult:
    """Rows of a batched read and the source's own clock around it (None where it has no usable clock).

    Every commit up to ``not_before`` is in the rows; no commit after ``not_after`` is. Of a page besides:

    resume   where to go on behind this page, opaque; "" where only a new beginning is possible
    total    how many records there are about, where the system tells
    early    the rows may be as old as the beginning of the whole reading, not of this page

    lacking  mapped fields that the object does not have now or does not show: the rows say nothing of them
    """

    rows: tuple[Row, ...]
    not_before: datetime | None = None
    not_after: datetime | None = None
    resume: str = ""
    total: int | None = None
    early: bool = False
    lacking: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Touched:
    """Keys of the records that were changed, created or deleted in a stretch of time.

    until   the stretch is known up to here, by the system's own clock
    """

    keys: tuple[str, ...]
    until: datetime
