"""Delivery: from the outbox to a target. "Sent" is committed before the call, the outcome after it."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import NamedTuple

from agent import failpoints
from agent.core.contract import EntityRules
from agent.core.delivery import Delivery as Outgoing
from agent.core.delivery import Guard, Outcome, OutcomeKind
from agent.core.entity import CommandState, Stale
from agent.core.fence import Shown
from agent.core.mapping import MappingFault, encode, keyless
from agent.core.transitions import Way, resolve_uncertain
from agent.errors import IsthmusError, Refused, RemoteError, RolledBack
from agent.flow import answer, duplicate, families, planning
from agent.flow.desk import Desk
from agent.flow.engine import Engine
from agent.ports import System
from agent.store import entities, holds, outbox
from agent.store.exceptions import Kind, Raised
from agent.store.outbox import Command

#: Commands whose answers were lost that one round looks at.
UNCERTAIN_AT_ONCE = 50
#: How long a command that waits for a read rests before it is looked at again, in seconds.
LOOK_AGAIN_S = 2.0
#: Commands of one transaction: others write in between.
AT_ONCE = 200
#: A backlog is so many times what one call of a target usually carries; no more than this are taken then.
DEEP = 10
DEEPEST = 5_000
#: Calls of one step while there is a backlog.
CALLS = 10
#: None begins later in a step, in seconds: whoever watches sees progress between the steps.
CALLS_S = 20.0
#: How long one that may not be sent again rests while its system is held, in seconds.
HELD_REST_S = 5.0


class Lot(NamedTuple):
    """What one call is to carry. ``deep``: it is a part of a backlog."""

    taken: list[Outgoing]
    deep: bool


class Answers(NamedTuple):
    """What came of some commands, for one transaction."""

    sending: Sequence[Outgoing]
    outcomes: Sequence[Outcome]


class Delivery:
    """Sends to one target. ``step`` is one round; the runtime repeats it."""

    def __init__(self, engine: Engine, system: System) -> None:
        self._engine = engine
        self._system = system
        self._fence = engine.fences[system.name]
        limits = [
            rules.systems[system.name].guarantees
            for rules in engine.book.entities.values()
            if system.name in rules.systems
        ]
        self._batch = max((one.batch for one in limits), default=1)
        self._backlog = min(max((one.backlog for one in limits), default=0), DEEPEST)
        self._began = engine.clock.monotonic()
        self._sent_at: dict[int, float] = {}
        self._last: Counter[OutcomeKind] = Counter()
        self._text = ""

    @property
    def refused_all(self) -> str | None:
        """Why the whole last round failed (nothing accepted, stored or rejected); None when it did not."""
        return self._text or "no answer" if _failed(self._last) else None

    async def recover(self) -> int:
        """What was sent when this loop last stopped may or may not have arrived (I16). Returns how many."""
        name = self._system.name
        return await self._engine.work(
            "delivery.recover",
            lambda desk: outbox.sent_is_uncertain(
                desk.tx, "the agent stopped behind the send", name, int(desk.terms.uncertain_due_s * 1000)
            ),
        )

    async def step(self) -> int:
        """Resolve what is uncertain, then send what is ready. Returns how many commands moved."""
        self._last.clear()
        await self._fence.ask()
        resolved = await self._resolve()
        return resolved + await self._send()

    async def next_due_ms(self) -> int | None:
        """When there may be something to do without being woken, in milliseconds since 1970."""
        return await self._engine.work(
            "delivery.due", lambda desk: outbox.next_due(desk.tx, self._system.name)
        )

    async def _send(self) -> int:
        """One call; of a backlog several, each under way while what came of the last one is written down.

        The next lot is taken meanwhile, too. It is asked about and committed as sent only behind the call:
        what that one created is seen then, and nothing is marked as sent that a failed call holds back.
        """
        lot = await self._take()
        if not lot.deep or not lot.taken:
            return await self._send_one(lot) if lot.taken else 0
        answers: deque[Answers] = deque()
        try:
            moved = await self._send_backlog(lot, answers)
            await self._keep(answers)
        except (Exception, asyncio.CancelledError):
            await self._keep(answers)
            raise
        return moved

    async def _send_backlog(self, lot: Lot, answers: deque[Answers]) -> int:
        """What is left in ``answers`` is to be written down, however this ends."""
        until = self._engine.clock.monotonic() + CALLS_S
        moved = 0
        for left in reversed(range(CALLS)):
            sending, shown, refused = await self._committed(lot)
            moved += len(lot.taken)
            more = left > 0 and self._engine.clock.monotonic() < until
            call = asyncio.create_task(self._apply(sending, shown))
            try:
                await self._keep(answers)
                lot = await self._take(sending) if more else Lot([], deep=True)
                await asyncio.wait({call})  # a stop is told here, not in the midst of it
            except BaseException as why:
                if not isinstance(why, Exception):
                    call.cancel()  # the agent is stopped; whatever else it is, the call may end
                [given] = await asyncio.gather(call, return_exceptions=True)  # told is why this one ends
                if not isinstance(given, BaseException):
                    answers += _in_turns(sending, given)
                raise
            outcomes = call.result()
            answers += _in_turns(sending, outcomes)
            if refused is not None:
                raise refused
            if not lot.taken or _failed(Counter(outcome.kind for outcome in outcomes)):
                break
        return moved

    async def _send_one(self, lot: Lot) -> int:
        sending, shown, refused = await self._committed(lot)
        await self._keep(_in_turns(sending, await self._apply(sending, shown)))
        if refused is not None:
            raise refused
        return len(lot.taken)

    async def _take(self, under_way: Sequence[Outgoing] | None = None) -> Lot:
        return await self._engine.work("delivery.take", partial(self._ready, under_way=under_way))

    async def _committed(self, lot: Lot) -> tuple[list[Outgoing], Shown | None, Refused | None]:
        """Those that are committed as sent, and under which mark; why others could not be asked about."""
        clear, refused = await duplicate.probe(self._engine, self._system, lot.taken)
        prepared = families.whole(clear)
        await self._system.target.prepare(prepared)
        failpoints.hit("delivery.after_prepare")
        standing: list[Outgoing] = []
        shown: Shown | None = None
        for start in range(0, len(prepared), AT_ONCE):
            sent = partial(self._commit, some=prepared[start : start + AT_ONCE], before=standing)
            kept, mark = await self._engine.work("delivery.sent", sent)
            standing, shown = [*standing, *kept], mark or shown
        return standing, shown, refused

    def _commit(
        self, desk: Desk, some: Sequence[Outgoing], before: Sequence[Outgoing]
    ) -> tuple[list[Outgoing], Shown | None]:
        """Commit to sending these behind those ``before``, under a mark that the target will be shown."""
        stopped = holds.stopped(desk.tx, self._system.name)
        standing = [] if stopped else _mark_sent(desk, some, before)
        return standing, self._fence.show(desk.tx) if standing else None

    async def _resolve(self) -> int:
        def resolve(desk: Desk) -> tuple[list[Outgoing], Shown | None]:
            again = self._uncertain(desk)
            return again, self._fence.show(desk.tx) if again else None

        again, shown = await self._engine.work("delivery.resolve", resolve)
        await self._keep(_in_turns(again, await self._apply(again, shown)))
        return len(again)

    async def _apply(self, sending: Sequence[Outgoing], shown: Shown | None) -> Sequence[Outcome]:
        """What came of each, to be written down yet unless this raises. ``shown``: None for none."""
        if shown is None:
            return []
        try:
            # After "sent" is committed: the mark covers it, so that a store without it is known to be older.
            await self._fence.stand(shown)
        except (RemoteError, RolledBack) as error:
            await self._withhold(sending, error)
            raise
        now = self._engine.clock.monotonic()
        for delivery in sending:
            self._sent_at[delivery.number] = now
        failpoints.hit("delivery.before_apply")
        try:
            outcomes = await self._system.target.apply(sending)
        except RemoteError as error:
            lost = Outcome(OutcomeKind.UNCERTAIN, code=type(error).__name__, text=str(error))
            await self._keep(_in_turns(sending, [lost] * len(sending)))
            raise
        failpoints.hit("delivery.after_apply")
        if len(outcomes) != len(sending):
            raise RuntimeError(
                f"{self._system.name} gave {len(outcomes)} outcomes for {len(sending)} commands"
            )
        self._last.update(outcome.kind for outcome in outcomes)
        self._text = next((f"{o.code} {o.text}".strip() for o in outcomes if o.code or o.text), "")
        return outcomes

    async def _keep(self, answers: deque[Answers], label: str = "delivery.outcome") -> None:
        """Write down what came of commands. Whoever is stopped at it may go on with what is left of them."""
        while answers:
            sending, outcomes = answers.popleft()
            await self._engine.work(label, partial(_record, sent=sending, outcomes=outcomes))
            for delivery, outcome in zip(sending, outcomes, strict=True):
                if outcome.kind is not OutcomeKind.UNCERTAIN:
                    self._sent_at.pop(delivery.number, None)

    async def _withhold(self, sending: Sequence[Outgoing], error: IsthmusError) -> None:
        """These were not sent: the target did not say that this life of the store may."""
        held = Outcome(OutcomeKind.RETRY, code=type(error).__name__, text=error.message)
        await self._keep(_in_turns(sending, [held] * len(sending)), "delivery.withheld")

    def _waited_out(self, number: int, seconds: float) -> bool:
        """Whether a lost request was waited out by the clock that nobody can set, too.

        Of what an earlier process sent only the time since this one began counts.
        """
        return self._engine.clock.monotonic() - self._sent_at.get(number, self._began) >= seconds

    def _ready(self, desk: Desk, *, under_way: Sequence[Outgoing] | None) -> Lot:
        """What is ready, as much as a call carries; more of a backlog of which a part is ``under_way``."""
        name, limit, deep = self._system.name, self._batch, under_way is not None
        if self._backlog > limit and (deep or outbox.waits(desk.tx, name, limit * DEEP)):
            limit, deep = self._backlog, True
        taken: dict[int, Command] = {}
        outgoing: list[Outgoing] = []
        for command in families.arrange(desk, outbox.ready(desk.tx, name, limit), under_way or ()):
            one = _outgoing(desk, command, self._engine.store.life.id)
            if one is not None:
                taken[command.number] = command
                outgoing.append(one)
        found = families.whole(outgoing)
        for number in sorted(taken.keys() - {one.number for one in found}):
            families.wait(desk, taken[number])  # its parent was refused a moment ago
        return Lot(found, deep)

    def _uncertain(self, desk: Desk) -> list[Outgoing]:
        """Those that may be sent again under the same id; of the others, see to it that they are answered."""
        again = []
        for command in outbox.uncertain(desk.tx, self._system.name, UNCERTAIN_AT_ONCE):
            limits = desk.book.of(command.type).at(command.target).guarantees
            resolution = limits.on_uncertain_create if command.create else limits.on_uncertain_update
            way = resolve_uncertain(resolution, command.sent or 0, desk.tx.now, limits.max_request_s)
            if way in (Way.READ, Way.RESEND) and not self._waited_out(command.number, limits.max_request_s):
                way = Way.WAIT
            match way:
                case Way.RESEND if holds.stopped(desk.tx, command.target):
                    rest = desk.tx.now + int(HELD_REST_S * 1000)
                    outbox.reschedule(desk.tx, command.number, command.attempts, rest)
                case Way.RESEND:
                    outgoing = (
                        None
                        if families.rests(desk, command)
                        else _outgoing(desk, command, self._engine.store.life.id)
                    )
                    if outgoing is not None:
                        why = "sent again under the same message id"
                        outbox.send(desk.tx, {command.number: command.correlation}, command.state, why)
                        again.append(outgoing)
                case Way.READ:
                    _ask_for_read(desk, command)
                case Way.WAIT:
                    due = max((command.sent or 0) + int(limits.max_request_s * 1000), desk.tx.now + 500)
                    outbox.reschedule(desk.tx, command.number, command.attempts, due)
                case Way.PERSON:
                    _ask_a_person(desk, command, "this target cannot be asked what it did")
        return again


def _failed(kinds: Counter[OutcomeKind]) -> bool:
    """Whether there were outcomes, and the target took none of the commands and refused none for good."""
    return kinds.total() > 0 and kinds[OutcomeKind.RETRY] + kinds[OutcomeKind.UNCERTAIN] == kinds.total()


def _in_turns(sending: Sequence[Outgoing], outcomes: Sequence[Outcome]) -> deque[Answers]:
    """The answers to a call, as many to a transaction as let others write in between."""
    turns = (slice(start, start + AT_ONCE) for start in range(0, len(sending), AT_ONCE))
    return deque(Answers(sending[turn], outcomes[turn]) for turn in turns)


def _outgoing(desk: Desk, command: Command, life: str) -> Outgoing | None:
    """The command in the target's own names and values; one that cannot be expressed is refused."""
    rules = desk.book.of(command.type)
    place = rules.at(command.target)
    again = command.state is CommandState.UNCERTAIN
    key_of = families.last_key(desk) if again else families.live_key(desk)
    pending: dict[str, str] = {}
    if command.create and place.guarantees.families and not again:
        pending = keyless(rules, place, command.fields, key_of)
    try:
        known = {name: value for name, value in command.fields.items() if name not in pending}
        fields = encode(rules, place, known, key_of)
        guard = _guard(desk, rules, command)
    except MappingFault as fault:
        if command.state is CommandState.UNCERTAIN:
            _ask_a_person(desk, command, f"it may have been applied, and cannot be sent again now: {fault}")
            return None
        before = entities.get(desk.tx, command.entity)
        outbox.move(desk.tx, command, CommandState.REJECTED, str(fault), finished=desk.tx.now)
        planning.settle(desk, before, answer.refuse(desk, before, command, "unmapped", str(fault)))
        return None
    return Outgoing(
        message_id=command.message_id,
        entity_type=command.type,
        object=place.object.name,
        kind=command.kind,
        key=command.key,
        reference=command.entity,
        fields=fields,
        guard=guard,
        payload_hash=command.payload_hash,
        number=command.number,
        epoch=command.epoch,
        fence=desk.tx.epoch,
        life=life,
        uncertain=command.state is CommandState.UNCERTAIN,
        correlation_id=command.correlation,
        pending={place.fields[name].source: id_ for name, id_ in pending.items()},
    )


