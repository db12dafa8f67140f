"""Collections: up to 200 records in one call and one transaction, with a result per record in order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from starlette.responses import Response

from adapters.sandbox.salesforce.org.assignment import record_id
from adapters.sandbox.salesforce.org.errors import Ambiguous, ApiError
from adapters.sandbox.salesforce.org.record import Record, Table
from adapters.sandbox.salesforce.org.transaction import Transaction
from adapters.sandbox.salesforce.rest import view
from adapters.sandbox.salesforce.rest.calls import Call, answer
from adapters.sandbox.salesforce.rest.records import external_id, upsert_one

LIMIT = 200
Body = dict[str, Any]
Work = Callable[[Transaction, Body], tuple[Record, bool]]
_ROLLED_BACK = ApiError(
    "ALL_OR_NONE_OPERATION_ROLLED_BACK",
    "Record rolled back because not all records were valid and the request was using AllOrNone header",
)


def insert(call: Call) -> Response:
    """POST composite/sobjects."""

    def work(transaction: Transaction, body: Body) -> tuple[Record, bool]:
        return transaction.create(_type(body), body), True

    return _run(call, _records(call), work, created=False)


def update(call: Call) -> Response:
    """PATCH composite/sobjects: each record names its ``id``."""

    def work(transaction: Transaction, body: Body) -> tuple[Record, bool]:
        table = call.org.table(_type(body))
        identifier = next((value for name, value in body.items() if name.lower() == "id"), None)
        if identifier is None:
            raise ApiError("MISSING_ARGUMENT", "Id not specified in an update call", ("Id",))
        rest = {name: value for name, value in body.items() if name.lower() != "id"}
        return transaction.update(table.kind.name, record_id(table.kind, identifier), rest), False

    return _run(call, _records(call), work, created=False)


def upsert(call: Call) -> Response:
    """PATCH composite/sobjects/X/Field__c: here the external id stands in each record."""
    table = call.org.table(call.param("object"))
    field = external_id(table.kind, call.param("field"))

    def work(transaction: Transaction, body: Body) -> tuple[Record, bool]:
        key = next((value for name, value in body.items() if name.lower() == field.name.lower()), None)
        rest = {name: value for name, value in body.items() if name.lower() != field.name.lower()}
        return upsert_one(transaction, table, field, key, rest)

    return _run(call, _records(call), work, created=True)


def delete(call: Call) -> Response:
    """DELETE composite/sobjects?ids=a,b."""
    query = call.request.query_params
    bodies: list[Body] = [{"id": each.strip()} for each in query.get("ids", "").split(",") if each.strip()]

    def work(transaction: Transaction, body: Body) -> tuple[Record, bool]:
        table = _table_of(call, body["id"])
        return transaction.delete(table.kind.name, record_id(table.kind, body["id"])), False

    return _run(call, _bounded(bodies), work, all_or_none=query.get("allOrNone", "").lower() == "true")


def retrieve(call: Call) -> Response:
    """GET composite/sobjects/X?ids=&fields= or POST the same as a body; unknown and deleted records are
    null."""
    table = call.org.table(call.param("object"))
    if call.request.method == "GET":
        wanted = call.request.query_params.get("ids", "").split(",")
        names = call.request.query_params.get("fields", "").split(",")
    else:
        wanted, names = call.fields().get("ids", []), call.fields().get("fields", [])
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
            else view.columns(
                record, tuple(str(name).strip() for name in names), call.org.tables, call.version
            )
        )
    return answer(rows)


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


def _table_of(call: Call, identifier: str) -> Table:
    for table in call.org.tables.values():
        if identifier.startswith(table.kind.prefix):
            return table
    raise ApiError("MALFORMED_ID", f"malformed id {identifier}", ("Id",))


def _run(
    call: Call, bodies: list[Body], work: Work, *, created: bool = False, all_or_none: bool | None = None
) -> Response:
    """Does the work on each body; failures stay with their record unless all or none was asked."""
    together = call.fields().get("allOrNone") is True if all_or_none is None else all_or_none
    results: list[Body] = []
    try:
        with call.org.transaction(call.actor) as transaction:
            for body in bodies:
                results.append(_one(transaction, body, work, created))
            if together and not all(each["success"] for each in results):
                raise _ROLLED_BACK
    except ApiError as error:
        if error is not _ROLLED_BACK:
            raise
        results = [_undone(each) for each in results]
    return answer(results)


def _one(transaction: Transaction, body: Body, work: Work, created: bool) -> Body:
    try:
        record, fresh = work(transaction, body)
    except Ambiguous as several:
        error = ApiError("DUPLICATE_EXTERNAL_ID", f"{len(several.ids)} records share the external id")
        return {"success": False, "errors": [error.item()]}
    except ApiError as error:
        if error.code == "NOT_FOUND":
            error = ApiError("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id")
        return {"success": False, "errors": [error.item()]}
    result: Body = {"id": record.id, "success": True, "errors": []}
    return {**result, "created": fresh} if created else result


def _undone(result: Body) -> Body:
    return {"success": False, "errors": [_ROLLED_BACK.item()]} if result["success"] else result
