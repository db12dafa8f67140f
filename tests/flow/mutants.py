"""Mutants: the product's own code with one classic fault of synchronisation put in.

Each is a context manager that patches the product's real functions. A machine that tells a mutant from the
product sees what that fault does; one that does not is blind to it.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any
from unittest.mock import patch

from agent import failpoints
from agent.core import observe as observing
from agent.core import survivorship
from agent.core.change import Change, ChangeKind
from agent.core.contract import Context, ContractField, EntityAtSystem, EntityRules
from agent.core.delivery import Delivery as Outgoing
from agent.core.delivery import Outcome, OutcomeKind, Resolution
from agent.core.entity import Entity, Image
from agent.core.fence import Shown
from agent.core.mapping import Decoded
from agent.core.observe import Effect, Seen, apply_read, apply_told, assume
from agent.core.plan import Decision, Send, Surroundings, plan
from agent.core.survivorship import Merged, accepted, merge
from agent.core.transitions import Way
from agent.flow import answer, delivery, observation, planning
from agent.flow.delivery import Delivery
from agent.flow.desk import Desk
from agent.flow.engine import Engine
from agent.store import entities, outbox
from agent.store.outbox import Command

Mutant = Callable[[], AbstractContextManager[None]]


@contextmanager
def pos_first() -> Iterator[None]:
    """The position is committed in a transaction of its own, before the changes are durable."""
    whole = Engine.work

    async def work(self: Engine, label: str, unit: Callable[[Desk], Any], actor: str = "agent") -> Any:
        if label == "intake":
            with patch.object(observation, "take", lambda *_: None):
                await whole(self, label, unit, actor)
        return await whole(self, label, unit, actor)

    with patch.object(Engine, "work", work):
        yield


@contextmanager
def ack_first() -> Iterator[None]:
    """The outcome of an update is written down as accepted before the target is called."""

    async def apply(self: Delivery, sending: Sequence[Outgoing], _: Shown | None) -> Sequence[Outcome]:
        early = [d for d in sending if d.key is not None and self._system.reader is not None]
        others = [d for d in sending if d not in early]
        said = [Outcome(OutcomeKind.ACCEPTED, key=d.key) for d in early]
        await self._engine.work("delivery.outcome", lambda desk: delivery._record(desk, early, said))
        failpoints.hit("delivery.before_apply")
        if early:
            await self._system.target.apply(early)
        outcomes = await self._system.target.apply(others) if others else ()
        failpoints.hit("delivery.after_apply")
        await self._engine.work("delivery.outcome", lambda desk: delivery._record(desk, others, outcomes))
        return ()

    async def keep(self: Delivery, answers: deque[delivery.Answers]) -> None:
        answers.clear()

    with patch.object(Delivery, "_apply", apply), patch.object(Delivery, "_keep", keep):
        yield


@contextmanager
def random_key() -> Iterator[None]:
    """Every try carries a message id of its own."""
    original, tries = delivery._outgoing, itertools.count(1)

    def outgoing(desk: Desk, command: Command, life: str) -> Outgoing | None:
        made = original(desk, command, life)
        return made and replace(made, message_id=f"{made.message_id}-{next(tries)}")

    with patch.object(delivery, "_outgoing", outgoing):
        yield


@contextmanager
def ignore_gap() -> Iterator[None]:
    """A gap event passes without a trace."""
    original = observation.observe

    def observe(
        desk: Desk, entity: Entity, place: EntityAtSystem, change: Change, decoded: Decoded, issued: int
    ) -> Entity:
        if change.kind is ChangeKind.GAP:
            return entity
        return original(desk, entity, place, change, decoded, issued)

    with patch.object(observation, "observe", observe):
        yield


@contextmanager
def no_base() -> Iterator[None]:
    """A shared field is decided by preference alone, without asking who changed it since they agreed."""

    def merge_shared(work: Any, rule: ContractField, systems: list[str]) -> None:
        preferred = next((s for s in ("sf", *systems) if s in systems), None)
        if preferred is None:
            return
        value = work.entity.images[preferred].fields[rule.name]
        if rule.name not in work.agreed or work.agreed[rule.name].value != value:
            work.agree(rule.name, value, preferred)
        for system in systems:
            if work.entity.images[system].fields[rule.name] == value:
                work.confirm(system, rule.name)

    with patch.object(survivorship, "_merge_shared", merge_shared):
        yield


@contextmanager
def no_cas() -> Iterator[None]:
    """An update of a shared field is sent without the condition on what was last seen."""

    def unguarded(
        entity: Entity, target: str, rules: EntityRules, context: Context, around: Surroundings
    ) -> Decision:
        decision = plan(entity, target, rules, context, around)
        return replace(decision, guard=None, version=None) if isinstance(decision, Send) else decision

    with patch.object(planning, "plan", unguarded):
        yield


@contextmanager
def base_at_send() -> Iterator[None]:
    """The base of a field moves when its command is planned, not when the target holds it."""
    original = planning._send

    def send(desk: Desk, entity: Entity, target: str, rules: EntityRules, decision: Send) -> None:
        original(desk, entity, target, rules, decision)
        if target in entity.images:
            moved = accepted(entity, target, decision.fields, decision.numbers)
            entities.save(desk.tx, entity, moved)

    with patch.object(planning, "_send", send):
        yield


@contextmanager
def no_version() -> Iterator[None]:
    """An event always overwrites what a read found, however old it is."""

    def compare(image: Image, seen: Seen, slack: timedelta) -> Effect:
        return Effect.MERGED

    with patch.object(observing, "_compare", compare):
        yield


def _thawed(entity: Entity) -> Entity:
    images = {s: replace(image, fresh=True, stale=None) for s, image in entity.images.items()}
    return replace(entity, images=images)


@contextmanager
def plan_dirty() -> Iterator[None]:
    """Stale images are merged and planned from as if they were fresh."""

    def merge_all(entity: Entity, rules: EntityRules, context: Context) -> Merged:
        merged = merge(_thawed(entity), rules, context)
        images = {
            system: replace(image, fresh=entity.images[system].fresh, stale=entity.images[system].stale)
            for system, image in merged.entity.images.items()
        }
        return replace(merged, entity=replace(merged.entity, images=images))

    def plan_all(
        entity: Entity, target: str, rules: EntityRules, context: Context, around: Surroundings
    ) -> Decision:
        return plan(_thawed(entity), target, rules, context, around)

    with patch.object(planning, "merge", merge_all), patch.object(planning, "plan", plan_all):
        yield


@contextmanager
def no_readback() -> Iterator[None]:
    """An accepted write is taken into the image as if it had been seen there."""

    def image_after(
        desk: Desk, image: Image, place: EntityAtSystem, command: Command, order: int | None
    ) -> Image:
        return assume(image, command.fields, order or 0, desk.tx.token)

    with patch.object(answer, "_image_after", image_after):
        yield


@contextmanager
def echo_by_user() -> Iterator[None]:
    """An event that carries our own origin is dropped and counts as the confirmation of our write."""
    original = observation.observe

    def observe(
        desk: Desk, entity: Entity, place: EntityAtSystem, change: Change, decoded: Decoded, issued: int
    ) -> Entity:
        if change.origin is None or change.origin != place.client:
            return original(desk, entity, place, change, decoded, issued)
        image = entity.images.get(place.system) or Image(fields={}, fresh=False)
        written = outbox.last_accepted(desk.tx, entity.id, place.system) or {}
        return entity.with_image(place.system, assume(image, written, 0, desk.tx.token))

    with patch.object(observation, "observe", observe):
        yield


@contextmanager
def resend_lost() -> Iterator[None]:
    """A command whose answer was lost is simply sent again, where it would have to be looked up (I16)."""

    def resend(resolution: Resolution, sent_ms: int, now_ms: int, max_request_s: float) -> Way:
        return Way.RESEND

    with (
        patch.object(delivery, "resolve_uncertain", resend),
        patch.object(delivery.Delivery, "_waited_out", lambda *_: True),
    ):
        yield


@contextmanager
def no_wait_for_late() -> Iterator[None]:
    """A lost request is not waited out: a read made while the server still works on it answers it."""

    def at_once(resolution: Resolution, sent_ms: int, now_ms: int, max_request_s: float) -> Way:
        return Way.READ if resolution is Resolution.REREAD else Way.RESEND

    with (
        patch.object(delivery, "resolve_uncertain", at_once),
        patch.object(delivery.Delivery, "_waited_out", lambda *_: True),
    ):
        yield


@contextmanager
def no_lane() -> Iterator[None]:
    """A document does not wait for the earlier ones of its lane (I17)."""

    def around(desk: Desk, entity: Entity, target: str, rules: EntityRules) -> Surroundings:
        return replace(surroundings(desk, entity, target, rules), lane_ahead=None)

    surroundings = planning._surroundings
    with patch.object(planning, "_surroundings", around):
        yield


@contextmanager
def forget_answer() -> Iterator[None]:
    """A late answer that comes before the outcome of its command is thrown away."""

    def early(desk: Desk, command: Command, handle: str) -> None:
        entity = entities.get(desk.tx, command.entity)
        planning.settle(desk, entity, entity)

    with patch.object(answer, "_early_answers", early):
        yield


@contextmanager
def blind_order() -> Iterator[None]:
    """What a blind system told is taken without asking whether it was made before our command was posted."""

    def told(image: Image | None, seen: Seen, written: frozenset[str], token: int) -> tuple[Image, Effect]:
        return apply_told(image, seen, frozenset(), token)

    with patch.object(observation, "apply_told", told):
        yield


@contextmanager
def read_any_time() -> Iterator[None]:
    """A read replaces the image even when the record was touched after the read was issued."""

    def at_any_time(
        image: Image | None, found: observing.Found, issued: int, token: int
    ) -> tuple[Image, Effect]:
        return apply_read(image, found, token, token)

    with patch.object(observation, "apply_read", at_any_time):
        yield


#: The faults that everybody makes once; the first eleven are those of the executable model of the design.
MUTANTS: Mapping[str, Mutant] = {
    mutant.__name__: mutant
    for mutant in (
        pos_first,
        ack_first,
        random_key,
        ignore_gap,
        no_base,
        no_cas,
        base_at_send,
        no_version,
        plan_dirty,
        no_readback,
        echo_by_user,
        resend_lost,
        no_wait_for_late,
        no_lane,
    )
}
