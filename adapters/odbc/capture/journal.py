"""Changes out of the trigger journal: rows by number, records re-read by key. Runs in the worker."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from adapters.odbc import sql
from adapters.odbc.capture.strategy import Captured, IdleProbe
from adapters.odbc.dialect import Fault
from adapters.odbc.records import Shape, images
from adapters.odbc.session import Session, SqlFault
from adapters.odbc.settings import Erp
from adapters.odbc.tables import Capture
from agent.core.change import Change, ChangeKind, Operation, RawValue
from agent.core.objects import ObjectSpec
from agent.errors import Refused

#: The one stream of a journal.
STREAM = "journal"
_ACK_CHUNK = 200


class Journal:
    """The reading side of the journal, for all tables that it captures."""

    resumes: ClassVar[bool] = False

    def __init__(self, objects: Sequence[ObjectSpec]) -> None:
        self._known = frozenset(spec.name for spec in objects)
        self._idle = IdleProbe()
        self._instance: str | None = None

    def open(self, session: Session, positions: Mapping[str, bytes]) -> None:
        """What was handed out before is looked for anew. Raises Refused when no journal is installed."""
        self._idle = IdleProbe()
        self._instance = instance(session)

    def look(self, session: Session, limit: int, outstanding: frozenset[int]) -> Captured:
        """Up to ``limit`` journal rows that were not handed out yet, each with its record as it is now.

        ``outstanding`` rows were handed out and not yet released. No watermark: a row that commits late
        below others is simply found by the next look.
        """
        if self._instance is None:
            self._instance = instance(session)
        if self._idle.idle(session):
            return Captured(STREAM)
        window = limit + len(outstanding)
        others = [spec.name for spec in session.erp.captured(Capture.SNAPSHOT)]
        statement = sql.journal_read(session.dialect, session.erp.own.journal, window, len(others))
        found = session.rows(statement, others)
        entries = [row for row in found if int(row[0]) not in outstanding][:limit]
        self._idle.rest(session, found=bool(entries))
        if not entries:
            return Captured(STREAM)
        self._instance = instance(session)  # a journal that was installed anew counts from one again
        changes = changes_of(session, self._known, STREAM, self._instance, entries)
        return Captured(STREAM, changes, tuple(int(row[0]) for row in entries), rest_s=0.0)

    def ack(self, session: Session, receipt: Sequence[int]) -> None:
        """Release exactly these rows."""
        for start in range(0, len(receipt), _ACK_CHUNK):
            chunk = [str(seq) for seq in receipt[start : start + _ACK_CHUNK]]
            session.run(sql.journal_ack(session.dialect, session.erp.own.journal, len(chunk)), chunk)


def instance(session: Session) -> str:
    """The name of the installed journal. Raises Refused when none is installed."""
    try:
        rows = session.rows(sql.journal_instance(session.dialect, session.erp.own.meta))
    except SqlFault as fault:
        if fault.verdict.fault is not Fault.SETUP:
            raise
        rows = []
    if not rows:
        raise not_installed(session.erp)
    return str(rows[0][0])


def not_installed(erp: Erp) -> Refused:
    """What is told where the journal, or a part of it, is missing."""
    return Refused(
        f"the change journal '{erp.own.journal}' is not installed",
        where=erp.name,
        remedy=f"isthmus journal install {erp.name}",
    )


def changes_of(
    session: Session, known: frozenset[str], stream: str, installed: str, entries: Sequence[Sequence[object]]
) -> tuple[Change, ...]:
    """A change per journal row (seq, object, key, operation, marker), its record read once per key.

    A sixth part of a row is its place in the stream, where that is not its number.
    """
    keys: dict[str, dict[str, None]] = {}
    for _, name, key, *_ in entries:
        if key is not None:
            keys.setdefault(str(name), {})[str(key)] = None
    records = {
        name: images(session, Shape.of(session, name), list(wanted))
        for name, wanted in keys.items()
        if name in known
    }
    return tuple(_change(stream, installed, entry, records) for entry in entries if str(entry[1]) in known)


_OPERATIONS = {"I": Operation.CREATE, "U": Operation.UPDATE, "D": Operation.DELETE}


def _change(
    stream: str,
    installed: str,
    entry: Sequence[object],
    records: dict[str, dict[str, dict[str, RawValue]]],
) -> Change:
    seq, name, key, op, marker = str(entry[0]), str(entry[1]), entry[2], str(entry[3]), entry[4]
    source_id, order = f"{installed}:{seq}", int(str(entry[-1] if len(entry) > 5 else seq))
    origin = None if marker is None or marker == "" else str(marker)
    if key is None:
        return Change(
            source_id,
            stream,
            ChangeKind.OVERFLOW,
            name,
            order=order,
            reason="the table was emptied" if op == "T" else "a row without a key was written",
        )
    image = records[name].get(str(key))
    operation = _OPERATIONS.get(op, Operation.UPDATE)
    if image is None:
        operation = Operation.DELETE
    elif operation is Operation.DELETE:
        operation = Operation.UPDATE  # deleted and written again since
    return Change(
        source_id,
        stream,
        ChangeKind.READ,
        name,
        (str(key),),
        operation,
        image or {},
        order=order,
        origin=origin,
    )
