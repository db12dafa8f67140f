"""The difference of long texts that change events carry in place of the text.

For text of 1,000 characters and more a small change is sent as a unified diff whose second line holds the
SHA-256 of the whole new value; the field is then named in ``diffFields`` (vendor: Change Data Capture guide).
"""

from __future__ import annotations

import difflib
import hashlib

SHORTEST = 1000


def of(before: str, after: str) -> str | None:
    """The diff, or None when the texts are too short or the diff is not much smaller than the text."""
    if min(len(before), len(after)) < SHORTEST:
        return None
    lines = difflib.unified_diff(before.split("\n"), after.split("\n"), n=0, lineterm="")
    hunks = [line for line in lines if not line.startswith(("--- ", "+++ "))]
    digest = hashlib.sha256(after.encode()).hexdigest()
    text = "\n".join(["--- ", f"+++ {digest}", *hunks])
    return text if len(text) * 2 < len(after) else None
