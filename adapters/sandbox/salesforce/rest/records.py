"""Single-record calls: create, read, update, delete, upsert by external id, and the lists of what changed."""

from __future__ import annotations

from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

from starlette.responses import Response

from adapters.sandbox.salesforce.org.assignment import record_id
from adapters.sandbox.salesforce.org.errors import Ambiguous, ApiError
from adapters.sandbox.salesforce.org.fields import Field, ObjectType
from adapters.sandbox.salesforce.org.record import Record, Table
from adapters.sandbox.salesforce.org.transaction import Transaction
from adapters.sandbox.salesforce.org.values import coerce, parse_datetime, to_json
from adapters.sandbox.salesforce.rest import view
from adapters.sandbox.salesforce.rest.calls import Call, answer

REPLICATION_DAYS = 30


def create(call: Call) -> Response:
    """POST sobjects/X."""
    with call.org.transaction(call.actor) as transaction:
        record = transaction.create(call.param("object"), call.fields())
    return answer(
        {"id": record.id, "success": True, "errors": []},
        201,
        {"Location": call.url(f"sobjects/{record.object_name}/{record.id}")},
    )


def read(call: Call) -> Response:
    """GET sobjects/X/id, whole or ``?fields=``."""
    table = call.org.table(call.param("object"))
    return _shown(call, table, _existing(table, record_id(table.kind, call.param("id"))))


def update(call: Call) -> Response:
    """PATCH sobjects/X/id, with ``If-Unmodified-Since`` (whole seconds) and ``If-Match`` (Account only)."""
    table = call.org.table(call.param("object"))
    identifier = record_id(table.kind, call.param("id"))
    body = call.fields()
    _refuse_stale(call, _existing(table, identifier), table.kind)
    with call.org.transaction(call.actor) as transaction:
        transaction.update(table.kind.name, identifier, body)
    return Response(status_code=204)


def delete(call: Call) -> Response:
    """DELETE sobjects/X/id."""
    table = call.org.table(call.param("object"))
    identifier = record_id(table.kind, call.param("id"))
    with call.org.transaction(call.actor) as transaction:
        transaction.delete(table.kind.name, identifier)
    return Response(status_code=204)


def read_by_key(call: Call) -> Response:
    """GET sobjects/X/Field__c/value."""
    table = call.org.table(call.param("object"))
    return _shown(call, table, _by_key(call, table))


def upsert(call: Call) -> Response:
    """PATCH sobjects/X/Field__c/value: 201 when created, 200 when updated (204 before version 46)."""
    table = call.org.table(call.param("object"))
    field = external_id(table.kind, call.param("field"))
    with call.org.transaction(call.actor) as transaction:
        record, created = upsert_one(transaction, table, field, call.param("value"), call.fields())
    if not created and float(call.version) < 46:
        return Response(status_code=204)
    body = {"id": record.id, "success": True, "errors": [], "created": created}
    return answer(body, 201 if created else 200)


def delete_by_key(call: Call) -> Response:
    """DELETE sobjects/X/Field__c/value."""
    table = call.org.table(call.param("object"))
    record = _by_key(call, table)
    with call.org.transaction(call.actor) as transaction:
        transaction.delete(table.kind.name, record.id)
    return Response(status_code=204)


def external_id(kind: ObjectType, name: str) -> Field:
    """The external id field of that name. Raises ApiError NOT_FOUND."""
    field = kind.find(name)
    if field is None or not field.external_id:
        raise ApiError("NOT_FOUND", f"Provided external ID field does not exist or is not accessible: {name}")
    return field


def upsert_one(
    transaction: Transaction, table: Table, field: Field, value: object, body: dict[str, Any]
) -> tuple[Record, bool]:
    """Creates or updates the record with that external id; the flag tells a create. The body must not
    name it."""
    if any(name.lower() == field.name.lower() for name in body):
        raise ApiError(
            "INVALID_FIELD", f"The {field.name} field should not be specified in the sobject data."
        )
    key = coerce(field, value)
    if key is None:
        raise ApiError("MISSING_ARGUMENT", f"{field.name} not specified", (field.name,))
    matches = table.matching(field.name, key)
    if len(matches) > 1:
        raise Ambiguous(table.kind.name, matches)
    if matches:
        return transaction.update(table.kind.name, matches[0], body), False
    return transaction.create(table.kind.name, {**body, field.name: key}), True


