"""Changes out of a journal that is read in the order of its transactions, below the oldest open one.

Nothing has to be deleted: the position is the last transaction and number. A transaction that stays open
holds all tables of this strategy back, whoever has it open; its age is told, nothing is skipped.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import ClassVar

from adapters.odbc.capture.journal import changes_of, not_installed
from adapters.odbc.capture.strategy import Captured, HorizonAge
from adapters.odbc.dialect import Fault, Horizon
from adapters.odbc.session import Session, SqlFault
from agent import failpoints
from agent.core.change import Change, ChangeKind
from agent.core.objects import ObjectSpec
from agent.errors import Refused

#: The one stream of this strategy.
STREAM = "snapshot"
_VERSION = 1


class Snapshot:
    """The reading side of such a journal, for all tables that are captured so."""

    resumes: ClassVar[bool] = True

    def __init__(self, objects: Sequence[ObjectSpec]) -> None:
        self._names = [spec.name for spec in objects]
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
        value = positions.get(STREAM)
        if value is not None:
            try:
                version, self._instance, xid, seq = json.loads(value)
                self._at = (int(xid), int(seq))
                self._foreign = version != _VERSION
            except ValueError:
                self._foreign = True

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
            return self._begun_anew(instance, purged, why)
        self._instance = instance
        if not rows:
            return Captured(STREAM, figures=figures)
        changes = changes_of(session, frozenset(self._names), STREAM, instance, rows)
        self._at = (int(rows[-1][5]), int(rows[-1][0]))
        receipt = self._at if self._deletes else ()
        return Captured(STREAM, changes, receipt, self._position(), rest_s=0.0, figures=figures)

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

    def _begun_anew(self, instance: str, purged: tuple[int, int], why: str) -> Captured:
        """All tables are unknown; from the first row that is left, or behind what was purged."""
        since = f"{self._at[0]}.{self._at[1]}"
        self._instance, self._at, self._foreign = instance, purged, False
        changes = tuple(
            Change(f"{instance}:{since}:{name}", STREAM, ChangeKind.OVERFLOW, name, reason=why)
            for name in self._names
        )
        return Captured(STREAM, changes, position=self._position(), rest_s=0.0)

    def _position(self) -> bytes:
        return json.dumps([_VERSION, self._instance, *self._at]).encode()
