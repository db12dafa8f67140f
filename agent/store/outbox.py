"""The outbox: commands and their states. Every change of state is checked, journaled, and here."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

from agent.core.delivery import DeliveryKind
from agent.core.entity import CommandState, OpenCommand
from agent.core.guard import Scope
from agent.core.message_id import state_message_id
from agent.core.record import record
from agent.core.transitions import TERMINAL, check
from agent.core.value import Canonical
from agent.store import holds, planned
from agent.store.known import UNKNOWN
from agent.store.transaction import Transaction, dump, load

#: Commands that a delivery may take up at their time.
DUE = "(state = 'uncertain' OR (state = 'ready' AND held = 0))"
#: Creates that were never tried: others can go along with them.
_FRESH = "kind = 'create' AND state = 'ready' AND held = 0 AND attempts = 0"
COLUMNS = (
    "number, epoch, message_id, entity, type, target, kind, key, fields, numbers, guard, version,"
    " payload_hash, state, attempts, sent, handle, correlation, partial, asked, due,"
    " held"
)


@record(frozen=True, slots=True)
class Command:
    """A row of the outbox as delivery needs it; ``sent`` in milliseconds since 1970 UTC.

    ``asked`` is the token from which on a read answers what became of an uncertain command.
    """

    number: int
    epoch: int
    message_id: str
    entity: str
    type: str
    target: str
    kind: DeliveryKind
    key: str | None
    fields: Mapping[str, Canonical]
    numbers: Mapping[str, int]
    guard: Mapping[str, Canonical] | None
    version: str | None
    payload_hash: str
    state: CommandState
    attempts: int
    sent: int | None
    handle: str | None
    correlation: str
    partial: bool
    asked: int | None
    due: int | None
    held: bool

    @property
    def create(self) -> bool:
        """Whether it creates the record."""
        return self.kind is DeliveryKind.CREATE

    @property
    def scope(self) -> Scope:
        """What an approval of it would be about."""
        return Scope(self.type, self.target, self.kind)


@record(frozen=True, slots=True)
class New:
    """A command about to be written. ``message_id`` is None where it is made of epoch and number."""

    entity: str
    type: str
    target: str
    kind: DeliveryKind
    key: str | None
    fields: Mapping[str, Canonical]
    numbers: Mapping[str, int]
    rules: Mapping[str, str]
    guard: Mapping[str, Canonical] | None
    version: str | None
    message_id: str | None
    payload_hash: str
    correlation: str
    partial: bool = False
    held: bool = False

    @property
    def scope(self) -> Scope:
        """What an approval of it would be about."""
        return Scope(self.type, self.target, self.kind)


class Sent(NamedTuple):
    """A command that was sent at some time (ms) and accepted; ``numbers`` as JSON text."""

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


#: Of an entity that is new.
NONE = Commands({}, 0, [], {}, all=True)


def read_ahead(tx: Transaction, entities: Collection[str], targets: Collection[str], since: int) -> None:
    """Learn the commands of these entities; ``targets``: where an update is to be expected."""
    known = {entity: Commands({}, since, [], {}) for entity in entities}
    ids = dump(list(entities))
    found = tx.rows(
        "SELECT entity, target, number, state, kind, fields, numbers FROM outbox"
        " WHERE entity IN (SELECT value FROM json_each(?))"
        " AND state IN ('ready', 'sent', 'stored', 'uncertain') ORDER BY entity, target",
        ids,
    )
    for entity, target, number, state, kind, fields, numbers in found:
        open_ = OpenCommand(number, CommandState(state), DeliveryKind(kind), load(fields), load(numbers))
        known[entity].standing[target] = open_
    for entity, *sent in tx.rows(
        "SELECT entity, target, sent, numbers FROM outbox"
        " WHERE entity IN (SELECT value FROM json_each(?)) AND sent > ? AND state = 'accepted'"
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


def add(tx: Transaction, new: New) -> int:
    """Write a ready command; its message id is fixed here, with it. Returns its number."""
    number, known = tx.next_of("outbox"), tx.known.get("outbox", new.entity)
    tx.later(
        "INSERT INTO outbox (number, epoch, message_id, entity, type, target, kind, key, fields, numbers,"
        " rules, guard, version, payload_hash, partial, held, state, attempts, not_before, planned, code,"
        " answer, evidence, correlation)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'ready', 0, 0, ?, '', '', '', ?)",
        number,
        tx.epoch,
        new.message_id or state_message_id(tx.epoch, number),
        new.entity,
        new.type,
        new.target,
        new.kind,
        new.key,
        dump(new.fields),
        dump(new.numbers),
        dump(new.rules),
        dump(new.guard) if new.guard is not None else None,
        new.version,
        new.payload_hash,
        int(new.partial),
        int(new.held),
        tx.now,
        new.correlation,
        of=new.entity,
    )
    if known is not UNKNOWN:
        tx.known.put("outbox", new.entity, known)
    planned.count(tx, new.scope, new.entity, number)
    if known is not UNKNOWN:
        tx.known.put("outbox", new.entity, known.with_new(new, number, tx.now))
    tx.journal("command", str(number), "", CommandState.READY, "planned", new.correlation)
    return number


def move(
    tx: Transaction, command: Command, after: CommandState, why: str, **columns: str | int | None
) -> None:
    """Take a command from the state it was loaded in to another. Raises Illegal for one not in the table."""
    check(command.state, after)
    names = "".join(f", {name} = ?" for name in columns)
    moved = tx.run(
        f"UPDATE outbox SET state = ?{names} WHERE number = ? AND state = ?",  # noqa: S608 - our own names
        after,
        *columns.values(),
        command.number,
        command.state,
        of=command.entity,
    )
    if moved != 1:
        raise RuntimeError(f"command {command.number} is not in state {command.state} any more")
    if command.sent is None and after in TERMINAL:
        planned.withdraw(tx, command.scope, command.entity, command.number)
    tx.journal("command", str(command.number), command.state, after, why, command.correlation)


def get(tx: Transaction, number: int) -> Command | None:
    """One command."""
    row = tx.one(f"SELECT {COLUMNS} FROM outbox WHERE number = ?", number)  # noqa: S608
    return _command(row) if row else None


def standing(tx: Transaction, entity: str) -> dict[str, OpenCommand]:
    """The open commands of an entity, by target."""
    known = tx.known.get("outbox", entity)
    if known is not UNKNOWN:
        return dict(known.standing)
    found = tx.rows(
        "SELECT target, number, state, kind, fields, numbers FROM outbox"
        " WHERE entity = ? AND state IN ('ready', 'sent', 'stored', 'uncertain')",
        entity,
    )
    return {
        target: OpenCommand(number, CommandState(state), DeliveryKind(kind), load(fields), load(numbers))
        for target, number, state, kind, fields, numbers in found
    }


def coming(tx: Transaction, entity: str, refers_to: Collection[str], target: str) -> dict[str, str]:
    """Of the records referred to: those whose create is ready and was never tried, with their types.

    None whose create in turn stands behind the entity itself.
    """
    found: dict[str, str] = {}
    for one in refers_to:
        row = tx.one(f"SELECT type FROM outbox WHERE entity = ? AND target = ? AND {_FRESH}", one, target)  # noqa: S608
        if row is not None and not _behind(tx, one, entity, target):
            found[one] = str(row[0])
    return found


def _behind(tx: Transaction, entity: str, goal: str, target: str) -> bool:
    """Whether an entity refers, over records that are all about to be created, to ``goal``."""
    row = tx.one(
        "WITH RECURSIVE above (id) AS (VALUES (?) UNION SELECT link.refers_to FROM above"  # noqa: S608
        " JOIN link ON link.entity = above.id WHERE link.refers_to = ? OR EXISTS (SELECT 1 FROM outbox"
        f" WHERE outbox.entity = link.refers_to AND outbox.target = ? AND {_FRESH}))"
        " SELECT 1 FROM above WHERE id = ?",
        entity,
        goal,
        target,
        goal,
    )
    return row is not None


def ready(tx: Transaction, target: str, limit: int) -> list[Command]:
    """Commands that may be sent now, in the order in which they were planned; none of what is held."""
    if holds.stopped(tx, target):
        return []
    return _commands(
        tx,
        "target = ? AND state = 'ready' AND held = 0 AND not_before <= ? ORDER BY number LIMIT ?",
        target,
        tx.now,
        limit,
    )


def lately(tx: Transaction, entity: str, target: str, since: int, limit: int) -> list[dict[str, int]]:
    """Field → number of what a target has accepted of what was sent since then (ms), newest first."""
    known = tx.known.get("outbox", entity)
    if known is not UNKNOWN and known.since <= since:
        sent = [one for one in known.sent if one.target == target and one.at > since]
        return [load(one.numbers) for one in sent[:limit]]
    found = tx.rows(
        "SELECT numbers FROM outbox WHERE entity = ? AND target = ? AND sent > ? AND state = 'accepted'"
        " ORDER BY number DESC LIMIT ?",
        entity,
        target,
        since,
        limit,
    )
    return [load(row[0]) for row in found]


def waits(tx: Transaction, target: str, count: int) -> bool:
    """Whether at least so many commands may be sent now."""
    row = tx.one(
        "SELECT count(*) FROM (SELECT 1 FROM outbox WHERE target = ? AND state = 'ready' AND held = 0"
        " AND not_before <= ? LIMIT ?)",
        target,
        tx.now,
        count,
    )
    return row is not None and int(row[0]) >= count


def uncertain(tx: Transaction, target: str, limit: int) -> list[Command]:
    """Commands whose answer was lost and whose time for the next look has come."""
    return _commands(
        tx,
        "target = ? AND state = 'uncertain' AND not_before <= ? ORDER BY number LIMIT ?",
        target,
        tx.now,
        limit,
    )


def overdue(tx: Transaction, limit: int) -> list[Command]:
    """Stored or uncertain commands whose due date has passed."""
    return _commands(
        tx,
        "state IN ('stored', 'uncertain') AND due IS NOT NULL AND due <= ? ORDER BY number LIMIT ?",
        tx.now,
        limit,
    )


def by_handle(tx: Transaction, target: str, handle: str) -> Command | None:
    """The command that a target's own number stands for."""
    found = _commands(tx, "target = ? AND handle = ? ORDER BY number DESC LIMIT 1", target, handle)
    return found[0] if found else None


