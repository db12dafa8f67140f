"""What a person may rule about something that no rule and no read can decide."""

from __future__ import annotations

from enum import StrEnum


class Fate(StrEnum):
    """Of a record that was deleted, the first three; of a command of which nobody knows, the last two."""

    DELETE = "delete"  # it is deleted everywhere, as far as the agent may
    RECREATE = "recreate"  # it is created again where it was deleted
    LEAVE = "leave"  # it stays deleted there; the others go on without it
    APPLIED = "applied"  # the target has what the command wrote
    NOT_APPLIED = "not-applied"  # it had no effect and never will: what is needed now is sent anew


#: Fates of a deleted record.
OF_RECORDS = frozenset({Fate.DELETE, Fate.RECREATE, Fate.LEAVE})
