"""query and queryAll: SOQL over the live records, or over deleted ones too, page by page."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from starlette.responses import Response

from adapters.sandbox.salesforce.org.errors import ApiError
from adapters.sandbox.salesforce.org.ids import base62, checksum
from adapters.sandbox.salesforce.org.record import Record, Table
from adapters.sandbox.salesforce.rest import view
from adapters.sandbox.salesforce.rest.calls import Call, answer
from adapters.sandbox.salesforce.soql import grammar
from adapters.sandbox.salesforce.soql.conditions import Search

MAX_PAGE = 2000
MIN_PAGE = 200
CURSORS = 10
_BATCH = re.compile(r"batchSize\s*=\s*(\d+)", re.IGNORECASE)
_LOCATOR = re.compile(r"(?P<id>01g\w{15})-(?P<offset>\d+)")


@dataclass(frozen=True, slots=True)
class _Cursor:
    records: list[Record]
    columns: tuple[str, ...]
    page: int


class Queries:
    """Runs queries and keeps the cursors of unfinished ones; the oldest goes when there are too many."""

    def __init__(self) -> None:
        self._cursors: dict[str, _Cursor] = {}
        self._count = 0

    def live(self, call: Call) -> Response:
        """GET query?q=."""
        return self._run(call, deleted=False)

    def everything(self, call: Call) -> Response:
        """GET queryAll?q=: deleted records too, as long as the bin keeps them."""
        return self._run(call, deleted=True)

    def more(self, call: Call) -> Response:
        """GET query/<locator>: the next page."""
        match = _LOCATOR.fullmatch(call.param("locator"))
        cursor = self._cursors.get(match["id"]) if match else None
        if match is None or cursor is None:
            raise ApiError("INVALID_QUERY_LOCATOR", "invalid query locator")
        return answer(self._page(call, match["id"], cursor, int(match["offset"])))

    def forget(self) -> None:
        """Lets every cursor expire."""
        self._cursors.clear()

    def _run(self, call: Call, *, deleted: bool) -> Response:
        query = grammar.parse(call.request.query_params.get("q", ""))
        table = _table(call, query.object_name)
        columns = tuple(f.name for f in table.kind.fields) if query.columns == ("*",) else query.columns
        search = Search(table.kind, call.org.tables)
        for name in columns:
            if name.lower() not in {each.lower() for each in table.kind.compounds()}:
                search.path(name)
        test = search.test(query.where) if query.where is not None else None
        rows = [
            record
            for record in table
            if (deleted or not record.deleted) and (test is None or test(record.values))
        ]
        rows = search.sort(rows, query.order)[query.offset :][: query.limit]
        if not columns:
            return answer({"totalSize": len(rows), "done": True, "records": []})
        return answer(self._first_page(call, _Cursor(rows, columns, _page_size(call))))

    def _first_page(self, call: Call, cursor: _Cursor) -> dict[str, Any]:
        if len(cursor.records) <= cursor.page:
            return self._page(call, "", cursor, 0)
        self._count += 1
        short = f"01g5g0000{base62(self._count, 6)}"
        locator = short + checksum(short)
        self._cursors[locator] = cursor
        while len(self._cursors) > CURSORS:
            del self._cursors[next(iter(self._cursors))]
        return self._page(call, locator, cursor, 0)

    def _page(self, call: Call, locator: str, cursor: _Cursor, offset: int) -> dict[str, Any]:
        until = offset + cursor.page
        done = until >= len(cursor.records)
        body: dict[str, Any] = {"totalSize": len(cursor.records), "done": done}
        if not done:
            body["nextRecordsUrl"] = call.url(f"query/{locator}-{until}")
        body["records"] = [
            view.columns(record, cursor.columns, call.org.tables, call.version)
            for record in cursor.records[offset:until]
        ]
        return body


def _page_size(call: Call) -> int:
    match = _BATCH.search(call.request.headers.get("sforce-query-options", ""))
    return min(MAX_PAGE, max(MIN_PAGE, int(match[1]))) if match else MAX_PAGE


def _table(call: Call, name: str) -> Table:
    try:
        return call.org.table(name)
    except ApiError:
        raise ApiError(
            "INVALID_TYPE",
            f"sObject type '{name}' is not supported. If you are attempting to use a custom object, be "
            f"sure to "
            "append the '__c' after the entity name.",
        ) from None
