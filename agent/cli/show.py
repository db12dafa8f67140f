"""How people see what verbs found: tables, never interpreted as markup."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from agent.operations.text import status_text
from agent.operations.verdict import Verdict
from agent.operations.wire import ExceptionPage, Record, Status, Trace, clean


def _console() -> Console:
    return Console(markup=False, highlight=False)


def _cells(*values: object) -> list[Text]:
    return [Text(clean(str(value))) for value in values]


def status(found: Status, judged: Verdict) -> None:
    """The status as monitoring and people read it."""
    _console().print(status_text(found, judged), soft_wrap=True)


def exceptions(page: ExceptionPage) -> None:
    """One line for each, oldest due first."""
    table = Table("no", "kind", "system", "what", "money", "owner", "due", "cause", "do", box=None)
    for item in page.items:
        money = f"{item.amount} {item.currency or ''}".strip() if item.amount else ""
        due = "LATE" if item.late else f"{item.due:%Y-%m-%d %H:%M}Z"
        what = item.business_key or item.entity
        table.add_row(
            *_cells(item.id, item.kind, item.system, what, money, item.owner, due, item.cause, item.remedy)
        )
    console = _console()
    console.print(table)
    console.print(f"{len(page.items)} of {page.total}")


def trace(found: Trace) -> None:
    """The story of the one record that a key leads to, or what it may mean."""
    console = _console()
    if found.record is None:
        table = Table("entity", "type", "key", "found by", box=None)
        for match in found.matches:
            table.add_row(*_cells(match.entity or "-", match.type, match.business_key, match.found_by))
        console.print(table if found.matches else f"nothing is known by '{clean(found.key)}'")
        return
    _record(console, found.record)


def _record(console: Console, record: Record) -> None:
    console.print(clean(f"{record.type} {record.business_key}  {record.entity}  born at {record.birth}"))
    keys = "   ".join(f"{key.system}={key.key}" for key in record.keys if key.until is None)
    console.print(clean(f"keys  {keys}"))
    systems = [image.system for image in record.images]
    fields = Table("field", "agreed", "by", *systems, box=None)
    for one in record.fields:
        held = [one.values.get(system, "-") + (" ≠" if system in one.differs else "") for system in systems]
        fields.add_row(*_cells(one.name, one.agreed, one.by, *held))
    console.print(fields)
    images = [f"{i.system}: {i.grade}, {'fresh' if i.fresh else f'STALE ({i.stale})'}" for i in record.images]
    console.print(clean("   ".join(images)))
    story = Table("time (UTC)", "where", "what", "", box=None)
    for line in record.lines:
        story.add_row(*_cells(f"{line.at:%H:%M:%S.%f}"[:12], line.place, line.what, line.text))
    console.print(story)


def result(done: object) -> None:
    """What came of an act."""
    _console().print(clean(str(getattr(done, "text", done))))


__all__ = ["exceptions", "result", "status", "trace"]
