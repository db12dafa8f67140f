"""Answers parsed queries from the tables: which records, in what order, or which groups."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import islice

from adapters.sandbox.salesforce.org import ids
from adapters.sandbox.salesforce.org.clock import OrgClock
from adapters.sandbox.salesforce.org.errors import ApiError
from adapters.sandbox.salesforce.org.fields import NUMBER_TYPES, ObjectType
from adapters.sandbox.salesforce.org.record import Record, Table
from adapters.sandbox.salesforce.org.values import Value
from adapters.sandbox.salesforce.soql.conditions import GroupSearch, Search, Values, folded, key
from adapters.sandbox.salesforce.soql.grammar import (
    Both,
    Column,
    Comparison,
    Condition,
    Negation,
    Query,
)

MOST_OFFSET = 2000


@dataclass(frozen=True, slots=True)
class Group:
    """One row of an aggregate query; ``values`` are keyed by the text of the column."""

    values: Values


class Execution:
    """Runs queries over the tables; ``deleted`` lets it see records in the bin."""

    def __init__(self, tables: Mapping[str, Table], clock: OrgClock, *, deleted: bool = False) -> None:
        self._tables = tables
        self._clock = clock
        self._deleted = deleted

    def table(self, name: str) -> Table:
        """The table that FROM names. Raises ApiError INVALID_TYPE."""
        for each, table in self._tables.items():
            if each.lower() == name.lower():
                return table
        raise ApiError(
            "INVALID_TYPE",
            f"sObject type '{name}' is not supported. If you are attempting to use a custom object, be sure "
            f"to "
            "append the '__c' after the entity name.",
        )

    def search(self, kind: ObjectType, query: Query) -> Search:
        """What the conditions and columns of a query are resolved with."""
        return Search(kind, self._tables, self._clock, query.alias, self.inner)

    def records(self, query: Query) -> list[Record]:
        """The records of a query that does not group, in order, limited."""
        table = self.table(query.source)
        return self.chosen(self._candidates(table, query.where), table.kind, query)

    def chosen(self, candidates: Iterable[Record], kind: ObjectType, query: Query) -> list[Record]:
        """Those candidates that the query wants."""
        if query.offset > MOST_OFFSET:
            raise ApiError("NUMBER_OUTSIDE_VALID_RANGE", f"SOQL offset is at most {MOST_OFFSET}")
        search = self.search(kind, query)
        found = self._matching(candidates, search, query.where)
        end = None if query.limit is None else query.offset + query.limit
        by_id = len(query.order) == 1 and _is_id(query.order[0].column) and not query.order[0].descending
        if not query.order or (by_id and _bound(query.where) is not None):
            return list(islice(found, query.offset, end))
        return search.sort(found, query.order)[query.offset : end]

    def groups(self, query: Query) -> list[Group]:
        """The groups of an aggregate query, in order, limited."""
        table = self.table(query.source)
        search = self.search(table.kind, query)
        wanted = _aggregates(query)
        for column in query.columns:
            if not column.aggregate and key(column) not in {key(each) for each in query.group}:
                raise ApiError("MALFORMED_QUERY", f"Field must be grouped or aggregated: {column.path}")
        sums = [(column, _reducer(column, search)) for column in wanted]
        members: dict[tuple[Value, ...], list[Record]] = {}
        lookups = [search.column(column)[1] for column in query.group]
        spelled: dict[tuple[Value, ...], tuple[Value, ...]] = {}
        for record in self._matching(self._candidates(table, query.where), search, query.where):
            shown = tuple(lookup(record.values) for lookup in lookups)
            folds = tuple(folded(value) for value in shown)
            spelled.setdefault(folds, shown)
            members.setdefault(folds, []).append(record)
        if not query.group:
            members.setdefault((), [])
            spelled.setdefault((), ())
        grouped = GroupSearch(search, [*query.group, *query.columns])
        rows = [
            Group(
                {
                    **{key(column): value for column, value in zip(query.group, spelled[each], strict=True)},
                    **{key(column): reduce(records) for column, reduce in sums},
                }
            )
            for each, records in members.items()
        ]
        if query.having is not None:
            test = grouped.test(query.having)
            rows = [row for row in rows if test(row.values)]
        rows = grouped.sort(rows, query.order)
        return rows[query.offset :][: query.limit]

    def count(self, query: Query) -> int:
        """What COUNT() answers."""
        return len(self.records(query))

    def inner(self, query: Query) -> frozenset[Value]:
        """The values that a semi-join compares with."""
        if len(query.columns) != 1 or query.children or query.columns[0].function:
            raise ApiError("MALFORMED_QUERY", "the inner query of a semi-join selects one field")
        table = self.table(query.source)
        _, lookup = self.search(table.kind, query).column(query.columns[0])
        return frozenset(value for each in self.records(query) if (value := lookup(each.values)) is not None)

    def _matching(
        self, candidates: Iterable[Record], search: Search, where: Condition | None
    ) -> Iterator[Record]:
        test = search.test(where) if where is not None else None
        deleted = self._deleted
        return (
            record
            for record in candidates
            if (deleted or not record.deleted) and (test is None or test(record.values))
        )

    def _candidates(self, table: Table, where: Condition | None) -> Iterable[Record]:
        """The records that may match, by id or index where the condition allows it, else all."""
        for part in _conjuncts(where):
            if part.operator not in ("=", "IN") or part.column.function or part.query is not None:
                continue
            name = part.column.path.lower()
            texts = [value for value in part.values if isinstance(value, str)]
            if len(texts) != len(part.values):
                continue
            if name == "id":
                full = [ids.full(text) for text in texts]
                return [found for each in dict.fromkeys(full) if each and (found := table.get(each))]
            field = table.kind.find(name)
            if field is not None and table.indexed(field.name) and not self._deleted:
                keys = [ids.full(text) or text if field.reference_to else text for text in texts]
                found_ids = dict.fromkeys(each for text in keys for each in table.matching(field.name, text))
                return [found for each in sorted(found_ids) if (found := table.get(each))]
        bound = _bound(where)
        return table.after(bound) if bound is not None else table


def _conjuncts(where: Condition | None) -> Iterator[Comparison]:
    """The comparisons that every record of the answer must pass."""
    if isinstance(where, Comparison):
        yield where
    elif isinstance(where, Both) and where.every:
        for part in where.parts:
            yield from _conjuncts(part)


def _bound(where: Condition | None) -> str | None:
    """The id above which all answers lie, where the condition says so."""
    for part in _conjuncts(where):
        [value] = part.values[:1] or (None,)
        if part.operator == ">" and _is_id(part.column) and isinstance(value, str):
            return ids.full(value)
    return None


def _is_id(column: Column) -> bool:
    return not column.function and column.path.lower() == "id"


def _aggregates(query: Query) -> list[Column]:
    """Every aggregate that columns, HAVING and ORDER BY need."""
    found = [column for column in query.columns if column.aggregate]
    found += [order.column for order in query.order if order.column.aggregate]
    pending = [query.having] if query.having is not None else []
    while pending:
        part = pending.pop()
        if isinstance(part, Both):
            pending += part.parts
        elif isinstance(part, Negation):
            pending.append(part.part)
        elif part.column.aggregate:
            found.append(part.column)
    return list({key(column): column for column in found}.values())


def _reducer(column: Column, search: Search) -> Callable[[list[Record]], Value]:
    if not column.path:
        return len
    field, lookup = search.path(column.path)
    if column.function in ("SUM", "AVG") and field.type not in NUMBER_TYPES:
        raise ApiError(
            "MALFORMED_QUERY", f"field {field.name} does not support aggregate operator {column.function}"
        )

    def reduce(records: list[Record]) -> Value:
        values = [value for each in records if (value := lookup(each.values)) is not None]
        return _reduced(column.function, values)

    return reduce


def _reduced(function: str, values: Sequence[Value]) -> Value:
    if function == "COUNT":
        return len(values)
    if function == "COUNT_DISTINCT":
        return len({folded(value) for value in values})
    if not values:
        return None
    if function in ("SUM", "AVG"):
        total = sum((Decimal(value) for value in values if isinstance(value, (int, Decimal))), Decimal())
        return total if function == "SUM" else total / len(values)
    ordered = sorted(values, key=lambda value: (isinstance(value, str), folded(value)))
    return ordered[0] if function == "MIN" else ordered[-1]
