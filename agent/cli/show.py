"""How people see what verbs found: plain text, cleaned of whatever could control a terminal."""

from __future__ import annotations

import sys

from agent.operations.plain import (
    conflict_text,
    conflicts_text,
    exception_text,
    exceptions_text,
    flow_text,
    trace_text,
)
from agent.operations.text import status_text
from agent.operations.verdict import Verdict
from agent.operations.wire import (
    ConflictItem,
    ConflictPage,
    ExceptionItem,
    ExceptionPage,
    FlowPage,
    Status,
    Trace,
    VerbResult,
    clean,
)


def status(found: Status, judged: Verdict) -> None:
    """The status as monitoring and people read it."""
    _print(status_text(found, judged))


def exceptions(page: ExceptionPage) -> None:
    """What waits for a person, oldest due first."""
    _print(exceptions_text(page))


def exception(item: ExceptionItem) -> None:
    """Everything about one exception."""
    _print(exception_text(item))


def conflicts(page: ConflictPage) -> None:
    """Where two systems changed the same, open ones first."""
    _print(conflicts_text(page))


def conflict(item: ConflictItem) -> None:
    """Everything about one conflict."""
    _print(conflict_text(item))


def flow(page: FlowPage) -> None:
    """What is held."""
    _print(flow_text(page))


def trace(found: Trace) -> None:
    """The story of the one record that a key leads to, or what it may mean."""
    _print(trace_text(found))


def result(done: VerbResult) -> None:
    """What came of an act."""
    _print(clean(done.text))


def _print(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
