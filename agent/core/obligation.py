"""What becomes of an obligation: an observation that a target must be told about (I15)."""

from __future__ import annotations

from enum import StrEnum


class ObligationState(StrEnum):
    """Every obligation is in exactly one of these, and the sums always balance."""

    OPEN = "open"
    CONFIRMED = "confirmed"  # the target took a command that carries it
    NO_DIFFERENCE = "no-difference"  # the target holds it already, or is not to have it
    SUPERSEDED = "superseded"  # a later observation took its place (state transfer only)
    PARKED = "parked"  # waits for a person's ruling
    EXCEPTED = "excepted"  # an exception with owner and due date stands for it


SETTLED = frozenset({ObligationState.CONFIRMED, ObligationState.NO_DIFFERENCE, ObligationState.SUPERSEDED})
