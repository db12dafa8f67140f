"""Records as they are now: batched reads by id, and all of an object in key order."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

from adapters.salesforce.rest import Reply, Rest
from adapters.salesforce.table import Table, is_id, is_name, long_id
from adapters.salesforce.values import parse_moment, soql
from agent.core.change import ReadResult, Row, Touched
from agent.errors import Refused, Unreachable

#: Ids in one query; the address of a request may have 16 KB.
_BATCH = 200
_ADDRESS_BYTES = 14_000
_PAGE = 2000
_FOUND = 50
#: The Date header and commit times are whole seconds, cut.
_SECOND = timedelta(seconds=1)
_MINUTE = timedelta(minutes=1)
#: How far back the lists of what was written and deleted reach.
_REACH = timedelta(days=30)
_Window = tuple[datetime | None, datetime | None]


class SalesforceReader:
    """A Reader. ``slack_s``: how far the clocks of Salesforce's own servers may differ."""

    def __init__(self, tables: Mapping[str, Table], rest: Rest, slack_s: float) -> None:
        self._tables = tables
        self._rest = rest
        self._slack = timedelta(seconds=slack_s)

    async def read(self, object: str, keys: Sequence[str]) -> ReadResult:
        """One row per key, in the order asked; without fields where there is no such record or it is deleted.

        Raises Unreachable, Refused.
        """
        table = self._table(object)
        wanted = list(dict.fromkeys(long_id(key) for key in keys if is_id(key)))
        found: dict[str, Row] = {}
        windows = []
        size = self._batch(table)
        for start in range(0, len(wanted), size):
            ids = ", ".join(soql(key) for key in wanted[start : start + size])
            reply = await self._query(table.query(f"WHERE Id IN ({ids})"), deleted=True)
            found |= {long_id(row.key): row for row in self._rows(table, reply)}
            windows.append(self._window(reply))
        rows = tuple(_for_key(key, found.get(long_id(key))) for key in keys)
        return ReadResult(rows, *_common(windows))

    async def page(self, object: str, resume: str = "") -> AsyncIterator[ReadResult]:
        """All records by growing Id, at most 2,000 a page; each page has its own window.

        The next page is asked for behind the last Id and not by the server's cursor, which expires. A record
        that exists all the time is met exactly once. Raises Unreachable, Refused.
        """
        table = self._table(object)
        after = resume
        while True:
            where = f"WHERE Id > {soql(after)} " if after else ""
            reply = await self._query(table.query(f"{where}ORDER BY Id LIMIT {_PAGE}"))
            rows = self._rows(table, reply)
            if not rows:
                return
            yield ReadResult(rows, *self._window(reply), resume=rows[-1].key)
            if len(rows) < _PAGE and reply.body.get("done") is True:
                return
            after = rows[-1].key

    async def touched(self, object: str, since: datetime) -> Touched | None:
        """Ids of what was written or deleted since then (``/updated``, ``/deleted``: at most 30 days back).

        The answers reach up to ``latestDateCovered``. Raises Unreachable, Refused.
        """
        table = self._table(object)
        now = datetime.now(UTC) + _MINUTE
        if now - since > _REACH:
            return None
        span = {"start": _stamp(since - self._slack), "end": _stamp(now)}
        updated = await self._rest.get(f"/sobjects/{table.name}/updated/", span)
        deleted = await self._rest.get(f"/sobjects/{table.name}/deleted/", span)
        try:
            if parse_moment(str(deleted.body["earliestDateAvailable"])) > since:
                return None
            gone = [str(one["id"]) for one in deleted.body["deletedRecords"]]
            keys = dict.fromkeys([*(str(one) for one in updated.body["ids"]), *gone])
            until = min(parse_moment(str(one.body["latestDateCovered"])) for one in (updated, deleted))
        except (KeyError, TypeError, ValueError):
            raise Unreachable("the answer does not list records", where=self._rest.name) from None
        return Touched(tuple(keys), until)

    async def find(self, object: str, fields: Mapping[str, object]) -> Sequence[Row]:
        """Records whose fields have these values, deleted ones not. Raises Unreachable, Refused."""
        table = self._table(object)
        tests = []
        for name, value in fields.items():
            if not is_name(name):
                raise Refused(f"{object}: {name!r} is no field name", where=self._rest.name)
            tests.append(f"{name} = {self._literal(object, value)}")
        if not tests:
            raise Refused(f"{object}: nothing to look for", where=self._rest.name)
        reply = await self._query(table.query(f"WHERE {' AND '.join(tests)} ORDER BY Id LIMIT {_FOUND}"))
        return self._rows(table, reply)

    def _literal(self, object_name: str, value: object) -> str:
        try:
            return soql(value)
        except ValueError as error:
            raise Refused(f"{object_name}: {error}", where=self._rest.name) from error

    async def _query(self, text: str, deleted: bool = False) -> Reply:
        reply = await self._rest.get("/queryAll" if deleted else "/query", {"q": text})
        if not isinstance(reply.body, dict) or not isinstance(reply.body.get("records"), list):
            raise Unreachable("the answer to a query has no records", where=self._rest.name)
        return reply

    def _rows(self, table: Table, reply: Reply) -> tuple[Row, ...]:
        try:
            return tuple(table.row(record) for record in reply.body["records"])
        except (ValueError, KeyError, TypeError) as error:
            raise Refused(
                f"{table.name}: a record cannot be read as mapped: {error}",
                where=self._rest.name,
                remedy="compare the types of the mapping with those of the object",
            ) from error

    def _window(self, reply: Reply) -> _Window:
        """The server's clock around a read.

        The query ran between our sending and the server's Date, D, the second in which it wrote the answer.
        The server received the request at D minus our waiting time at the earliest: what was committed before
        that is in the rows. A commit time is cut to its second, so one more is taken off; nothing committed
        behind the end of second D can be in the rows. Both ends are widened by the slack.
        """
        if reply.date is None:
            return None, None
        begun = reply.date - timedelta(seconds=reply.elapsed)
        return begun - _SECOND - self._slack, reply.date + _SECOND + self._slack

    def _batch(self, table: Table) -> int:
        room = _ADDRESS_BYTES - len(quote(table.select)) - 200
        return max(1, min(_BATCH, room // len(quote(", '001000000000000AAA'"))))

    def _table(self, name: str) -> Table:
        table = self._tables.get(name)
        if table is None:
            raise Refused(f"object {name} is not configured", where=self._rest.name)
        return table


def _stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S+00:00")


def _for_key(key: str, row: Row | None) -> Row:
    """The row under the key that was asked for, which may be the short form of the id."""
    return replace(row, key=key) if row is not None else Row(key, None)


def _common(
    windows: Sequence[tuple[datetime | None, datetime | None]],
) -> tuple[datetime | None, datetime | None]:
    """What holds for the rows of all queries together."""
    first = [begin for begin, _ in windows if begin is not None]
    last = [end for _, end in windows if end is not None]
    if not windows or len(first) < len(windows):
        return None, None
    return min(first), max(last)