def ask(tx: Transaction, number: int) -> None:
    """The lost request has been waited out: a read issued from now on answers what became of it."""
    tx.run("UPDATE outbox SET asked = coalesce(asked, ?) WHERE number = ?", tx.token, number)


def due_again(tx: Transaction, number: int, after_ms: int) -> None:
    """Ask again later what became of an overdue command."""
    tx.run("UPDATE outbox SET due = ? WHERE number = ?", tx.now + after_ms, number)


def sent_is_uncertain(tx: Transaction, why: str, target: str | None = None, due_ms: int = 3_600_000) -> int:
    """Whatever was sent and has no outcome may or may not have arrived. Returns how many."""
    found = _commands(tx, "state = 'sent' AND (? IS NULL OR target = ?) ORDER BY number", target, target)
    for command in found:
        move(tx, command, CommandState.UNCERTAIN, why, not_before=0, due=command.due or tx.now + due_ms)
    return len(found)


def withdraw_ready(tx: Transaction, why: str) -> int:
    """Take back everything that was not sent yet; it is planned again where it is still due. How many."""
    found = _commands(tx, "state = 'ready' ORDER BY number")
    for command in found:
        move(tx, command, CommandState.SUPERSEDED, why, finished=tx.now)
    return len(found)


def shrink(tx: Transaction, command: Command, names: Collection[str]) -> None:
    """Only these fields of a command arrive with it; for the others it proves nothing."""
    if set(names) != set(command.fields):
        tx.run(
            "UPDATE outbox SET fields = ?, numbers = ?, partial = 1 WHERE number = ?",
            dump({name: value for name, value in command.fields.items() if name in names}),
            dump({name: number for name, number in command.numbers.items() if name in names}),
            command.number,
            of=command.entity,
        )


