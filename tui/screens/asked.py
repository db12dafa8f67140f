"""Small screens on top: the question for a key, and the help."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input

from tui import actions
from tui.look import Look
from tui.widgets.line import OneLine
from tui.widgets.page import Page, Row


class KeyScreen(ModalScreen[str]):
    """Asks which record; what is typed goes into the field from the first key on."""

    CSS = "KeyScreen { align: center middle; } KeyScreen Vertical { width: 60; height: 4; border: solid; }"
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "leave", "back", show=False)]
    AUTO_FOCUS: ClassVar[str] = "Input"

    def __init__(self, look: Look) -> None:
        super().__init__()
        self._look = look

    def compose(self) -> ComposeResult:
        """The question and the field."""
        question = OneLine(self._look)
        question.show(((" Trace: any number or name of the record, then enter", ""),))
        field = Input(compact=True)
        field.cursor_blink = False
        with Vertical():
            yield question
            yield field

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Go there."""
        self.dismiss(event.value.strip())

    def action_leave(self) -> None:
        """Back without a key."""
        self.dismiss("")


class HelpScreen(ModalScreen[None]):
    """Every key of the screen below, from the table of keys."""

    CSS = "HelpScreen { background: ansi_default; }"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,question_mark", "leave", "back", show=False),
    ]

    def __init__(self, look: Look, place: str) -> None:
        super().__init__()
        self.page = Page(look)
        rows = [Row.of(" KEYS", "head")]
        rows += [Row.of(f"  {keys:<16} {text}") for keys, text in actions.help_lines(place)]
        words = (
            "DOWN, LATE, UNCERTAIN and STALE are always words; colour says nothing that they do not say",
        )
        self.page.show([*rows, Row.of(""), *(Row.of(f"  {line}", "dim") for line in words)])

    def compose(self) -> ComposeResult:
        """One page."""
        yield self.page

    def action_leave(self) -> None:
        """Back."""
        self.dismiss(None)
