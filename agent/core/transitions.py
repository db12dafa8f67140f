"""The states of a command and what moves it from one to the next. Everything else is illegal."""

from __future__ import annotations

from enum import StrEnum

from agent.core.delivery import OutcomeKind, Reason, Resolution
from agent.core.entity import CommandState

S = CommandState

#: (from, to) → why. The graph in the docs is made from this.
TRANSITIONS: dict[tuple[CommandState, CommandState], str] = {
    (S.READY, S.SENT): "taken for delivery; committed before the call",
    (S.READY, S.SUPERSEDED): "a newer plan took its place, or there is nothing left to send",
    (S.READY, S.REJECTED): "it cannot be expressed in the target's fields",
    (S.SENT, S.ACCEPTED): "the target answered that it holds it",
    (S.SENT, S.STORED): "handed over; the answer comes later",
    (S.SENT, S.REJECTED): "the target said no",
    (S.SENT, S.READY): "certainly not applied; tried again later",
    (S.SENT, S.SUPERSEDED): "the record changed at the target since it was seen; read and plan again",
    (S.SENT, S.UNCERTAIN): "the answer was lost, or the agent stopped behind the send",
    (S.UNCERTAIN, S.SENT): "sent again under the same message id; the target applies it at most once",
    (S.UNCERTAIN, S.ACCEPTED): "a read shows every value that was sent",
    (S.UNCERTAIN, S.SUPERSEDED): "a read shows other values; planned again from what was read",
    (S.UNCERTAIN, S.REJECTED): "a person decided that it had no effect",
    (S.STORED, S.ACCEPTED): "the answer says posted",
    (S.STORED, S.REJECTED): "the answer says that it never will be posted",
}

#: The same for images: whether what a system holds is known, and if not, why not.
FRESHNESS: dict[tuple[str, str], str] = {
    ("unknown", "fresh"): "the source sent the whole record, or it was read",
    ("unknown", "stale"): "something is known of it, and not all",
    ("fresh", "stale"): "our own write is to be seen, it changed, or what was said of it is missing",
    ("stale", "fresh"): "a read issued since then, our own write coming back, or the source told it",
}
#: The same for entities.
EXISTENCE: dict[tuple[str, str], str] = {
    ("lives", "ended"): "deleted or merged where its existence is decided, or by a person's ruling",
    ("ended", "lives"): "its owner has it again",
    ("ended", "ended"): "the record that took its place became known",
}

TERMINAL = frozenset({S.ACCEPTED, S.REJECTED, S.SUPERSEDED})


class Illegal(Exception):
    """A transition that the table does not have: a fault of the program, never of data."""


def check(before: CommandState, after: CommandState) -> None:
    """Raise Illegal unless the table has this transition."""
    if (before, after) not in TRANSITIONS:
        raise Illegal(f"a command cannot go from {before} to {after}")


class Follow(StrEnum):
    """What else an outcome asks for."""

    NOTHING = "nothing"
    CONFIRM = "confirm"  # the target's image is stale until our write is seen
    READ_AGAIN = "read-again"  # the target's image is stale: what it holds now is not known
    EXCEPTION = "exception"  # a person must look
    WITHHOLD = "withhold"  # some fields are not sent any more, for no record; the others are planned again
    BACK_OFF = "back-off"  # not before a later time


def after_outcome(kind: OutcomeKind, reason: Reason | None) -> tuple[CommandState, Follow]:
    """Where an outcome takes a sent command, and what else it asks for."""
    match kind:
        case OutcomeKind.ACCEPTED:
            return S.ACCEPTED, Follow.CONFIRM
        case OutcomeKind.STORED:
            return S.STORED, Follow.NOTHING
        case OutcomeKind.RETRY:
            return S.READY, Follow.BACK_OFF
        case OutcomeKind.UNCERTAIN:
            return S.UNCERTAIN, Follow.NOTHING
    if reason in (Reason.PRECONDITION, Reason.GONE):
        return S.SUPERSEDED, Follow.READ_AGAIN
    if reason is Reason.FIELD:
        return S.REJECTED, Follow.WITHHOLD
    return S.REJECTED, Follow.EXCEPTION


class Way(StrEnum):
    """How an uncertain command is to leave that state now."""

    WAIT = "wait"
    RESEND = "resend"
    READ = "read"
    PERSON = "person"


def resolve_uncertain(resolution: Resolution, sent_ms: int, now_ms: int, max_request_s: float) -> Way:
    """The way out of uncertain by what the target can do (I16). Never a plain resend.

    A target may still be working on the lost request: it is waited out before anything else is done there.
    """
    if resolution is Resolution.PERSON:
        return Way.PERSON
    if now_ms - sent_ms < max_request_s * 1000:
        return Way.WAIT
    return Way.RESEND if resolution is Resolution.RESEND else Way.READ
