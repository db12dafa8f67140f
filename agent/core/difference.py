"""Long texts that a change sends as what changed in them, made whole with what the mirror holds.

Salesforce sends a small change of a text of 1,000 characters and more as a unified diff whose second line
holds the SHA-256 of the whole new value (Change Data Capture guide, "Change Event Header Fields",
diffFields). The hash decides: a text that it does not fit is read instead.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import replace

from agent.core.change import Change, ChangeKind

_HUNK = re.compile(r"^@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@")
_DIGEST = re.compile(r"^\+\+\+ ([0-9A-Fa-f]{64})\s*$")
_NO_NEWLINE = "\\ No newline"


def completed(change: Change, mirrored: Mapping[str, object]) -> Change:
    """The change with whole texts; a gap where one of them cannot be told.

    ``mirrored``: source field → text, as the mirror holds it.
    """
    if not change.differences:
        return change
    fields = dict(change.fields)
    for name, difference in change.differences.items():
        before = mirrored.get(name)
        after = applied(before, difference) if isinstance(before, str) else None
        if after is None:
            reason = f"{name}: sent as a difference from a text that the mirror does not hold"
            return replace(change, kind=ChangeKind.GAP, fields={}, differences={}, reason=reason)
        fields[name] = after
    return replace(change, fields=fields, differences={})


def applied(before: str, difference: str) -> str | None:
    """The new text; None where the difference is none, or does not fit the old text."""
    lines = difference.split("\n")
    digest = _DIGEST.match(lines[1]) if len(lines) > 1 and lines[0].startswith("---") else None
    if digest is None:
        return None
    after = _patched(before.split("\n"), lines[2:])
    if after is None:
        return None
    text = "\n".join(after)
    return text if hashlib.sha256(text.encode()).hexdigest() == digest.group(1).lower() else None


def _patched(old: list[str], lines: list[str]) -> list[str] | None:
    """The lines of the new text. A hunk of no old lines stands behind the line that it names."""
    new: list[str] = []
    at = 0
    while lines and lines[-1] == "":
        lines = lines[:-1]
    for line in lines:
        hunk = _HUNK.match(line)
        if hunk is not None:
            start = int(hunk.group(1)) - (0 if hunk.group(2) == "0" else 1)
            if not at <= start <= len(old):
                return None
            new += old[at:start]
            at = start
        elif line.startswith("+"):
            new.append(line[1:])
        elif line.startswith(("-", " ")) or line == "":
            if at >= len(old) or old[at] != line[1:]:
                return None
            if not line.startswith("-"):
                new.append(old[at])
            at += 1
        elif not line.startswith(_NO_NEWLINE):
            return None
    return new + old[at:]
