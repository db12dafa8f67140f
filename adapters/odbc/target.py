"""Where commands go: the apply lane of the worker, as a port."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from adapters.odbc.apply.progress import Begun, Done, flattened
from adapters.odbc.link import Link, PortClosed, User, WorkerLost
from adapters.odbc.settings import Settings
from adapters.odbc.wire import Lane
from agent.core.change import Row
from agent.core.delivery import Delivery, Guarantees, Outcome, OutcomeKind, Resolution
from agent.core.objects import ObjectSpec
from agent.errors import RemoteError

#: Questions of one call: each call has a deadline.
_ASKED = 100


class LedgerTarget:
    """Commands with a ledger row in the ERP's own transaction: an uncertain one is simply sent again."""

    def __init__(self, link: Link, settings: Settings, objects: Sequence[ObjectSpec]) -> None:
        self.link = link
        self._settings = settings
        self._external = {spec.name for spec in objects if spec.external_id}

    def guarantees(self, object: str) -> Guarantees:
        """By how the table is written.

        A lost request needs no waiting out where there is a ledger: while it runs it holds its ledger row,
        afterwards the row tells. Without one an update is looked at, and a create is sent again only where
        the external id tells that the record is there. A staging table knows each message id itself.
        """
        write = self._settings.write(object)
        known = write.ledger or write.staging is not None
        again = known or (object in self._external and write.ours)
        return Guarantees(
            compare_and_set=write.ours or write.compares,
            read_back=True,
            delete=True,
            answers=write.staging is not None,
            on_uncertain_update=Resolution.RESEND if known else Resolution.REREAD,
            on_uncertain_create=Resolution.RESEND if again else Resolution.PERSON,
            max_request_s=0.0 if known else self._settings.deadline_s,
            batch=100,
            backlog=500,
        )

    async def prepare(self, deliveries: Sequence[Delivery]) -> None:
        """Nothing to do: the ledger is written with the effect."""

    async def apply(self, deliveries: Sequence[Delivery]) -> Sequence[Outcome]:
        """In order, many to a transaction; one that the ERP refuses costs only itself.

        When the worker dies, outcomes already given stand, those of the transaction it was at are uncertain,
        and those behind it were not begun. When this port is closed, the worker may go on with all of them.
        """
        outcomes: dict[int, Outcome] = {}
        begun: frozenset[int] = frozenset()
        code, text = "", ""
        self.link.hold(User.TARGET)
        try:
            async for event in self.link.stream(User.TARGET, Lane.APPLY, "apply", flattened(deliveries)):
                match event:
                    case Begun(places):
                        begun = places
                    case Done(found):
                        outcomes |= found
        except WorkerLost as error:
            code, text = "worker-lost", error.message
        except PortClosed as error:
            begun, code, text = frozenset(range(len(deliveries))), "closed", error.message
        except RemoteError as error:
            begun, code, text = frozenset(), "unreachable", error.message
        for place in range(len(deliveries)):
            kind = OutcomeKind.UNCERTAIN if place in begun else OutcomeKind.RETRY
            outcomes.setdefault(place, Outcome(kind, code=code, text=text))
        return [outcomes[place] for place in range(len(deliveries))]

    async def find(self, object: str, fields: Mapping[str, object]) -> Sequence[Row]:
        """Records (at most 100) with these values."""
        self.link.hold(User.TARGET)
        rows: list[Row] = await self.link.call(User.TARGET, Lane.READ, "find", object, dict(fields))
        return rows

    async def find_many(
        self, object: str, questions: Sequence[Mapping[str, object]]
    ) -> Sequence[Sequence[Row]]:
        """The same for each question, a hundred with each call."""
        self.link.hold(User.TARGET)
        found: list[list[Row]] = []
        for start in range(0, len(questions), _ASKED):
            asked = [dict(fields) for fields in questions[start : start + _ASKED]]
            found += await self.link.call(User.TARGET, Lane.READ, "find_many", object, asked)
        return found

    async def close(self) -> None:
        """Give the worker up, for reads too; the next call takes it again. Safe to call twice."""
        await self.link.release(User.TARGET)
