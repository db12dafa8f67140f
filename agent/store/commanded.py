"""What is known of an entity's commands: those that stand open, and what was sent and planned lately."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from agent.core.delivery import DeliveryKind
from agent.core.entity import OPEN, CommandState, OpenCommand
from agent.store import planned
from agent.store.transaction import Transaction, dump, load

if TYPE_CHECKING:
    from agent.store.outbox import Command, New


#: Looked up by text: the constructor of an enumeration costs several times that.
STATES = {str(state): state for state in CommandState}
KINDS = {str(kind): kind for kind in DeliveryKind}


class Sent(NamedTuple):
    """A command that was sent at some time (ms) and accepted; ``numbers`` as JSON text."""

    number: int
    target: str
    at: int
    numbers: str


class Commands(NamedTuple):
    """What is known of an entity's commands.

    since     what was sent after this moment (ms) and accepted is in ``sent``, newest first
    planned   (target, kind) → when (ms) the newest one was planned that counts, if there is one
    all       ``planned`` names every one that there is
    """

    standing: dict[str, OpenCommand]
    since: int
    sent: list[Sent]
    planned: dict[tuple[str, str], int | None]
    all: bool = False

    def with_new(self, new: New, number: int, now: int) -> Commands:
        """The same after a command was planned."""
        open_ = OpenCommand(number, CommandState.READY, new.kind, dict(new.fields), dict(new.numbers))
        standing = dict(sorted({**self.standing, new.target: open_}.items()))
        at = {**self.planned, (new.target, new.kind): now}
        return Commands(standing, self.since, self.sent, at, self.all)

    def in_order(self) -> Commands:
        """The same, its targets in the order in which they are read."""
        return self if len(self.standing) < 2 else self._replace(standing=dict(sorted(self.standing.items())))

    def holds(self, command: Command) -> bool:
        """Whether a command stands in the state in which it was loaded."""
        one = self.standing.get(command.target)
        return one is not None and (one.number, one.state) == (command.number, command.state)

    def with_moved(self, command: Command, after: CommandState, sent: int | None) -> Commands:
        """The same after a command that was ``sent`` (ms) went from one state to another."""
        standing, done = dict(self.standing), self.sent
        if after in OPEN:
            standing[command.target] = replace(standing[command.target], state=after)
        else:
            del standing[command.target]
        if after is CommandState.ACCEPTED and sent is not None and sent > self.since:
            one = Sent(command.number, command.target, sent, dump(command.numbers))
            done = sorted((*done, one), reverse=True)
        return Commands(standing, self.since, done, self.planned, self.all)


#: Of an entity that is new.
NONE = Commands({}, 0, [], {}, all=True)


def read_ahead(tx: Transaction, entities: Collection[str], targets: Collection[str], since: int) -> None:
    """Learn the commands of these entities; ``targets``: where an update is to be expected."""
    known = {entity: Commands({}, since, [], {}) for entity in entities}
    ids = dump(list(entities))
    found = tx.rows(
        "SELECT entity, target, number, state, kind, fields, numbers FROM json_each(?) AS one"
        " CROSS JOIN outbox ON outbox.entity = one.value"
        " AND state IN ('ready', 'sent', 'stored', 'uncertain') ORDER BY entity, target",
        ids,
    )
    for entity, target, number, state, kind, fields, numbers in found:
        open_ = OpenCommand(number, STATES[state], KINDS[kind], load(fields), load(numbers))
        known[entity].standing[target] = open_
    for entity, *sent in tx.rows(
        "SELECT entity, number, target, sent, numbers FROM json_each(?) AS one"
        " CROSS JOIN outbox ON outbox.entity = one.value AND sent > ? AND +state = 'accepted'"
        " ORDER BY number DESC",
        ids,
        since,
    ):
        known[entity].sent.append(Sent(*sent))
    for entity, target, at in tx.rows(
        "SELECT one.value, other.value, (SELECT planned FROM outbox WHERE entity = one.value"  # noqa: S608 - ours
        f" AND target = other.value AND kind = 'update' AND {planned.COUNTED} ORDER BY number DESC LIMIT 1)"
        " FROM json_each(?) AS one JOIN json_each(?) AS other",
        ids,
        dump(list(targets)),
    ):
        known[entity].planned[target, DeliveryKind.UPDATE] = at
    tx.known.put_all("outbox", known)


def read_beside(tx: Transaction, commands: Sequence[Command]) -> None:
    """Learn what stands open beside these open commands; what was sent and planned before is left open."""
    known = {one.entity: Commands({}, tx.now, [], {}) for one in commands}
    found = tx.rows(
        "SELECT entity, target, number, state, kind, fields, numbers FROM json_each(?) AS one"
        " CROSS JOIN outbox ON outbox.entity = one.value AND number NOT IN (SELECT value FROM json_each(?))"
        " AND state IN ('ready', 'sent', 'stored', 'uncertain')",
        dump(list(known)),
        dump([one.number for one in commands]),
    )
    for entity, target, number, state, kind, fields, numbers in found:
        open_ = OpenCommand(number, STATES[state], KINDS[kind], load(fields), load(numbers))
        known[entity].standing[target] = open_
    for one in commands:
        if one.state in OPEN:
            open_ = OpenCommand(one.number, one.state, one.kind, one.fields, one.numbers)
            known[one.entity].standing[one.target] = open_
    tx.known.put_all("outbox", {entity: fact.in_order() for entity, fact in known.items()})
