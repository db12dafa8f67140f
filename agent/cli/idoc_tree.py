"""IDocs as people read them: segments indented by depth, a line per filled field; colour on a terminal."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TextIO

from rich.console import Console
from rich.text import Text

from adapters.idoc.format.dictionary import Dictionary
from adapters.idoc.format.document import Entry, Head, Item, Segment
from adapters.idoc.format.problems import Findings, Problem, Severity, ValueFault
from agent.operations.wire import clean

#: A piece of a line and its style.
Piece = tuple[str, str]
_STYLES = {Severity.ERROR: "bold red", Severity.WARNING: "yellow"}


@dataclass(frozen=True, slots=True)
class Paper:
    """Where lines go; ``console`` is None where there is no colour."""

    stream: TextIO
    console: Console | None

    @classmethod
    def of(cls, stream: TextIO, no_color: bool) -> Paper:
        """Colour only on a terminal, and not against NO_COLOR."""
        plain = no_color or bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb"
        if plain or not stream.isatty():
            return cls(stream, None)
        return cls(stream, Console(file=stream, highlight=False, markup=False, soft_wrap=True))

    def line(self, pieces: Sequence[Piece]) -> None:
        """A line."""
        self.write(pieces)
        self.stream.write("\n")

    def write(self, pieces: Sequence[Piece]) -> None:
        """Pieces of a line; nothing in them controls the terminal."""
        cleaned = [(clean(text), style) for text, style in pieces]
        if self.console is None:
            self.stream.write("".join(text for text, _ in cleaned))
        else:
            self.console.print(Text.assemble(*cleaned), end="")


def show_items(items: Iterable[Item], dictionary: Dictionary, paper: Paper) -> None:
    """The tree of every IDoc."""
    for item in items:
        if isinstance(item, Head):
            _head(item, paper)
        else:
            _entry(item, dictionary, paper)


def _head(head: Head, paper: Paper) -> None:
    control = head.control
    kind = "/".join(filter(None, (control.get("IDOCTYP", ""), control.get("CIMTYP", ""))))
    paper.line(
        [(f"IDoc {head.at} ", "bold"), (control.get("MESTYP", ""), "bold magenta"), (f" {kind}", "magenta")]
    )
    for name, text in control.items():
        if text:
            paper.line([(f"  {name:<10} ", "green"), (text, "")])


def _entry(entry: Entry, dictionary: Dictionary, paper: Paper) -> None:
    segment = entry.segment
    indent = "  " * entry.depth
    name = [(f"{indent}{segment.type}", "bold cyan")]
    if segment.definition != segment.type:
        name.append((f" {segment.definition}", "dim"))
    paper.line(name)
    for field, text, note in _fields(segment, dictionary):
        paper.line([(f"{indent}  {field:<10} ", "green"), (text, ""), (f"  {note}" if note else "", "dim")])


def _fields(segment: Segment, dictionary: Dictionary) -> list[tuple[str, str, str]]:
    """Name, text and description of the fields that are filled; the whole text where no layout is known."""
    layout = dictionary.layout(segment.definition)
    if layout is None and segment.named is None:
        return [("?", segment.data, "no dictionary describes this segment")] if segment.data else []
    try:
        found = [
            (name, text, layout.field(name).text if layout is not None and name in layout else "")
            for name, text in segment.filled(dictionary).items()
        ]
        rest = layout.rest(segment.data) if layout is not None and segment.named is None else ""
    except ValueFault as fault:
        return [("?", segment.data, fault.reason)]
    if rest:
        found.append(("?", rest, "behind the last known field"))
    return found


def show_problems(findings: Findings, paper: Paper) -> None:
    """A line per problem, in the order of the file."""
    for problem in findings:
        style = _STYLES[problem.severity]
        paper.line([(f"{problem.severity.value}: ", style), (str(problem), "")])
    if findings.untold:
        paper.line([(f"and {findings.untold} more", "bold")])


def problem_fields(problem: Problem) -> dict[str, object]:
    """A problem for machines."""
    return {
        "severity": problem.severity.value,
        "reason": problem.reason,
        "idoc": problem.idoc or None,
        "number": problem.number or None,
        "segment": problem.segment or None,
        "field": problem.field or None,
        "line": problem.line or None,
        "column": problem.column or None,
        "offset": problem.offset,
        "remedy": problem.remedy or None,
    }
