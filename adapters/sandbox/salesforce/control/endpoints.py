"""The sandbox's own endpoints below ``/_sandbox``: faults, the journal, writes by other users, rules,
clock."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import asdict
from datetime import timedelta
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from adapters.sandbox.salesforce.control import faults
from adapters.sandbox.salesforce.identity.oauth import OAuth
from adapters.sandbox.salesforce.org import removal
from adapters.sandbox.salesforce.org.access import RIGHTS
from adapters.sandbox.salesforce.org.actor import Actor, api_actor, page_actor
from adapters.sandbox.salesforce.org.assignment import record_id
from adapters.sandbox.salesforce.org.errors import ApiError
from adapters.sandbox.salesforce.org.fields import Field, FieldType, ObjectType
from adapters.sandbox.salesforce.org.org import Org
from adapters.sandbox.salesforce.org.rules import Flow, Validation
from adapters.sandbox.salesforce.org.transaction import Transaction
from adapters.sandbox.salesforce.org.values import parse_datetime, to_json
from adapters.sandbox.salesforce.rest.answers import JSON, reply
from adapters.sandbox.salesforce.rest.bodies import parse_json, read_body
from adapters.sandbox.salesforce.soql import grammar
from adapters.sandbox.salesforce.soql.conditions import Search

Body = dict[str, Any]
Endpoint = Callable[[Request], Awaitable[Response]]
_NEW_FIELD_TYPES = {each.value: each for each in FieldType if each not in (FieldType.ID, FieldType.REFERENCE)}


class Control:
    """Handlers of the control endpoints; they need no token and are never struck by a fault."""

    def __init__(self, org: Org, oauth: OAuth) -> None:
        self._org = org
        self._oauth = oauth

    def routes(self) -> list[Route]:
        """All control routes."""
        return [
            self._route("/faults", self._faults, "GET"),
            self._route("/faults", self._arm, "POST"),
            self._route("/faults", self._disarm, "DELETE"),
            self._route("/log", self._log, "GET"),
            self._route("/logins", self._logins, "GET"),
            self._route("/stream", self._stream, "GET"),
            self._route("/transaction", self._transaction, "POST"),
            self._route("/flows", self._flow, "POST"),
            self._route("/validations", self._validation, "POST"),
            self._route("/validations", self._drop_validation, "DELETE"),
            self._route("/fields", self._field, "POST"),
            self._route("/fields", self._drop_field, "DELETE"),
            self._route("/channels", self._channel, "POST"),
            self._route("/access", self._access, "POST"),
            self._route("/clock", self._clock, "POST"),
            self._route("/calls", self._calls, "POST"),
        ]

    def _route(self, path: str, handler: Callable[[Body], object], method: str) -> Route:
        async def serve(request: Request) -> Response:
            try:
                body = parse_json(await read_body(request))
                if method == "POST" and not isinstance(body, dict):
                    raise ApiError("JSON_PARSER_ERROR", "the body must be a JSON object")
                found = handler(body or {})
                return Response(found, media_type=JSON) if isinstance(found, bytes) else reply(found)
            except faults.UnknownFault as error:
                return reply({"error": str(error)}, 400)
            except ApiError as error:
                return reply([error.single()], error.status)

        return Route(f"/_sandbox{path}", serve, methods=[method])

    def _faults(self, _: Body) -> object:
        return {"kinds": faults.KINDS, "armed": self._org.faults.armed()}

    def _arm(self, body: Body) -> object:
        fault = faults.parse(body)
        if fault.scope != "*":
            fault.scope = self._kind(fault.scope).name
        at_once = self._org.at_once.get(fault.kind)
        if at_once is not None and not fault.after:
            at_once()
        else:
            self._org.faults.arm(fault)
        return {"armed": self._org.faults.armed()}

    def _disarm(self, _: Body) -> object:
        return {"cleared": self._org.faults.clear()}

    def _log(self, _: Body) -> object:
        return self._org.journal.json()

    def _logins(self, _: Body) -> object:
        """Every sign-in at the token endpoint: ``time``, ``client``, and the ``error`` of those refused."""
        return {"logins": self._oauth.logins}

    def _stream(self, _: Body) -> object:
        """The newest event of every topic of one object, and every subscription since the start."""
        newest = {
            kind.topic: found.hex()
            for kind in self._org.objects.values()
            if kind.change_events and (found := self._org.stream.newest(kind.name))
        }
        return {"newest": newest, "subscriptions": [asdict(each) for each in self._org.subscriptions]}

    def _transaction(self, body: Body) -> object:
        """Writes of one user in one transaction: ``user``, ``client`` or ``origin``, and ``writes``."""
        results: list[str] = []
        with self._org.transaction(self._actor(body)) as transaction:
            for write in _list(body, "writes"):
                results.append(self._write(transaction, write))
        return {"transaction": transaction.key, "ids": results}

    def _actor(self, body: Body) -> Actor:
        name = str(body.get("user", "sales"))
        user = self._org.staff.find(name)
        if user is None:
            raise ApiError(
                "INVALID_FIELD", f"no user '{name}'; there are integration, sales, finance, automated"
            )
        if "client" in body:
            return api_actor(user, "62.0", str(body["client"]))
        return Actor(user, str(body["origin"])) if "origin" in body else page_actor(user)

    def _write(self, transaction: Transaction, write: Body) -> str:
        kind = self._kind(_text(write, "object"))
        operation = _text(write, "op")
        fields = write.get("fields", {})
        if operation == "create":
            return transaction.create(kind.name, fields).id
        identifier = record_id(kind, write.get("id"))
        if operation == "update":
            transaction.update(kind.name, identifier, fields)
        elif operation == "delete":
            removal.delete(self._org, transaction, kind.name, identifier)
        elif operation == "merge":
            losers = [record_id(kind, each) for each in write.get("losers", [])]
            removal.merge(self._org, transaction, identifier, losers, fields)
        elif operation == "undelete":
            removal.undelete(self._org, transaction, kind.name, identifier)
        else:
            raise ApiError(
                "INVALID_FIELD", f"no op '{operation}'; there are create, update, delete, undelete, merge"
            )
        return identifier

    def _flow(self, body: Body) -> object:
        kind = self._kind(_text(body, "object"))
        flow = Flow(
            kind.name,
            _known(kind, _text(body, "when_field")).name,
            _known(kind, _text(body, "set_field")).name,
            _text(body, "value_template"),
        )
        self._org.rules.flows.append(flow)
        return {"flows": len(self._org.rules.flows)}

    def _validation(self, body: Body) -> object:
        """Refuses records of ``object`` for which the condition ``when`` (as behind WHERE) holds."""
        kind = self._kind(_text(body, "object"))
        condition = _text(body, "when")
        test = Search(kind, self._org.tables, self._org.clock).test(grammar.parse_condition(condition))
        message = str(body.get("message", "The record does not meet a validation rule."))
        rule = Validation(kind.name, condition, message, str(body.get("field", "")), test)
        self._org.rules.validations.append(rule)
        return {"validations": len(self._org.rules.validations)}

    def _drop_validation(self, body: Body) -> object:
        """Takes the rules of ``object`` with that condition (``when``) away again."""
        name, condition = self._kind(_text(body, "object")).name, _text(body, "when")
        rules = self._org.rules.validations
        rules[:] = [each for each in rules if (each.object_name, each.condition) != (name, condition)]
        return {"validations": len(rules)}

    def _field(self, body: Body) -> object:
        """Adds a custom field to an object, so that its events change their schema."""
        kind = self._kind(_text(body, "object"))
        name, type_name = _text(body, "name"), str(body.get("type", "string"))
        if not name.endswith("__c") or kind.find(name):
            raise ApiError("INVALID_FIELD", f"'{name}' is no new custom field name of {kind.name}")
        if type_name not in _NEW_FIELD_TYPES:
            raise ApiError("INVALID_FIELD", f"no type '{type_name}'; there are {', '.join(_NEW_FIELD_TYPES)}")
        label = name.removesuffix("__c").replace("_", " ")
        length = int(body.get("length", 255))
        field = Field(
            name,
            _NEW_FIELD_TYPES[type_name],
            label,
            length=length,
            precision=18,
            scale=2,
            external_id=body.get("external_id") is True,
            unique=body.get("unique") is True,
        )
        self._org.add_field(kind.name, field)
        return {"schema_id": self._org.schema_of(kind.name).id}

    def _drop_field(self, body: Body) -> object:
        """Removes a custom field from an object, so that its events change their schema."""
        kind = self._kind(_text(body, "object"))
        field = _known(kind, _text(body, "name"))
        if not field.custom:
            raise ApiError("INVALID_FIELD", f"'{field.name}' is no custom field", (field.name,))
        self._org.remove_field(kind.name, field.name)
        return {"schema_id": self._org.schema_of(kind.name).id}

    def _channel(self, body: Body) -> object:
        """A channel ``name`` (``X__chn``) with ``members``: ``object``, ``enriched`` fields and
        ``filter``."""
        name = _text(body, "name")
        if self._org.channels.topic(f"/data/{name}") is None:
            self._org.channels.add(name)
        for member in _list(body, "members"):
            enriched = [str(each) for each in member.get("enriched", [])]
            self._org.join(name, _text(member, "object"), enriched, str(member.get("filter", "")))
        return {"topic": f"/data/{name}"}

    def _access(self, body: Body) -> object:
        """Rights of the integration user on ``object``: ``rights`` (Read, Edit, ViewAllRecords: true or
        false), ``hidden`` and ``read_only`` fields; ``captured`` says whether its changes are told."""
        kind = self._kind(_text(body, "object"))
        rights = body.get("rights", {})
        if not isinstance(rights, dict) or not set(rights) <= set(RIGHTS):
            raise ApiError("INVALID_FIELD", f"rights are {', '.join(RIGHTS)}", ("rights",))
        if self._org.access.grant(kind.name) is None:
            raise ApiError("INVALID_FIELD", f"{kind.name} is open to everybody", ("object",))
        named = [
            [_known(kind, str(each)).name for each in body.get(key, [])] for key in ("hidden", "read_only")
        ]
        given = {name: value is True for name, value in rights.items()}
        self._org.access.change(kind.name, given, named[0], named[1])
        if "captured" in body:
            change = (
                self._org.access.unselected.discard if body["captured"] else self._org.access.unselected.add
            )
            change(kind.name)
        return {"object": kind.name}

    def _clock(self, body: Body) -> object:
        """``advance`` seconds, ``freeze`` at a time (true: where it is), or ``resume``; answers the org's
        time."""
        clock = self._org.clock
        if "freeze" in body:
            at = None if body["freeze"] is True else parse_datetime(str(body["freeze"]))
            clock.freeze(at)
        if "advance" in body:
            clock.advance(timedelta(seconds=float(body["advance"])).total_seconds())
        if body.get("resume"):
            clock.resume()
        return {"now": to_json(clock.now())}

    def _calls(self, body: Body) -> object:
        """The API calls of a day: ``used`` of ``limit``, and ``app_used`` of ``app_limit`` (0: no quota)."""
        org, app = self._org.calls.org, self._org.calls.app
        given = {"used": org.used, "limit": org.limit, "app_used": app.used, "app_limit": app.limit, **body}
        if sorted(given) != ["app_limit", "app_used", "limit", "used"] or not all(
            isinstance(each, int) and each >= 0 for each in given.values()
        ):
            raise ApiError("INVALID_FIELD", "whole numbers used, limit, app_used, app_limit")
        org.set(given["used"], given["limit"])
        app.set(given["app_used"], given["app_limit"])
        return given

    def _kind(self, name: str) -> ObjectType:
        return self._org.table(name).kind


def _text(body: Body, key: str) -> str:
    value = body.get(key)
    if not isinstance(value, str) or not value:
        raise ApiError("MISSING_ARGUMENT", f"'{key}' is missing or no text")
    return value


def _list(body: Body, key: str) -> list[Body]:
    value = body.get(key)
    if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
        raise ApiError("MISSING_ARGUMENT", f"'{key}' is missing or no list of objects")
    return value


def _known(kind: ObjectType, name: str) -> Field:
    field = kind.find(name)
    if field is None:
        raise ApiError("INVALID_FIELD", f"No such column '{name}' on sobject of type {kind.name}", (name,))
    return field
