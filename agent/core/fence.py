"""Which life of the store may act at a system: judged by what the system's witness saw last (I22)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
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
class Shown:
    """A mark that the store means to write at a system, or has written: kept before it is written.

    held    the system certainly had it, once
    """

    life: str
    token: int
    stamp: str
    held: bool = False


@dataclass(frozen=True, slots=True)
class Past:
    """What a store knows of itself, and of what it has shown to one system.

    mine      the life that runs now
    epoch     the epoch of now
    renewed   this epoch was begun because the store was older than what was done with it
    lived     every life that the store has lived, in order; mine is the last one
    shown     the marks that it has shown to the system, in order
    """

    mine: str
    epoch: int
    renewed: bool
    lived: Sequence[str]
    shown: Sequence[Shown] = ()

    def may_stand(self, seen: Mark) -> bool:
        """Whether what stands at the system can be what this store wrote there last.

        That is the last mark that was certainly held, or one that was tried after it. A mark's number would
        not do: a machine that was put back in the middle of a life counts on from there, past what it did
        before. Its stamps are others.
        """
        held = max((place for place, shown in enumerate(self.shown) if shown.held), default=-1)
        if seen.stamp:
            return any((one.life, one.stamp) == (seen.life, seen.stamp) for one in self.shown[max(held, 0) :])
        behind = self.lived.index(self.shown[held].life) if held >= 0 else -1
        return seen.life in self.lived[behind + 1 :] if seen.life else held < 0


def judge(past: Past, seen: Mark, wrote: Collection[Mark], *, registered: bool) -> Verdict:
    """Judge what a witness holds.

    ``wrote``: the marks of this life that may stand there (two while an answer is lost); ``registered``:
    one of them certainly stood there.

    A mark of a life that the store has not lived, or one that it does not know to have shown, was written by
    something that the store knows nothing of: a life that was rolled back, or a copy that runs elsewhere.
    Where an earlier mark stands than the one that was held last, the system itself was put back. Once this
    life is registered only a copy can have come in between.
    """
    if seen in wrote:
        return Verdict.STANDS
    if seen.life == past.mine:
        return Verdict.RENEW
    foreign = bool(seen.life) and seen.life not in past.lived
    if registered:
        return Verdict.FENCED if foreign else Verdict.RENEW
    if not past.may_stand(seen) or seen.epoch > past.epoch:
        # A renewed epoch gave everything up when it began, and nothing was read or sent there since.
        return Verdict.TAKE if past.renewed and seen.epoch < past.epoch else Verdict.RENEW
    return Verdict.TAKE
