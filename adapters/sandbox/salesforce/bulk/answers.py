"""Query results on their way out: CSV, JSON or XML, made from the found rows while they are sent."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator
from typing import Any
from xml.sax.saxutils import escape

from adapters.sandbox.salesforce.bulk.jobs import Found, Job
from adapters.sandbox.salesforce.bulk.results import NAMESPACE
from adapters.sandbox.salesforce.bulk.rows import DELIMITERS
from adapters.sandbox.salesforce.org.org import Org
from adapters.sandbox.salesforce.rest.answers import dumped
from adapters.sandbox.salesforce.soql import grammar
from adapters.sandbox.salesforce.soql.execution import Execution
from adapters.sandbox.salesforce.soql.projection import Grouping, Projection

_LINES = 500


def csv_pieces(org: Org, job: Job, found: Found, start: int, end: int) -> Iterator[bytes]:
    """Rows ``start`` to ``end`` as CSV with a line of titles."""
    titles, cells = _cells(org, job, found)
    out = io.StringIO()
    ending = "\r\n" if job.ending == "CRLF" else "\n"
    writer = csv.writer(
        out, delimiter=DELIMITERS[job.delimiter], quoting=csv.QUOTE_ALL, lineterminator=ending
    )
    writer.writerow(titles)
    for first in range(start, end, _LINES):
        writer.writerows(cells(row) for row in found.rows[first : min(end, first + _LINES)])
        yield out.getvalue().encode()
        out.seek(0)
        out.truncate()
    yield out.getvalue().encode()


def json_pieces(org: Org, job: Job, found: Found) -> Iterator[bytes]:
    """All rows as a JSON array of records."""
    show = _show(org, job, found)
    between = b"["
    for row in found.rows:
        yield between + dumped(show(row))
        between = b","
    yield b"[]" if between == b"[" else b"]"


def xml_pieces(org: Org, job: Job, found: Found) -> Iterator[bytes]:
    """All rows as XML records."""
    titles, cells = _cells(org, job, found)
    spaces = f'xmlns="{NAMESPACE}" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
    yield f'<?xml version="1.0" encoding="UTF-8"?><queryResult {spaces}>'.encode()
    for row in found.rows:
        parts = [
            f"<{title}>{escape(cell)}</{title}>" if cell else f'<{title} xsi:nil="true"/>'
            for title, cell in zip(titles, cells(row), strict=True)
        ]
        yield f'<records xsi:type="sObject"><type>{job.object_name}</type>{"".join(parts)}</records>'.encode()
    yield b"</queryResult>"


def _parts(org: Org, job: Job, found: Found) -> Projection | Grouping:
    query = grammar.parse(found.soql)
    if query.grouped:
        return Grouping(query)
    execution = Execution(org.tables, org.clock, deleted=job.operation == "queryAll")
    return Projection(query, execution.table(query.source).kind, org.tables, execution, job.version)


def _cells(org: Org, job: Job, found: Found) -> tuple[list[str], Callable[[Any], list[str]]]:
    return _parts(org, job, found).cells()


def _show(org: Org, job: Job, found: Found) -> Callable[[Any], dict[str, Any]]:
    return _parts(org, job, found).show
