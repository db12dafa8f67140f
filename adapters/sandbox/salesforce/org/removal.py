"""Delete, undelete and merge, with everything that hangs on the record: children go with it, are cleared or
hold it back, as each lookup says."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from adapters.sandbox.salesforce.org.errors import ApiError
from adapters.sandbox.salesforce.org.fields import Field, OnDelete
from adapters.sandbox.salesforce.org.org import Org
from adapters.sandbox.salesforce.org.record import Record, Table
from adapters.sandbox.salesforce.org.transaction import Transaction
from adapters.sandbox.salesforce.org.values import Value

MERGEABLE = ("Account", "Contact")
MOST_LOSERS = 2


def delete(org: Org, transaction: Transaction, object_name: str, identifier: str) -> Record:
    """Moves a live record and its cascading children to the bin. Raises ApiError DELETE_FAILED when a child
    forbids it."""
    table = org.table(object_name)
    if not table.kind.writable:
        raise ApiError("INSUFFICIENT_ACCESS_OR_READONLY", f"{table.kind.name} records can't be deleted")
    record = transaction.live(table, identifier)
    for child_table, field, child in _children(org, record):
        if field.on_delete is OnDelete.RESTRICT:
            raise ApiError(
                "DELETE_FAILED",
                f"Your attempt to delete {record.id[:15]} could not be completed because it is associated "
                f"with "
                f"the following {child_table.kind.label_plural.lower()}: {child.id[:15]}",
            )
    for child_table, field, child in list(_children(org, record)):
        if field.on_delete is OnDelete.CASCADE:
            delete(org, transaction, child_table.kind.name, child.id)
        elif field.on_delete is OnDelete.CLEAR:
            transaction.derive(child, {field.name: None})
            org.cleared.setdefault(record.id, []).append((child_table.kind.name, child.id, field.name))
    return transaction.move(record, binned=True)


def undelete(org: Org, transaction: Transaction, object_name: str, identifier: str) -> Record:
    """Takes a record out of the bin, with the children that went with it and the lookups that were
    cleared."""
    table = org.table(object_name)
    record = table.get(identifier)
    if record is None:
        raise ApiError("NOT_FOUND", "The requested resource does not exist")
    restored = transaction.move(record, binned=False, more={"MasterRecordId": None})
    for child_table, field, child in list(_children(org, record, deleted=True)):
        together = child.values["SystemModstamp"] == record.values["SystemModstamp"]
        if field.on_delete is OnDelete.CASCADE and child.deleted and together:
            undelete(org, transaction, child_table.kind.name, child.id)
    for child_name, child_id, field_name in org.cleared.pop(record.id, []):
        found = org.tables[child_name].get(child_id)
        if found is not None and not found.deleted and found.values[field_name] is None:
            transaction.derive(found, {field_name: record.id})
    return restored


def merge(
    org: Org, transaction: Transaction, master_id: str, losers: Sequence[str], fields: dict[str, Any]
) -> tuple[Record, list[str]]:
    """Merges up to two losers into the master: they go to the bin with ``MasterRecordId``, their children
    move over. Returns the master and the ids of the moved children."""
    table = org.table_of(master_id)
    if table is None or table.kind.name not in MERGEABLE:
        raise ApiError("INVALID_ID_FIELD", f"merge takes records of {', '.join(MERGEABLE)}")
    if not 1 <= len(losers) <= MOST_LOSERS or master_id in losers:
        raise ApiError("INVALID_ID_FIELD", "merge takes one or two records besides the master")
    master = transaction.live(table, master_id)
    records = [transaction.live(table, each) for each in losers]
    if fields:
        master = transaction.update(table.kind.name, master_id, fields)
    moved: list[str] = []
    for record in records:
        for child_table, field, child in list(_children(org, record)):
            if child.id != master_id:
                transaction.update(child_table.kind.name, child.id, {field.name: master_id})
                moved.append(child.id)
        transaction.move(record, binned=True, more={"MasterRecordId": master_id})
    return master, moved


def _children(org: Org, record: Record, *, deleted: bool = False) -> Iterator[tuple[Table, Field, Record]]:
    """Records that refer to this one by a lookup that cares, each with its table and field."""
    for table in org.tables.values():
        for field in table.kind.fields:
            if field.reference_to != record.object_name or not table.indexed(field.name):
                continue
            if deleted:
                yield from ((table, field, each) for each in table if _refers(each, field.name, record.id))
                continue
            for identifier in table.matching(field.name, record.id):
                child = table.get(identifier)
                if child is not None:
                    yield table, field, child


def _refers(record: Record, field_name: str, identifier: Value) -> bool:
    return record.deleted and record.values[field_name] == identifier