def schedule(tx: Transaction, number: int) -> tuple[int, int]:
    """How often a command was tried, and before when (ms) it is not to be tried again."""
    row = tx.one("SELECT attempts, not_before FROM outbox WHERE number = ?", number)
    return (int(row[0]), int(row[1])) if row else (0, 0)


def reschedule(tx: Transaction, number: int, attempts: int, not_before: int) -> None:
    """Let a command inherit the back-off of the one it replaces."""
    tx.run("UPDATE outbox SET attempts = ?, not_before = ? WHERE number = ?", attempts, not_before, number)


def refused_last(tx: Transaction, command: Command, field: str) -> int | None:
    """When (ms) the target refused the command before this one that held a field; None where it took it."""
    row = tx.one(
        "SELECT state, finished FROM outbox WHERE entity = ? AND target = ? AND number < ?"
        " AND state IN ('accepted', 'rejected') AND json_type(fields, ?) IS NOT NULL"
        " ORDER BY number DESC LIMIT 1",
        command.entity,
        command.target,
        command.number,
        f'$."{field}"',
    )
    return int(row[1]) if row is not None and row[0] == CommandState.REJECTED else None


def last_accepted(tx: Transaction, entity: str, target: str) -> dict[str, Canonical] | None:
    """The fields of the command that the target accepted last for an entity."""
    row = tx.one(
        "SELECT fields FROM outbox WHERE entity = ? AND target = ? AND state = 'accepted'"
        " ORDER BY number DESC LIMIT 1",
        entity,
        target,
    )
    return dict(load(row[0])) if row else None


