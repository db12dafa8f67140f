"""What came of an act of a person, and the row that every act leaves in the journal."""

from __future__ import annotations

from dataclasses import dataclass

from agent.flow.desk import Desk


@dataclass(frozen=True, slots=True)
class Acted:
    """What came of an act; ``done`` is false for a refusal, and ``text`` says why."""

    done: bool
    text: str
    command: int | None = None


def note(desk: Desk, act: str, acted: Acted, reason: str) -> None:
    """One row per act, the refused ones too."""
    outcome = "done" if acted.done else "refused"
    desk.tx.journal("verb", act, "asked", outcome, f"{reason}: {acted.text}" if reason else acted.text)
