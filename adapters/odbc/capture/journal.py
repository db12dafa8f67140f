"""Changes out of the trigger journal: rows by number, records re-read by key. Runs in the worker."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from adapters.odbc import sql
from adapters.odbc.capture.refusals import Refusals
from adapters.odbc.capture.strategy import Captured, IdleProbe
from adapters.odbc.capture.watch import TriggerWatch
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
#: Table → key → its record as it is now.
Records = dict[str, dict[str, dict[str, RawValue]]]


class Journal:
    """The reading side of the journal, for all its tables. One that is broken stops only itself."""

    resumes: ClassVar[bool] = True

    def __init__(self, objects: Sequence[ObjectSpec]) -> None:
        self._known = frozenset(spec.name for spec in objects)
        self._watch = TriggerWatch(objects)
        self._idle = IdleProbe()
        self._instance = ""
        self._absent: Mapping[str, Sequence[str]] = {}
        self._refusals = Refusals()
        self._ailments: tuple[str, ...] = ()

    def open(self, session: Session, positions: Mapping[str, bytes]) -> None:
        """What was handed out before is looked for anew. Raises Refused when no journal is installed."""
        self._idle = IdleProbe()
        self._absent = {}
        self._refusals.clear()
        self._watch.open(positions.get(STREAM))
        self._instance = instance(session)

    def look(self, session: Session, limit: int, outstanding: frozenset[int]) -> Captured:
        """Up to ``limit`` journal rows that were not handed out yet, each with its record as it is now.

        ``outstanding`` rows were handed out and not yet released. No watermark: a row that commits late
        below others is simply found by the next look.
        """
        gap = self._watched(session)
        self._ailments = self._told(session)
        if gap is not None:
            return gap
        if self._idle.idle(session):
            return self._found()
        entries = self._entries(session, limit, outstanding)
        if not entries:
            self._idle.rest(session, found=bool(self._refusals.names))
            return self._found()
        self._instance = instance(session)  # a journal that was installed anew counts from one again
        records = self._records(session, entries)
        entries = [entry for entry in entries if str(entry[1]) not in self._refusals.names]
        self._idle.rest(session, found=True)
        self._ailments = self._told(session)
        ours = [entry for entry in entries if str(entry[1]) in self._known]
        changes = told_by(STREAM, self._instance, ours, records)
        return self._found(changes, tuple(int(str(entry[0])) for entry in entries), rest_s=0.0)

    def ack(self, session: Session, receipt: Sequence[int]) -> None:
        """Release exactly these rows."""
        for start in range(0, len(receipt), _ACK_CHUNK):
            chunk = [str(seq) for seq in receipt[start : start + _ACK_CHUNK]]
            session.run(sql.journal_ack(session.dialect, session.erp.own.journal, len(chunk)), chunk)

    def _found(
        self, changes: tuple[Change, ...] = (), receipt: tuple[int, ...] = (), rest_s: float | None = None
    ) -> Captured:
        return Captured(STREAM, changes, receipt, rest_s=rest_s, ailments=self._ailments)

    def _watched(self, session: Session) -> Captured | None:
        """The gap of tables whose triggers were away, or are others."""
        if not self._watch.due:
            return None
        self._instance = instance(session)
        seen = self._watch.look(session, self._instance)
        self._absent = seen.absent
        if not seen.moved:
            return None
        position = self._watch.position()
        tag = f"{self._instance}:t{self._watch.generation}"
        why = "its triggers are others than before; what was written without them is not known"
        changes = tuple(
            Change(f"{tag}:{name}", STREAM, ChangeKind.OVERFLOW, name, reason=why) for name in seen.replaced
        )
        return Captured(STREAM, changes, position=position, rest_s=0.0, ailments=self._told(session))

    def _entries(self, session: Session, limit: int, outstanding: frozenset[int]) -> list[tuple[object, ...]]:
        """The next rows, but for those of tables that are read otherwise, or cannot be read now."""
        window = limit + len(outstanding)
        others = [spec.name for spec in session.erp.captured(Capture.SNAPSHOT)]
        others += self._refusals.resting
        statement = sql.journal_read(session.dialect, session.erp.own.journal, window, len(others))
        found = session.rows(statement, others)
        return [row for row in found if int(row[0]) not in outstanding][:limit]

    def _records(self, session: Session, entries: Sequence[Sequence[object]]) -> Records:
        """The records of all tables that can be read. Raises Refused, SqlFault where none can."""
        records: Records = {}
        for name, keys in keys_of(self._known, entries).items():
            try:
                records[name] = noted(session, name, keys)
                self._refusals.over(name)
            except (Refused, SqlFault) as error:
                self._refusals.add(session, name, error)
                if self._refusals.names >= self._known:
                    raise
        return records

    def _told(self, session: Session) -> tuple[str, ...]:
        """A sentence for each table that stands, and what to do."""
        return (*self._refusals.told(), *untold(session, self._absent))


def untold(session: Session, absent: Mapping[str, Sequence[str]]) -> list[str]:
    """A sentence for each table that tells of no change, by its triggers that are missing or disabled."""
    return [
        f"{name} is not captured: triggers missing or disabled: {', '.join(names)}"
        f" (isthmus journal install {session.erp.name}; then the table is read whole)"
        for name, names in absent.items()
    ]


def instance(session: Session) -> str:
    """The name of the installed journal. Raises Refused when none is installed."""
    try:
        rows = session.rows(sql.journal_instance(session.dialect, session.erp.own))
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


def keys_of(known: frozenset[str], entries: Sequence[Sequence[object]]) -> dict[str, list[str]]:
    """The keys of journal rows by known table, each once."""
    keys: dict[str, dict[str, None]] = {}
    for _, name, key, *_ in entries:
        if key is not None and str(name) in known:
            keys.setdefault(str(name), {})[str(key)] = None
    return {name: list(wanted) for name, wanted in keys.items()}


def noted(session: Session, name: str, keys: Sequence[str]) -> dict[str, dict[str, RawValue]]:
    """The records whose keys triggers noted. Raises Refused, SqlFault."""
    return images(session, told_of(session, name), keys)


def told_of(session: Session, name: str) -> Shape:
    """A table whose keys triggers note. Raises SqlFault and Refused, so for a key that reads otherwise.

    A point in time is noted as each user's session writes it: the record would not be found, and pass for
    deleted.
    """
    shape = Shape.of(session, name)
    if shape.table.column(shape.spec.key).zoned:
        raise Refused(
            f"the key {shape.spec.key} is a point in time, which triggers note in the zone of each user",
            where=session.erp.name,
            remedy="map another unique column as the key, or choose another capture",
        )
    return shape


def told_by(
    stream: str, installed: str, entries: Sequence[Sequence[object]], records: Records
) -> tuple[Change, ...]:
    """A change per journal row (seq, object, key, operation, marker).

    A sixth part of a row is its place in the stream, where that is not its number.
    """
    return tuple(_change(stream, installed, entry, records) for entry in entries)


_OPERATIONS = {"I": Operation.CREATE, "U": Operation.UPDATE, "D": Operation.DELETE}


def _change(
    stream: str,
    installed: str,
    entry: Sequence[object],
    records: Records,
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