def standing_at(tx: Transaction, target: str) -> tuple[int, int]:
    """How many commands of a target stand ready, and how many are with it: sent, stored or uncertain."""
    row = tx.one(
        "SELECT coalesce(sum(state = 'ready'), 0), count(*) FROM outbox WHERE target = ?"
        " AND state IN ('ready', 'sent', 'stored', 'uncertain')",
        target,
    )
    ready, open_ = (int(row[0]), int(row[1])) if row else (0, 0)
    return ready, open_ - ready


def next_due(tx: Transaction, target: str) -> int | None:
    """When the next command of a target may be taken up, in milliseconds; what is held is never due."""
    due = "state = 'uncertain'" if holds.stopped(tx, target) else DUE
    row = tx.one(f"SELECT min(not_before) FROM outbox WHERE target = ? AND {due}", target)  # noqa: S608 - ours
    return None if row is None or row[0] is None else int(row[0])


def _commands(tx: Transaction, where: str, *values: Any) -> list[Command]:
    return [_command(row) for row in tx.rows(f"SELECT {COLUMNS} FROM outbox WHERE {where}", *values)]  # noqa: S608


def _command(row: Sequence[Any]) -> Command:
    return Command(
        number=row[0],
        epoch=row[1],
        message_id=row[2],
        entity=row[3],
        type=row[4],
        target=row[5],
        kind=DeliveryKind(row[6]),
        key=row[7],
        fields=load(row[8]),
        numbers=load(row[9]),
        guard=load(row[10]) if row[10] is not None else None,
        version=row[11],
        payload_hash=row[12],
        state=CommandState(row[13]),
        attempts=row[14],
        sent=row[15],
        handle=row[16],
        correlation=row[17],
        partial=bool(row[18]),
        asked=row[19],
        due=row[20],
        held=bool(row[21]),
    )
