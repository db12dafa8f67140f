"""Identities: of entities, of commands at their target, and of payloads."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import orjson

from agent.core.value import Canonical


def entity_id(type_: str, system: str, key: str, generation: int = 0) -> str:
    """The canonical id of a record first seen as ``key`` at ``system``.

    Derived, not counted, so that a restored store gives the same id again. ``generation`` counts earlier
    records that had this key there.
    """
    seed = "\x1f".join((type_, system, key, str(generation)))
    return f"{type_}-{hashlib.sha256(seed.encode()).hexdigest()[:20]}"


def state_message_id(epoch: int, number: int) -> str:
    """State transfer: the command's place in its store's life, fixed in the plan's transaction."""
    return f"{epoch}.{number}"


def event_message_id(target: str, source: str, key: str, kind: str) -> str:
    """Event transfer: named by the source document, without counter or epoch; it survives a restore."""
    readable = f"{target}:{source}:{key}:{kind}"
    if len(readable) <= 60:
        return readable
    return f"{target[:12]}:{hashlib.sha256(readable.encode()).hexdigest()[:40]}"


def payload_hash(kind: str, key: str | None, fields: Mapping[str, Canonical]) -> str:
    """SHA-256 of what a command does; a ledger keeps it beside the message id."""
    return hashlib.sha256(orjson.dumps([str(kind), key, dict(sorted(fields.items()))])).hexdigest()
