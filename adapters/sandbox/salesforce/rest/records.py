"""Single-record calls: create, read, update, delete, upsert by external id, and the lists of what changed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from adapters.sandbox.salesforce.org import dml, removal
from adapters.sandbox.salesforce.org.assignment import record_id
from adapters.sandbox.salesforce.org.errors import Ambiguous, ApiError
from adapters.sandbox.salesforce.org.fields import ObjectType
from adapters.sandbox.salesforce.org.record import Record, Table
from adapters.sandbox.salesforce.org.values import coerce, parse_datetime, to_json
from adapters.sandbox.salesforce.rest import view
from adapters.sandbox.salesforce.rest.answers import Answer
from adapters.sandbox.salesforce.rest.calls import Call

REPLICATION_DAYS = 30


def create(call: Call) -> Answer:
    """POST sobjects/X."""
    with call.transaction() as transaction:
        record = transaction.create(call.param("object"), call.fields())
    return Answer(
        {"id": record.id, "success": True, "errors": []},
        201,
        {"Location": call.url(f"sobjects/{record.object_name}/{record.id}")},
    )


def read(call: Call) -> Answer:
    """GET sobjects/X/id, whole or ``?fields=``."""
    table = call.org.table(call.param("object"))
    return _shown(call, table, _existing(table, record_id(table.kind, call.param("id"))))


def update(call: Call) -> Answer:
    """PATCH sobjects/X/id, with ``If-Unmodified-Since`` (whole seconds) and ``If-Match`` (Account only)."""
    table = call.org.table(call.param("object"))
    identifier = record_id(table.kind, call.param("id"))
    body = call.fields()
    _refuse_stale(call, _existing(table, identifier), table.kind)
    with call.transaction() as transaction:
        transaction.update(table.kind.name, identifier, body)
    return Answer(status=204)


def delete(call: Call) -> Answer:
    """DELETE sobjects/X/id."""
    table = call.org.table(call.param("object"))
    identifier = record_id(table.kind, call.param("id"))
    with call.transaction() as transaction:
        removal.delete(call.org, transaction, table.kind.name, identifier)
    return Answer(status=204)


def read_by_key(call: Call) -> Answer:
    """GET sobjects/X/Field__c/value."""
    table = call.org.table(call.param("object"))
    return _shown(call, table, _by_key(call, table))


def upsert(call: Call) -> Answer:
    """PATCH sobjects/X/Field__c/value: 201 when created, 200 when updated (204 before version 46)."""
    table = call.org.table(call.param("object"))
    field = dml.external_id(table.kind, call.param("field"))
    with call.transaction() as transaction:
        record, created = dml.upsert(transaction, table, field, call.param("value"), call.fields())
    if not created and float(call.version) < 46:
        return Answer(status=204)
    body = {"id": record.id, "success": True, "errors": [], "created": created}
    return Answer(body, 201 if created else 200)


def delete_by_key(call: Call) -> Answer:
    """DELETE sobjects/X/Field__c/value."""
    table = call.org.table(call.param("object"))
    record = _by_key(call, table)
    with call.transaction() as transaction:
        removal.delete(call.org, transaction, table.kind.name, record.id)
    return Answer(status=204)


def updated(call: Call) -> Answer:
    """GET sobjects/X/updated: ids of live records changed in the interval. Seconds of the bounds are
    ignored."""
    table = call.org.table(call.param("object"))
    start, end = _interval(call)
    ids = [each.id for each in table if not each.deleted and start <= _stamp(each) < end]
    return Answer({"ids": ids, "latestDateCovered": to_json(end)})


def deleted(call: Call) -> Answer:
    """GET sobjects/X/deleted: ids and times of records deleted in the interval."""
    table = call.org.table(call.param("object"))
    start, end = _interval(call)
    rows = [
        {"id": each.id, "deletedDate": to_json(_stamp(each))}
        for each in table
        if each.deleted and start <= _stamp(each) < end
    ]
    earliest = call.org.clock.second() - timedelta(days=REPLICATION_DAYS)
    return Answer(
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
    bounds = [parse_datetime(call.query.get(name, "")) for name in ("start", "end")]
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
        raise ApiError("NOT_FOUND", "The requested resource does not exist")
    if record.deleted:
        raise ApiError("ENTITY_IS_DELETED", "entity is deleted")
    return record


def _by_key(call: Call, table: Table) -> Record:
    field = dml.external_id(table.kind, call.param("field"))
    matches = table.matching(field.name, coerce(field, call.param("value")))
    if len(matches) > 1:
        raise Ambiguous(table.kind.name, matches)
    if not matches:
        raise ApiError("NOT_FOUND", "The requested resource does not exist")
    return _existing(table, matches[0])


def _shown(call: Call, table: Table, record: Record) -> Answer:
    headers = {"ETag": record.etag()} if table.kind.conditional_etag else {}
    since = _http_date(call, "if-modified-since")
    unchanged = since is not None and record.modified <= since
    if unchanged or (headers and call.headers.get("if-none-match") == headers["ETag"]):
        return Answer(status=304, headers=headers)
    _refuse_stale(call, record, table.kind)
    if names := call.query.get("fields"):
        wanted = tuple(name.strip() for name in names.split(","))
        body = view.columns(call, record, ("Id", *wanted))
    else:
        body = view.whole(record, table.kind, call.version)
    return Answer(body, headers=headers)


def _refuse_stale(call: Call, record: Record, kind: ObjectType) -> None:
    """412 when the record changed after the given second. A change within that same second passes unseen."""
    since = _http_date(call, "if-unmodified-since")
    wanted = call.headers.get("if-match") if kind.conditional_etag else None
    if (since is not None and record.modified > since) or (wanted not in (None, "*", record.etag())):
        raise ApiError("PRECONDITION_FAILED", "The record was changed after the condition that was given")


def _http_date(call: Call, header: str) -> datetime | None:
    """Time of a conditional header. Raises ApiError on a write when it cannot be read; a read ignores it."""
    text = call.headers.get(header)
    if text is None:
        return None
    try:
        moment = parsedate_to_datetime(text)
        return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        if call.method == "GET":
            return None
        raise ApiError("INVALID_HEADER", f"{header}: '{text}' is no HTTP date") from None