def _guard(desk: Desk, rules: EntityRules, command: Command) -> Guard | None:
    if command.guard is None:
        return None
    place = rules.at(command.target)
    values = encode(rules, place, command.guard, families.live_key(desk))
    return Guard(version=command.version, values=values)


def _mark_sent(desk: Desk, some: Sequence[Outgoing], before: Sequence[Outgoing]) -> list[Outgoing]:
    """Commit to sending; what a newer plan withdrew or somebody held in between is left out.

    With it goes what was to go along with it: that stays ready, and is looked at anew.
    """
    ready = outbox.still_ready(desk.tx, [one.number for one in some])
    standing = families.whole([one for one in some if one.number in ready], before)
    sending = {one.number: one.correlation_id for one in standing}
    outbox.send(desk.tx, sending, CommandState.READY, "taken for delivery")
    return standing


def _record(desk: Desk, sent: Sequence[Outgoing], outcomes: Sequence[Outcome]) -> None:
    answers = {one.number: _honest(one, outcome) for one, outcome in zip(sent, outcomes, strict=True)}
    commands = answer.read_ahead(desk, answers)
    for number, outcome in answers.items():
        if outcome.carried is not None:
            _shrink(desk, number, outcome.carried)
            answer.record(desk, number, outcome)
        else:
            answer.follow(desk, commands[number], outcome)


