"""What can be wrong with an IDoc file or a dictionary, said so that a person finds the place; never a value.

A reader hands every ``Problem`` to its ``report``: ``refuse`` raises at the first, ``Findings`` keeps all.

IdocFault (ValueError)
├── ReadFault    a file cannot be read; ``problem`` says what and where
└── ValueFault   a value cannot be written or read: SEGMENT.FIELD, its offset and length
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum


class Severity(StrEnum):
    """``error``: the file says what cannot be. ``warning``: it is read, and probably not as meant."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong.

    idoc     which IDoc of the file, from 1; 0 where it belongs to none
    number   that IDoc's DOCNUM, as far as it is known
    segment  segment name as it stood, with SEGNUM where it has one
    line     from 1; 0 where there is none (a value that was never in a file)
    column   from 1, in characters; 0 for the whole record
    offset   byte in the file from 0; None where the decoder does not tell
    """

    reason: str
    severity: Severity = Severity.ERROR
    file: str = ""
    idoc: int = 0
    number: str = ""
    segment: str = ""
    field: str = ""
    line: int = 0
    column: int = 0
    offset: int | None = None
    remedy: str = ""

    @property
    def place(self) -> str:
        """Where: file, IDoc, segment, field, line, column or byte; what is not known is left out."""
        parts = [self.file]
        if self.idoc:
            parts.append(f"IDoc {self.idoc}" + (f" ({self.number})" if self.number else ""))
        if self.segment:
            parts.append(f"segment {self.segment}")
        if self.field:
            parts.append(self.field)
        if self.line:
            parts.append(f"line {self.line}")
        if self.column:
            parts.append(f"column {self.column}")
        if self.offset is not None:
            parts.append(f"byte {self.offset}")
        return ", ".join(part for part in parts if part)

    def __str__(self) -> str:
        text = f"{self.place}: {self.reason}" if self.place else self.reason
        return f"{text} ({self.remedy})" if self.remedy else text


#: What takes a problem: ``refuse``, or ``Findings.add``.
Report = Callable[[Problem], None]


class IdocFault(ValueError):
    """Something about an IDoc is not as the layout says."""

    def __init__(self, reason: str, *, where: str = "", remedy: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.where = where
        self.remedy = remedy

    def __str__(self) -> str:
        text = f"{self.where}: {self.reason}" if self.where else self.reason
        return f"{text} ({self.remedy})" if self.remedy else text


class ReadFault(IdocFault):
    """A file that cannot be read. ``line`` counts from 1, ``offset`` in bytes from 0, both in the file."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.reason, where=problem.place, remedy=problem.remedy)
        self.problem = problem
        self.line = problem.line
        self.offset = problem.offset or 0


class ValueFault(IdocFault):
    """A value that a field cannot hold. ``offset`` and ``length`` count characters inside SDATA.

    One may stand for several of the same record; ``each`` has them all.
    """

    def __init__(
        self, reason: str, *, field: str, offset: int = 0, length: int = 0, remedy: str = ""
    ) -> None:
        super().__init__(reason, where=field, remedy=remedy)
        self.field = field
        self.offset = offset
        self.length = length
        self._others: tuple[ValueFault, ...] = ()

    @classmethod
    def together(cls, faults: Sequence[ValueFault]) -> ValueFault:
        """The first fault, which stands for all."""
        first = faults[0]
        first._others = tuple(each for fault in faults for each in fault.each if each is not first)
        return first

    @property
    def each(self) -> tuple[ValueFault, ...]:
        """This fault and those that it stands for."""
        return (self, *self._others)

    def __str__(self) -> str:
        return "; ".join((super().__str__(), *map(str, self._others)))


def refuse(problem: Problem) -> None:
    """Stop at the first error, as ReadFault; a warning passes."""
    if problem.severity is Severity.ERROR:
        raise ReadFault(problem)


@dataclass(slots=True)
class Findings:
    """All problems of a file, in the order of the file. Beyond ``most`` they are only counted, so that a
    file of rubbish does not fill the memory.
    """

    most: int = 10_000
    kept: list[Problem] = field(default_factory=list)
    errors: int = 0
    warnings: int = 0

    def add(self, problem: Problem) -> None:
        """Keep a problem."""
        if problem.severity is Severity.ERROR:
            self.errors += 1
        else:
            self.warnings += 1
        if len(self.kept) < self.most:
            self.kept.append(problem)

    @property
    def untold(self) -> int:
        """How many were counted and not kept."""
        return self.errors + self.warnings - len(self.kept)

    def __iter__(self) -> Iterator[Problem]:
        return iter(self.kept)

    def __len__(self) -> int:
        return self.errors + self.warnings
