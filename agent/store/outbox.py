"""The outbox: commands and their states. Every change of state is checked, journaled, and here."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import cache
from typing import Any

from agent.core.delivery import DeliveryKind
from agent.core.entity import CommandState, OpenCommand
from agent.core.guard import Scope
from agent.core.message_id import state_message_id
from agent.core.record import record
from agent.core.transitions import TERMINAL, check
from agent.core.value import Canonical
from agent.store import holds, planned
from agent.store.commanded import KINDS, STATES
from agent.store.known import UNKNOWN
from agent.store.transaction import Transaction, dump, load

#: Commands that a delivery may take up at their time.
DUE = "(state = 'uncertain' OR (state = 'ready' AND held = 0))"
#: Creates that were never tried: others can go along with them.
_FRESH = "kind = 'create' AND state = 'ready' AND held = 0 AND attempts = 0"
COLUMNS = (
    "number, epoch, message_id, entity, type, target, kind, key, fields, numbers, guard, version,"
    " payload_hash, state, attempts, sent, handle, correlation, partial, asked, due, held"
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
    known = tx.known.get("outbox", command.entity)
    statement = _moving(tuple(columns))
    values = after, *columns.values(), command.number, command.state
    if known is not UNKNOWN and known.holds(command):
        tx.later(statement, *values, of=command.entity)  # nothing else can have moved it meanwhile
    else:
        known = UNKNOWN
        if tx.run(statement, *values, of=command.entity) != 1:
            raise RuntimeError(f"command {command.number} is not in state {command.state} any more")
    if command.sent is None and after in TERMINAL:
        planned.withdraw(tx, command.scope, command.entity, command.number)
    elif known is not UNKNOWN:
        tx.known.put("outbox", command.entity, known.with_moved(command, after, command.sent))
    tx.journal("command", str(command.number), command.state, after, why, command.correlation)


@cache
def _moving(columns: tuple[str, ...]) -> str:
    names = "".join(f", {name} = ?" for name in columns)
    return f"UPDATE outbox SET state = ?{names} WHERE number = ? AND state = ?"  # noqa: S608 - our own names


def send(tx: Transaction, commands: Mapping[int, str], before: CommandState, why: str) -> None:
    """Take commands, each with its correlation id, from one state to *sent*, all by one statement.

    Raises RuntimeError where one is not in that state any more.
    """
    check(before, CommandState.SENT)
    moved = tx.run(
        "UPDATE outbox SET state = 'sent', attempts = attempts + 1, sent = ? WHERE +state = ?"
        " AND number IN (SELECT value FROM json_each(?))",
        tx.now,
        before,
        dump(list(commands)),
    )
    if moved != len(commands):
        raise RuntimeError(f"{len(commands) - moved} commands are not in state {before} any more")
    for number, correlation in commands.items():
        tx.journal("command", str(number), before, CommandState.SENT, why, correlation)


def get(tx: Transaction, number: int) -> Command | None:
    """One command."""
    row = tx.one(f"SELECT {COLUMNS} FROM outbox WHERE number = ?", number)  # noqa: S608
    return _command(row) if row else None


def get_all(tx: Transaction, numbers: Sequence[int]) -> dict[int, Command]:
    """Commands by number: those that there are."""
    where = "number IN (SELECT value FROM json_each(?))"
    return {command.number: command for command in _commands(tx, where, dump(list(numbers)))}


def still_ready(tx: Transaction, numbers: Sequence[int]) -> set[int]:
    """Those of these commands that stand ready and are not held."""
    where = "+state = 'ready' AND held = 0 AND number IN (SELECT value FROM json_each(?))"
    return {int(row[0]) for row in tx.rows(f"SELECT number FROM outbox WHERE {where}", dump(list(numbers)))}  # noqa: S608


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
        target: OpenCommand(number, STATES[state], KINDS[kind], load(fields), load(numbers))
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


def wait_no_longer(tx: Transaction, target: str) -> None:
    """Let everything that stands ready for a target be tried at once: what it waited for is over."""
    tx.run(
        "UPDATE outbox SET not_before = ?2 WHERE target = ?1 AND state = 'ready' AND not_before > ?2",
        target,
        tx.now,
    )


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
        kind=KINDS[row[6]],
        key=row[7],
        fields=load(row[8]),
        numbers=load(row[9]),
        guard=load(row[10]) if row[10] is not None else None,
        version=row[11],
        payload_hash=row[12],
        state=STATES[row[13]],
        attempts=row[14],
        sent=row[15],
        handle=row[16],
        correlation=row[17],
        partial=bool(row[18]),
        asked=row[19],
        due=row[20],
        held=bool(row[21]),
    )
