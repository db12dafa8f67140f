"""A page of lines: painted from rows, repainted only where a row differs, its cursor held by id."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.segment import Segment
from rich.style import Style
from textual.geometry import Region, Size
from textual.scroll_view import ScrollView
from textual.strip import Strip

from tui.look import Look
from tui.widgets.cells import segment

#: Emphasis only: no style says anything that the text does not say.
STYLES: dict[str, Style] = {
    "": Style.null(),
    "head": Style(bold=True),
    "dim": Style(dim=True),
    "bad": Style(color="red", bold=True),
    "warn": Style(color="yellow"),
    "good": Style(color="green"),
}


@dataclass(frozen=True, slots=True)
class Row:
    """One line: pieces of text with a style each. ``id`` names what can be opened from it."""

    pieces: tuple[tuple[str, str], ...]
    id: str = ""

    @classmethod
    def of(cls, text: str, style: str = "", id: str = "") -> Row:
        """A row of one piece."""
        return cls(((text, style),), id)


class Page(ScrollView, can_focus=True):
    """Shows rows. The cursor stands on a row with an id and stays on that id when rows come and go."""

    DEFAULT_CSS = "Page { height: 1fr; scrollbar-size: 0 0; }"

    def __init__(self, look: Look) -> None:
        super().__init__()
        self._look = look
        self._rows: tuple[Row, ...] = ()
        self._cursor: str = ""
        self.painted = 0

    @property
    def rows(self) -> tuple[Row, ...]:
        """What is shown."""
        return self._rows

    @property
    def chosen(self) -> str:
        """The id under the cursor, or nothing."""
        return self._cursor

    def text(self) -> str:
        """Everything on the page as plain text."""
        return "\n".join("".join(text for text, _ in row.pieces) for row in self._rows)

    def show(self, rows: Sequence[Row]) -> None:
        """Replace the rows; only lines that differ are painted again."""
        before, self._rows = self._rows, tuple(rows)
        if before == self._rows:
            return
        ids = [row.id for row in self._rows if row.id]
        if self._cursor not in ids:
            self._cursor = self._neighbour(before, ids)
        if len(before) != len(self._rows):
            self.virtual_size = Size(self.size.width, len(self._rows))
            self.refresh()
            return
        for number, (old, new) in enumerate(zip(before, self._rows, strict=True)):
            if old != new:
                self._repaint(number)

    def render_line(self, y: int) -> Strip:
        """Paint one line of the window."""
        number = y + self.scroll_offset.y
        width = self.size.width
        if number >= len(self._rows):
            return Strip.blank(width)
        self.painted += 1
        row = self._rows[number]
        here = bool(row.id) and row.id == self._cursor
        style = Style(reverse=True) if here else Style.null()
        pieces = [segment(self._look.plain(text), STYLES[name] + style) for text, name in row.pieces]
        if row.id:
            pieces.insert(0, Segment(">" if here else " ", style))
        return Strip(pieces).adjust_cell_length(width, style)

    def move(self, lines: int) -> None:
        """Move the cursor, or scroll where there is nothing to choose."""
        ids = [row.id for row in self._rows if row.id]
        if not ids:
            self.scroll_to(y=self.scroll_offset.y + lines, animate=False)
            return
        at = ids.index(self._cursor) if self._cursor in ids else 0
        self.choose(ids[max(0, min(at + lines, len(ids) - 1))])

    def choose(self, id: str) -> None:
        """Put the cursor on an id and bring it into the window."""
        earlier, self._cursor = self._cursor, id
        for number, row in enumerate(self._rows):
            if row.id and row.id in (earlier, id):
                self._repaint(number)
            if row.id == id:
                self._bring(number)

    def page(self) -> int:
        """Lines of half a window: what one page key moves."""
        return max(self.size.height // 2, 1)

    def _bring(self, number: int) -> None:
        top, height = self.scroll_offset.y, max(self.size.height, 1)
        if not top <= number < top + height:
            self.scroll_to(y=max(0, number - height // 2), animate=False)

    def _repaint(self, number: int) -> None:
        y = number - self.scroll_offset.y
        if 0 <= y < self.size.height:
            self.refresh(Region(0, y, self.size.width, 1))

    def _neighbour(self, before: Sequence[Row], ids: list[str]) -> str:
        """Where the cursor goes when its row is gone: to the next of the old rows that is still there."""
        earlier = [row.id for row in before if row.id]
        if self._cursor in earlier:
            for id_ in earlier[earlier.index(self._cursor) :]:
                if id_ in ids:
                    return id_
        return ids[0] if ids else ""


def beside(left: list[Row], right: list[Row], width: int, look: Look) -> list[Row]:
    """Two columns of rows as one; the left one is ``width`` cells wide."""
    blank = Row.of(" " * width)
    bar = "|" if look.ascii else "│"
    rows = []
    for number in range(max(len(left), len(right))):
        one = left[number] if number < len(left) else blank
        other = right[number].pieces if number < len(right) else ()
        text = "".join(piece for piece, _ in one.pieces)
        pieces = ((look.fit(text, width), one.pieces[0][1]), (bar, "dim"), *other)
        rows.append(Row(pieces, one.id))
    return rows
