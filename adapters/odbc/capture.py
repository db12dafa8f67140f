"""Changes out of the trigger journal: rows by number, records re-read by key. Runs in the worker."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from adapters.odbc import sql
from adapters.odbc.records import Shape, images
from adapters.odbc.session import Session, SqlFault
from agent.core.change import Change, ChangeKind, Operation, RawValue
from agent.errors import Refused

#: The one stream of a journal.
STREAM = "journal"
_ACK_CHUNK = 200


@dataclass(frozen=True, slots=True)
class Captured:
    """One look into the journal: changes in order, and the numbers of all rows looked at."""

    changes: tuple[Change, ...]
    seqs: tuple[int, ...]


class Journal:
    """The reading side of the journal on one connection, with the probe that saves idle queries."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._idle_at: object = None
        self._instance: str | None = None

    def instance(self) -> str:
        """The name of the installed journal. Raises Refused when none is installed."""
        statement = sql.journal_instance(self._session.dialect, self._session.erp.own.meta)
        try:
            rows = self._session.rows(statement)
        except SqlFault as fault:
            if fault.verdict.fault.value != "setup":
                raise
            rows = []
        if not rows:
            raise Refused(
                f"the change journal '{self._session.erp.own.journal}' is not installed",
                where=self._session.erp.name,
                remedy=f"isthmus journal install {self._session.erp.name}",
            )
        return str(rows[0][0])

    def capture(self, limit: int, outstanding: frozenset[int]) -> Captured:
        """Up to ``limit`` journal rows that were not handed out yet, each with its record as it is now.

        ``outstanding`` rows were handed out and not yet released. No watermark: a row that commits late
        below others is simply found by the next look.
        """
        session = self._session
        if self._instance is None:
            self._instance = self.instance()
        probe = session.rows(session.dialect.change_probe)[0][0] if session.dialect.change_probe else None
        if probe is not None and probe == self._idle_at:
            return Captured((), ())
        window = limit + len(outstanding)
        found = session.rows(sql.journal_read(session.dialect, session.erp.own.journal, window))
        entries = [row for row in found if int(row[0]) not in outstanding][:limit]
        self._idle_at = probe if not entries else None
        if entries:
            self._instance = self.instance()  # a journal that was installed anew counts from one again
        changes = self._changes(self._instance, entries)
        return Captured(changes, tuple(int(row[0]) for row in entries))

    def ack(self, seqs: Sequence[int]) -> None:
        """Release exactly these rows."""
        session = self._session
        for start in range(0, len(seqs), _ACK_CHUNK):
            chunk = [str(seq) for seq in seqs[start : start + _ACK_CHUNK]]
            session.run(sql.journal_ack(session.dialect, session.erp.own.journal, len(chunk)), chunk)

    def _changes(self, instance: str, entries: Sequence[Sequence[object]]) -> tuple[Change, ...]:
        keys: dict[str, dict[str, None]] = {}
        for _, name, key, _, _ in entries:
            if key is not None:
                keys.setdefault(str(name), {})[str(key)] = None
        known = {spec.name for spec in self._session.erp.objects}
        records = {
            name: images(self._session, Shape.of(self._session, name), list(wanted))
            for name, wanted in keys.items()
            if name in known
        }
        return tuple(_change(instance, entry, records) for entry in entries if str(entry[1]) in known)


_OPERATIONS = {"I": Operation.CREATE, "U": Operation.UPDATE, "D": Operation.DELETE}


def _change(
    instance: str,
    entry: Sequence[object],
    records: dict[str, dict[str, dict[str, RawValue]]],
) -> Change:
    seq, name, key, op, marker = str(entry[0]), str(entry[1]), entry[2], str(entry[3]), entry[4]
    source_id = f"{instance}:{seq}"
    origin = None if marker is None or marker == "" else str(marker)
    if key is None:
        return Change(
            source_id,
            STREAM,
            ChangeKind.OVERFLOW,
            name,
            order=int(seq),
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
        STREAM,
        ChangeKind.READ,
        name,
        (str(key),),
        operation,
        image or {},
        order=int(seq),
        origin=origin,
    )