def updated(call: Call) -> Response:
    """GET sobjects/X/updated: ids of live records changed in the interval. Seconds of the bounds are
    ignored."""
    table = call.org.table(call.param("object"))
    start, end = _interval(call)
    ids = [each.id for each in table if not each.deleted and start <= _stamp(each) < end]
    return answer({"ids": ids, "latestDateCovered": to_json(end)})


def deleted(call: Call) -> Response:
    """GET sobjects/X/deleted: ids and times of records deleted in the interval."""
    table = call.org.table(call.param("object"))
    start, end = _interval(call)
    rows = [
        {"id": each.id, "deletedDate": to_json(_stamp(each))}
        for each in table
        if each.deleted and start <= _stamp(each) < end
    ]
    earliest = call.org.clock.second() - timedelta(days=REPLICATION_DAYS)
    return answer(
        {
            "deletedRecords": rows,
            "earliestDateAvailable": to_json(earliest),
            "latestDateCovered": to_json(end),
        }
    )


def _stamp(record: Record) -> datetime:
    moment = record.values["SystemModstamp"]
    return moment if isinstance(moment, datetime) else record.modified


def _interval(call: Call) -> tuple[datetime, datetime]:
    bounds = [parse_datetime(call.request.query_params.get(name, "")) for name in ("start", "end")]
    start, end = bounds
    if start is None or end is None:
        raise ApiError("INVALID_REPLICATION_DATE", "start and end must be dates in ISO 8601 format")
    start, end = start.replace(second=0), min(end, call.org.clock.second()).replace(second=0)
    if end <= start:
        raise ApiError(
            "INVALID_REPLICATION_DATE", "endDate must be at least one minute greater than startDate"
        )
    if start < call.org.clock.second() - timedelta(days=REPLICATION_DAYS, minutes=1):
        raise ApiError("INVALID_REPLICATION_DATE", "startDate before org replication enabled date")
    return start, end


def _existing(table: Table, identifier: str) -> Record:
    record = table.get(identifier)
    if record is None:
        raise ApiError(
            "NOT_FOUND", f"Provided external ID field does not exist or is not accessible: {identifier}"
        )
    if record.deleted:
        raise ApiError("ENTITY_IS_DELETED", "entity is deleted")
    return record


def _by_key(call: Call, table: Table) -> Record:
    field = external_id(table.kind, call.param("field"))
    matches = table.matching(field.name, coerce(field, call.param("value")))
    if len(matches) > 1:
        raise Ambiguous(table.kind.name, matches)
    if not matches:
        raise ApiError("NOT_FOUND", "The requested resource does not exist")
    return _existing(table, matches[0])


def _shown(call: Call, table: Table, record: Record) -> Response:
    headers = {"ETag": record.etag()} if table.kind.conditional_etag else {}
    since = _http_date(call, "if-modified-since")
    unchanged = since is not None and record.modified <= since
    if unchanged or (headers and call.request.headers.get("if-none-match") == headers["ETag"]):
        return Response(status_code=304, headers=headers)
    _refuse_stale(call, record, table.kind)
    if names := call.request.query_params.get("fields"):
        wanted = tuple(name.strip() for name in names.split(","))
        body = view.columns(record, ("Id", *wanted), call.org.tables, call.version)
    else:
        body = view.whole(record, table.kind, call.version)
    return answer(body, headers=headers)


def _refuse_stale(call: Call, record: Record, kind: ObjectType) -> None:
    """412 when the record changed after the given second. A change within that same second passes unseen."""
    since = _http_date(call, "if-unmodified-since")
    wanted = call.request.headers.get("if-match") if kind.conditional_etag else None
    if (since is not None and record.modified > since) or (wanted not in (None, "*", record.etag())):
        raise ApiError("PRECONDITION_FAILED", "The record was changed after the condition that was given")


def _http_date(call: Call, header: str) -> datetime | None:
    """Time of a conditional header. Raises ApiError on a write when it cannot be read; a read ignores it."""
    text = call.request.headers.get(header)
    if text is None:
        return None
    try:
        return parsedate_to_datetime(text)
    except ValueError:
        if call.request.method == "GET":
            return None
        raise ApiError("INVALID_HEADER", f"{header}: '{text}' is no HTTP date") from None
