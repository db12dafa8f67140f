"""The edits that users made, and the conflicts whose losers were written down: two files."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .mapping import Field, Meaning, find
from .world import InputError

_NEEDED = ("system", "object", "key", "field", "value")


@dataclass(frozen=True, slots=True)
class Edit:
    """One value that a user of ``system`` wrote, in the order of the file.

    ``key`` is the business key; ``seen`` is what the user saw in the field just before, ``told_seen`` whether
    the file says so; ``certain`` is False when nobody knows whether the system took the edit.
    """

    system: str
    object: str
    key: str
    field: Field
    value: Meaning
    seen: Meaning
    told_seen: bool
    certain: bool


def read_edits(path: Path) -> list[Edit]:
    """JSON lines with time, system, object, key, field, value and, optionally, seen and outcome
    ("done" or "unknown"). Field names and values are the system's own. Raises InputError.
    """
    return [_edit(line, f"{path.name}, line {number}") for number, line in _lines(path)]


def read_losers(path: Path) -> set[tuple[str, str, Meaning]]:
    """A JSON list of {"entity": number, "field": common name, "loser": value}. Raises InputError."""
    try:
        rows = json.loads(path.read_bytes())
        return {(str(row["entity"]), str(row["field"]), _plain(row["loser"])) for row in rows}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path.name}: no list of conflicts ({type(error).__name__})") from None


def _lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    try:
        content = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path.name}: cannot be read ({type(error).__name__})") from None
    for number, line in enumerate(content.splitlines(), start=1):
        try:
            row = json.loads(line)
        except ValueError:
            raise InputError(f"{path.name}, line {number}: no JSON") from None
        if not isinstance(row, dict) or any(name not in row for name in _NEEDED):
            raise InputError(f"{path.name}, line {number}: needs {', '.join(_NEEDED)}")
        yield number, row


def _edit(row: dict[str, Any], where: str) -> Edit:
    system, object_name = str(row["system"]), str(row["object"])
    about = find(object_name, system, str(row["field"]))
    if about is None:
        raise InputError(f"{where}: {system} has no field {row['field']} of {object_name}")
    reading = about.places[system][1]
    outcome = row.get("outcome", "done")
    if outcome not in ("done", "unknown"):
        raise InputError(f"{where}: outcome is done or unknown, not {outcome}")
    return Edit(
        system=system,
        object=object_name,
        key=str(row["key"]),
        field=about,
        value=reading(row["value"]),
        seen=reading(row["seen"]) if "seen" in row else None,
        told_seen="seen" in row,
        certain=outcome == "done",
    )


def _plain(value: object) -> Meaning:
    """A loser as the common meanings spell it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return None if value is None or value == "" else str(value)
