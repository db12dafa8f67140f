"""Writes to Salesforce over REST: updates by Id, creates by external id, deletes; an outcome for each."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from adapters.salesforce import verdict
from adapters.salesforce.http import AnswerLost, HttpLink, NotSent
from adapters.salesforce.reader import SalesforceReader
from adapters.salesforce.rest import Call, Reply, Rest
from adapters.salesforce.table import Table, is_id
from adapters.salesforce.values import http_date, to_json
from agent.core.change import Row
from agent.core.delivery import (
    Delivery,
    DeliveryKind,
    Guarantees,
    Outcome,
    OutcomeKind,
    Reason,
    Resolution,
)
from agent.errors import IsthmusError, Unreachable

#: Records in one collection request, and commands in one ``apply``.
BATCH = 200
#: Single requests at a time; an org allows 25 long ones to all its clients together.
_PARALLEL = 5
_USER = "target"


class SalesforceTarget:
    """A Target.

    An update is conditional (``If-Unmodified-Since``) when its delivery has a guard, and then it is sent
    alone. The condition is weak: it has whole seconds, so it does not see a write within the second of the
    version it names. Updates without a guard go up to 200 to a request, in order, each with its own result.
    So do creates, which are upserts by external id: these alone are safe to repeat.
    """

    def __init__(
        self,
        tables: Mapping[str, Table],
        link: HttpLink,
        rest: Rest,
        reader: SalesforceReader,
        max_request_s: float,
    ) -> None:
        self._tables = tables
        self._link = link
        self._rest = rest
        self._reader = reader
        self._max_request_s = max_request_s
        self._parallel = asyncio.Semaphore(_PARALLEL)

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
            max_request_s=self._max_request_s,
            batch=BATCH,
            tells_merges=table is not None and table.tells_merges,
        )

    async def prepare(self, deliveries: Sequence[Delivery]) -> None:
        """Nothing must be durable here before a request."""

    async def apply(self, deliveries: Sequence[Delivery]) -> Sequence[Outcome]:
        """Send, one outcome per delivery in the same order. See the class and Target."""
        self._link.hold(_USER)
        outcomes: dict[int, Outcome] = {}
        singles: list[int] = []
        plain: dict[tuple[str, DeliveryKind], list[int]] = {}
        for place, delivery in enumerate(deliveries):
            problem = self._problem(delivery)
            if problem is not None:
                outcomes[place] = problem
            elif delivery.kind is not DeliveryKind.DELETE and delivery.guard is None:
                plain.setdefault((delivery.object, delivery.kind), []).append(place)
            else:
                singles.append(place)
        jobs: list[Awaitable[dict[int, Outcome]]] = [
            self._single({place: deliveries[place]}) for place in _loners(plain) + singles
        ]
        for places in plain.values():
            jobs += [
                self._collection({place: deliveries[place] for place in places[start : start + BATCH]})
                for start in range(0, len(places) if len(places) > 1 else 0, BATCH)
            ]
        for done in await asyncio.gather(*jobs):
            outcomes |= done
        return [outcomes[place] for place in range(len(deliveries))]

    async def find(self, object: str, fields: Mapping[str, object]) -> Sequence[Row]:
        """Records whose named fields have these values. Raises Unreachable, Refused."""
        self._link.hold(_USER)
        return await self._reader.find(object, fields)

    async def close(self) -> None:
        """Give up the connections. Safe to call twice."""
        await self._link.release(_USER)

    def _problem(self, delivery: Delivery) -> Outcome | None:
        """What is wrong with a command before anything is sent."""
        table = self._tables.get(delivery.object)
        if table is None or not table.spec.deliver:
            return verdict.unsendable(
                "NOT_CONFIGURED", f"object {delivery.object} is not configured for delivery"
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

    async def _single(self, one: Mapping[int, Delivery]) -> dict[int, Outcome]:
        ((place, delivery),) = one.items()
        async with self._parallel:
            try:
                call = await self._call(delivery)
            except ValueError as error:
                return {place: verdict.unsendable("VALUE", str(error))}
            except IsthmusError as error:
                return {place: _not_sent(error)}
            if isinstance(call, Outcome):
                return {place: call}
            return await self._send(call, one, lambda reply: {place: verdict.of_reply(reply, delivery)})

    async def _call(self, delivery: Delivery) -> Call | Outcome:
        """The request for one command, or the outcome if its condition fails already."""
        path = f"/sobjects/{delivery.object}"
        if delivery.kind is DeliveryKind.CREATE:
            external = self._external(delivery)
            body = {name: value for name, value in delivery.fields.items() if name not in (external, "Id")}
            return Call("PATCH", f"{path}/{external}/{quote(delivery.reference, safe='')}", to_json(body))
        if delivery.kind is DeliveryKind.DELETE:
            return Call("DELETE", f"{path}/{delivery.key}")
        condition: dict[str, str] = {}
        if delivery.guard is not None:
            version = delivery.guard.version or await self._seen(delivery)
            if isinstance(version, Outcome):
                return version
            condition = {"If-Unmodified-Since": http_date(version)}
        return Call("PATCH", f"{path}/{delivery.key}", to_json(delivery.fields), headers=condition)

    async def _seen(self, delivery: Delivery) -> str | Outcome:
        """A version for a guard that has values only: read, compare, and hold on to what was read."""
        assert delivery.guard is not None
        assert delivery.key is not None
        row = (await self._reader.read(delivery.object, [delivery.key])).rows[0]
        if row.fields is None or row.version is None:
            return Outcome(OutcomeKind.REJECTED, reason=Reason.GONE, code="NOT_FOUND", text="no such record")
        for name, value in delivery.guard.values.items():
            if row.fields.get(name) != value:
                return Outcome(
                    OutcomeKind.REJECTED,
                    reason=Reason.PRECONDITION,
                    code="VALUE_CHANGED",
                    text=f"{name} is not what was last seen",
                )
        return row.version

    async def _collection(self, many: Mapping[int, Delivery]) -> dict[int, Outcome]:
        """Updates or creates of one object in one request, each on its own: none rolls back another."""
        outcomes: dict[int, Outcome] = {}
        records: dict[int, dict[str, Any]] = {}
        for place, delivery in many.items():
            try:
                to_json(delivery.fields)
            except ValueError as error:
                outcomes[place] = verdict.unsendable("VALUE", str(error))
                continue
            records[place] = self._record(delivery)
        if not records:
            return outcomes
        first = next(iter(many.values()))
        upsert = f"/{first.object}/{self._external(first)}" if first.kind is DeliveryKind.CREATE else ""
        call = Call(
            "PATCH",
            f"/composite/sobjects{upsert}",
            to_json({"allOrNone": False, "records": list(records.values())}),
        )
        sent = {place: many[place] for place in records}
        async with self._parallel:
            return outcomes | await self._send(call, sent, lambda reply: _results(reply, sent))

    def _record(self, delivery: Delivery) -> dict[str, Any]:
        """One record of a collection; in an upsert the external id stands among its fields."""
        record: dict[str, Any] = {"attributes": {"type": delivery.object}, **delivery.fields}
        if delivery.kind is DeliveryKind.CREATE:
            return record | {self._external(delivery): delivery.reference}
        return record | {"id": delivery.key}

    def _external(self, delivery: Delivery) -> str:
        external = self._tables[delivery.object].spec.external_id
        assert external is not None  # a create without one is refused before
        return external

    async def _send(
        self,
        call: Call,
        sent: Mapping[int, Delivery],
        read: Callable[[Reply], dict[int, Outcome]],
    ) -> dict[int, Outcome]:
        """Send a request; what becomes of it without an answer depends on whether it left."""
        try:
            reply = await self._rest.call(call)
        except NotSent as error:
            return dict.fromkeys(sent, verdict.not_sent("NO_CONNECTION", str(error)))
        except AnswerLost as error:
            return dict.fromkeys(sent, verdict.uncertain("NO_ANSWER", str(error)))
        except IsthmusError as error:
            return dict.fromkeys(sent, _not_sent(error))
        return read(reply)


def _loners(plain: Mapping[tuple[str, DeliveryKind], list[int]]) -> list[int]:
    """Commands without a companion, which need no collection."""
    return [places[0] for places in plain.values() if len(places) == 1]


def _results(reply: Reply, sent: Mapping[int, Delivery]) -> dict[int, Outcome]:
    """Results of a collection, which come in the order of its records, also when HTTP says 200."""
    if not reply.ok:
        return {place: verdict.of_reply(reply, delivery) for place, delivery in sent.items()}
    items = reply.body if isinstance(reply.body, list) else []
    if len(items) != len(sent):
        items = [None] * len(sent)
    return {
        place: verdict.of_item(item, delivery, reply)
        for (place, delivery), item in zip(sent.items(), items, strict=True)
    }


def _not_sent(error: IsthmusError) -> Outcome:
    """Login, or the read before a conditional write, failed: the write itself has not left."""
    wait = error.retry_after if isinstance(error, Unreachable) else 60.0
    return verdict.not_sent(type(error).__name__.upper(), str(error), wait)
