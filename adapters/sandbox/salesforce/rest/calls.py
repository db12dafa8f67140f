"""A call of the data API: who calls, for what, with what body."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from adapters.sandbox.salesforce.org.actor import Actor, User, api_actor
from adapters.sandbox.salesforce.org.errors import ApiError
from adapters.sandbox.salesforce.org.org import Org
from adapters.sandbox.salesforce.org.transaction import Transaction
from adapters.sandbox.salesforce.rest.answers import Answer
from adapters.sandbox.salesforce.soql.execution import Execution

_CLIENT = re.compile(r"(?:^|[,;\s])client\s*=\s*([^,;\s]+)", re.IGNORECASE)
_ALLOW = re.compile(r"allowSave\s*=\s*true", re.IGNORECASE)
_PATH_OBJECT = re.compile(r"/sobjects/([A-Za-z]\w*)")
_QUERY_OBJECT = re.compile(r"\bFROM\s+(\w+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Call:
    """One authenticated call. ``version`` is like ``62.0``, ``params`` the named parts of the path, header
    names are lower-case, ``body`` is the JSON value or None. ``unit`` is the transaction that a composite
    call shares among its parts.
    """

    org: Org
    actor: Actor
    version: str
    method: str
    path: str
    params: Mapping[str, str]
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: Any
    unit: Transaction | None = None

    def param(self, name: str) -> str:
        """A part of the path."""
        return self.params[name]

    def fields(self) -> dict[str, Any]:
        """The body as an object. Raises ApiError JSON_PARSER_ERROR."""
        if not isinstance(self.body, dict):
            raise ApiError("JSON_PARSER_ERROR", "The HTTP entity body is required and must be a JSON object")
        return self.body

    def url(self, path: str) -> str:
        """Absolute path of a resource in the version of this call."""
        return f"/services/data/v{self.version}/{path}"

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """The transaction that this call writes in: its own, or a part of the composite call's."""
        if self.unit is None:
            with self.org.transaction(self.actor) as transaction:
                yield transaction
        else:
            with self.unit.part():
                yield self.unit

    def execution(self, *, deleted: bool = False) -> Execution:
        """What runs queries for this call."""
        return Execution(self.org.tables, self.org.clock, deleted=deleted)


Handler = Callable[[Call], Answer]


def actor_of(user: User, version: str, headers: Mapping[str, str], api: str = "rest") -> Actor:
    """The caller, as the call's headers describe it (``Sforce-Call-Options``,
    ``Sforce-Duplicate-Rule-Header``)."""
    actor = api_actor(user, version, client_of(headers), api)
    saves = _ALLOW.search(headers.get("sforce-duplicate-rule-header", "")) is not None
    return Actor(actor.user, actor.origin, actor.client, saves)


def client_of(headers: Mapping[str, str]) -> str:
    """What the caller calls itself in ``Sforce-Call-Options``; "" where it does not."""
    options = _CLIENT.search(headers.get("sforce-call-options", ""))
    return options.group(1) if options else ""


def objects_of(call: Call) -> list[str]:
    """Names of the objects that a call is about, as the scope of a fault names them."""
    found = _PATH_OBJECT.findall(call.path) + _QUERY_OBJECT.findall(call.query.get("q", ""))
    for text in _texts(call.body):
        found += _PATH_OBJECT.findall(text) + _QUERY_OBJECT.findall(text)
    records = call.body.get("records") if isinstance(call.body, dict) else None
    for record in records if isinstance(records, list) else []:
        if isinstance(record, dict) and isinstance(record.get("attributes"), dict):
            found.append(str(record["attributes"].get("type", "")))
    for identifier in call.query.get("ids", "").split(","):
        table = call.org.table_of(identifier) if identifier else None
        found += [table.kind.name] if table is not None else []
    return [str(each) for each in found]


def _texts(body: Any) -> Iterator[str]:
    """Addresses of the parts of a composite call, and the object of a job."""
    if not isinstance(body, dict):
        return
    if isinstance(body.get("object"), str):
        yield f"/sobjects/{body['object']}"
    lists = [body.get("compositeRequest"), body.get("batchRequests")]
    graphs = body.get("graphs")
    for graph in graphs if isinstance(graphs, list) else []:
        lists.append(graph.get("compositeRequest") if isinstance(graph, dict) else None)
    for parts in lists:
        for part in parts if isinstance(parts, list) else []:
            if isinstance(part, dict) and isinstance(part.get("url"), str):
                yield part["url"].replace("+", " ")
