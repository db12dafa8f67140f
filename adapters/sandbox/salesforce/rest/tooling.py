"""The Tooling API as far as event delivery needs it: channels, their members, managed subscriptions."""

from __future__ import annotations

from typing import Any

from adapters.sandbox.salesforce.cdc.channels import ALL_CHANGES
from adapters.sandbox.salesforce.org.errors import ApiError
from adapters.sandbox.salesforce.org.org import Org
from adapters.sandbox.salesforce.rest.answers import Answer
from adapters.sandbox.salesforce.rest.calls import Call
from adapters.sandbox.salesforce.rest.router import Row
from adapters.sandbox.salesforce.soql import grammar
from adapters.sandbox.salesforce.soql.grammar import Both, Comparison, Condition

Body = dict[str, Any]
MEMBER = "PlatformEventChannelMember"
KINDS = {
    "PlatformEventChannel": "0YL",
    MEMBER: "0v8",
    "ManagedEventSubscription": "18x",
}


class Tooling:
    """Set-up records: each has an id, a full name and its metadata."""

    def __init__(self) -> None:
        self._rows: dict[str, dict[str, Body]] = {kind: {} for kind in KINDS}

    def routes(self) -> tuple[Row, ...]:
        """The routes below ``tooling``."""
        return (
            ("GET", "/tooling/query", self.query),
            ("POST", "/tooling/sobjects/{object}", self.create),
            ("GET", "/tooling/sobjects/{object}/{id}", self.read),
            ("PATCH", "/tooling/sobjects/{object}/{id}", self.update),
            ("DELETE", "/tooling/sobjects/{object}/{id}", self.delete),
        )

    def query(self, call: Call) -> Answer:
        """GET tooling/query: by Id or DeveloperName."""
        query = grammar.parse(call.query.get("q", ""))
        kind = _kind(query.source)
        known = list(self._rows[kind].values())
        known += _members(call.org, known) if kind == MEMBER else []
        rows = [row for row in known if _fits(row, query.where)][: query.limit]
        wanted = [column.path for column in query.columns]
        shown = [_shown(call, kind, row, wanted) for row in rows]
        return Answer(
            {
                "size": len(shown),
                "totalSize": len(shown),
                "done": True,
                "queryLocator": None,
                "entityTypeName": kind,
                "records": shown,
            }
        )

    def create(self, call: Call) -> Answer:
        """POST tooling/sobjects/X with ``FullName`` and ``Metadata``."""
        kind = _kind(call.param("object"))
        body = call.fields()
        name, metadata = body.get("FullName"), body.get("Metadata")
        if not isinstance(name, str) or not isinstance(metadata, dict):
            raise ApiError("REQUIRED_FIELD_MISSING", "FullName and Metadata are required", ("FullName",))
        if any(row["DeveloperName"] == name for row in self._rows[kind].values()):
            raise ApiError("DUPLICATE_DEVELOPER_NAME", f"there is a {kind} {name}", ("FullName",))
        identifier = call.org.ids.make(KINDS[kind])
        row: Body = {"Id": identifier, "DeveloperName": name, "FullName": name, "Metadata": metadata}
        if kind == MEMBER:
            row["EventChannel"] = metadata.get("eventChannel")
            row["SelectedEntity"] = metadata.get("selectedEntity")
            row["FilterExpression"] = metadata.get("filterExpression") or None
        self._install(call.org, kind, row)
        self._rows[kind][identifier] = row
        return Answer({"id": identifier, "success": True, "errors": [], "warnings": [], "infos": []}, 201)

    def read(self, call: Call) -> Answer:
        """GET tooling/sobjects/X/id."""
        kind, row = self._row(call)
        return Answer(_shown(call, kind, row, list(row)))

    def update(self, call: Call) -> Answer:
        """PATCH tooling/sobjects/X/id with new ``Metadata``."""
        kind, row = self._row(call)
        metadata = call.fields().get("Metadata")
        if not isinstance(metadata, dict):
            raise ApiError("REQUIRED_FIELD_MISSING", "Metadata is required", ("Metadata",))
        changed = {**row, "Metadata": {**row["Metadata"], **metadata}}
        if kind == MEMBER:
            changed["FilterExpression"] = changed["Metadata"].get("filterExpression") or None
        if kind != "PlatformEventChannel":
            self._install(call.org, kind, changed)
        self._rows[kind][row["Id"]] = changed
        return Answer(status=204)

    def delete(self, call: Call) -> Answer:
        """DELETE tooling/sobjects/X/id."""
        kind, row = self._row(call)
        metadata = row["Metadata"]
        if kind == "PlatformEventChannelMember":
            call.org.channels.leave(metadata["eventChannel"], _entity(call.org, metadata["selectedEntity"]))
        elif kind == "ManagedEventSubscription":
            call.org.managed.forget(row["Id"])
        del self._rows[kind][row["Id"]]
        return Answer(status=204)

    def _row(self, call: Call) -> tuple[str, Body]:
        kind = _kind(call.param("object"))
        row = self._rows[kind].get(call.param("id"))
        if row is None:
            raise ApiError("NOT_FOUND", "The requested resource does not exist")
        return kind, row

    def _install(self, org: Org, kind: str, row: Body) -> None:
        metadata = row["Metadata"]
        if kind == "PlatformEventChannel":
            org.channels.add(row["FullName"])
        elif kind == "PlatformEventChannelMember":
            enriched = metadata.get("enrichedFields") or []
            names = [str(each.get("name")) if isinstance(each, dict) else str(each) for each in enriched]
            entity = _entity(org, str(metadata.get("selectedEntity", "")))
            channel = str(metadata.get("eventChannel", ""))
            org.join(channel, entity, names, str(metadata.get("filterExpression") or ""))
        else:
            org.managed.define(row["Id"], row["DeveloperName"], metadata)


