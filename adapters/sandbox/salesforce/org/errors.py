"""Refusals in the API's own words: a code, a message, the fields, and the HTTP status of the
single-record call."""

from __future__ import annotations

_STATUS = {
    "INVALID_SESSION_ID": 401,
    "REQUEST_LIMIT_EXCEEDED": 403,
    "INSUFFICIENT_ACCESS_OR_READONLY": 403,
    "NOT_FOUND": 404,
    "ENTITY_IS_DELETED": 404,
    "METHOD_NOT_ALLOWED": 405,
    "PRECONDITION_FAILED": 412,
    "REQUEST_TOO_LARGE": 413,
    "URI_TOO_LONG": 414,
    "UNSUPPORTED_MEDIA_TYPE": 415,
    "UNKNOWN_EXCEPTION": 500,
    "SERVER_UNAVAILABLE": 503,
}


class ApiError(Exception):
    """One refusal. ``fields`` are API names, ``more`` further keys of the error object; ``status`` is derived
    from the code (400 unless listed)."""

    def __init__(
        self,
        code: str,
        message: str,
        fields: tuple[str, ...] = (),
        more: dict[str, object] | None = None,
    ) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.fields = fields
        self.more = more or {}

    @property
    def status(self) -> int:
        return _STATUS.get(self.code, 400)

    def single(self) -> dict[str, object]:
        """Element of the error list that a single-record call answers."""
        body: dict[str, object] = {"message": self.message, "errorCode": self.code}
        if self.fields:
            body["fields"] = list(self.fields)
        return body | self.more

    def item(self) -> dict[str, object]:
        """Element of ``errors`` in a collection result, where the code is called ``statusCode``."""
        return {"statusCode": self.code, "message": self.message, "fields": list(self.fields)} | self.more


class Ambiguous(Exception):
    """An external id that several records carry: HTTP 300 with the list of their addresses."""

    def __init__(self, object_name: str, ids: list[str]) -> None:
        super().__init__(f"{len(ids)} records of {object_name} share the external id")
        self.object_name = object_name
        self.ids = ids

    def urls(self, path: str) -> list[str]:
        """Addresses of the records, in the version of the path that was called."""
        version = "/".join(path.split("/")[:4])
        return [f"{version}/sobjects/{self.object_name}/{each}" for each in self.ids]
