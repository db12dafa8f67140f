"""Evaluation of conditions on records: field paths over parents, comparison as SOQL does it, ordering."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime, time
from decimal import Decimal
from typing import Protocol, TypeVar

from adapters.sandbox.salesforce.org import ids
from adapters.sandbox.salesforce.org.clock import OrgClock
from adapters.sandbox.salesforce.org.errors import ApiError
from adapters.sandbox.salesforce.org.fields import NUMBER_TYPES, Field, FieldType, ObjectType
from adapters.sandbox.salesforce.org.record import Table
from adapters.sandbox.salesforce.org.values import Value
from adapters.sandbox.salesforce.soql import dates
from adapters.sandbox.salesforce.soql.grammar import (
    AGGREGATES,
    Both,
    Column,
    Comparison,
    Condition,
    Literal,
    Negation,
    Order,
    Query,
    Relative,
)

Values = Mapping[str, Value]
Lookup = Callable[[Values], Value]
Test = Callable[[Values], bool]
Inner = Callable[[Query], frozenset[Value]]
_KEYS = (FieldType.ID, FieldType.REFERENCE)
_DAYS = (FieldType.DATE, FieldType.DATETIME)
MOST_PARENTS = 5


class Valued(Protocol):
    """Anything with values: a record or a group."""

    @property
    def values(self) -> Values: ...


V = TypeVar("V", bound=Valued)


def no_column(name: str, kind: ObjectType) -> ApiError:
    """The refusal of a name that the object does not have."""
    return ApiError(
        "INVALID_FIELD",
        f"No such column '{name}' on entity '{kind.name}'. If you are attempting to use a custom field, be "
        f"sure "
        "to append the '__c' after the custom field name. Please reference your WSDL or the describe call "
        "for "
        "the appropriate names.",
    )


class Search:
    """Turns parsed conditions into tests on the values of a record. ``alias`` is the query's own name for the
    object, ``inner`` answers semi-joins."""

    def __init__(
        self,
        kind: ObjectType,
        tables: Mapping[str, Table],
        clock: OrgClock,
        alias: str = "",
        inner: Inner | None = None,
    ) -> None:
        self.kind = kind
        self._tables = tables
        self._clock = clock
        self._own = {kind.name.lower(), alias.lower()} - {""}
        self._inner = inner

    def path(self, path: str) -> tuple[Field, Lookup]:
        """The field at a path and how to get its value. Raises ApiError INVALID_FIELD."""
        head, _, rest = path.partition(".")
        if rest and head.lower() in self._own:
            return self.path(rest)
        if rest.count(".") >= MOST_PARENTS:
            raise ApiError("INVALID_FIELD", f"{path}: at most {MOST_PARENTS} parents can be reached")
        if rest:
            reference, parents = self.parent(head)
            target, inner = Search(parents.kind, self._tables, self._clock).path(rest)
            return target, _parent_lookup(reference.name, parents, inner)
        field = self.kind.find(head)
        if field is None:
            raise no_column(head, self.kind)
        name = field.name
        return field, lambda values: values.get(name)

    def parent(self, relationship: str) -> tuple[Field, Table]:
        """The lookup of that relationship name and the table it leads to. Raises ApiError INVALID_FIELD."""
        for field in self.kind.fields:
            if field.relationship.lower() == relationship.lower() and field.reference_to in self._tables:
                return field, self._tables[field.reference_to]
        raise ApiError("INVALID_FIELD", f"Didn't understand relationship '{relationship}' in field path.")

    def column(self, column: Column) -> tuple[Field, Lookup]:
        """The field of a column and how to get its value, a date function applied."""
        if column.aggregate:
            raise ApiError("MALFORMED_QUERY", f"{column.function} is an aggregate and has no place here")
        field, lookup = self.path(column.path)
        if not column.function:
            return field, lookup
        function = dates.FUNCTIONS.get(column.function)
        if function is None:
            raise ApiError("MALFORMED_QUERY", f"unexpected token: '{column.function}('")
        whole = Field(column.function, FieldType.INT, column.function, precision=9)
        kind = field if column.function in ("TOLABEL", "FORMAT", "CONVERTTIMEZONE") else whole
        if column.function == "DAY_ONLY":
            kind = Field("DAY_ONLY", FieldType.DATE, "DAY_ONLY")
        return kind, lambda values: function(lookup(values))

    def test(self, condition: Condition) -> Test:
        """The condition as a predicate over values."""
        if isinstance(condition, Negation):
            inner = self.test(condition.part)
            return lambda values: not inner(values)
        if isinstance(condition, Both):
            tests = [self.test(part) for part in condition.parts]
            if condition.every:
                return lambda values: all(test(values) for test in tests)
            return lambda values: any(test(values) for test in tests)
        return self._comparison(condition)

    def _comparison(self, condition: Comparison) -> Test:
        field, lookup = self.column(condition.column)
        fold = _same if field.type in _KEYS else folded
        operator = condition.operator
        if condition.query is not None:
            if self._inner is None:
                raise ApiError("MALFORMED_QUERY", "a semi-join has no place here")
            among, sought = self._inner(condition.query), operator == "IN"
            return lambda values: (lookup(values) in among) is sought
        if operator in ("INCLUDES", "EXCLUDES"):
            return self._selection(field, lookup, condition)
        if any(isinstance(value, Relative) for value in condition.values):
            return self._relative(field, lookup, condition)
        wanted = [operand(field, value) for value in condition.values]
        if operator in ("IN", "NOT IN"):
            listed, sought = frozenset(wanted), operator == "IN"
            return lambda values: (fold(lookup(values)) in listed) is sought
        first = wanted[0]
        if operator == "LIKE":
            return _like(field, lookup, first)
        if operator == "=":
            return lambda values: fold(lookup(values)) == first
        if operator == "!=":
            return lambda values: fold(lookup(values)) != first
        return lambda values: _ordered(operator, lookup(values), first)

    def _selection(self, field: Field, lookup: Lookup, condition: Comparison) -> Test:
        """INCLUDES and EXCLUDES: each literal is a set of values that must all be selected."""
        if field.type is not FieldType.MULTIPICKLIST:
            raise ApiError(
                "INVALID_QUERY_FILTER_OPERATOR",
                f"{field.name}: {condition.operator} is for multi-select picklists",
            )
        groups = [frozenset(str(value).lower().split(";")) for value in condition.values]
        sought = condition.operator == "INCLUDES"

        def test(values: Values) -> bool:
            selected = set(str(folded(lookup(values)) or "").split(";"))
            return any(group <= selected for group in groups) is sought

        return test

    def _relative(self, field: Field, lookup: Lookup, condition: Comparison) -> Test:
        """A test against a span of days."""
        [literal] = condition.values[:1]
        if not isinstance(literal, Relative) or len(condition.values) > 1:
            raise ApiError("MALFORMED_QUERY", "a date literal stands alone")
        span = dates.span(literal.name, literal.count, self._clock.now().date())
        if span is None:
            raise ApiError("MALFORMED_QUERY", f"unexpected token: '{literal.name}'")
        if field.type not in _DAYS:
            raise _mismatch(field, literal)
        start, end = (
            (dates.midnight(day) if field.type is FieldType.DATETIME else day).isoformat() for day in span
        )
        tests: dict[str, Callable[[str], bool]] = {
            "=": lambda at: start <= at < end,
            "!=": lambda at: not start <= at < end,
            "<": lambda at: at < start,
            ">": lambda at: at >= end,
            "<=": lambda at: at < end,
            ">=": lambda at: at >= start,
        }
        test = tests.get(condition.operator)
        if test is None:
            raise ApiError("MALFORMED_QUERY", f"{condition.operator} takes no date literal")

        def compare(values: Values) -> bool:
            value = lookup(values)
            return test(value.isoformat()) if isinstance(value, date) else condition.operator == "!="

        return compare

    def sort(self, rows: Iterable[V], order: tuple[Order, ...]) -> list[V]:
        """Records or groups in the asked order; nulls first unless told otherwise."""
        result = list(rows)
        for term in reversed(order):
            field, lookup = self.column(term.column)
            fold = _same if field.type in _KEYS else folded
            known = [each for each in result if lookup(each.values) is not None]
            nulls = [each for each in result if lookup(each.values) is None]
            known.sort(key=lambda each: _rank(fold(lookup(each.values))), reverse=term.descending)
            result = known + nulls if term.nulls_last else nulls + known
        return result


def _parent_lookup(reference: str, parents: Table, inner: Lookup) -> Lookup:
    def lookup(values: Values) -> Value:
        parent = parents.get(str(values.get(reference)))
        return None if parent is None or parent.deleted else inner(parent.values)

    return lookup


def _same(value: Value) -> Value:
    return value


def folded(value: Value) -> Value:
    """The value as SOQL compares it: text without regard to case."""
    return value.lower() if isinstance(value, str) else value


def _rank(value: Value) -> tuple[bool, str | Decimal]:
    if isinstance(value, (bool, int, Decimal)):
        return (False, Decimal(value))
    if isinstance(value, (date, datetime, time)):
        return (True, value.isoformat())
    return (True, str(value))


def _mismatch(field: Field, literal: Literal) -> ApiError:
    kind = "dateTime" if field.type is FieldType.DATETIME else str(field.type)
    quoted = isinstance(literal, str) or field.type in _DAYS
    told = (
        f"must be of type {kind} and should not be enclosed in quotes"
        if quoted
        else f"does not fit type {kind}"
    )
    return ApiError("INVALID_FIELD", f"value of filter criterion for field '{field.name}' {told}")


def operand(field: Field, literal: Literal) -> Value:
    """A literal as it compares with that field. Raises ApiError INVALID_FIELD when the kinds do not fit."""
    if literal is None:
        return None
    value: Literal = literal
    if field.type is FieldType.BOOLEAN:
        fits = isinstance(value, bool)
    elif field.type in NUMBER_TYPES:
        fits = isinstance(value, Decimal)
    elif field.type is FieldType.DATE:
        fits = isinstance(value, date) and not isinstance(value, datetime)
    elif field.type is FieldType.DATETIME:
        fits = isinstance(value, datetime)
    else:
        fits = isinstance(value, str)
    if not fits or isinstance(value, Relative):
        raise _mismatch(field, literal)
    if isinstance(value, str) and field.type in _KEYS:
        if not value:
            return None
        identifier = ids.full(value)
        if identifier is None:
            raise ApiError("INVALID_QUERY_FILTER_OPERATOR", f"{field.name}: invalid ID field: {value}")
        return identifier
    return folded(value)


def _ordered(operator: str, value: Value, wanted: Value) -> bool:
    if value is None or wanted is None:
        return False
    left, right = (
        _rank(folded(value) if isinstance(wanted, str) and wanted.islower() else value),
        _rank(wanted),
    )
    if left[0] is not right[0]:
        return False
    a, b = left[1], right[1]
    if operator == "<":
        return a < b  # type: ignore[operator]  # both are of one kind: compared just above
    if operator == ">":
        return a > b  # type: ignore[operator]  # as above
    return a <= b if operator == "<=" else a >= b  # type: ignore[operator]  # as above


def _like(field: Field, lookup: Lookup, wanted: Value) -> Test:
    if field.type in NUMBER_TYPES or field.type in (*_DAYS, FieldType.BOOLEAN):
        raise ApiError("INVALID_QUERY_FILTER_OPERATOR", f"invalid operator on {field.type} field")
    text = "".join(_LIKE.get(each, re.escape(each)) for each in _PIECE.findall(str(wanted).lower()))
    pattern = re.compile(text, re.DOTALL)
    return lambda values: pattern.fullmatch(str(folded(lookup(values)) or "")) is not None


_PIECE = re.compile(r"%+|.", re.DOTALL)
_LIKE = {"_": "."} | {"%" * width: ".*" for width in range(1, 200)}


class GroupSearch(Search):
    """Conditions and order over groups: their values are keyed by the text of the column."""

    def __init__(self, search: Search, columns: Iterable[Column]) -> None:
        super().__init__(search.kind, search._tables, search._clock)
        self._records = search
        self._grouped = {key(column) for column in columns}
        self._aliases = {column.alias.lower(): column for column in columns if column.alias}

    def column(self, column: Column) -> tuple[Field, Lookup]:
        """A grouped column or an aggregate. Raises ApiError when the query does not group by it."""
        column = self._aliases.get(column.path.lower(), column) if not column.function else column
        if column.function in AGGREGATES:
            field = _counted(column)
            if column.function in ("MIN", "MAX"):
                field = self._records.path(column.path)[0]
        elif key(column) in self._grouped:
            field = self._records.column(column)[0]
        else:
            raise ApiError("MALFORMED_QUERY", f"Field must be grouped or aggregated: {column.path}")
        name = key(column)
        return field, lambda values: values.get(name)


def key(column: Column) -> str:
    """How the value of a column is called within a group."""
    return f"{column.function}({column.path.lower()})"


def _counted(column: Column) -> Field:
    return Field(column.function, FieldType.DOUBLE, column.function, precision=18)
