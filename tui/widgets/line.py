"""One line of the screen: its head, its foot."""

from __future__ import annotations

from rich.style import Style
from textual.strip import Strip
from textual.widget import Widget

from tui.look import Look
from tui.widgets.cells import segment
from tui.widgets.page import STYLES


class OneLine(Widget):
    """Shows one line of pieces and paints it again only when it differs."""

    DEFAULT_CSS = "OneLine { height: 1; }"

    def __init__(self, look: Look, *, reverse: bool = False) -> None:
        super().__init__()
        self._look = look
        self._style = Style(reverse=reverse)
        self._pieces: tuple[tuple[str, str], ...] = ()
        self.painted = 0

    def show(self, pieces: tuple[tuple[str, str], ...]) -> None:
        """Replace the line."""
        if pieces != self._pieces:
            self._pieces = pieces
            self.refresh()

    def text(self) -> str:
        """The line as plain text."""
        return "".join(text for text, _ in self._pieces)

    def render_line(self, y: int) -> Strip:
        """Paint it."""
        self.painted += 1
        found = [segment(self._look.plain(text), STYLES[name] + self._style) for text, name in self._pieces]
        return Strip(found).adjust_cell_length(self.size.width, self._style)