def _shrink(desk: Desk, number: int, carried: frozenset[str]) -> None:
    """An earlier hand-over stands for this command: what that one did not say is still to be sent."""
    command = outbox.get(desk.tx, number)
    if command is not None:
        place = desk.book.of(command.type).at(command.target)
        names = {name for name in command.fields if place.fields[name].source in carried}
        outbox.shrink(desk.tx, command, names)


def _honest(delivery: Outgoing, outcome: Outcome) -> Outcome:
    """A command that was sent before without an answer stays uncertain until the target says what it did.

    "Certainly not applied" speaks of this try alone: the earlier one may still take effect.
    """
    if delivery.uncertain and outcome.kind is OutcomeKind.RETRY:
        return replace(outcome, kind=OutcomeKind.UNCERTAIN)
    return outcome


def _ask_for_read(desk: Desk, command: Command) -> None:
    before = entities.get(desk.tx, command.entity)
    image = before.images.get(command.target)
    rest = desk.tx.now + int(LOOK_AGAIN_S * 1000)
    outbox.reschedule(desk.tx, command.number, command.attempts, rest)
    outbox.ask(desk.tx, command.number)
    if image is not None and (image.fresh or image.stale is Stale.CONFIRM):
        # A mark that stands already keeps its token: a newer one would make every running read worthless.
        after = before.with_image(command.target, image.marked(Stale.CHANGED, desk.tx.token))
        planning.settle(desk, before, after)


def _ask_a_person(desk: Desk, command: Command, why: str) -> None:
    outbox.reschedule(desk.tx, command.number, command.attempts, desk.tx.now + 86_400_000)
    desk.raise_(
        Raised(
            kind=Kind.UNCERTAIN,
            system=command.target,
            cause=f"the answer was lost; {why}",
            entity=command.entity,
            mark=command.target,
            command=command.number,
            remedy="look at the target, then say whether it was applied",
        ),
        entities.get(desk.tx, command.entity),
    )
