"""How the records of a flat file are set off from each other."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

_LONGEST_TAIL = 4096


class LastLine(StrEnum):
    """Whether the last record needs its line end. A file has no trailer: its loss may be all that shows
    a cut.
    """

    OPTIONAL = "optional"
    REQUIRED = "required"


class Padding(StrEnum):
    """How far a data record reaches: to the end of its segment (SAP's file port), to 1063 characters, to its
    last letter, or as far as it did where it was read.
    """

    SEGMENT = "segment"
    FULL = "full"
    TRIMMED = "trimmed"
    AS_READ = "as-read"


class Numbering(StrEnum):
    """Whether SEGNUM, PSGNUM, HLEVEL, MANDT and DOCNUM of a data record are made anew or kept as they were
    read, blank ones and gaps included.
    """

    FRESH = "fresh"
    AS_READ = "as-read"


@dataclass(slots=True)
class Framing:
    """The form of a flat file.

    line_end  "\\n", "\\r\\n", "\\r", or "" for records that follow each other at once
    mark      a byte order mark at the start
    final     whether the last record has its line end too
    tail      what follows the last record: Ctrl-Z, NUL, blanks, blank lines
    between   what sets IDocs off from each other where no line ends set off records
    """

    line_end: str = "\n"
    mark: bool = False
    final: bool = True
    tail: str = ""
    between: str = ""

    def follow(self, text: str) -> None:
        """Note what follows the last record, as much of it as can be meant."""
        if len(self.tail) < _LONGEST_TAIL:
            self.tail = (self.tail + text)[:_LONGEST_TAIL]
