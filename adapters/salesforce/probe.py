"""What ``isthmus check`` tries at Salesforce: login, objects, fields, external ids, topics."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from adapters.salesforce.auth import Login
from adapters.salesforce.pubsub import PubSub
from adapters.salesforce.rest import Reply, Rest
from adapters.salesforce.source import topic_of
from adapters.salesforce.table import Table
from agent.core.objects import FieldSpec, FieldType
from agent.errors import IsthmusError
from agent.ports import Check

#: Which types of a describe hold a type of the contract.
_TYPES: Mapping[FieldType, frozenset[str]] = {
    FieldType.INTEGER: frozenset({"int", "double", "currency", "percent", "long"}),
    FieldType.DECIMAL: frozenset({"int", "double", "currency", "percent", "long"}),
    FieldType.BOOLEAN: frozenset({"boolean"}),
    FieldType.DATE: frozenset({"date"}),
    FieldType.DATETIME: frozenset({"datetime"}),
    FieldType.REFERENCE: frozenset({"reference", "id", "string"}),
}
_GRANT = "give the integration user {need} access to the field (field-level security)"
#: Share of the day's API calls from which a person should look.
_USAGE_WARN = 0.8
_SKEW_S = 60.0


class SalesforceProbe:
    """A Probe. ``connect`` makes a Pub/Sub client, which is closed again."""

    def __init__(
        self,
        tables: Mapping[str, Table],
        login: Login,
        rest: Rest,
        connect: Callable[[], PubSub],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._tables = tables
        self._login = login
        self._rest = rest
        self._connect = connect
        self._clock = clock

    async def check(self) -> list[Check]:
        """Every check; without a login there is only that one."""
        try:
            session = await self._login.session()
        except IsthmusError as error:
            return [_failed("login", error)]
        checks = [Check("login", True, f"org {session.tenant_id} at {session.instance_url}")]
        try:
            reply = await self._rest.get("/limits")
        except IsthmusError as error:
            checks.append(_failed("limits", error))
        else:
            checks += [self._clocks(reply), _usage(reply)]
        for table in self._tables.values():
            checks += await self._object(table)
        return checks + await self._topics()

    async def _object(self, table: Table) -> list[Check]:
        try:
            reply = await self._rest.get(f"/sobjects/{table.name}/describe")
            described = {str(one["name"]): one for one in reply.body["fields"]}
        except IsthmusError as error:
            return [
                _failed(f"object {table.name}", error, "check the name and the user's object permissions")
            ]
        except (KeyError, TypeError):
            return [Check(f"object {table.name}", False, "the answer is no describe")]
        checks = [Check(f"object {table.name}", True, f"{len(described)} fields visible")]
        checks += [_field(table, spec, described.get(spec.name)) for spec in table.fields()]
        if table.spec.external_id:
            checks.append(_external(table, described.get(table.spec.external_id)))
        return checks

    async def _topics(self) -> list[Check]:
        captured = [topic_of(table.name) for table in self._tables.values() if table.spec.capture]
        if not captured:
            return []
        pubsub = self._connect()
        try:
            return [await self._topic(pubsub, topic) for topic in captured]
        finally:
            await pubsub.close()

    async def _topic(self, pubsub: PubSub, topic: str) -> Check:
        try:
            info = await pubsub.topic(topic)
        except IsthmusError as error:
            return _failed(f"topic {topic}", error)
        if not info.can_subscribe:
            return Check(
                f"topic {topic}",
                False,
                "may not be subscribed",
                "give the integration user 'View All' on the object",
            )
        return Check(f"topic {topic}", True, "may be subscribed")

    def _clocks(self, reply: Reply) -> Check:
        if reply.date is None:
            return Check("clock", False, "the answers have no Date", "reads cannot be ordered against events")
        skew = self._clock() - reply.date.timestamp()
        text = f"{skew:+.0f} s against Salesforce"
        return Check(
            "clock", abs(skew) < _SKEW_S, text, "" if abs(skew) < _SKEW_S else "set this machine's clock"
        )


def _field(table: Table, spec: FieldSpec, described: Mapping[str, Any] | None) -> Check:
    name = f"field {table.name}.{spec.name}"
    if described is None:
        return Check(name, False, "missing or not visible", _GRANT.format(need="read"))
    kind = str(described.get("type"))
    allowed = _TYPES.get(spec.type)
    if allowed is not None and kind not in allowed:
        return Check(name, False, f"is {kind}, mapped as {spec.type}", "correct the type in the mapping")
    if table.spec.deliver and spec.writable and not described.get("updateable"):
        remedy = (
            "map a calculated field as not writable"
            if described.get("calculated")
            else _GRANT.format(need="edit")
        )
        return Check(name, False, "cannot be written", remedy)
    return Check(name, True, kind)


def _external(table: Table, described: Mapping[str, Any] | None) -> Check:
    name = f"external id {table.name}.{table.spec.external_id}"
    if described is None:
        return Check(name, False, "missing or not visible", "create a text field, External ID and Unique")
    missing = [
        label
        for key, label in (("externalId", "External ID"), ("unique", "Unique"))
        if not described.get(key)
    ]
    if missing:
        return Check(
            name, False, f"is not {' and '.join(missing)}", f"set {' and '.join(missing)} on the field"
        )
    return Check(name, True, "external id, unique")


def _usage(reply: Reply) -> Check:
    """The day's API calls from ``Sforce-Limit-Info: api-usage=18/15000``."""
    part = next((one for one in reply.usage.split(",") if one.strip().startswith("api-usage=")), "")
    used, _, limit = part.strip().removeprefix("api-usage=").partition("/")
    if not (used.isdigit() and limit.isdigit() and int(limit) > 0):
        return Check("api calls", True, "not told")
    share = int(used) / int(limit)
    return Check(
        "api calls",
        share < _USAGE_WARN,
        f"{used} of {limit} used today",
        "" if share < _USAGE_WARN else "find the other consumers, or buy more",
    )


def _failed(name: str, error: IsthmusError, remedy: str = "") -> Check:
    return Check(name, False, error.message, error.remedy or remedy)
