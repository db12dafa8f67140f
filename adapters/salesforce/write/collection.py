"""Collections: up to 200 records in one request, each with its own result (REST: "sObject Collections")."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from adapters.salesforce.connection.rest import Call, Reply
from adapters.salesforce.table import Table
from adapters.salesforce.values import http_date, to_json
from adapters.salesforce.write import verdict
from adapters.salesforce.write.parents import chunks, touched
from adapters.salesforce.write.sender import Lot, Sender
from agent.core.delivery import Delivery, DeliveryKind, Outcome

#: Records in one collection.
MOST = 200
_PATH = "/composite/sobjects"


@dataclass(slots=True)
class _Splits:
    """How often a request may still be cut in two. Of 200 records a faulty one is found with eight cuts."""

    left: int = 20


class Collections:
    """Sends commands of one object and kind; one that is alone goes by a request for a single record."""

    def __init__(self, tables: Mapping[str, Table], sender: Sender) -> None:
        self._tables = tables
        self._sender = sender

    def requests(self, lot: Lot) -> list[dict[int, Delivery]]:
        """The commands of one object and kind, laid into requests."""
        return chunks(self._tables[next(iter(lot.values())).object], lot, MOST) if lot else []

    async def send(self, many: Lot) -> dict[int, Outcome]:
        """One request; none of its records rolls back another."""
        outcomes: dict[int, Outcome] = {}
        written: dict[int, bytes] = {}
        for place, delivery in many.items():
            try:
                written[place] = to_json(self._record(delivery))
            except ValueError as error:
                outcomes[place] = verdict.unsendable("VALUE", str(error))
        sent = {place: many[place] for place in written}
        return outcomes | (await self._together(sent, written, _Splits()) if sent else {})

    async def single(self, place: int, delivery: Delivery, version: str | None = None) -> dict[int, Outcome]:
        """A request for one record; with ``version`` an update on condition that it is still the one seen."""
        lot = {place: delivery}
        try:
            call = self._single_call(delivery, version)
        except ValueError as error:
            return {place: verdict.unsendable("VALUE", str(error))}
        async with self._sender.turn(self._keys(lot)):
            return await self._sender.send(
                call, lot, lambda reply: {place: verdict.of_reply(reply, delivery)}
            )

    async def _together(self, sent: Lot, written: Mapping[int, bytes], splits: _Splits) -> dict[int, Outcome]:
        """One request, or several where the server refuses all for the sake of one; ``written`` is JSON.

        A value that is no JSON of its field's type fails the request before any record is looked at.
        """
        if len(sent) == 1:
            ((place, delivery),) = sent.items()
            return await self.single(place, delivery)
        refused: list[Reply] = []

        def read(reply: Reply) -> dict[int, Outcome]:
            if verdict.unreadable(reply, sent.values()):
                refused.append(reply)
            return _results(reply, sent)

        async with self._sender.turn(self._keys(sent)):
            outcomes = await self._sender.send(self._call(sent, written), sent, read)
        if not refused or splits.left <= 0:
            return outcomes
        splits.left -= 1
        places = list(sent)
        for half in (places[: len(places) // 2], places[len(places) // 2 :]):
            outcomes |= await self._together({place: sent[place] for place in half}, written, splits)
        return outcomes

    def external(self, delivery: Delivery) -> str:
        """The field that names a record which we create."""
        external = self._tables[delivery.object].spec.external_id
        assert external is not None  # a create without one is refused before
        return external

    def address(self, delivery: Delivery) -> str:
        """Where the record is written by a request of its own."""
        path = f"/sobjects/{delivery.object}"
        if delivery.kind is DeliveryKind.CREATE:
            return f"{path}/{self.external(delivery)}/{quote(delivery.reference, safe='')}"
        return f"{path}/{delivery.key}"

    def body(self, delivery: Delivery) -> dict[str, Any]:
        """The fields of such a request; the external id stands in the address and must not be among them."""
        if delivery.kind is not DeliveryKind.CREATE:
            return dict(delivery.fields)
        named = (self.external(delivery), "Id")
        return {name: value for name, value in delivery.fields.items() if name not in named}

    def _single_call(self, delivery: Delivery, version: str | None) -> Call:
        if delivery.kind is DeliveryKind.DELETE:
            return Call("DELETE", self.address(delivery))
        headers = {} if version is None else {"If-Unmodified-Since": http_date(version)}
        headers |= unassigned(delivery)
        return Call("PATCH", self.address(delivery), to_json(self.body(delivery)), headers=headers)

    def _call(self, sent: Lot, written: Mapping[int, bytes]) -> Call:
        first = next(iter(sent.values()))
        if first.kind is DeliveryKind.DELETE:
            ids = ",".join(str(delivery.key) for delivery in sent.values())
            return Call("DELETE", _PATH, params={"ids": ids, "allOrNone": "false"})
        upsert = f"/{first.object}/{self.external(first)}" if first.kind is DeliveryKind.CREATE else ""
        records = b",".join(written[place] for place in sent)
        body = b'{"allOrNone":false,"records":[' + records + b"]}"
        return Call("PATCH", f"{_PATH}{upsert}", body, headers=unassigned(first))

    def _record(self, delivery: Delivery) -> dict[str, Any]:
        """One record of a collection; in an upsert the external id stands among its fields."""
        record: dict[str, Any] = {"attributes": {"type": delivery.object}, **delivery.fields}
        if delivery.kind is DeliveryKind.CREATE:
            return record | {self.external(delivery): delivery.reference}
        return record | {"id": delivery.key}

    def _keys(self, lot: Lot) -> set[str]:
        return {key for one in lot.values() for key in touched(self._tables[one.object], one)}


def unassigned(delivery: Delivery) -> dict[str, str]:
    """Keeps the org from giving a lead or a case to somebody else because we changed another field of it.

    Assignment rules run on every write over the API that does not forbid it (vendor: "Assignment Rule
    Header"). A new record is given to whom the rules say.
    """
    return {"Sforce-Auto-Assign": "FALSE"} if delivery.kind is DeliveryKind.UPDATE else {}


def _results(reply: Reply, sent: Lot) -> dict[int, Outcome]:
    """Results of a collection, which come in the order of its records, also when HTTP says 200."""
    if not reply.ok:
        return {place: verdict.whole(reply, delivery) for place, delivery in sent.items()}
    items = reply.body if isinstance(reply.body, list) else []
    if len(items) != len(sent):
        items = [None] * len(sent)
    return {
        place: verdict.of_item(item, delivery, reply)
        for (place, delivery), item in zip(sent.items(), items, strict=True)
    }
