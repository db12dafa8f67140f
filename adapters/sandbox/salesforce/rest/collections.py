"""Collections: up to 200 records in one call and one transaction, with a result per record in order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from adapters.sandbox.salesforce.org import dml
from adapters.sandbox.salesforce.org.assignment import record_id
from adapters.sandbox.salesforce.org.errors import ApiError
from adapters.sandbox.salesforce.org.record import Record, Table
from adapters.sandbox.salesforce.org.transaction import Transaction
from adapters.sandbox.salesforce.rest import view
from adapters.sandbox.salesforce.rest.answers import Answer
from adapters.sandbox.salesforce.rest.calls import Call

LIMIT = 200
Body = dict[str, Any]
Work = Callable[[Transaction, Body], tuple[Record, bool]]
_ROLLED_BACK = ApiError(
    "ALL_OR_NONE_OPERATION_ROLLED_BACK",
    "Record rolled back because not all records were valid and the request was using AllOrNone header",
)


def insert(call: Call) -> Answer:
    """POST composite/sobjects."""

    def work(transaction: Transaction, body: Body) -> tuple[Record, bool]:
        return dml.write(call.org, transaction, "insert", _type(body), body)

    return _run(call, _records(call), work, created=False)


def update(call: Call) -> Answer:
    """PATCH composite/sobjects: each record names its ``id``."""

    def work(transaction: Transaction, body: Body) -> tuple[Record, bool]:
        return dml.write(call.org, transaction, "update", _type(body), body)

    records = _records(call)
    named = [(_name(each), each) for each in records]
    once = dml.Once("update", "", named)
    return _run(call, records, _single(once, work), created=False)


def upsert(call: Call) -> Answer:
    """PATCH composite/sobjects/X/Field__c: here the external id stands in each record."""
    table = call.org.table(call.param("object"))
    field = dml.external_id(table.kind, call.param("field"))

    def work(transaction: Transaction, body: Body) -> tuple[Record, bool]:
        return dml.write(call.org, transaction, "upsert", table.kind.name, body, field.name)

    records = _records(call)
    once = dml.Once("upsert", field.name, ((table.kind.name, each) for each in records))
    return _run(call, records, _single(once, work, table.kind.name), created=True)


def delete(call: Call) -> Answer:
    """DELETE composite/sobjects?ids=a,b."""
    bodies: list[Body] = [
        {"id": each.strip()} for each in call.query.get("ids", "").split(",") if each.strip()
    ]

    def work(transaction: Transaction, body: Body) -> tuple[Record, bool]:
        name = _table_of(call, body["id"]).kind.name
        return dml.write(call.org, transaction, "delete", name, body)

    together = call.query.get("allOrNone", "").lower() == "true"
    return _run(call, _bounded(bodies), work, all_or_none=together)


def retrieve(call: Call) -> Answer:
    """GET composite/sobjects/X?ids=&fields= or POST the same as a body; unknown and deleted records are
    null."""
    table = call.org.table(call.param("object"))
    wanted: Any
    names: Any
    if call.method == "GET":
        wanted = call.query.get("ids", "").split(",")
        names = call.query.get("fields", "").split(",")
    else:
        wanted, names = call.fields().get("ids"), call.fields().get("fields")
        if not isinstance(wanted, list) or not isinstance(names, list):
            raise ApiError("JSON_PARSER_ERROR", "'ids' and 'fields' must be lists")
    if len(wanted) > 2000:
        raise ApiError(
            "EXCEEDED_ID_LIMIT", f"record limit reached. cannot retrieve more than 2000, was {len(wanted)}"
        )
    rows: list[Any] = []
    for identifier in wanted:
        record = table.get(record_id(table.kind, str(identifier).strip()))
        rows.append(
            None
            if record is None or record.deleted
            else view.columns(call, record, tuple(str(name).strip() for name in names))
        )
    return Answer(rows)


def _records(call: Call) -> list[Body]:
    records = call.fields().get("records")
    if not isinstance(records, list) or not all(isinstance(each, dict) for each in records):
        raise ApiError("JSON_PARSER_ERROR", "'records' must be a list of objects", ("records",))
    return _bounded(records)


def _bounded(bodies: list[Body]) -> list[Body]:
    if len(bodies) > LIMIT:
        raise ApiError(
            "EXCEEDED_ID_LIMIT", f"record limit reached. cannot submit more than {LIMIT} records in this call"
        )
    if not bodies:
        raise ApiError("MISSING_ARGUMENT", "at least one record must be given")
    return bodies


def _type(body: Body) -> str:
    described = body.get("attributes")
    if not isinstance(described, dict) or not isinstance(described.get("type"), str):
        raise ApiError("INVALID_TYPE", "Object must have an attributes type")
    return str(described["type"])


def _name(body: Body) -> str:
    described = body.get("attributes")
    return str(described.get("type", "")) if isinstance(described, dict) else ""


def _single(once: dml.Once, work: Work, name: str = "") -> Work:
    """The work, refused for records that the call names more than once."""

    def checked(transaction: Transaction, body: Body) -> tuple[Record, bool]:
        once.check(name or _name(body), body)
        return work(transaction, body)

    return checked


def _table_of(call: Call, identifier: str) -> Table:
    table = call.org.table_of(identifier)
    if table is None:
        raise ApiError("MALFORMED_ID", f"malformed id {identifier}", ("Id",))
    return table


def _run(
    call: Call, bodies: list[Body], work: Work, *, created: bool = False, all_or_none: bool | None = None
) -> Answer:
    """Does the work on each body; failures stay with their record unless all or none was asked."""
    together = call.fields().get("allOrNone") is True if all_or_none is None else all_or_none
    results: list[Body] = []
    try:
        with call.transaction() as transaction:
            for body in bodies:
                results.append(_one(transaction, body, work, created))
            if together and not all(each["success"] for each in results):
                raise _ROLLED_BACK
    except ApiError as error:
        if error is not _ROLLED_BACK:
            raise
        results = [_undone(each) for each in results]
    return Answer(results)


def _one(transaction: Transaction, body: Body, work: Work, created: bool) -> Body:
    try:
        record, fresh = work(transaction, body)
    except ApiError as error:
        if error.code == "JSON_PARSER_ERROR":
            raise  # a body that cannot be read is 400 as a whole (vendor: "Status Codes and Error Responses")
        return {"success": False, "errors": [error.item()]}
    result: Body = {"id": record.id, "success": True, "errors": []}
    return {**result, "created": fresh} if created else result


def _undone(result: Body) -> Body:
    return {"success": False, "errors": [_ROLLED_BACK.item()]} if result["success"] else result
