"""Several calls in one: composite (25 parts), batch, and graphs, each of which happens wholly or not at all.

A part refers to an earlier one by ``@{reference.path}`` in its address or body. Limits and error texts follow
the vendor's REST API guide ("Composite", "Composite Graph").
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qsl, unquote

from adapters.sandbox.salesforce.org.errors import Ambiguous, ApiError
from adapters.sandbox.salesforce.org.transaction import Transaction
from adapters.sandbox.salesforce.rest.answers import Answer, dumped
from adapters.sandbox.salesforce.rest.bodies import parse_json
from adapters.sandbox.salesforce.rest.calls import Call
from adapters.sandbox.salesforce.rest.router import Router

MOST_PARTS = 25
MOST_GRAPHS = 75
MOST_NODES = 500
MOST_DEPTH = 15
MOST_KINDS = 15
MOST_FAILURES = 14
_REFERENCE = re.compile(r"@\{([^}]+)\}")
_STEP = re.compile(r"([^.\[\]]+)|\[(\d+)\]")
_METHODS = ("GET", "POST", "PATCH", "PUT", "DELETE")
Body = dict[str, Any]


@dataclass(slots=True)
class _Done:
    """How the parts so far ended, and what they answered, by reference."""

    parts: list[Body]
    answers: dict[str, Any]
    failed: bool = False


class Composite:
    """Runs the parts of a call through the router."""

    def __init__(self, router: Router) -> None:
        self._router = router

    def composite(self, call: Call) -> Answer:
        """POST composite: up to 25 parts, in order; ``allOrNone`` undoes all when one fails."""
        body = call.fields()
        parts = _parts(body, MOST_PARTS)
        if body.get("allOrNone") is True:
            return Answer({"compositeResponse": self._unit(call, parts).parts})
        done = _Done([], {})
        for part in parts:
            self._run(call, part, None, done)
        return Answer({"compositeResponse": done.parts})

    def graphs(self, call: Call) -> Answer:
        """POST composite/graph: each graph is one transaction of its own."""
        graphs = call.fields().get("graphs")
        if not isinstance(graphs, list) or not graphs or not all(isinstance(each, dict) for each in graphs):
            raise ApiError("JSON_PARSER_ERROR", "'graphs' must be a list of objects")
        _check_sizes(graphs)
        answers: list[Body] = []
        failures = 0
        for graph in graphs:
            parts = _parts(graph, MOST_NODES)
            if failures > MOST_FAILURES:
                done = _Done([_halted(part) for part in parts], {}, failed=True)
            else:
                done = self._unit(call, parts)
            failures += done.failed
            answers.append(
                {
                    "graphId": str(graph.get("graphId", "")),
                    "graphResponse": {"compositeResponse": done.parts},
                    "isSuccessful": not done.failed,
                }
            )
        return Answer({"graphs": answers})

    def batch(self, call: Call) -> Answer:
        """POST composite/batch: up to 25 calls that know nothing of each other."""
        body = call.fields()
        requests = body.get("batchRequests")
        if not isinstance(requests, list) or not all(isinstance(each, dict) for each in requests):
            raise ApiError("JSON_PARSER_ERROR", "'batchRequests' must be a list of objects")
        if len(requests) > MOST_PARTS:
            raise ApiError("LIMIT_EXCEEDED", f"a batch has {MOST_PARTS} subrequests at most")
        results: list[Body] = []
        failed = False
        for request in requests:
            if failed and body.get("haltOnError") is True:
                halted = {"errorCode": "BATCH_PROCESSING_HALTED", "message": "An earlier subrequest failed."}
                results.append({"statusCode": 412, "result": [halted]})
                continue
            url = str(request.get("url", "")).lstrip("/")
            url = f"/{url}" if url.startswith("services/data/") else f"/services/data/{url}"
            answer = self._answered(call, str(request.get("method", "GET")), url, request.get("richInput"))
            failed = failed or answer.status >= 400
            results.append({"statusCode": answer.status, "result": _plain(answer.body)})
        return Answer({"hasErrors": failed, "results": results})

    def _unit(self, call: Call, parts: list[Body]) -> _Done:
        """All parts in one transaction, undone together when one fails."""
        done = _Done([], {})
        try:
            with call.transaction() as transaction, transaction.part():
                for part in parts:
                    self._run(call, part, transaction, done)
                    if done.failed:
                        raise ApiError("PROCESSING_HALTED", "an operation of the transaction failed")
        except ApiError:
            if not done.failed:
                raise
            failed = len(done.parts) - 1
            done.parts = [done.parts[at] if at == failed else _halted(part) for at, part in enumerate(parts)]
        return done

    def _run(self, call: Call, part: Body, unit: Transaction | None, done: _Done) -> None:
        reference = str(part["referenceId"])
        try:
            url = _filled(str(part["url"]), done.answers)
            body = _filled_body(part.get("body"), done.answers)
        except LookupError as error:
            refusal = ApiError(
                "PROCESSING_HALTED", f"Invalid reference specified. No value for {error.args[0]}"
            )
            answer = Answer([refusal.single()], 400)
        else:
            answer = self._answered(replace(call, unit=unit), str(part["method"]), url, body, part)
        done.failed = done.failed or answer.status >= 400
        plain = _plain(answer.body)
        if answer.status < 300:
            done.answers[reference] = plain
        done.parts.append(
            {
                "body": plain,
                "httpHeaders": dict(answer.headers),
                "httpStatusCode": answer.status,
                "referenceId": reference,
            }
        )

    def _answered(
        self, call: Call, method: str, url: str, body: object, part: Mapping[str, Any] | None = None
    ) -> Answer:
        path, _, query = url.partition("?")
        headers = {str(k).lower(): str(v) for k, v in ((part or {}).get("httpHeaders") or {}).items()}
        try:
            if method not in _METHODS:
                raise ApiError("METHOD_NOT_ALLOWED", f"HTTP Method '{method}' not allowed")
            if "/composite" in path and not path.partition("/composite")[2].startswith("/sobjects"):
                raise ApiError("INVALID_INPUT", "a composite call can't hold another one")
            handler, version, params = self._router.resolve(method, unquote(path))
            return handler(
                replace(
                    call,
                    version=version,
                    method=method,
                    path=unquote(path),
                    params=params,
                    query=dict(parse_qsl(query, keep_blank_values=True)),
                    headers=headers,
                    body=body,
                )
            )
        except ApiError as error:
            return Answer([error.single()], error.status)
        except Ambiguous as several:
            return Answer(several.urls(path), 300)


def _parts(body: Body, most: int) -> list[Body]:
    """The parts of a call, each with method, url and a reference of its own. Raises ApiError."""
    parts = body.get("compositeRequest")
    if not isinstance(parts, list) or not parts or not all(isinstance(each, dict) for each in parts):
        raise ApiError("JSON_PARSER_ERROR", "'compositeRequest' must be a list of objects")
    if len(parts) > most:
        raise ApiError(
            "LIMIT_EXCEEDED", f"The number of subrequests {len(parts)} exceeds the limit of {most}"
        )
    seen: set[str] = set()
    for part in parts:
        for name in ("method", "url", "referenceId"):
            if not isinstance(part.get(name), str):
                raise ApiError("INVALID_INPUT", f"a subrequest needs '{name}'")
        headers = part.get("httpHeaders")
        if headers is not None and not isinstance(headers, dict):
            raise ApiError("INVALID_INPUT", "'httpHeaders' must be an object")
        if part["referenceId"] in seen:
            raise ApiError("INVALID_INPUT", f"Duplicate ReferenceId provided: {part['referenceId']}")
        seen.add(part["referenceId"])
    return parts


def _check_sizes(graphs: list[Body]) -> None:
    if len(graphs) > MOST_GRAPHS:
        raise ApiError("LIMIT_EXCEEDED", f"a request has {MOST_GRAPHS} graphs at most")
    identifiers = [str(graph.get("graphId", "")) for graph in graphs]
    if len(set(identifiers)) != len(graphs) or "" in identifiers:
        raise ApiError("INVALID_INPUT", "each graph needs a graphId of its own")
    nodes = sum(len(_parts(graph, MOST_NODES)) for graph in graphs)
    if nodes > MOST_NODES:
        raise ApiError("LIMIT_EXCEEDED", f"a request has {MOST_NODES} nodes at most, was {nodes}")
    for graph in graphs:
        parts = _parts(graph, MOST_NODES)
        kinds = {(part["method"], *part["url"].partition("?")[0].split("/")[4:6]) for part in parts}
        if len(kinds) > MOST_KINDS:
            raise ApiError("LIMIT_EXCEEDED", f"a graph has {MOST_KINDS} different kinds of nodes at most")
        if _depth(parts) > MOST_DEPTH:
            raise ApiError("LIMIT_EXCEEDED", f"a graph is {MOST_DEPTH} nodes deep at most")


def _depth(parts: list[Body]) -> int:
    """Length of the longest chain of references."""
    depths: dict[str, int] = {}
    for part in parts:
        text = part["url"] + dumped(part.get("body")).decode()
        parents = {match.split(".")[0].split("[")[0] for match in _REFERENCE.findall(text)}
        depths[part["referenceId"]] = 1 + max((depths.get(each, 0) for each in parents), default=0)
    return max(depths.values(), default=0)


def _halted(part: Body) -> Body:
    text = "The transaction was rolled back since another operation in the same transaction failed."
    return {
        "body": [{"errorCode": "PROCESSING_HALTED", "message": text}],
        "httpHeaders": {},
        "httpStatusCode": 400,
        "referenceId": part["referenceId"],
    }


def _plain(body: object) -> Any:
    """A body as JSON values, so that later parts can refer into it and it can be shown inside another."""
    return None if body is None else parse_json(dumped(body))


def _filled(text: str, answers: Mapping[str, Any]) -> str:
    return _REFERENCE.sub(lambda match: str(_referred(match[1], answers)), text)


def _filled_body(body: object, answers: Mapping[str, Any]) -> Any:
    if isinstance(body, dict):
        return {name: _filled_body(value, answers) for name, value in body.items()}
    if isinstance(body, list):
        return [_filled_body(value, answers) for value in body]
    if isinstance(body, str):
        whole = _REFERENCE.fullmatch(body)
        return _referred(whole[1], answers) if whole else _filled(body, answers)
    return body


def _referred(path: str, answers: Mapping[str, Any]) -> Any:
    """The value at ``reference.field[0].field``. Raises LookupError with the path."""
    value: Any = answers
    for name, index in _STEP.findall(path):
        try:
            value = value[int(index)] if index else value[name]
        except (LookupError, TypeError):
            raise LookupError(path) from None
    return value
