"""Writes to Salesforce: which request each command becomes, and an outcome for each."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Coroutine, Mapping, Sequence
from typing import Any

from adapters.salesforce.connection.governor import Priority
from adapters.salesforce.connection.http import HttpLink
from adapters.salesforce.connection.rest import Rest
from adapters.salesforce.read.matching import Matching
from adapters.salesforce.read.reader import SalesforceReader
from adapters.salesforce.settings import Settings
from adapters.salesforce.table import Table, is_id
from adapters.salesforce.write import verdict
from adapters.salesforce.write.collection import MOST, Collections
from adapters.salesforce.write.conditional import Conditional
from adapters.salesforce.write.graph import Graphs, families
from adapters.salesforce.write.ingest import Ingest
from adapters.salesforce.write.sender import Lot, Sender
from agent.core.change import Row
from agent.core.delivery import (
    Delivery,
    DeliveryKind,
    Guarantees,
    Outcome,
    Resolution,
)

_USER = "target"
_Work = Coroutine[Any, Any, dict[int, Outcome]]


class SalesforceTarget:
    """A Target.

    An update is conditional (``If-Unmodified-Since``) when its delivery has a guard; each is then a request
    of its own, or a part of one with a condition of its own. The condition is weak: it has whole seconds, so
    it does not see a write within the second of the version it names. Deletes are never conditional: the
    server knows no condition for them.
    What has no guard goes up to 200 to a request, in order, each with its own result. Creates are upserts by
    external id: these alone are safe to repeat. Children of a record that is created in the same call go with
    it in one graph. Nothing is ever restored from the recycle bin: the REST API has no undelete.
    """

    def __init__(
        self,
        tables: Mapping[str, Table],
        link: HttpLink,
        rest: Rest,
        reader: SalesforceReader,
        settings: Settings,
    ) -> None:
        self._tables = tables
        self._link = link
        self._rest = rest
        self._reader = reader
        self._settings = settings
        sender = Sender(rest)
        self._collections = Collections(tables, sender)
        self._graphs = Graphs(tables, rest, sender, self._collections)
        self._conditional = Conditional(tables, rest.base, sender, self._collections, reader)
        self._ingest = Ingest(tables, settings, rest, sender)
        self._matching = Matching(tables, rest, reader)

    def guarantees(self, object: str) -> Guarantees:
        """Without an external id a record cannot be created, and nobody but a person could find it again."""
        table = self._tables.get(object)
        external = table is not None and table.spec.external_id is not None
        return Guarantees(
            compare_and_set=True,
            read_back=True,
            delete=True,
            answers=False,
            on_uncertain_update=Resolution.REREAD,
            on_uncertain_create=Resolution.RESEND if external else Resolution.PERSON,
            max_request_s=self._settings.max_request_s,
            batch=MOST,
            backlog=self._settings.bulk_rows,
            families=external,
            tells_merges=table is not None and table.tells_merges,
        )

    async def prepare(self, deliveries: Sequence[Delivery]) -> None:
        """Nothing must be durable here; but without a budget the commands stay ready. Raises Unreachable."""
        if deliveries:
            self._rest.governor.check(Priority.DELIVERY)

    async def apply(self, deliveries: Sequence[Delivery]) -> Sequence[Outcome]:
        """Send, one outcome per delivery in the same order. See the class and Target."""
        self._link.hold(_USER)
        outcomes: dict[int, Outcome] = {}
        sound: dict[int, Delivery] = {}
        busy = await self._ingest.settle() if deliveries else {}
        for place, delivery in enumerate(deliveries):
            problem = self._problem(delivery) or busy.get(delivery.object)
            if problem is None:
                sound[place] = delivery
            else:
                outcomes[place] = problem
        together, orphans = families(sound)
        outcomes |= orphans
        related = {place for family in together for place in family} | orphans.keys()
        work = self._related(together)
        work += self._plain({place: one for place, one in sound.items() if place not in related})
        for done in await asyncio.gather(*work):
            outcomes |= done
        return [outcomes[place] for place in range(len(deliveries))]

    async def find(self, object: str, fields: Mapping[str, object]) -> Sequence[Row]:
        """Records whose named fields have these values. Raises Unreachable, Refused."""
        self._link.hold(_USER)
        return await self._reader.find(object, fields)

    async def find_many(self, object: str, questions: Sequence[Mapping[str, object]]) -> list[Sequence[Row]]:
        """What ``find`` answers, for many questions in few calls. Raises Unreachable, Refused."""
        self._link.hold(_USER)
        return await self._matching.find_many(object, questions)

    async def close(self) -> None:
        """Give up the connections. Safe to call twice."""
        await self._link.release(_USER)

    def _related(self, together: Sequence[Lot]) -> list[_Work]:
        """Parents and children: in graphs, or step by step where they cannot be one."""
        fitting: list[Lot] = []
        others: dict[int, Delivery] = {}
        for family in together:
            if self._graphs.fits(family):
                fitting.append(family)
            else:
                others |= family
        work: list[_Work] = [self._graphs.send(graphs) for graphs in self._graphs.requests(fitting)]
        return work + ([self._graphs.in_steps(others)] if others else [])

    def _plain(self, lot: Lot) -> list[_Work]:
        """Conditional updates, and the others with their like."""
        guarded: dict[int, Delivery] = {}
        alike: dict[tuple[str, DeliveryKind], dict[int, Delivery]] = defaultdict(dict)
        for place, one in lot.items():
            if one.kind is DeliveryKind.UPDATE and one.guard is not None:
                guarded[place] = one
            else:
                alike[(one.object, one.kind)][place] = one
        work: list[_Work] = [self._conditional.send(guarded)] if guarded else []
        for some in alike.values():
            backlog = self._ingest.fitting(some) if self._ingest.takes(some) else {}
            if backlog:
                work.append(self._backlog(backlog))
            few = {place: one for place, one in some.items() if place not in backlog}
            work += [self._collections.send(many) for many in self._collections.requests(few)]
        return work

    async def _backlog(self, lot: Lot) -> dict[int, Outcome]:
        """By a bulk job. It does not name the record that a duplicate rule found: a request does."""
        outcomes = await self._ingest.send(lot)
        alike = {place: lot[place] for place, told in outcomes.items() if told.code == "DUPLICATES_DETECTED"}
        for many in self._collections.requests(alike):
            outcomes |= await self._collections.send(many)
        return outcomes

    def _problem(self, delivery: Delivery) -> Outcome | None:
        """What is wrong with a command before anything is sent."""
        table = self._tables.get(delivery.object)
        if table is None or not table.spec.deliver:
            text = f"object {delivery.object} is not configured for delivery"
            return verdict.unsendable("NOT_CONFIGURED", text)
        if "IsDeleted" in delivery.fields:
            text = "no record leaves the recycle bin over the REST API; restore it in Salesforce"
            return verdict.unsendable("NO_UNDELETE", text)
        if delivery.guard is not None and delivery.pending:
            return verdict.unsendable(
                "GUARDED", "a conditional update cannot refer to a record to be created"
            )
        if delivery.kind is DeliveryKind.CREATE:
            if table.spec.external_id is None:
                return verdict.unsendable("NO_EXTERNAL_ID", "a create needs an external id, to be repeatable")
            return None
        if delivery.uncertain:
            # Repeating an update could overwrite what came after it; only a read can tell.
            return verdict.uncertain("NOT_REPEATED", "an update is never sent twice; read the record")
        if delivery.key is None or not is_id(delivery.key):
            return verdict.unsendable("MALFORMED_ID", "the key is no record id")
        return None
