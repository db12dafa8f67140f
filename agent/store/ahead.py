"""Reading ahead: everything that taking a batch looks at, by one statement per table."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from agent.core.bounce import WINDOW_MS
from agent.store import bindings, commanded, entities, exceptions, obligations, waiting
from agent.store.outbox import Command
from agent.store.transaction import Transaction

#: Entities of which something is known at most: a transaction may be about any number of them.
MOST = 1_000


def read(tx: Transaction, found: Collection[str], targets: Collection[str]) -> None:
    """Learn what planning these entities looks at; ``targets``: all systems that they may be delivered to."""
    _around(tx, found, targets)
    commanded.read_ahead(tx, found, targets, tx.now - WINDOW_MS)


def read_answered(tx: Transaction, commands: Sequence[Command], targets: Collection[str]) -> None:
    """The same for the entities of commands that were answered: seldom is anything sent again at once."""
    _around(tx, {command.entity for command in commands}, targets)
    commanded.read_beside(tx, commands)


def _around(tx: Transaction, found: Collection[str], targets: Collection[str]) -> None:
    """Everything but their commands."""
    entities.read_ahead(tx, found)
    bindings.read_ahead(tx, found)
    exceptions.read_ahead(tx, found)
    waiting.read_ahead(tx, found)
    obligations.read_ahead(tx, found, targets)


def born(tx: Transaction, entity: str) -> None:
    """Nothing is known elsewhere of an entity that was just written for the first time."""
    if len(tx.known.facts.get("image", ())) >= MOST:
        tx.known.clear()
    tx.known.put("image", entity, {})
    tx.known.put("binding", entity, bindings.Bound({}, {}))
    tx.known.put("outbox", entity, commanded.NONE)
    tx.known.put("exception", entity, [])
    tx.known.put("waiting", entity, {})
    tx.known.put("obligation", entity, [])
