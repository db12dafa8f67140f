"""Evaluation of conditions on records: field paths over one parent, comparison as SOQL does it, ordering."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal

from adapters.sandbox.salesforce.org import ids
from adapters.sandbox.salesforce.org.errors import ApiError
from adapters.sandbox.salesforce.org.fields import Field, FieldType, ObjectType
from adapters.sandbox.salesforce.org.record import Record, Table
from adapters.sandbox.salesforce.org.values import Value
from adapters.sandbox.salesforce.soql.grammar import Both, Comparison, Condition, Literal, Negation, Order

Lookup = Callable[[Mapping[str, Value]], Value]
Test = Callable[[Mapping[str, Value]], bool]


def no_column(name: str, kind: ObjectType) -> ApiError:
    """The refusal of a name that the object does not have."""
    return ApiError(
        "INVALID_FIELD",
        f"No such column '{name}' on entity '{kind.name}'. If you are attempting to use a custom field, be "
        f"sure to "
        "append the '__c' after the custom field name. Please reference your WSDL or the describe call for "
        "the "
        "appropriate names.",
    )


class Search:
    """Turns parsed conditions into tests on the values of a record."""

    def __init__(self, kind: ObjectType, tables: Mapping[str, Table]) -> None:
        self._kind = kind
        self._tables = tables

    def path(self, path: str) -> tuple[Field, Lookup]:
        """The field at a path and how to get its value. Raises ApiError INVALID_FIELD."""
        head, _, rest = path.partition(".")
        if rest:
            return self._through_parent(head, rest)
        field = self._kind.find(head)
        if field is None:
            raise no_column(head, self._kind)
        name = field.name
        return field, lambda values: values.get(name)

    def _through_parent(self, relationship: str, rest: str) -> tuple[Field, Lookup]:
        if relationship.lower() == self._kind.name.lower():
            return self.path(rest)
        for field in self._kind.fields:
            if field.relationship.lower() == relationship.lower() and field.reference_to in self._tables:
                parents = self._tables[field.reference_to]
                target, inner = Search(parents.kind, self._tables).path(rest)
                return target, _parent_lookup(field.name, parents, inner)
        raise ApiError(
            "INVALID_FIELD",
            f"Didn't understand relationship '{relationship}' in field path.",
        )

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
        field, lookup = self.path(condition.path)
        wanted = [_operand(field, value) for value in condition.values]
        operator = condition.operator
        if operator in ("IN", "NOT IN"):
            among, sought = frozenset(wanted), operator == "IN"
            return lambda values: (_folded(lookup(values)) in among) is sought
        first = wanted[0]
        if operator == "LIKE":
            pattern = _like(str(first))
            return lambda values: pattern.fullmatch(str(_folded(lookup(values)) or "")) is not None
        if operator == "=":
            return lambda values: _folded(lookup(values)) == first
        if operator == "!=":
            return lambda values: _folded(lookup(values)) != first
        return lambda values: _ordered(operator, _folded(lookup(values)), first)

    def sort(self, records: list[Record], order: tuple[Order, ...]) -> list[Record]:
        """Records in the asked order; nulls first unless told otherwise."""
        result = records
        for term in reversed(order):
            _, lookup = self.path(term.path)
            known = [each for each in result if lookup(each.values) is not None]
            nulls = [each for each in result if lookup(each.values) is None]
            known.sort(key=_sort_key(lookup), reverse=term.descending)
            result = known + nulls if term.nulls_last else nulls + known
        return result


def _parent_lookup(reference: str, parents: Table, inner: Lookup) -> Lookup:
    def lookup(values: Mapping[str, Value]) -> Value:
        parent = parents.get(str(values.get(reference)))
        return None if parent is None or parent.deleted else inner(parent.values)

    return lookup


def _sort_key(lookup: Lookup) -> Callable[[Record], tuple[bool, str | Decimal]]:
    def key(record: Record) -> tuple[bool, str | Decimal]:
        value = _folded(lookup(record.values))
        if isinstance(value, (bool, int, Decimal)):
            return (False, Decimal(value))
        if isinstance(value, (date, datetime)):
            return (True, value.isoformat())
        return (True, str(value))

    return key


def _folded(value: Value) -> Value:
    """The value as SOQL compares it: text without regard to case."""
    if isinstance(value, str):
        return value.lower()
    return value


def _operand(field: Field, literal: Literal) -> Value:
    """A literal as it compares with that field. Raises ApiError INVALID_FIELD when the kinds do not fit."""
    if literal is None:
        return None
    mismatch = ApiError(
        "INVALID_FIELD",
        f"{field.name}: value of filter criterion for field '{field.name}' must be of type "
        f"{field.type.value} "
        "and should not be enclosed in quotes"
        if isinstance(literal, str)
        else f"{field.name}: value of filter criterion does not fit type {field.type.value}",
    )
    if field.type is FieldType.BOOLEAN:
        fits = isinstance(literal, bool)
    elif field.type in (FieldType.CURRENCY, FieldType.DOUBLE, FieldType.INT):
        fits = isinstance(literal, Decimal)
    elif field.type is FieldType.DATE:
        fits = isinstance(literal, date) and not isinstance(literal, datetime)
    elif field.type is FieldType.DATETIME:
        if isinstance(literal, date) and not isinstance(literal, datetime):
            literal = datetime(literal.year, literal.month, literal.day, tzinfo=UTC)
        fits = isinstance(literal, datetime)
    else:
        fits = isinstance(literal, str)
    if not fits:
        raise mismatch
    if isinstance(literal, str) and field.type in (FieldType.ID, FieldType.REFERENCE):
        identifier = ids.full(literal)
        if identifier is None:
            raise ApiError("INVALID_QUERY_FILTER_OPERATOR", f"{field.name}: invalid ID field: {literal}")
        literal = identifier
    return _folded(literal)


def _ordered(operator: str, value: Value, wanted: Value) -> bool:
    if value is None or wanted is None:
        return False
    if isinstance(value, (bool, int, Decimal)) and isinstance(wanted, (bool, int, Decimal)):
        left, right = Decimal(value), Decimal(wanted)
        return {"<": left < right, ">": left > right, "<=": left <= right, ">=": left >= right}[operator]
    a, b = (each.isoformat() if isinstance(each, date) else str(each) for each in (value, wanted))
    return {"<": a < b, ">": a > b, "<=": a <= b, ">=": a >= b}[operator]


def _like(pattern: str) -> re.Pattern[str]:
    text = re.escape(pattern).replace("%", ".*").replace("_", ".")
    return re.compile(text, re.DOTALL)
