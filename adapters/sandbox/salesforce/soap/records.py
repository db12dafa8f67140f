"""Record calls: create, update, upsert, delete, undelete, merge, retrieve, emptyRecycleBin."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from adapters.sandbox.salesforce.org import dml, removal
from adapters.sandbox.salesforce.org.errors import ApiError
from adapters.sandbox.salesforce.org.ids import full
from adapters.sandbox.salesforce.org.markup import Element
from adapters.sandbox.salesforce.org.transaction import Transaction
from adapters.sandbox.salesforce.rest import view
from adapters.sandbox.salesforce.rest.calls import Call
from adapters.sandbox.salesforce.soap.texts import errors, joined, sobject, tag

LIMIT = 200
Row = dict[str, Any]
Work = Callable[[Transaction], tuple[str, bool | None]]
_ROLLED_BACK = ApiError(
    "ALL_OR_NONE_OPERATION_ROLLED_BACK",
    "Record rolled back because not all records were valid and the request was using AllOrNone header",
)


def create(call: Call, operation: Element) -> str:
    """Inserts sObjects."""
    return _written(call, "insert", operation)


def update(call: Call, operation: Element) -> str:
    """Updates sObjects by Id."""
    return _written(call, "update", operation)


def upsert(call: Call, operation: Element) -> str:
    """Creates or updates sObjects by an external id."""
    key = operation.value("externalIDFieldName") or operation.value("externalIdFieldName")
    return _written(call, "upsert", operation, key)


def delete(call: Call, operation: Element) -> str:
    """Moves records to the bin."""
    return _each(call, [_by_id(call, "delete", each.text.strip()) for each in _ids(operation)])


def undelete(call: Call, operation: Element) -> str:
    """Takes records out of the bin."""
    return _each(call, [_by_id(call, "undelete", each.text.strip()) for each in _ids(operation)])


def empty_bin(call: Call, operation: Element) -> str:
    """Removes records for good. No change event tells of it."""

    def forgetting(identifier: str) -> Work:
        def work(transaction: Transaction) -> tuple[str, bool | None]:
            table = call.org.table_of(identifier)
            record = table.get(full(identifier) or "") if table else None
            if table is None or record is None or not record.deleted:
                raise ApiError("INVALID_ID_FIELD", "the record is not in the recycle bin")
            call.org.forget(record.object_name, record.id)
            return record.id, None

        return work

    return _each(call, [forgetting(each.text.strip()) for each in _ids(operation)])


def merge(call: Call, operation: Element) -> str:
    """Merges up to two records into a master."""
    results: list[str] = []
    requests = [each for each in operation.children if each.child("masterRecord") is not None]
    for request in requests:
        master = request.child("masterRecord") or Element("masterRecord")
        losers = [full(each.text.strip()) or "" for each in request.all("recordToMergeIds")]
        try:
            _, row = _row(master)
            identifier, fields = dml.split(row, "id")
            master_id = full(str(identifier)) or ""
            with call.transaction() as transaction:
                record, moved = removal.merge(call.org, transaction, master_id, losers, fields)
        except ApiError as error:
            results.append(_failed(error))
            continue
        parts = [
            tag("id", record.id),
            *(tag("mergedRecordIds", each) for each in losers),
            tag("success", True),
        ]
        results.append(tag("result", joined([*parts, *(tag("updatedRelatedIds", each) for each in moved)])))
    return joined(results)


def retrieve(call: Call, operation: Element) -> str:
    """Fields of records by id; nil for those that are not there."""
    names = ("Id", *(each.strip() for each in operation.value("fieldList").split(",")))
    table = call.org.table(operation.value("sObjectType"))
    results: list[str] = []
    for each in _ids(operation):
        record = table.get(full(each.text.strip()) or "")
        if record is None or record.deleted:
            results.append(tag("result", None))
        else:
            results.append(sobject(view.columns(call, record, names), "result"))
    return joined(results)


OPERATIONS: dict[str, Callable[[Call, Element], str]] = {
    "create": create,
    "update": update,
    "upsert": upsert,
    "delete": delete,
    "undelete": undelete,
    "emptyRecycleBin": empty_bin,
    "merge": merge,
    "retrieve": retrieve,
}


def _ids(operation: Element) -> list[Element]:
    return [each for each in operation.children if each.name.lower() == "ids"]


def _row(element: Element) -> tuple[str, Row]:
    """Object and fields of an sObject; ``fieldsToNull`` names what becomes null."""
    kind = element.value("type")
    row: Row = {}
    for child in element.children:
        if child.name == "type":
            continue
        if child.name == "fieldsToNull":
            row[child.text.strip()] = None
        elif child.children:
            row[child.name] = _row(child)[1]
        else:
            row[child.name] = None if child.null else child.text
    return kind, row


def _written(call: Call, operation: str, element: Element, key: str = "") -> str:
    rows = [_row(each) for each in element.all("sObjects")]
    once = dml.Once(operation, key, rows)
    return _each(call, [_writing(call, operation, each, once, key) for each in rows])


def _writing(call: Call, operation: str, named: tuple[str, Row], once: dml.Once, key: str = "") -> Work:
    def work(transaction: Transaction) -> tuple[str, bool | None]:
        kind, row = named
        once.check(kind, row)
        if operation == "insert":
            row = {name: value for name, value in row.items() if name.lower() != "id"}
        record, created = dml.write(call.org, transaction, operation, kind, row, key)
        return record.id, created if operation == "upsert" else None

    return work


def _by_id(call: Call, operation: str, identifier: str) -> Work:
    def work(transaction: Transaction) -> tuple[str, bool | None]:
        table = call.org.table_of(identifier)
        if table is None:
            raise ApiError("MALFORMED_ID", f"malformed id {identifier}", ("Id",))
        record, _ = dml.write(call.org, transaction, operation, table.kind.name, {"Id": identifier})
        return record.id, None

    return work


def _each(call: Call, works: list[Work]) -> str:
    """Does the work on each record in one transaction; failures stay with their record."""
    if len(works) > LIMIT:
        raise ApiError("EXCEEDED_ID_LIMIT", f"record limit reached. cannot submit more than {LIMIT} records")
    results: list[str] = []
    good = True
    try:
        with call.transaction() as transaction:
            for work in works:
                try:
                    identifier, created = work(transaction)
                except ApiError as error:
                    results.append(_failed(error))
                    good = False
                    continue
                flag = [] if created is None else [tag("created", created)]
                results.append(tag("result", joined([*flag, tag("id", identifier), tag("success", True)])))
            if not good and call.headers.get("all-or-none"):
                raise _ROLLED_BACK
    except ApiError as error:
        if error is not _ROLLED_BACK:
            raise
        results = [each if "<errors>" in each else _failed(_ROLLED_BACK) for each in results]
    return joined(results)


def _failed(error: ApiError) -> str:
    return tag("result", joined((errors(error), tag("id", None), tag("success", False))))
