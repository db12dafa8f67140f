"""The journal of edits: what users wrote, noted when the system had confirmed it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TextIO


class Outcome(StrEnum):
    """Whether the system confirmed an edit, or its answer was lost."""

    DONE = "done"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Place:
    """A record as its system's users call it: the business key, not the system's own."""

    system: str
    object: str
    key: str


class EditJournal:
    """A file of JSON lines: time, system, object, key, field, value, outcome, and for shared fields seen.

    Field names and values are the system's own. Lines of one record in one system stand in the order in
    which it took them: the caller makes one edit of it at a time.
    """

    def __init__(self, path: Path) -> None:
        self._file: TextIO = path.open("a", encoding="utf-8")
        self.lines = 0

    def note(
        self,
        place: Place,
        values: Mapping[str, object],
        seen: Mapping[str, object] | None = None,
        outcome: Outcome = Outcome.DONE,
    ) -> None:
        """One line for each value. ``seen`` holds what stood in those fields when the user wrote."""
        now = datetime.now(UTC).isoformat()
        for name, value in values.items():
            line: dict[str, object] = {
                "time": now,
                "system": place.system,
                "object": place.object,
                "key": place.key,
                "field": name,
                "value": value if isinstance(value, bool) or value is None else str(value),
                "outcome": outcome.value,
            }
            if seen is not None and name in seen:
                line["seen"] = seen[name]
            self._file.write(json.dumps(line, ensure_ascii=False) + "\n")
            self.lines += 1
        self._file.flush()

    def close(self) -> None:
        """Close the file."""
        self._file.close()
