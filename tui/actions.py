"""Every key, once: bindings, hints at the foot of a screen and the help are made from this table.

Lower case looks; a key that needs ctrl has one that does not, for terminals that swallow it.
"""

from __future__ import annotations

from dataclasses import dataclass

from textual.binding import Binding


@dataclass(frozen=True, slots=True)
class Action:
    """One key. ``places`` are the screens on which it works; ``hint`` is its word at their foot."""

    key: str
    label: str
    action: str
    text: str
    places: tuple[str, ...]
    hint: str = ""


ANYWHERE = ("now", "exceptions", "record")
LISTS = ("exceptions", "record")

ACTIONS: tuple[Action, ...] = (
    Action("1", "1", "app.now", "how everything does", ANYWHERE),
    Action("2", "2", "app.exceptions", "exceptions: what a person must look at", ANYWHERE),
    Action("enter", "enter", "app.exceptions", "open the exceptions", ("now",), hint="exceptions"),
    Action("enter", "enter", "open", "open the record under the cursor", LISTS, hint="open"),
    Action(
        "t,slash", "t", "app.trace", "trace a record by any of its names", ANYWHERE, hint="trace a record"
    ),
    Action("j,down", "j", "down", "one line down", ANYWHERE),
    Action("k,up", "k", "up", "one line up", ANYWHERE),
    Action("pagedown,space", "PgDn", "page_down", "a page down", ANYWHERE),
    Action("pageup", "PgUp", "page_up", "a page up", ANYWHERE),
    Action("g,home", "g", "first", "the first line", ANYWHERE),
    Action("G,end", "G", "last", "the last line", ANYWHERE),
    Action("p", "p", "app.freeze", "freeze what is shown, or let it go on", ANYWHERE),
    Action("R,ctrl+r", "R", "app.reload", "ask again now", ANYWHERE),
    Action("question_mark", "?", "app.help", "this help", ANYWHERE, hint="help"),
    Action("escape,q", "q", "app.back", "one screen back; quit on the first", ANYWHERE, hint="back"),
)


def bindings(place: str) -> list[Binding]:
    """The bindings of a screen."""
    return [Binding(a.key, a.action, a.text, show=False) for a in ACTIONS if place in a.places]


def hints(place: str) -> str:
    """The foot of a screen."""
    return "  ".join(f"{a.label} {a.hint}" for a in ACTIONS if place in a.places and a.hint)


def help_lines(place: str) -> list[tuple[str, str]]:
    """Keys and what they do on a screen, every key spelled."""
    return [(_spelled(a.key), a.text) for a in ACTIONS if place in a.places]


def _spelled(key: str) -> str:
    names = {"slash": "/", "question_mark": "?", "escape": "esc", "pagedown": "PgDn", "pageup": "PgUp"}
    return " ".join(names.get(part, part) for part in key.split(","))
