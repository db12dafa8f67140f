"""Which life of the store may act at a system: judged by what the system's witness saw last (I22)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum

from agent.core.delivery import Mark


class Verdict(StrEnum):
    """What a life of the store has to do before it acts at a system."""

    STANDS = "stands"  # the witness holds what this life wrote last: act
    TAKE = "take"  # an earlier life of this store was there last: write our own mark, then act
    RENEW = "renew"  # the system has seen what this store does not know: begin a new epoch first
    FENCED = "fenced"  # another life has taken over from this one: stop, for good


@dataclass(frozen=True, slots=True)
class Past:
    """What a store knows of itself.

    mine      the life that runs now
    epoch     the epoch of now
    renewed   this epoch was begun because the store was older than what was done with it
    ends      every life that the store has lived → its token at the end of that life; mine → its token now
    """

    mine: str
    epoch: int
    renewed: bool
    ends: Mapping[str, int]


def judge(past: Past, seen: Mark, wrote: Collection[Mark], *, registered: bool) -> Verdict:
    """Judge what a witness holds.

    ``wrote``: the marks of this life that may stand there (two while an answer is lost); ``registered``:
    one of them certainly stood there.

    A mark of a life that the store has not lived, or one beyond that life's end as the store remembers it,
    was written by something that the store knows nothing of: a life that was rolled back, or a copy that
    runs elsewhere. Once this life is registered only a copy can have come in between.
    """
    if seen in wrote:
        return Verdict.STANDS
    if seen.life == past.mine:
        return Verdict.RENEW
    foreign = bool(seen.life) and seen.life not in past.ends
    if registered:
        return Verdict.FENCED if foreign else Verdict.RENEW
    beyond = seen.life in past.ends and seen.token > past.ends[seen.life]
    if foreign or beyond or seen.epoch > past.epoch:
        # A renewed epoch gave everything up when it began, and nothing was read or sent there since.
        return Verdict.TAKE if past.renewed and seen.epoch < past.epoch else Verdict.RENEW
    return Verdict.TAKE
