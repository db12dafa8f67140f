"""From method and path to the handler, for calls over HTTP and for the parts of composite calls alike."""

from __future__ import annotations

import re
from collections.abc import Iterable

from adapters.sandbox.salesforce.org.errors import ApiError
from adapters.sandbox.salesforce.rest.calls import Handler

VERSIONS = range(20, 67)
_VERSIONED = re.compile(r"/services/data/v(\d+)\.0(/.*)?", re.DOTALL)
_PLACE = re.compile(r"\{(\w+)(:path)?\}")
Row = tuple[str, str, Handler]


class Router:
    """A table of routes below ``/services/data/vXX.0``. A part ``{name}`` is one segment, ``{name:path}`` the
    rest."""

    def __init__(self, table: Iterable[Row]) -> None:
        self._routes: list[tuple[re.Pattern[str], str, Handler]] = []
        self.extend(table)

    def extend(self, table: Iterable[Row]) -> None:
        """Adds routes behind the present ones."""
        for method, path, handler in table:
            pattern = _PLACE.sub(
                lambda match: f"(?P<{match[1]}>.+)" if match[2] else f"(?P<{match[1]}>[^/]+)", path
            )
            self._routes.append((re.compile(pattern, re.DOTALL), method, handler))

    def resolve(self, method: str, path: str) -> tuple[Handler, str, dict[str, str]]:
        """Handler, version and named parts. Raises ApiError NOT_FOUND or METHOD_NOT_ALLOWED."""
        match = _VERSIONED.fullmatch(path)
        if match is None or int(match[1]) not in VERSIONS:
            raise ApiError("NOT_FOUND", "The requested resource does not exist")
        rest = match[2] or ""
        rest = rest[:-1] if rest.endswith("/") else rest
        allowed: list[str] = []
        for pattern, verb, handler in self._routes:
            found = pattern.fullmatch(rest)
            if found is None:
                continue
            if verb == method:
                return handler, f"{match[1]}.0", found.groupdict()
            allowed.append(verb)
        if allowed:
            raise ApiError(
                "METHOD_NOT_ALLOWED",
                f"HTTP Method '{method}' not allowed. Allowed are {','.join(dict.fromkeys(allowed))}",
            )
        raise ApiError("NOT_FOUND", "The requested resource does not exist")
