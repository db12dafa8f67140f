"""SOQL over REST, answers as rows. The server's cursor is never followed: it expires, an id does not."""

from __future__ import annotations

from dataclasses import dataclass

from adapters.salesforce.connection.rest import Reply, Rest
from adapters.salesforce.table import Table
from agent.core.change import Row
from agent.errors import Refused, Unreachable


@dataclass(frozen=True, slots=True)
class Selected:
    """Records of a query. ``lacking``: mapped fields that the object does not have for our user now."""

    reply: Reply
    rows: tuple[Row, ...]
    lacking: frozenset[str]


class Queries:
    """Asks one org."""

    def __init__(self, rest: Rest) -> None:
        self._rest = rest

    async def ask(self, text: str, deleted: bool = False) -> Reply:
        """The answer to a query, over records in the bin too where ``deleted``; it holds ``records``.

        It may hold fewer than were found: then ``done`` is not true. Raises Unreachable, Refused.
        """
        reply = await self._rest.get("/queryAll" if deleted else "/query", {"q": text})
        if not isinstance(reply.body, dict) or not isinstance(reply.body.get("records"), list):
            raise Unreachable("the answer to a query has no records", where=self._rest.name)
        return reply

    async def select(self, table: Table, tail: str, deleted: bool = False) -> Selected:
        """The mapped fields of the records that ``tail`` finds; without those that the object lacks.

        A removed field stops only itself. Raises Unreachable, Refused.
        """
        while True:
            view = table.visible()
            try:
                reply = await self.ask(view.query(tail), deleted)
            except Refused as error:
                if not table.lack(error.message):
                    raise
                continue
            table.shown(view)
            return Selected(reply, self.rows(view, reply), view.lacking)

    def rows(self, table: Table, reply: Reply) -> tuple[Row, ...]:
        """The records of an answer. Raises Refused where one is not as mapped."""
        try:
            return tuple(table.row(record) for record in reply.body["records"])
        except (ValueError, KeyError, TypeError) as error:
            raise Refused(
                f"{table.name}: a record cannot be read as mapped: {error}",
                where=self._rest.name,
                remedy="compare the types of the mapping with those of the object",
            ) from error
