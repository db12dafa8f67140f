"""What a handler answers, before it becomes an HTTP response or a part of a composite one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

import orjson
from starlette.responses import Response

JSON = "application/json;charset=UTF-8"


@dataclass(frozen=True, slots=True)
class Answer:
    """A JSON body (None for none), its status and headers."""

    body: object = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)

    def response(self) -> Response:
        """The HTTP response."""
        if self.body is None:
            return Response(status_code=self.status, headers=dict(self.headers))
        return reply(self.body, self.status, self.headers)


def reply(body: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A JSON response."""
    return Response(dumped(body), status, dict(headers or {}), JSON)


def dumped(body: object) -> bytes:
    """JSON text; decimals that came in a body and are shown again keep their digits."""
    try:
        return orjson.dumps(body, default=_exact)
    except TypeError:
        return orjson.dumps(_sound(body), default=_exact)


def _sound(body: object) -> object:
    """The body with halves of characters replaced: a caller may have sent them, and is quoted."""
    if isinstance(body, str):
        return body.encode("utf-8", "replace").decode()
    if isinstance(body, dict):
        return {_sound(name): _sound(value) for name, value in body.items()}
    return [_sound(each) for each in body] if isinstance(body, list) else body


def _exact(value: object) -> object:
    if isinstance(value, Decimal):
        return orjson.Fragment(str(value))
    raise TypeError(f"no JSON form for {type(value).__name__}")
