"""Acting: who may, why, and what came of it. Roles are checked here, in the service, and nowhere else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from agent.core.fate import Fate
from agent.errors import Denied, InputError
from agent.flow.ruling import Keep, Shown
from agent.operations.registry import VERBS, Role, Verb
from agent.operations.wire import Digests, Side, VerbResult, clean

#: Letters that a reason may have.
REASON = 500


@dataclass(frozen=True, slots=True)
class Actor:
    """Who asks: the operating system's name of the user at the other end of the socket, and the role."""

    name: str
    role: Role


class Act(Protocol):
    """What came of an act. ``command`` is the one that was planned, if any."""

    @property
    def done(self) -> bool:
        """False for a refusal."""

    @property
    def text(self) -> str:
        """What was done, or why not and what to do instead."""

    @property
    def command(self) -> int | None:
        """The command that stands for it now."""


class Acts(Protocol):
    """What the flow does for verbs; each call is one transaction and leaves rows in the journal."""

    async def retry(self, exception: int, actor: str, reason: str) -> Act:
        """Try again what an exception stands for. Raises InputError when there is no such exception."""

    async def close(self, exception: int, actor: str, reason: str) -> Act:
        """Close an exception without sending. Raises InputError when there is no such exception."""

    async def resolve(self, exception: int, fate: Fate, key: str | None, actor: str, reason: str) -> Act:
        """Rule about a deletion or a lost answer. Raises InputError when there is no such exception."""

    async def rule(self, conflict: int, keep: Keep, shown: Shown, actor: str, reason: str) -> Act:
        """Settle an open conflict as it was shown. Raises InputError when there is no such conflict."""

    async def hold(self, scope: str, actor: str, reason: str) -> Act:
        """Send nothing more to a system, or to all (``*``). Raises InputError for an unknown one."""

    async def release(self, scope: str, actor: str, reason: str) -> Act:
        """Let a system or a held scope go on. Raises InputError for an unknown one."""

    async def deny(self, verb: str, subject: str, actor: str, why: str) -> None:
        """Write down that somebody was not allowed to."""


class Verbs:
    """The verbs that change something."""

    def __init__(self, acts: Acts) -> None:
        self._acts = acts

    async def retry(self, exception: int, actor: Actor, reason: str) -> VerbResult:
        """``exceptions retry``. Raises Denied or InputError."""
        verb = VERBS["exceptions retry"]
        why = await self._admit(verb, exception, actor, reason)
        return _result(verb, exception, actor, await self._acts.retry(exception, actor.name, why))

    async def close(self, exception: int, actor: Actor, reason: str) -> VerbResult:
        """``exceptions close``. Raises Denied or InputError."""
        verb = VERBS["exceptions close"]
        why = await self._admit(verb, exception, actor, reason)
        return _result(verb, exception, actor, await self._acts.close(exception, actor.name, why))

    async def resolve(
        self, exception: int, fate: Fate, key: str | None, actor: Actor, reason: str
    ) -> VerbResult:
        """``exceptions resolve``. Raises Denied or InputError."""
        verb = VERBS["exceptions resolve"]
        why = await self._admit(verb, exception, actor, reason)
        return _result(
            verb, exception, actor, await self._acts.resolve(exception, fate, key, actor.name, why)
        )

    async def rule(self, conflict: int, keep: Side, shown: Digests, actor: Actor, reason: str) -> VerbResult:
        """``conflicts rule``. Raises Denied or InputError."""
        verb = VERBS["conflicts rule"]
        why = await self._admit(verb, conflict, actor, reason)
        seen = Shown(shown.winner, shown.loser)
        return _result(
            verb, conflict, actor, await self._acts.rule(conflict, Keep(keep), seen, actor.name, why)
        )

    async def hold(self, scope: str, actor: Actor, reason: str) -> VerbResult:
        """``flow hold``; whoever stops everything need not say why. Raises Denied or InputError."""
        verb = VERBS["flow hold"]
        scope, why = clean(scope), await self._allow(verb, scope, actor, reason)
        act = await self._acts.hold(scope, actor.name, why)
        return VerbResult(verb=verb.name, subject=scope, done=act.done, text=act.text, actor=actor.name)

    async def release(self, scope: str, actor: Actor, reason: str) -> VerbResult:
        """``flow release``; an approval needs a reason. Raises Denied or InputError."""
        verb = VERBS["flow release"]
        scope, why = clean(scope), await self._allow(verb, scope, actor, reason)
        act = await self._acts.release(scope, actor.name, why)
        return VerbResult(verb=verb.name, subject=scope, done=act.done, text=act.text, actor=actor.name)

    async def _admit(self, verb: Verb, number: int, actor: Actor, reason: str) -> str:
        """The cleaned reason, if this actor may do this; there has to be one."""
        cleaned = await self._allow(verb, str(number), actor, reason)
        if not cleaned:
            raise InputError(f"'{verb.name}' needs a reason", remedy="say why, it is kept in the journal")
        return cleaned

    async def _allow(self, verb: Verb, subject: str, actor: Actor, reason: str) -> str:
        """The cleaned reason, if this actor may do this."""
        if actor.role < verb.role:
            needed = verb.role.name.lower()
            why = f"{actor.name} is {actor.role.name.lower()}, '{verb.name}' needs {needed}"
            await self._acts.deny(verb.name, clean(subject), actor.name, why)
            raise Denied(why, remedy=f"ask somebody with the role {needed}")
        cleaned = clean(reason.strip())
        if len(cleaned) > REASON:
            raise InputError(f"the reason has more than {REASON} letters", remedy="say it shorter")
        return cleaned


def _result(verb: Verb, number: int, actor: Actor, act: Act) -> VerbResult:
    return VerbResult(
        verb=verb.name, id=number, done=act.done, text=act.text, actor=actor.name, command=act.command
    )
