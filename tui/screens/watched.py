"""What every screen has: a head with the state of all systems, a page, a foot. No screen has a timer."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.screen import Screen

from agent.operations.wire import Client, ExceptionPage, Overview, Trace
from tui import actions
from tui.look import Look, age, clock, zone
from tui.widgets.line import OneLine
from tui.widgets.page import Page, Row

Detail = ExceptionPage | Trace | None

#: Below this size keys are off: nobody is to press one without seeing what it does.
SMALLEST = (60, 15)
#: From this many columns on, a screen has two halves.
WIDE = 120
#: Columns of its left half.
LEFT = 84


class Watched(Screen[None]):
    """A screen that shows what the service says."""

    CSS = "Screen { layers: base; background: ansi_default; }"
    PLACE: ClassVar[str] = ""
    AUTO_FOCUS: ClassVar[str] = "Page"

    def __init__(self, look: Look) -> None:
        super().__init__()
        self.look = look
        self.head = OneLine(look, reverse=True)
        self.foot = OneLine(look)
        self.page = Page(look)
        self.overview: Overview | None = None
        self.detail: Detail = None
        self.lost = ""
        self.frozen = False

    def compose(self) -> ComposeResult:
        """Head, page, foot."""
        yield self.head
        yield self.page
        yield self.foot

    async def fetch(self, client: Client) -> Detail:
        """What this screen asks for beside the overview."""
        return None

    def content(self, width: int, height: int) -> list[Row]:
        """The rows of the page, from what was last heard."""
        raise NotImplementedError

    def hear(self, overview: Overview | None, detail: Detail, lost: str) -> None:
        """Take what the worker brought; painted at once, unless somebody froze the screen."""
        self.overview, self.lost = overview, lost
        self.detail = detail if detail is not None else self.detail
        self.paint()

    def paint(self) -> None:
        """Bring what is shown up to date."""
        if not self.is_attached or not self.size.width:
            return
        width, height = self.size
        self.head.show(head(self.overview, self.lost, width, self.look))
        if width < SMALLEST[0] or height < SMALLEST[1]:
            self.foot.show(((f"keys are off below {SMALLEST[0]}x{SMALLEST[1]}", "warn"),))
        elif not self.frozen:
            self.foot.show(((self.look.fit(" " + actions.hints(self.PLACE), width), "dim"),))
        if not self.frozen:
            rows = self.content(width, max(height - 2, 1))
            self.page.show(rows if rows or self.overview else waiting(self.lost, width, self.look))

    def freeze(self) -> None:
        """Stop painting the page, or let it go on."""
        self.frozen = not self.frozen
        if self.frozen:
            self.foot.show(((" FROZEN: p lets it go on", "warn"),))
        self.paint()

    def on_resize(self) -> None:
        """Another size is another layout."""
        self.paint()

    def on_screen_resume(self) -> None:
        """Show what came while another screen was on top."""
        self.paint()

    def action_down(self) -> None:
        """One line down."""
        self.page.move(1)

    def action_up(self) -> None:
        """One line up."""
        self.page.move(-1)

    def action_page_down(self) -> None:
        """Half a window down."""
        self.page.move(self.page.page())

    def action_page_up(self) -> None:
        """Half a window up."""
        self.page.move(-self.page.page())

    def action_first(self) -> None:
        """To the first line."""
        self.page.move(-len(self.page.rows))

    def action_last(self) -> None:
        """To the last line."""
        self.page.move(len(self.page.rows))


def bound(place: str) -> list[BindingType]:
    """The bindings of a screen, as its class wants them."""
    return list(actions.bindings(place))


def head(overview: Overview | None, lost: str, width: int, look: Look) -> tuple[tuple[str, str], ...]:
    """The first line: the verdict as a word, every system that is not up, what is open, the time and zone."""
    if overview is None:
        return ((look.fit(" isthmus  SERVICE DOWN" if lost else " isthmus  asking", width), ""),)
    status = overview.status
    when = f"{clock(status.at)[:5]} {zone(status.at)} "
    if lost or status.service == "down":
        text = f" isthmus  SERVICE DOWN  what you see is of {clock(status.at)} {zone(status.at)}"
        return ((look.fit(text, width), "bad"),)
    parts = [f" isthmus  {overview.verdict}"]
    for system in status.systems:
        if system.state != "up":
            parts.append(f"{system.name} {system.state.upper()} {age(system.since, status.at)}")
        if system.held is not None:
            parts.append(f"{system.name} HELD")
    if status.exceptions.open:
        parts.append(f"{status.exceptions.open} OPEN")
    if status.exceptions.late:
        parts.append(f"{status.exceptions.late} LATE")
    left = look.fit("  ".join(parts), max(width - len(when) - 1, 0))
    return ((f"{left} {when}", ""),)


def waiting(lost: str, width: int, look: Look) -> list[Row]:
    """Before the first answer, or when there never was one."""
    if not lost:
        return [Row.of(" asking the service")]
    return [Row.of(""), *(Row.of(f" {line}", "bad") for line in look.wrap(lost, width - 2))]