def _members(org: Org, known: list[Body]) -> list[Body]:
    """The objects on channels that were put there by other ways than this API, Setup's page among them."""
    told = {(row["EventChannel"], row["SelectedEntity"]) for row in known}
    standard = [
        (ALL_CHANGES.removeprefix("/data/"), kind.event_name, "")
        for kind in org.objects.values()
        if kind.change_events and kind.name not in org.access.unselected
    ]
    custom = [
        (name, org.objects[member.source].event_name, member.filter_text)
        for name in org.channels.names()
        for member in org.channels.members(name)
    ]
    return [
        {
            "Id": None,
            "DeveloperName": f"{channel.replace('__', '_')}_{event}",
            "FullName": f"{channel.replace('__', '_')}_{event}",
            "Metadata": {"eventChannel": channel, "selectedEntity": event, "filterExpression": text or None},
            "EventChannel": channel,
            "SelectedEntity": event,
            "FilterExpression": text or None,
        }
        for channel, event, text in [*standard, *custom]
        if (channel, event) not in told
    ]


def _kind(name: str) -> str:
    for kind in KINDS:
        if kind.lower() == name.lower():
            return kind
    raise ApiError("NOT_FOUND", "The requested resource does not exist")


def _entity(org: Org, event_name: str) -> str:
    """The object whose change event has that name (``AccountChangeEvent``)."""
    for kind in org.objects.values():
        if event_name in (kind.event_name, kind.name):
            return kind.name
    raise ApiError("INVALID_FIELD", f"no entity {event_name}", ("SelectedEntity",))


def _fits(row: Body, where: Condition | None) -> bool:
    if where is None:
        return True
    if isinstance(where, Both):
        results = [_fits(row, part) for part in where.parts]
        return all(results) if where.every else any(results)
    if isinstance(where, Comparison) and where.operator in ("=", "IN"):
        value = next((v for k, v in row.items() if k.lower() == where.column.path.lower()), None)
        return value in where.values or str(value)[:15] in where.values
    raise ApiError("MALFORMED_QUERY", "set-up records are found by = and IN")


def _shown(call: Call, kind: str, row: Body, names: list[str]) -> Body:
    path = call.url(f"tooling/sobjects/{kind}/{row['Id']}")
    known = {name.lower(): name for name in row}
    body: Body = {"attributes": {"type": kind, "url": path}}
    for name in names:
        if name.lower() not in known:
            raise ApiError("INVALID_FIELD", f"No such column '{name}' on entity '{kind}'")
        body[known[name.lower()]] = row[known[name.lower()]]
    return body
