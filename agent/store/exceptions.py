"""Exceptions: what a person must look at, with cause, money, owner and due date."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from agent.store.known import UNKNOWN
from agent.store.transaction import Transaction, dump

#: Without statistics SQLite takes the index of all that is open, which may be thousands.
_OF_ENTITY = "INDEXED BY ix_exception_entity"


class Kind(StrEnum):
    """What sort of look it needs."""

    REJECTED = "rejected"
    PENDING = "pending"  # the target refused it for now and may still post it (IDoc status 51)
    CONFLICT = "conflict"
    UNCERTAIN = "uncertain"
    UNDECODABLE = "undecodable"
    UNMAPPED = "unmapped"
    IMMUTABLE = "immutable"
    DELETED = "deleted"
    OVERDUE = "overdue"
    UNBOUND = "unbound"  # a record that no entity is bound to, at a system where none is born
    UNKEYED = "unkeyed"  # the target created the record and did not say under which key
    DUPLICATE = "duplicate"  # two entities, one record at a target
    DEPENDANT = "dependant"  # it was deleted, and records that were not still refer to it
    ORPHAN = "orphan"  # a record that it refers to was deleted
    MERGED = "merged"  # records that one system merged are still two at another
    LOOP = "loop"  # a program at the target alters what is written there, again and again
    MASS_CHANGE = "mass-change"  # so much of a scope is to be written that a person must agree
    FIELD = "field"  # the target lacks a field, or does not let us write it
    GAP = "gap"  # a stretch of a stream is missing: records that were born in it are not known
    FENCED = "fenced"  # another agent on a copy of this store has taken over
    RESTORED = "restored"  # the store was older than what had been done with it


@dataclass(frozen=True, slots=True)
class Raised:
    """An exception about to be opened. ``mark`` is what it parks; ``subject`` tells equal ones apart."""

    kind: Kind
    system: str
    cause: str
    entity: str = ""
    mark: str = ""
    subject: str = ""
    code: str = ""
    remedy: str = ""
    command: int | None = None
    inbox: int | None = None
    amount: str | None = None
    currency: str | None = None
    owner: str = "operations"
    due_ms: int = 24 * 3600 * 1000


class Open(NamedTuple):
    """An open exception of an entity."""

    id: int
    kind: str
    system: str
    mark: str
    subject: str


def read_ahead(tx: Transaction, entities: Collection[str]) -> None:
    """Learn what is open for these entities."""
    opened: dict[str, list[Open]] = {entity: [] for entity in entities}
    found = tx.rows(
        f"SELECT entity, id, kind, system, mark, subject FROM exception {_OF_ENTITY} WHERE state = 'open'"  # noqa: S608 - ours
        " AND entity IN (SELECT value FROM json_each(?))",
        dump(list(entities)),
    )
    for entity, *one in found:
        opened[entity].append(Open(*one))
    tx.known.put_all("exception", opened)


def _may_have(tx: Transaction, entity: str, system: str, kinds: Collection[str]) -> bool:
    """Whether something of these kinds may be open for an entity at a system: False is certain."""
    known = tx.known.get("exception", entity)
    return known is UNKNOWN or any(one.system == system and one.kind in kinds for one in known)


def open_(tx: Transaction, raised: Raised) -> int | None:
    """Open an exception; None when the same one is open already: then it tells the newest cause."""
    count = tx.run(
        "INSERT INTO exception (kind, system, entity, mark, subject, command, inbox, code, cause, remedy,"
        " amount, currency, owner, opened, due, state, resolution)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'open', '')"
        " ON CONFLICT (kind, entity, system, mark, subject) WHERE state = 'open' DO NOTHING",
        raised.kind,
        raised.system,
        raised.entity,
        raised.mark,
        raised.subject,
        raised.command,
        raised.inbox,
        raised.code,
        raised.cause,
        raised.remedy,
        raised.amount,
        raised.currency,
        raised.owner,
        tx.now,
        tx.now + raised.due_ms,
        of=raised.entity,
    )
    if count == 0:
        tx.run(
            "UPDATE exception SET cause = ?, code = ?, command = coalesce(?, command),"
            " amount = coalesce(?, amount), currency = coalesce(?, currency) WHERE state = 'open'"
            " AND kind = ? AND entity = ? AND system = ? AND mark = ? AND subject = ?",
            raised.cause,
            raised.code,
            raised.command,
            raised.amount,
            raised.currency,
            raised.kind,
            raised.entity,
            raised.system,
            raised.mark,
            raised.subject,
            of=raised.entity,
        )
        return None
    row = tx.one("SELECT max(id) FROM exception")
    number = int(row[0]) if row else 0
    tx.journal("exception", str(number), "", "open", f"{raised.kind}: {raised.code or raised.cause}"[:200])
    return number


def close(tx: Transaction, number: int, resolution: str, entity: str | None = None) -> bool:
    """Close an open exception with what settled it; ``entity``: what it is about, where that is known."""
    done = tx.run(
        "UPDATE exception SET state = 'closed', closed = ?, resolution = ? WHERE id = ? AND state = 'open'",
        tx.now,
        resolution,
        number,
        of=entity,
    )
    if done:
        tx.journal("exception", str(number), "open", "closed", resolution)
    return done == 1


def close_all(tx: Transaction, entity: str, system: str, kinds: tuple[Kind, ...], resolution: str) -> int:
    """Close what the course of events has settled. Returns how many that were."""
    if not _may_have(tx, entity, system, kinds):
        return 0
    marks = ", ".join("?" for _ in kinds)
    found = tx.rows(
        f"SELECT id FROM exception {_OF_ENTITY} WHERE entity = ? AND system = ? AND state = 'open'"  # noqa: S608 - ours
        f" AND kind IN ({marks})",
        entity,
        system,
        *kinds,
    )
    for row in found:
        close(tx, int(row[0]), resolution, entity)
    return len(found)


def close_subject(tx: Transaction, kind: Kind, system: str, subject: str, resolution: str) -> None:
    """Close what stands for one subject at a system, where that is about no entity."""
    found = tx.rows(
        "SELECT id FROM exception WHERE kind = ? AND entity = '' AND system = ? AND subject = ?"
        " AND state = 'open'",
        kind,
        system,
        subject,
    )
    for row in found:
        close(tx, int(row[0]), resolution, "")


def close_marked(tx: Transaction, entity: str, mark: str, resolution: str) -> None:
    """Close what stands for one mark of an entity; what stands for another mark stays open."""
    found = tx.rows(
        f"SELECT id FROM exception {_OF_ENTITY} WHERE entity = ? AND mark = ? AND state = 'open'",  # noqa: S608 - ours
        entity,
        mark,
    )
    for row in found:
        close(tx, int(row[0]), resolution, entity)


def last_closed(tx: Transaction, entity: str, system: str, kind: Kind) -> int:
    """When (ms) one of this kind was closed last for an entity at a system; 0 where none was."""
    row = tx.one(
        "SELECT coalesce(max(closed), 0) FROM exception WHERE entity = ? AND system = ? AND kind = ?"
        " AND state = 'closed'",
        entity,
        system,
        kind,
    )
    return int(row[0]) if row else 0


def close_numbered(tx: Transaction, kind: Kind, entity: str, subject: int, resolution: str) -> None:
    """Close what stands for one numbered thing of an entity, such as a conflict."""
    found = tx.rows(
        f"SELECT id FROM exception {_OF_ENTITY} WHERE kind = ? AND entity = ? AND subject = ?"  # noqa: S608 - ours
        " AND state = 'open'",
        kind,
        entity,
        str(subject),
    )
    for row in found:
        close(tx, int(row[0]), resolution, entity)


def close_mapped(tx: Transaction, entity: str, system: str, fields: Iterable[str]) -> bool:
    """Close what was open for fields whose values can be mapped again; whether there was any."""
    closed = False
    if not _may_have(tx, entity, system, (Kind.UNMAPPED,)):
        return closed
    found = tx.rows(
        f"SELECT id, subject FROM exception {_OF_ENTITY} WHERE entity = ? AND system = ?"  # noqa: S608 - ours
        " AND state = 'open' AND kind = 'unmapped'",
        entity,
        system,
    )
    for number, field in found:
        if field in fields:
            closed |= close(tx, int(number), "the value can be mapped now", entity)
    return closed


@dataclass(frozen=True, slots=True)
class Standing:
    """An open exception as verbs need it."""

    id: int
    kind: Kind
    system: str
    entity: str
    mark: str
    subject: str
    command: int | None
    state: str


def get(tx: Transaction, number: int) -> Standing | None:
    """One exception."""
    row = tx.one(
        "SELECT id, kind, system, entity, mark, subject, command, state FROM exception WHERE id = ?", number
    )
    return Standing(row[0], Kind(row[1]), *row[2:]) if row else None
