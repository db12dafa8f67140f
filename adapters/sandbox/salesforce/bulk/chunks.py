"""PK chunking: one query of a whole object becomes one query per range of ids."""

from __future__ import annotations

import re
from itertools import islice

from adapters.sandbox.salesforce.org.errors import ApiError
from adapters.sandbox.salesforce.org.record import Table

DEFAULT = 100_000
MOST = 250_000
_SIZE = re.compile(r"chunkSize\s*=\s*(\d{1,9})", re.IGNORECASE)
_WHERE = re.compile(r"\bWHERE\b", re.IGNORECASE)
_REFUSED = re.compile(r"\b(ORDER\s+BY|LIMIT|OFFSET|GROUP\s+BY)\b", re.IGNORECASE)


def size(header: str) -> int:
    """Records a chunk by the header ``Sforce-Enable-PKChunking``; 0 for no chunks. Raises ApiError."""
    text = header.strip()
    if not text or text.lower() == "false":
        return 0
    match = _SIZE.search(text)
    if match is None:
        return DEFAULT
    wanted = int(match[1])
    if not 1 <= wanted <= MOST:
        raise ApiError("InvalidJob", f"InvalidJob : chunkSize must be between 1 and {MOST}")
    return wanted


def queries(soql: str, table: Table, size: int) -> list[str]:
    """The queries of the chunks. Raises ApiError for what cannot be cut up."""
    if _REFUSED.search(soql):
        raise ApiError(
            "InvalidBatch", "InvalidBatch : PK chunking takes no ORDER BY, LIMIT, OFFSET or GROUP BY"
        )
    ids = (record.id for record in table.after(""))
    starts: list[str] = []
    while part := list(islice(ids, size)):
        starts.append(part[0])
    match = _WHERE.search(soql)
    head, condition = (soql[: match.start()], soql[match.end() :]) if match else (soql, "")
    kept = f"({condition.strip()}) AND " if condition else ""
    made: list[str] = []
    for at, start in enumerate(starts):
        end = f" AND Id < '{starts[at + 1]}'" if at + 1 < len(starts) else ""
        made.append(f"{head.strip()} WHERE {kept}Id >= '{start}'{end}")
    return made or [soql]
