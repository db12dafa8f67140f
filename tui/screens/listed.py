"""Exceptions: what a person must look at, the one under the cursor in full."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from textual.binding import BindingType

from agent.operations.wire import Client, ExceptionItem, ExceptionPage
from tui.look import Look, age, money
from tui.screens.watched import LEFT, WIDE, Detail, Watched, bound
from tui.widgets.page import Row, beside


class ExceptionsScreen(Watched):
    """The list, oldest due first. The cursor stays on its exception when others come and go."""

    PLACE: ClassVar[str] = "exceptions"
    BINDINGS: ClassVar[list[BindingType]] = bound("exceptions")

    async def fetch(self, client: Client) -> Detail:
        """The open ones."""
        return await client.exceptions()

    def content(self, width: int, height: int) -> list[Row]:
        """A line each, and all of the chosen one below them or beside them."""
        if self.overview is None or not isinstance(self.detail, ExceptionPage):
            return []
        at, items = self.overview.status.at, self.detail.items
        shown = f"{len(items)} of {self.detail.total}" if len(items) < self.detail.total else str(len(items))
        title = Row.of(self.look.fit(f" EXCEPTIONS   {shown} open, oldest due first", width), "head")
        if not items:
            return [title, Row.of(" nothing is open")]
        half = LEFT if width >= WIDE else width
        rows = [Row.of(self.look.fit(line(item, at), half - 1), "", str(item.id)) for item in items]
        chosen = next((item for item in items if str(item.id) == self.page.chosen), items[0])
        if width >= WIDE:
            return [
                title,
                *beside(rows, _whole(chosen, at, width - LEFT - 1, self.look), LEFT - 1, self.look),
            ]
        return [title, *rows, Row.of(""), *_whole(chosen, at, width, self.look)]

    def action_down(self) -> None:
        """One line down."""
        super().action_down()
        self.paint()

    def action_up(self) -> None:
        """One line up."""
        super().action_up()
        self.paint()

    def action_open(self) -> None:
        """The story of the record behind the exception."""
        items = self.detail.items if isinstance(self.detail, ExceptionPage) else ()
        for item in items:
            if str(item.id) == self.page.chosen and item.entity:
                self.app.call_later(self.app.run_action, f"app.story({item.entity!r})")


def line(item: ExceptionItem, at: datetime) -> str:
    """An exception in one line; late is a word."""
    due = f"LATE {age(item.due, at)}" if item.late else f"due in {age(at, item.due)}"
    sum_ = f"{item.currency or ''} {money(item.amount)} " if item.amount is not None else ""
    name = item.business_key or item.type
    place = f"{item.kind:<11} {item.system:<11} {name:<12}"
    return f"{item.id:>4} {due:<12} {place} {sum_}{item.code} {item.cause}"


def _whole(item: ExceptionItem, at: datetime, width: int, look: Look) -> list[Row]:
    what = f"{item.type} {item.business_key}".strip() or "no entity"
    rows = [Row.of(look.fit(f" -- {item.id} {item.kind.upper()}: {what} at {item.system} --", width), "dim")]
    facts = {
        "Cause": f"{item.code} {item.cause}".strip(),
        "Do": item.remedy,
        "Field": item.field,
        "Owner": f"{item.owner}, open {age(item.opened, at)}, due {item.due.astimezone():%Y-%m-%d %H:%M}",
        "Command": f"{item.command} {item.command_state} {item.message_id}" if item.command else "",
    }
    for name, text in facts.items():
        for number, part in enumerate(look.wrap(text, width - 11) if text else ()):
            rows.append(Row.of(f" {name if number == 0 else '':<8} {part}"))
    return rows
