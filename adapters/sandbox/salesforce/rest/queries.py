"""query and queryAll: SOQL over the live records, or over deleted ones too, page by page."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from adapters.sandbox.salesforce.org.errors import ApiError
from adapters.sandbox.salesforce.org.ids import base62, checksum
from adapters.sandbox.salesforce.rest.answers import Answer
from adapters.sandbox.salesforce.rest.calls import Call
from adapters.sandbox.salesforce.soql import grammar
from adapters.sandbox.salesforce.soql.projection import Grouping, Projection

MAX_PAGE = 2000
MIN_PAGE = 200
CURSORS = 10
_BATCH = re.compile(r"batchSize\s*=\s*(\d{1,9})", re.IGNORECASE)
_LOCATOR = re.compile(r"(?P<id>01g\w{15})-(?P<offset>\d{1,9})")


@dataclass(frozen=True, slots=True)
class Cursor:
    """The rows of an unfinished query and how each is shown."""

    rows: Sequence[Any]
    show: Callable[[Any], dict[str, Any]]
    page: int


class Queries:
    """Runs queries and keeps the cursors of unfinished ones; the oldest goes when there are too many."""

    def __init__(self) -> None:
        self._cursors: dict[str, Cursor] = {}
        self._count = 0

    def live(self, call: Call) -> Answer:
        """GET query?q=."""
        return Answer(self.run(call, call.query.get("q", ""), _page_size(call)))

    def everything(self, call: Call) -> Answer:
        """GET queryAll?q=: deleted records too, as long as the bin keeps them."""
        return Answer(self.run(call, call.query.get("q", ""), _page_size(call), deleted=True))

    def more(self, call: Call) -> Answer:
        """GET query/<locator>: the next page."""
        return Answer(self.next(call, call.param("locator")))

    def run(self, call: Call, text: str, page: int, *, deleted: bool = False) -> dict[str, Any]:
        """The first page of a query."""
        query = grammar.parse(text)
        execution = call.execution(deleted=deleted)
        if query.grouped:
            return self._first_page(call, Cursor(execution.groups(query), Grouping(query).show, page))
        kind = execution.table(query.source).kind
        shown = Projection(query, kind, call.org.tables, execution, call.version)
        records = execution.records(query)
        if not query.columns and not query.children:
            return {"totalSize": len(records), "done": True, "records": []}
        return self._first_page(call, Cursor(records, shown.show, page))

    def next(self, call: Call, locator: str) -> dict[str, Any]:
        """The page behind a locator. Raises ApiError INVALID_QUERY_LOCATOR."""
        match = _LOCATOR.fullmatch(locator)
        cursor = self._cursors.get(match["id"]) if match else None
        if match is None or cursor is None:
            raise ApiError("INVALID_QUERY_LOCATOR", "invalid query locator")
        return self._page(call, match["id"], cursor, int(match["offset"]))

    def forget(self) -> None:
        """Lets every cursor expire."""
        self._cursors.clear()

    def _first_page(self, call: Call, cursor: Cursor) -> dict[str, Any]:
        if len(cursor.rows) <= cursor.page:
            return self._page(call, "", cursor, 0)
        self._count += 1
        short = f"01g5g0000{base62(self._count, 6)}"
        locator = short + checksum(short)
        self._cursors[locator] = cursor
        while len(self._cursors) > CURSORS:
            del self._cursors[next(iter(self._cursors))]
        return self._page(call, locator, cursor, 0)

    def _page(self, call: Call, locator: str, cursor: Cursor, offset: int) -> dict[str, Any]:
        until = offset + cursor.page
        done = until >= len(cursor.rows)
        body: dict[str, Any] = {"totalSize": len(cursor.rows), "done": done}
        if not done:
            body["nextRecordsUrl"] = call.url(f"query/{locator}-{until}")
        body["records"] = [cursor.show(row) for row in cursor.rows[offset:until]]
        return body


def _page_size(call: Call) -> int:
    match = _BATCH.search(call.headers.get("sforce-query-options", ""))
    return min(MAX_PAGE, max(MIN_PAGE, int(match[1]))) if match else MAX_PAGE
