"""Many questions of the duplicate probe in one query: does the org have a record with this value?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from urllib.parse import quote

from adapters.salesforce.connection.rest import Rest
from adapters.salesforce.read.query import Queries
from adapters.salesforce.read.reader import SalesforceReader
from adapters.salesforce.table import Table
from adapters.salesforce.values import soql
from agent.core.change import Row

#: Values in one query, and records that it may find; the address of a request may have 16 KB.
_VALUES = 200
_ROWS = 2000
_ADDRESS_BYTES = 14_000

Question = Mapping[str, object]


class Matching:
    """Answers questions for records of one org."""

    def __init__(self, tables: Mapping[str, Table], rest: Rest, reader: SalesforceReader) -> None:
        self._tables = tables
        self._queries = Queries(rest)
        self._reader = reader

    async def find_many(self, object: str, questions: Sequence[Question]) -> list[Sequence[Row]]:
        """For each question the records whose named fields have these values; as ``find`` answers one.

        Questions for one field share queries. Raises Unreachable, Refused.
        """
        answers: list[Sequence[Row]] = [()] * len(questions)
        fields: dict[str, list[int]] = defaultdict(list)
        alone: list[int] = []
        table = self._tables.get(object)
        for at, question in enumerate(questions):
            name = next(iter(question), "")
            shared = table is not None and len(question) == 1 and name in table.kinds
            (fields[name] if shared and _plain(question[name]) else alone).append(at)
        for name, places in fields.items():
            assert table is not None
            for some in self._parts(table, [(at, soql(questions[at][name])) for at in places]):
                found = await self._together(table, name, [(at, questions[at][name]) for at in some])
                if found is None:
                    alone += some
                else:
                    for at in some:
                        answers[at] = found[at]
        for at in alone:
            answers[at] = await self._reader.find(object, questions[at])
        return answers

    async def _together(
        self, table: Table, name: str, asked: Sequence[tuple[int, object]]
    ) -> dict[int, list[Row]] | None:
        """The records by question; None where it cannot be said which record answers which."""
        literals = ", ".join(dict.fromkeys(soql(value) for _, value in asked))
        selected = await self._queries.select(
            table, f"WHERE {name} IN ({literals}) ORDER BY Id LIMIT {_ROWS}"
        )
        rows = selected.rows
        if len(rows) == _ROWS or selected.reply.body.get("done") is not True:
            return None
        found: dict[int, list[Row]] = {at: [] for at, _ in asked}
        by_value: dict[object, list[int]] = defaultdict(list)
        for at, value in asked:
            by_value[_folded(value)].append(at)
        for row in rows:
            places = by_value.get(_folded(row.fields[name])) if row.fields is not None else None
            if not places:
                return None
            for at in places:
                found[at].append(row)
        return found

    @staticmethod
    def _parts(table: Table, literals: Sequence[tuple[int, str]]) -> list[list[int]]:
        room = _ADDRESS_BYTES - len(quote(table.select)) - 300
        parts: list[list[int]] = []
        left = 0
        for at, literal in literals:
            size = len(quote(f", {literal}"))
            if not parts or size > left or len(parts[-1]) == _VALUES:
                parts.append([])
                left = room
            parts[-1].append(at)
            left -= size
        return parts


def _plain(value: object) -> bool:
    """Whether a value can stand in a list and be known again in an answer."""
    return isinstance(value, str | int) and not isinstance(value, bool) and value != ""


def _folded(value: object) -> object:
    """What makes two texts equal for a query: neither case nor blanks at the end (SOQL reference)."""
    return value.rstrip().casefold() if isinstance(value, str) else value
