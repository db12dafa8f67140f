"""One write of one record, by whatever API it came: the words of SOAP, the bulk APIs and the collections."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from adapters.sandbox.salesforce.org import ids, removal
from adapters.sandbox.salesforce.org.assignment import record_id
from adapters.sandbox.salesforce.org.errors import Ambiguous, ApiError
from adapters.sandbox.salesforce.org.fields import Field, FieldType, ObjectType
from adapters.sandbox.salesforce.org.org import Org
from adapters.sandbox.salesforce.org.record import Record, Table
from adapters.sandbox.salesforce.org.transaction import Transaction
from adapters.sandbox.salesforce.org.values import coerce

OPERATIONS = ("insert", "update", "upsert", "delete", "hardDelete", "undelete")
_NAMING = ("update", "upsert")


def write(
    org: Org,
    transaction: Transaction,
    operation: str,
    object_name: str,
    row: Mapping[str, Any],
    key: str = "",
) -> tuple[Record, bool]:
    """Carries out one row; ``key`` names the external id of an upsert. The flag tells a create.

    Raises ApiError and leaves the transaction as it was before.
    """
    table = org.table(object_name)
    try:
        with transaction.part():
            return _write(org, transaction, operation, table, row, key)
    except Ambiguous as several:
        text = f"more than one record found for external id field: [{', '.join(several.ids)}]"
        raise ApiError("DUPLICATE_EXTERNAL_ID", text) from None
    except ApiError as error:
        if error.code == "NOT_FOUND":
            raise ApiError("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id") from None
        raise


def _write(
    org: Org, transaction: Transaction, operation: str, table: Table, row: Mapping[str, Any], key: str
) -> tuple[Record, bool]:
    name = table.kind.name
    if operation == "insert":
        return transaction.create(name, row), True
    if operation == "upsert" and key.lower() != "id":
        field = external_id(table.kind, key)
        value, rest = split(row, field.name)
        return upsert(transaction, table, field, value, rest)
    identifier, rest = split(row, "id")
    if operation == "upsert" and identifier in (None, ""):
        return transaction.create(name, rest), True
    if identifier in (None, ""):
        raise ApiError("MISSING_ARGUMENT", f"Id not specified in an {operation} call", ("Id",))
    full = record_id(table.kind, identifier)
    if operation in ("update", "upsert"):
        return transaction.update(name, full, rest), False
    if operation == "undelete":
        return removal.undelete(org, transaction, name, full), False
    return removal.delete(org, transaction, name, full), False


class Once:
    """The rule that rows written together name each record once: of rows that share an id or external id,
    none is written (vendor: SOAP API ``upsert()``; help article 000384876)."""

    def __init__(self, operation: str, key: str, rows: Iterable[tuple[str, Mapping[str, Any]]]) -> None:
        self._operation = operation
        self._key = key or "id"
        self._counts = Counter(self._named(*each) for each in rows) if operation in _NAMING else Counter()

    def check(self, object_name: str, row: Mapping[str, Any]) -> None:
        """Raises ApiError DUPLICATE_VALUE when another row names the same record."""
        if self._operation not in _NAMING:
            return
        named = self._named(object_name, row)
        if named[1] and self._counts[named] > 1:
            by_id = self._key.lower() == "id"
            word = "id" if by_id else "external id"
            fields = () if by_id else (self._key,)
            value = split(row, self._key)[0]
            raise ApiError("DUPLICATE_VALUE", f"Duplicate {word} specified: {value}", fields)

    def _named(self, object_name: str, row: Mapping[str, Any]) -> tuple[str, str]:
        value = split(row, self._key)[0]
        if value is None:
            return object_name.lower(), ""
        text = str(value)
        # The 15 and the 18 character form are one id; an external id compares without regard to case.
        return object_name.lower(), (ids.full(text) or text) if self._key.lower() == "id" else text.lower()


def split(row: Mapping[str, Any], name: str) -> tuple[Any, dict[str, Any]]:
    """The value of one field, found without regard to case, and the other fields."""
    value = next((raw for each, raw in row.items() if each.lower() == name.lower()), None)
    return value, {each: raw for each, raw in row.items() if each.lower() != name.lower()}


def external_id(kind: ObjectType, name: str) -> Field:
    """The external id field of that name. Raises ApiError NOT_FOUND."""
    field = kind.find(name)
    if field is None or not (field.external_id or field.type is FieldType.ID):
        raise ApiError("NOT_FOUND", f"Provided external ID field does not exist or is not accessible: {name}")
    return field


def upsert(
    transaction: Transaction, table: Table, field: Field, value: object, body: dict[str, Any]
) -> tuple[Record, bool]:
    """Creates or updates the record with that external id; the flag tells a create. The body must not
    name it."""
    if any(name.lower() == field.name.lower() for name in body):
        raise ApiError(
            "INVALID_FIELD", f"The {field.name} field should not be specified in the sobject data."
        )
    if field.type is FieldType.ID:
        return transaction.update(table.kind.name, record_id(table.kind, value), body), False
    key = coerce(field, value)
    if key is None:
        raise ApiError("MISSING_ARGUMENT", f"{field.name} not specified", (field.name,))
    matches = table.matching(field.name, key)
    if len(matches) > 1:
        raise Ambiguous(table.kind.name, matches)
    if matches:
        return transaction.update(table.kind.name, matches[0], body), False
    return transaction.create(table.kind.name, {**body, field.name: key}), True
