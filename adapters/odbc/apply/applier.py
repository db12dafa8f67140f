"""A batch of deliveries: groups in one transaction each, and what one bad command may cost the others."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from adapters.odbc.apply import group as many
from adapters.odbc.apply import partition, single
from adapters.odbc.apply.command import Command, Preparation
from adapters.odbc.apply.inexact import Inexact
from adapters.odbc.apply.outcomes import Stop, retry
from adapters.odbc.apply.progress import Begun, Done
from adapters.odbc.dialect import Fault
from adapters.odbc.session import Session, SqlFault
from adapters.odbc.settings import Erp
from agent.core.delivery import Delivery, Outcome, OutcomeKind
from agent.errors import RemoteError

Tell = Callable[[Begun | Done], None]

#: A group that large is halved when something in it is bad; a smaller one is taken apart.
_HALVED = 50
#: Errors that speak of the moment, not of a command: they would meet each one alone, too.
_PASSING = frozenset({Fault.BUSY, Fault.LOST})
#: So often in a row, one by one, a command may be held up: then it is the table.
_HELD = 2


class _Unreachable(Exception):
    """No connection for the rest of the batch."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.code)
        self.outcome = outcome


class Applier:
    """Applies batches on one connection, which is opened anew when it was lost."""

    def __init__(self, erp: Erp) -> None:
        self._erp = erp
        self._session: Session | None = None

    def apply(self, deliveries: Sequence[Delivery], tell: Tell) -> None:
        """Tell an outcome for each, and which of them a transaction is about before it begins.

        After an error nothing goes on inside its transaction. What was certainly rolled back is RETRY; a
        commit without an answer leaves exactly its own commands uncertain.
        """
        told: set[int] = set()

        def telling(event: Begun | Done) -> None:
            if isinstance(event, Done):
                told.update(event.outcomes)
            tell(event)

        try:
            commands = self._prepared(deliveries, telling)
            for group in partition.groups(commands):
                self._group(group, telling)
        except _Unreachable as unreachable:
            rest = set(range(len(deliveries))) - told
            tell(Done(dict.fromkeys(sorted(rest), unreachable.outcome)))
        except Exception:  # the lane tells it; what this transaction holds may not be committed by the next
            self.close()
            raise

    def close(self) -> None:
        """Close the connection; the next batch opens a new one."""
        if self._session is not None:
            self._session.close()
            self._session = None

    def _prepared(self, deliveries: Sequence[Delivery], tell: Tell) -> list[Command]:
        commands = []
        outcomes: dict[int, Outcome] = {}
        session = self._connected()
        preparation = Preparation(session)
        for place, delivery in enumerate(deliveries):
            if session.lost:
                session = self._connected()
                preparation = Preparation(session)
            try:
                commands.append(preparation.command(place, delivery))
            except Stop as stop:
                outcomes[place] = stop.outcome
            except SqlFault as fault:
                outcomes[place] = retry(fault.verdict.code, fault.verdict.text)
            except RemoteError as error:
                outcomes[place] = retry("not-ready", str(error))
            if place in outcomes:
                session.rollback()
        if outcomes:
            tell(Done(outcomes))
        return commands

    def _group(self, group: Sequence[Command], tell: Tell) -> None:
        session = self._connected()
        form = session.sets
        if form is None or len(group) == 1:
            for command in group:
                self._alone(command, tell)
            return
        tell(Begun(frozenset(command.place for command in group)))
        try:
            outcomes = many.apply(session, form, group)
        except Stop as stop:
            session.rollback()
            outcomes = {command.place: stop.outcome for command in group}
        except SqlFault as fault:
            session.rollback()
            verdict = single.verdict_of(session, fault)
            if verdict.fault not in _PASSING or verdict.code in session.dialect.stale:
                self._apart(group, tell)
                return
            if verdict.code in form.held:
                self._past_the_held(group, form.held, tell)
                return
            outcomes = {command.place: retry(verdict.code, verdict.text) for command in group}
        except Inexact:
            session.rollback()
            self._apart(group, tell)
            return
        tell(Done(outcomes))

    def _apart(self, group: Sequence[Command], tell: Tell) -> None:
        """In the order given, each part for itself: one bad command costs only itself."""
        if len(group) > _HALVED:
            middle = len(group) // 2
            self._group(group[:middle], tell)
            self._group(group[middle:], tell)
            return
        for command in group:
            self._alone(command, tell)

    def _past_the_held(self, group: Sequence[Command], held: frozenset[str], tell: Tell) -> None:
        """In the order given, one by one: a record that somebody keeps locked costs only itself.

        So does one whose write takes the ERP too long; many together may take it too long although none does.
        """
        waits = 0
        for number, command in enumerate(group):
            outcome = self._alone(command, tell)
            waits = waits + 1 if outcome.kind is OutcomeKind.RETRY and outcome.code in held else 0
            if waits >= _HELD:
                tell(Done({one.place: outcome for one in group[number + 1 :]}))
                return

    def _alone(self, command: Command, tell: Tell) -> Outcome:
        session = self._connected()
        tell(Begun(frozenset({command.place})))
        outcome = single.apply(session, command)
        if outcome.kind is OutcomeKind.RETRY and outcome.code in session.dialect.stale:
            outcome = single.apply(self._connected(), command)  # if that was all, it is prepared anew now
        tell(Done({command.place: outcome}))
        return outcome

    def _connected(self) -> Session:
        """The connection, a new one in the place of a lost one. Raises _Unreachable."""
        if self._session is not None and self._session.lost:
            self.close()
        if self._session is None:
            try:
                self._session = Session(self._erp, autocommit=False)
            except RemoteError as error:
                raise _Unreachable(retry("unreachable", str(error))) from error
        return self._session
