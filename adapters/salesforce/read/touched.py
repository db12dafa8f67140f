"""What was written or deleted since a time: the vendor's lists of changes, and what is younger than they are.

REST API developer guide, "sObject Get Updated" and "sObject Get Deleted"; SOAP API developer guide, "Polling
for Changes". The lists end at ``latestDateCovered``, the beginning of the oldest transaction that is still
open anywhere on the instance, which may lie hours back. Whatever was committed behind that is found by its
SystemModstamp; what is not committed yet will come as an event.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from adapters.salesforce.connection.rest import Call, Reply, Rest
from adapters.salesforce.read.query import Queries
from adapters.salesforce.read.window import of_reply
from adapters.salesforce.table import Table, long_id
from adapters.salesforce.values import parse_moment, soql
from agent.core.change import Touched
from agent.errors import Unreachable

#: Updates are listed for 30 days, deletes for 15.
_REACH = timedelta(days=15)
_MINUTE = timedelta(minutes=1)
_PAGE = 2000
#: Pages of what is younger than the lists; beyond that a snapshot costs less.
_MOST_PAGES = 50
#: The lists cannot be given: more than 600,000 ids, a log that was purged, an object without them.
_UNKNOWN = frozenset({"EXCEEDED_ID_LIMIT", "INVALID_REPLICATION_DATE", "INVALID_TYPE_FOR_OPERATION"})


class Changes:
    """Asks one org what changed. ``slack``: how far the clocks of its own servers may differ."""

    def __init__(self, rest: Rest, slack: timedelta) -> None:
        self._rest = rest
        self._queries = Queries(rest)
        self._slack = slack

    async def since(self, table: Table, since: datetime) -> Touched | None:
        """Ids of what was touched; None where the org cannot tell, or not so far back.

        Raises Unreachable, Refused.
        """
        about = await self._rest.get(f"/sobjects/{table.name}")
        now = about.date or datetime.now(UTC)
        if now - since > _REACH or not _replicated(about.body):
            return None
        # Seconds are cut by the server, and the two must be more than a minute apart.
        end = now.replace(second=0, microsecond=0)
        start = min((since - self._slack).replace(second=0, microsecond=0), end - 2 * _MINUTE)
        updated = await self._list(table, "updated", start, end)
        deleted = await self._list(table, "deleted", start, end)
        if updated is None or deleted is None:
            return None
        try:
            # Physically deleted records up to then are in no list.
            if parse_moment(str(deleted.body["earliestDateAvailable"])) > start:
                return None
            gone = [str(one["id"]) for one in deleted.body["deletedRecords"]]
            keys = dict.fromkeys(long_id(str(key)) for key in (*updated.body["ids"], *gone))
            known = min(parse_moment(str(one.body["latestDateCovered"])) for one in (updated, deleted))
        except (KeyError, TypeError, ValueError):
            raise Unreachable("the answer does not list records", where=self._rest.name) from None
        return await self._younger(table, max(known, start), keys)

    async def _list(self, table: Table, kind: str, start: datetime, end: datetime) -> Reply | None:
        """One of the lists; None where it cannot be given for these times."""
        span = {"start": _stamp(start), "end": _stamp(end)}
        reply = await self._rest.call_safe(Call("GET", f"/sobjects/{table.name}/{kind}/", params=span))
        if reply.ok:
            return reply
        if reply.faults()[0].code in _UNKNOWN:
            return None
        raise self._rest.denied(reply)

    async def _younger(self, table: Table, known: datetime, keys: dict[str, None]) -> Touched | None:
        """With what was committed behind the end of the lists: known is all from before the first page."""
        until, after = None, ""
        stamped = f"SystemModstamp >= {soql(known - self._slack)}"
        for _ in range(_MOST_PAGES):
            behind = f" AND Id > {soql(after)}" if after else ""
            where = f"WHERE {stamped}{behind} ORDER BY Id LIMIT {_PAGE}"
            reply = await self._queries.ask(f"SELECT Id FROM {table.name} {where}", deleted=True)  # noqa: S608
            if until is None:
                begun, _ = of_reply(reply, self._slack)
                until = begun or known
            found = [long_id(str(one["Id"])) for one in reply.body["records"]]
            keys |= dict.fromkeys(found)
            if not found or (len(found) < _PAGE and reply.body.get("done") is not False):
                return Touched(tuple(keys), until)
            after = found[-1]
        return None


def _replicated(about: Any) -> bool:
    """Whether the object says that its changes are listed; one that says nothing is tried."""
    described = about.get("objectDescribe") if isinstance(about, dict) else None
    return not isinstance(described, dict) or described.get("replicateable") is not False


def _stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S+00:00")
