"""Updates on condition that the record is still the one that was seen (``If-Unmodified-Since``).

A condition belongs to one record, so collections and bulk jobs have none. Few go by requests of their own.
Many share composite requests, of which each part is such a request with its own header and its own
transaction (REST API developer guide, "Composite Subrequest": parts with headers are never put together).
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from adapters.salesforce.connection.rest import Call, Reply
from adapters.salesforce.read.reader import SalesforceReader
from adapters.salesforce.table import Table
from adapters.salesforce.values import http_date, to_json
from adapters.salesforce.write import verdict
from adapters.salesforce.write.collection import Collections, unassigned
from adapters.salesforce.write.graph import REFERENCE
from adapters.salesforce.write.parents import chunks, touched
from adapters.salesforce.write.sender import PARALLEL, Lot, Sender
from agent.core.change import Row
from agent.core.delivery import Delivery, Outcome, OutcomeKind, Reason
from agent.errors import IsthmusError

#: Parts of one composite request.
MOST = 25


class Conditional:
    """Sends updates that have a guard."""

    def __init__(
        self,
        tables: Mapping[str, Table],
        base: str,
        sender: Sender,
        single: Collections,
        reader: SalesforceReader,
    ) -> None:
        self._tables = tables
        self._base = base
        self._sender = sender
        self._collections = single
        self._reader = reader

    async def send(self, lot: Lot) -> dict[int, Outcome]:
        """An outcome for each; those whose condition fails already are not sent."""
        versions, outcomes = await self._versions(lot)
        alone: dict[int, str] = {}
        sharing: dict[str, dict[int, Delivery]] = defaultdict(dict)
        for place, version in versions.items():
            few = len(versions) <= PARALLEL or not _shareable(lot[place], version)
            if few:
                alone[place] = version
            else:
                sharing[lot[place].object][place] = lot[place]
        work = [self._collections.single(place, lot[place], version) for place, version in alone.items()]
        for name, some in sharing.items():
            work += [self._composite(many, versions) for many in chunks(self._tables[name], some, MOST)]
        for done in await asyncio.gather(*work):
            outcomes |= done
        return outcomes

    async def _composite(self, many: Lot, versions: Mapping[int, str]) -> dict[int, Outcome]:
        parts = [self._part(place, one, versions[place]) for place, one in many.items()]
        body = to_json({"allOrNone": False, "collateSubrequests": False, "compositeRequest": parts})
        keys = {key for one in many.values() for key in touched(self._tables[one.object], one)}
        refused: list[Reply] = []

        def read(reply: Reply) -> dict[int, Outcome]:
            if verdict.unreadable(reply, many.values()):
                refused.append(reply)
            return _results(reply, many)

        async with self._sender.turn(keys):
            outcomes = await self._sender.send(Call("POST", "/composite", body), many, read)
        if refused:
            for place, one in many.items():
                outcomes |= await self._collections.single(place, one, versions[place])
        return outcomes

    def _part(self, place: int, delivery: Delivery, version: str) -> dict[str, Any]:
        return {
            "method": "PATCH",
            "url": f"{self._base}{self._collections.address(delivery)}",
            "referenceId": f"n{place}",
            "httpHeaders": {"If-Unmodified-Since": http_date(version), **unassigned(delivery)},
            "body": self._collections.body(delivery),
        }

    async def _versions(self, lot: Lot) -> tuple[dict[int, str], dict[int, Outcome]]:
        """The version each command is bound to. A guard of values only is compared with a read first."""
        versions: dict[int, str] = {}
        outcomes: dict[int, Outcome] = {}
        unknown: dict[str, list[int]] = defaultdict(list)
        for place, one in lot.items():
            assert one.guard is not None
            if one.guard.version:
                versions[place] = one.guard.version
            else:
                unknown[one.object].append(place)
        for name, places in unknown.items():
            try:
                rows = (await self._reader.read(name, [lot[place].key or "" for place in places])).rows
            except IsthmusError as error:
                outcomes |= dict.fromkeys(places, verdict.withheld(error))
                continue
            for place, row in zip(places, rows, strict=True):
                found = _seen(lot[place], row)
                if isinstance(found, str):
                    versions[place] = found
                else:
                    outcomes[place] = found
        return versions, outcomes


def _seen(delivery: Delivery, row: Row) -> str | Outcome:
    """The version of a record whose values are those that were last seen, or what is told of another."""
    assert delivery.guard is not None
    if row.fields is None or row.version is None:
        return Outcome(OutcomeKind.REJECTED, reason=Reason.GONE, code="NOT_FOUND", text="no such record")
    for name, value in delivery.guard.values.items():
        if row.fields.get(name) != value:
            text = f"{name} is not what was last seen"
            return Outcome(OutcomeKind.REJECTED, reason=Reason.PRECONDITION, code="VALUE_CHANGED", text=text)
    return row.version


def _shareable(delivery: Delivery, version: str) -> bool:
    """Whether it can be a part: it can be written, and none of its texts reads as a reference."""
    try:
        http_date(version)
        return REFERENCE.encode() not in to_json(delivery.fields)
    except ValueError:
        return False


def _results(reply: Reply, many: Lot) -> dict[int, Outcome]:
    if not reply.ok:
        return {place: verdict.whole(reply, one) for place, one in many.items()}
    told: Sequence[Any] = ()
    if isinstance(reply.body, dict) and isinstance(reply.body.get("compositeResponse"), list):
        told = reply.body["compositeResponse"]
    parts = {str(one.get("referenceId")): one for one in told if isinstance(one, dict)}
    outcomes: dict[int, Outcome] = {}
    for place, one in many.items():
        part = parts.get(f"n{place}", {})
        status = part.get("httpStatusCode")
        if isinstance(status, int):
            outcomes[place] = verdict.of_reply(replace(reply, status=status, body=part.get("body")), one)
        else:
            outcomes[place] = verdict.uncertain("NO_RESULT", "the answer has no result for this record")
    return outcomes
