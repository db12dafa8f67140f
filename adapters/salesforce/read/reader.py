"""Records as they are now: batched reads by id, and all of an object in key order."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from urllib.parse import quote

from adapters.salesforce.connection.rest import Reply, Rest
from adapters.salesforce.read.query import Queries
from adapters.salesforce.read.snapshot import Snapshot
from adapters.salesforce.read.touched import Changes
from adapters.salesforce.read.window import common, of_reply
from adapters.salesforce.table import Table, is_id, is_name, long_id
from adapters.salesforce.values import soql
from agent.core.change import ReadResult, Row, Touched
from agent.errors import Refused, Unreachable

#: Ids in one query; the address of a request may have 16 KB.
_BATCH = 200
_ADDRESS_BYTES = 14_000
_FOUND = 50


class SalesforceReader:
    """A Reader. ``slack_s``: how far the clocks of Salesforce's own servers may differ."""

    def __init__(self, tables: Mapping[str, Table], rest: Rest, slack_s: float, snapshot: Snapshot) -> None:
        self._tables = tables
        self._rest = rest
        self._queries = Queries(rest)
        self._slack = timedelta(seconds=slack_s)
        self._changes = Changes(rest, self._slack)
        self._snapshot = snapshot

    async def read(self, object: str, keys: Sequence[str]) -> ReadResult:
        """One row per key, in the order asked; without fields where there is no such record or it is deleted.

        Raises Unreachable, Refused.
        """
        table = self._table(object)
        wanted = list(dict.fromkeys(long_id(key) for key in keys if is_id(key)))
        found: dict[str, Row] = {}
        lacking: set[str] = set()
        windows = []
        size = self._batch(table)
        for start in range(0, len(wanted), size):
            open_ = wanted[start : start + size]
            while open_:
                ids = ", ".join(soql(key) for key in open_)
                selected = await self._queries.select(table, f"WHERE Id IN ({ids})", deleted=True)
                rows = {long_id(row.key): row for row in selected.rows}
                found |= rows
                lacking |= selected.lacking
                windows.append(of_reply(selected.reply, self._slack))
                # An answer may stop early (wide records): what is not in it is then not missing at all.
                open_ = self._left(open_, rows, selected.reply)
        asked = tuple(_for_key(key, found.get(long_id(key))) for key in keys)
        return ReadResult(asked, *common(windows), lacking=frozenset(lacking))

    def _left(self, asked: list[str], rows: Mapping[str, Row], reply: Reply) -> list[str]:
        """Of the ids asked for, those of which the answer says nothing."""
        if reply.body.get("done") is not False:
            return []
        if not rows:
            raise Unreachable("an unfinished answer to a query has no records", where=self._rest.name)
        return [key for key in asked if key not in rows]

    async def page(self, object: str, resume: str = "") -> AsyncIterator[ReadResult]:
        """All records, each once, by pages of REST or by a bulk job (``Snapshot``); at most 2,000 a page.

        A record that exists all the time is met. Raises Unreachable, Refused, PositionLost.
        """
        async with contextlib.aclosing(self._snapshot.pages(self._table(object), resume)) as pages:
            async for page in pages:
                yield page

    async def touched(self, object: str, since: datetime) -> Touched | None:
        """Ids of what was written or deleted since then, at most 15 days back (``Changes``).

        Raises Unreachable, Refused.
        """
        return await self._changes.since(self._table(object), since)

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
        found: list[Row] = []
        while len(found) < _FOUND:
            behind = [f"Id > {soql(found[-1].key)}"] if found else []
            where = f"WHERE {' AND '.join(tests + behind)} ORDER BY Id LIMIT {_FOUND}"
            selected = await self._queries.select(table, where)
            found += selected.rows
            if not selected.rows or selected.reply.body.get("done") is not False:
                break
        return found[:_FOUND]

    def _literal(self, object_name: str, value: object) -> str:
        try:
            return soql(value)
        except ValueError as error:
            raise Refused(f"{object_name}: {error}", where=self._rest.name) from error

    def _batch(self, table: Table) -> int:
        room = _ADDRESS_BYTES - len(quote(table.select)) - 200
        return max(1, min(_BATCH, room // len(quote(", '001000000000000AAA'"))))

    def _table(self, name: str) -> Table:
        table = self._tables.get(name)
        if table is None:
            raise Refused(f"object {name} is not configured", where=self._rest.name)
        return table


def _for_key(key: str, row: Row | None) -> Row:
    """The row under the key that was asked for, which may be the short form of the id."""
    return replace(row, key=key) if row is not None else Row(key, None)
