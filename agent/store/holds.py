"""Holds: what is not to be written for now, by a person's word or because it would be a mass change.

A hold on a system, or on all of them, is looked at whenever commands are taken for delivery. A hold on a
scope marks its commands, so that taking the others costs no more for it.
"""

from __future__ import annotations

from dataclasses import dataclass

from agent.core.guard import EVERYTHING, Scope
from agent.core.value import Canonical
from agent.store.known import UNKNOWN
from agent.store.transaction import Transaction, load


@dataclass(frozen=True, slots=True)
class Hold:
    """What is held, since when (ms), by whom and why. ``scope``: ``*``, a system, or a scope's name."""

    scope: str
    since: int
    actor: str
    why: str


def standing(tx: Transaction, scope: str) -> Hold | None:
    """The hold on exactly this scope."""
    known = tx.known.get("hold", scope)
    if known is UNKNOWN:
        row = tx.one("SELECT scope, since, actor, why FROM hold WHERE scope = ?", scope)
        known = Hold(*row) if row else None
        tx.known.put("hold", scope, known)
    found: Hold | None = known
    return found


def all_(tx: Transaction) -> list[Hold]:
    """Every hold, the oldest first."""
    return [Hold(*row) for row in tx.rows("SELECT scope, since, actor, why FROM hold ORDER BY since, scope")]


def stopped(tx: Transaction, system: str) -> bool:
    """Whether nothing may be sent to a system now."""
    return tx.one("SELECT 1 FROM hold WHERE scope IN (?, ?)", EVERYTHING, system) is not None


def hold(tx: Transaction, scope: str, why: str) -> bool:
    """Hold a scope from now on; False when it is held already, and stays so for its first reason."""
    made = tx.run(
        "INSERT INTO hold (scope, since, actor, why) VALUES (?, ?, ?, ?) ON CONFLICT (scope) DO NOTHING",
        scope,
        tx.now,
        tx.actor,
        why,
    )
    if made:
        tx.journal("flow", scope, "open", "held", why)
    return made == 1


def keep(tx: Transaction, scope: str, of: Hold) -> None:
    """Hold a scope as part of a wider hold, with its time, actor and reason."""
    tx.run(
        "INSERT INTO hold (scope, since, actor, why) VALUES (?, ?, ?, ?) ON CONFLICT (scope) DO NOTHING",
        scope,
        of.since,
        of.actor,
        of.why,
    )
    tx.journal("flow", scope, "held", "held", f"still held, as all systems were: {of.why}")


def release(tx: Transaction, scope: str, why: str) -> bool:
    """Let a scope go on; False when it was not held."""
    done = tx.run("DELETE FROM hold WHERE scope = ?", scope)
    if done:
        tx.journal("flow", scope, "held", "open", why)
    return done == 1


def mark(tx: Transaction, scope: Scope) -> None:
    """Have nothing more taken of what stands open in a scope."""
    tx.run(
        "UPDATE outbox SET held = 1 WHERE target = ? AND type = ? AND kind = ?"
        " AND state IN ('ready', 'sent', 'stored', 'uncertain')",
        scope.target,
        scope.type,
        scope.kind,
    )


def unmark(tx: Transaction, scope: Scope) -> int:
    """Let what stands held in a scope be taken. Returns how many were ready."""
    ready = count(tx, scope)
    tx.run(
        "UPDATE outbox SET held = 0 WHERE held = 1 AND target = ? AND type = ? AND kind = ?",
        scope.target,
        scope.type,
        scope.kind,
    )
    return ready


def count(tx: Transaction, scope: Scope) -> int:
    """How many commands of a scope stand ready and held."""
    row = tx.one(
        "SELECT count(*) FROM outbox WHERE held = 1 AND target = ? AND type = ? AND kind = ?"
        " AND state = 'ready'",
        scope.target,
        scope.type,
        scope.kind,
    )
    return int(row[0]) if row else 0


def agreed(tx: Transaction, scope: Scope, limit: int) -> list[dict[str, Canonical]]:
    """The agreed values of the records whose commands stand held in a scope, in order of id."""
    found = tx.rows(
        "SELECT entity.agreed FROM outbox JOIN entity ON entity.id = outbox.entity WHERE held = 1"
        " AND target = ? AND outbox.type = ? AND kind = ? AND state = 'ready' ORDER BY outbox.entity LIMIT ?",
        scope.target,
        scope.type,
        scope.kind,
        limit,
    )
    return [{name: value for name, (value, _, _) in load(row[0]).items()} for row in found]


def approved(tx: Transaction, scope: Scope) -> bool:
    """Whether a person has agreed to the mass change that is going on."""
    known = tx.known.get("scope", (scope.name, "approved"))
    if known is UNKNOWN:
        known = tx.one("SELECT 1 FROM scope WHERE name = ? AND approved = 1", scope.name) is not None
        tx.known.put("scope", (scope.name, "approved"), known)
    return bool(known)


def agreed_to(tx: Transaction) -> list[str]:
    """Names of the scopes whose mass change a person has agreed to."""
    return [str(row[0]) for row in tx.rows("SELECT name FROM scope WHERE approved = 1 ORDER BY name")]


def approve(tx: Transaction, scope: Scope, approved: bool) -> None:
    """A person agreed to the mass change that is going on, or it is over."""
    tx.run(
        "INSERT INTO scope (name, approved, live, counted) VALUES (?, ?, 0, NULL)"
        " ON CONFLICT (name) DO UPDATE SET approved = excluded.approved",
        scope.name,
        int(approved),
    )


def live(tx: Transaction, scope: Scope, not_before: int) -> int:
    """How many records of the type the target holds, counted anew when that was before ``not_before``."""
    known = tx.known.get("scope", (scope.name, not_before))
    if known is not UNKNOWN:
        return int(known)
    kept = tx.one("SELECT live FROM scope WHERE name = ? AND counted >= ?", scope.name, not_before)
    if kept is not None:
        tx.known.put("scope", (scope.name, not_before), int(kept[0]))
        return int(kept[0])
    row = tx.one(
        "SELECT count(*) FROM binding WHERE type = ? AND system = ? AND role = 'live' AND valid_to IS NULL",
        scope.type,
        scope.target,
    )
    found = int(row[0]) if row else 0
    tx.run(
        "INSERT INTO scope (name, approved, live, counted) VALUES (?, 0, ?, ?)"
        " ON CONFLICT (name) DO UPDATE SET live = excluded.live, counted = excluded.counted",
        scope.name,
        found,
        tx.now,
    )
    return found
