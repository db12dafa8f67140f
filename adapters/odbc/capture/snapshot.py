"""Changes out of a journal that is read in the order of its transactions, below the oldest open one.

Nothing has to be deleted: the position is the last transaction and number. A transaction that stays open
holds all tables of this strategy back, whoever has it open; its age is told, nothing is skipped.

A table whose records cannot be read holds the others back for a moment only. Then its rows are passed over,
and it is read whole when it can be read again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import ClassVar

from adapters.odbc.capture.journal import Records, keys_of, not_installed, noted, told_by, told_of, untold
from adapters.odbc.capture.refusals import Refusals
from adapters.odbc.capture.strategy import Captured, HorizonAge
from adapters.odbc.capture.watch import TriggerWatch
from adapters.odbc.dialect import Fault, Horizon
from adapters.odbc.records import page
from adapters.odbc.session import Session, SqlFault
from agent import failpoints
from agent.core.change import Change, ChangeKind
from agent.core.objects import ObjectSpec
from agent.errors import Refused

#: The one stream of this strategy.
STREAM = "snapshot"
_VERSION = 2
#: The position before there was a watch over the triggers.
_UNWATCHED = 1
#: For how many seconds a table that cannot be read holds back the others.
_HELD_S = 10.0


class Snapshot:
    """The reading side of such a journal, for all tables that are captured so."""

    resumes: ClassVar[bool] = True

    def __init__(self, objects: Sequence[ObjectSpec]) -> None:
        self._names = [spec.name for spec in objects]
        self._watch = TriggerWatch(objects)
        self._absent: Mapping[str, Sequence[str]] = {}
        self._refusals = Refusals()
        self._passed: set[str] = set()
        self._instance = ""
        self._at = (0, 0)
        self._deletes = False
        self._foreign = False
        self._age = HorizonAge()

    def open(self, session: Session, positions: Mapping[str, bytes]) -> None:
        """Begin behind the stored position, or with the first row that the journal still has."""
        allowed = session.dialect.allowed
        journal = session.dialect.quote(session.erp.own.journal)
        self._deletes = bool(allowed and session.rows(allowed.format(right="DELETE"), (journal,)))
        self._instance, self._at, self._foreign = "", (0, 0), False
        self._absent, self._passed = {}, set()
        self._refusals.clear()
        watched = None
        value = positions.get(STREAM)
        if value is not None:
            try:
                version, self._instance, xid, seq, *more = json.loads(value)
                self._at = (int(xid), int(seq))
                self._foreign = version not in (_UNWATCHED, _VERSION)
                if version == _VERSION:
                    passed, watched = more
                    self._passed = set(map(str, passed))
            except (TypeError, ValueError):
                self._foreign = True
        self._watch.open(None if watched is None else str(watched).encode())

    def look(self, session: Session, limit: int, outstanding: frozenset[int]) -> Captured:
        """The next rows, or the news that rows were lost. Raises Refused where nothing is installed."""
        horizon = session.dialect.horizon
        if horizon is None:
            raise Refused(
                "capture = 'snapshot' asks what only PostgreSQL tells",
                remedy="choose another capture for its tables: isthmus check recommends one",
            )
        try:
            return self._looked(session, horizon, limit)
        except SqlFault as fault:
            if fault.verdict.fault is not Fault.SETUP:
                raise
            raise not_installed(session.erp) from None

    def ack(self, session: Session, receipt: Sequence[int]) -> None:
        """Delete what lies before the position, where we may; the last row read stays as its witness."""
        horizon = session.dialect.horizon
        if horizon is None:
            return
        own = session.erp.own
        failpoints.hit("odbc.before_purge")
        session.run(horizon.release(own, len(self._names)), (*self._names, *map(str, receipt)))
        failpoints.hit("odbc.after_purge")

    def _looked(self, session: Session, horizon: Horizon, limit: int) -> Captured:
        own, since = session.erp.own, self._at
        rows = session.rows(
            horizon.read(own, len(self._names), limit), (*self._names, str(since[0]), str(since[1]))
        )
        # asked behind the rows: what was purged before them is known now
        state = session.rows(horizon.state(own), (str(since[1]),))
        if not state:
            raise not_installed(session.erp)
        instance = str(state[0][0])
        purged_xid, purged_seq, there, oldest, coming = (int(part) for part in state[0][1:])
        purged = (purged_xid, purged_seq)
        figures = {"capture_horizon_s": self._age.seen(oldest, held=oldest < coming)}
        why = self._lost(instance, purged, there, coming)
        if why:
            return self._begun_anew(session, instance, purged, why)
        self._instance = instance
        gap = self._watched(session) or self._returned(session)
        if gap is not None:
            return gap
        records = self._records(session, rows)
        if not rows or records is None:
            return Captured(STREAM, figures=figures, ailments=self._told(session))
        told = [row for row in rows if str(row[1]) in self._names and str(row[1]) not in self._passed]
        changes = told_by(STREAM, instance, told, records)
        self._at = (int(rows[-1][5]), int(rows[-1][0]))
        receipt = self._at if self._deletes else ()
        return Captured(
            STREAM,
            changes,
            receipt,
            self._position(),
            rest_s=0.0,
            figures=figures,
            ailments=self._told(session),
        )

    def _watched(self, session: Session) -> Captured | None:
        """The gap of tables whose triggers were away, or are others."""
        if not self._watch.due:
            return None
        seen = self._watch.look(session, self._instance)
        self._absent = seen.absent
        if not seen.moved:
            return None
        why = "its triggers are others than before; what was written without them is not known"
        return self._gap(session, f"t{self._watch.generation}", seen.replaced, why)

    def _returned(self, session: Session) -> Captured | None:
        """The gap of tables whose rows were passed over, and which can be read again."""
        back = [
            name
            for name in sorted(self._passed - set(self._refusals.resting))
            if self._readable(session, name)
        ]
        if not back:
            return None
        self._passed -= set(back)
        xid, seq = self._at
        why = "it could not be read for a while, and what was written meanwhile was passed over"
        return self._gap(session, f"p{xid}.{seq}", back, why)

    def _readable(self, session: Session, name: str) -> bool:
        try:
            told_of(session, name)
            page(session, name, None, 1)
        except (Refused, SqlFault) as error:
            self._refusals.add(session, name, error)
            return False
        self._refusals.over(name)
        return True

    def _records(self, session: Session, rows: Sequence[Sequence[object]]) -> Records | None:
        """The records of all tables but those that are passed over; None while one holds the others back.

        Raises Refused, SqlFault where none can be read.
        """
        if set(self._refusals.resting) - self._passed:
            return None
        found: Records = {}
        for name, keys in keys_of(frozenset(self._names) - self._passed, rows).items():
            try:
                found[name] = noted(session, name, keys)
                self._refusals.over(name)
            except (Refused, SqlFault) as error:
                self._refusals.add(session, name, error)
                if self._refusals.names >= set(self._names):
                    raise
                if self._refusals.lasted_s(name) < _HELD_S:
                    return None
                self._passed.add(name)
        return found

    def _gap(self, session: Session, tag: str, names: Sequence[str], why: str) -> Captured:
        changes = tuple(
            Change(f"{self._instance}:{tag}:{name}", STREAM, ChangeKind.OVERFLOW, name, reason=why)
            for name in names
        )
        position = self._position()
        return Captured(STREAM, changes, position=position, rest_s=0.0, ailments=self._told(session))

    def _told(self, session: Session) -> tuple[str, ...]:
        """A sentence for each table that stands, and what to do."""
        return (*self._refusals.told(), *untold(session, self._absent))

    def _lost(self, instance: str, purged: tuple[int, int], there: int, coming: int) -> str:
        """Why rows behind the position may be missing; "" where none is."""
        xid, seq = self._at
        if self._foreign:
            return "its position is of another version"
        if self._instance and instance != self._instance:
            return "the journal was installed anew"
        if xid >= coming:
            return "the database counts its transactions from an earlier one"
        if purged > self._at:
            return "rows of the journal were purged before they were read"
        if seq and not there and purged < self._at:
            return "rows of the journal were removed by something else than its purging"
        return ""

    def _begun_anew(self, session: Session, instance: str, purged: tuple[int, int], why: str) -> Captured:
        """All tables are unknown; from the first row that is left, or behind what was purged."""
        since = f"{self._at[0]}.{self._at[1]}"
        self._instance, self._at, self._foreign = instance, purged, False
        self._passed = set()
        self._refusals.clear()
        self._absent = self._watch.look(session, instance).absent
        return self._gap(session, since, self._names, why)

    def _position(self) -> bytes:
        watched = self._watch.position().decode()
        return json.dumps([_VERSION, self._instance, *self._at, sorted(self._passed), watched]).encode()
