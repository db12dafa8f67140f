"""What a query shows of a record or group: as JSON with nested parents and children, or as flat cells."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from adapters.sandbox.salesforce.org.clock import OrgClock
from adapters.sandbox.salesforce.org.errors import ApiError
from adapters.sandbox.salesforce.org.fields import Field, ObjectType
from adapters.sandbox.salesforce.org.record import Record, Table
from adapters.sandbox.salesforce.org.values import to_json, to_text
from adapters.sandbox.salesforce.soql.conditions import Search, key
from adapters.sandbox.salesforce.soql.execution import Execution, Group
from adapters.sandbox.salesforce.soql.grammar import Column, Query

Json = dict[str, Any]
Show = Callable[[Record], Json]
_Put = Callable[[Json, Record], None]
MOST_OF_ALL = 200
_EXPANDED: dict[str, Callable[[Field], bool]] = {
    "ALL": lambda each: True,
    "STANDARD": lambda each: not each.custom,
    "CUSTOM": lambda each: each.custom,
}


def attributes(record: Record, version: str) -> dict[str, str]:
    """Type and address of a record."""
    path = f"/services/data/v{version}/sobjects/{record.object_name}/{record.id}"
    return {"type": record.object_name, "url": path}


def compound(record: Record, kind: ObjectType, name: str) -> Json | None:
    """An address or location as REST shows it, null when all its parts are."""
    parts = {each.component: record.values[each.name] for each in kind.parts(name)}
    if all(value is None for value in parts.values()):
        return None
    return {part[0].lower() + part[1:]: to_json(value) for part, value in parts.items()}


def structured(kind: ObjectType) -> list[str]:
    """Names of the compound fields that REST shows as objects (a person's name is plain text)."""
    return [name for name in kind.compounds() if kind.find(name) is None]


class Projection:
    """The columns of one query, resolved once and applied to each record."""

    def __init__(
        self, query: Query, kind: ObjectType, tables: Mapping[str, Table], execution: Execution, version: str
    ) -> None:
        self._kind = kind
        self._tables = tables
        self._execution = execution
        self._version = version
        self._search = execution.search(kind, query)
        self._own = {query.alias.lower(), kind.name.lower()}
        self.columns = [each for column in query.columns for each in self._expanded(column)]
        self._check_chosen(query)
        self._puts = [self._put(column) for column in self.columns]
        self._puts += [self._children(child) for child in query.children]

    def show(self, record: Record) -> Json:
        """The record as JSON."""
        body: Json = {"attributes": attributes(record, self._version)}
        for put in self._puts:
            put(body, record)
        return body

    def cells(self) -> tuple[list[str], Callable[[Record], list[str]]]:
        """Titles and, for each record, its texts. Raises ApiError for what no cell can hold."""
        lookups = [self._search.column(column)[1] for column in self.columns]
        titles = [column.alias or self._title(column) for column in self.columns]
        return titles, lambda record: [to_text(lookup(record.values)) for lookup in lookups]

    def _title(self, column: Column) -> str:
        head, dot, _ = column.path.partition(".")
        if dot and head.lower() not in self._own:
            return column.path
        return self._search.path(column.path)[0].name

    def _expanded(self, column: Column) -> list[Column]:
        if column.function != "FIELDS":
            return [column]
        chosen = _EXPANDED.get(column.path.upper())
        if chosen is None:
            raise ApiError("INVALID_FIELD", f"FIELDS() takes ALL, STANDARD or CUSTOM, not {column.path}")
        return [Column(field.name) for field in self._kind.fields if chosen(field)]

    def _check_chosen(self, query: Query) -> None:
        """Raises ApiError for a field chosen twice, and for an open set of fields without a bound of rows."""
        if any(each.function == "FIELDS" and each.path.upper() != "STANDARD" for each in query.columns) and (
            query.limit is None or query.limit > MOST_OF_ALL
        ):
            raise ApiError(
                "MALFORMED_QUERY", f"The SOQL FIELDS function must have a LIMIT of at most {MOST_OF_ALL}"
            )
        seen: set[str] = set()
        for column in self.columns:
            if not column.function and not column.alias and column.path.lower() in seen:
                raise ApiError("INVALID_FIELD", f"duplicate field selected: {column.path}")
            seen.add(column.path.lower() if not column.function else "")

    def _put(self, column: Column) -> _Put:
        if not column.function:
            return self._plain(column.path, self._kind)
        _, lookup = self._search.column(column)
        name = column.alias or self._search.path(column.path)[0].name
        return lambda body, record: body.__setitem__(name, to_json(lookup(record.values)))

    def _plain(self, path: str, kind: ObjectType) -> _Put:
        """Puts one field, or walks to a parent and puts it there."""
        head, _, rest = path.partition(".")
        if rest and kind is self._kind and head.lower() in self._own:
            return self._plain(rest, kind)
        if rest:
            return self._nested(head, rest, kind)
        name = next((each for each in structured(kind) if each.lower() == head.lower()), None)
        if name is not None:
            return lambda body, record: body.__setitem__(name, compound(record, kind, name))
        field, _ = Search(kind, self._tables, OrgClock()).path(head)
        return lambda body, record: body.__setitem__(field.name, to_json(record.values[field.name]))

    def _nested(self, head: str, rest: str, kind: ObjectType) -> _Put:
        reference, parents = Search(kind, self._tables, OrgClock()).parent(head)
        inner = self._plain(rest, parents.kind)
        name = reference.relationship

        def put(body: Json, record: Record) -> None:
            parent = parents.get(str(record.values[reference.name]))
            if parent is None:
                body.setdefault(name, None)
                return
            nested = body.setdefault(name, {"attributes": attributes(parent, self._version)})
            inner(nested, parent)

        return put

    def _children(self, query: Query) -> _Put:
        child, reference, name = self._relationship(query.source)
        inner = Projection(query, child.kind, self._tables, self._execution, self._version)

        def put(body: Json, record: Record) -> None:
            found = [child.get(each) for each in child.matching(reference.name, record.id)]
            rows = self._execution.chosen([each for each in found if each is not None], child.kind, query)
            shown = [inner.show(each) for each in rows]
            body[name] = {"totalSize": len(rows), "done": True, "records": shown} if rows else None

        return put

    def _relationship(self, name: str) -> tuple[Table, Field, str]:
        for table in self._tables.values():
            for field in table.kind.fields:
                if field.reference_to == self._kind.name and field.children.lower() == name.lower() != "":
                    return table, field, field.children
        raise ApiError("INVALID_TYPE", f"Didn't understand relationship '{name}' in FROM part of query call.")


class Grouping:
    """The columns of an aggregate query."""

    def __init__(self, query: Query) -> None:
        self._names: list[tuple[str, str]] = []
        numbered = 0
        for column in query.columns:
            name = column.alias
            if not name and column.function:
                name, numbered = f"expr{numbered}", numbered + 1
            self._names.append((name or column.path.rpartition(".")[2], key(column)))

    def show(self, group: Group) -> Json:
        """The group as JSON."""
        body: Json = {"attributes": {"type": "AggregateResult"}}
        return body | {name: to_json(group.values.get(column)) for name, column in self._names}

    def cells(self) -> tuple[list[str], Callable[[Group], list[str]]]:
        """Titles and, for each group, its texts."""
        titles = [name for name, _ in self._names]
        return titles, lambda group: [to_text(group.values.get(column)) for _, column in self._names]
