"""The story of one entity, made of what the store keeps: images, agreed values, observations, commands."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

import orjson

from agent.clock import moment
from agent.core.contract import Context, ContractField, EntityRules
from agent.core.ownership import owner, possible_owners
from agent.operations.privacy import Privacy
from agent.operations.timeline import timeline
from agent.operations.wire import (
    CommandState,
    ConflictState,
    FieldState,
    ImageState,
    Key,
    Observation,
    Record,
    clean,
)
from agent.store import reads
from agent.store.reads import Rows, Snapshot

Row = Mapping[str, Any]


async def record(snapshot: Snapshot, privacy: Privacy, entity: str, today: date) -> Record:
    """Everything about an entity that exists."""
    head = (await snapshot.rows(reads.ENTITY, entity=entity))[0]
    type_ = str(head["type"])
    images = await snapshot.rows(reads.IMAGES, entity=entity)
    values = await snapshot.rows(reads.VALUES, entities=orjson.dumps([entity]).decode())
    secrets = privacy.secrets(type_, (row["fields"] for row in values))
    obligations: dict[int, dict[str, str]] = {}
    for row in await snapshot.rows(reads.OBSERVATION_OBLIGATIONS, entity=entity):
        obligations.setdefault(row["inbox"], {})[row["target"]] = row["state"]
    causes: dict[int, list[int]] = {}
    for row in await snapshot.rows(reads.CAUSES, entity=entity):
        causes.setdefault(row["command"], []).append(row["inbox"])
    seen = await snapshot.rows(reads.OBSERVATIONS, entity=entity, limit=reads.STORY)
    sent = await snapshot.rows(reads.COMMANDS, entity=entity, limit=reads.STORY)
    conflicts = await snapshot.rows(reads.CONFLICTS_OF, entity=entity)
    exceptions = await snapshot.rows(reads.EXCEPTIONS_OF, entity=entity)
    bindings = await snapshot.rows(reads.BINDINGS, entity=entity)
    waiting = await snapshot.rows(reads.WAITING, entity=entity)
    observations = tuple(_observation(row, obligations.get(row["seq"], {})) for row in reversed(seen))
    commands = tuple(
        _command(row, type_, privacy, secrets, causes.get(row["number"], [])) for row in reversed(sent)
    )
    totals = {
        "observations": await snapshot.count(reads.OBSERVATION_COUNT, entity=entity) - len(seen),
        "commands": await snapshot.count(reads.COMMAND_COUNT, entity=entity) - len(sent),
    }
    told = Record(
        entity=entity,
        type=clean(type_),
        birth=clean(head["birth"]),
        business_key=privacy.business_key(type_, head["business_key"]),
        lane=clean(head["lane"] or ""),
        parked=tuple(clean(mark) for mark in orjson.loads(head["parked"])),
        keys=tuple(_key(row) for row in bindings),
        images=tuple(_image(row) for row in images),
        fields=_fields(head, images, privacy, today),
        observations=observations,
        commands=commands,
        conflicts=tuple(_conflict(row, type_, privacy) for row in conflicts),
        exceptions=tuple(int(row["id"]) for row in exceptions),
        waiting={clean(row["target"]): _waits(row) for row in waiting},
        omitted={name: count for name, count in totals.items() if count > 0},
    )
    journal = await _journal(snapshot, entity, told, [str(row["system"]) for row in images])
    return told.model_copy(update={"lines": timeline(told, journal, secrets)})


async def _journal(snapshot: Snapshot, entity: str, told: Record, systems: list[str]) -> Rows:
    places = [f"{entity}@{system}" for system in systems]
    wanted = {
        "command": [str(command.number) for command in told.commands],
        "image": places,
        "binding": [f"{entity}@{key.system}" for key in told.keys],
        "exception": [str(number) for number in told.exceptions],
        "conflict": [str(conflict.id) for conflict in told.conflicts],
    }
    found: Rows = []
    for subject, ids in wanted.items():
        listed = orjson.dumps(ids).decode()
        found += await snapshot.rows(reads.JOURNAL, subject=subject, ids=listed, limit=reads.STORY)
    return sorted(found, key=lambda row: int(row["id"]))


def _fields(head: Row, images: Rows, privacy: Privacy, today: date) -> tuple[FieldState, ...]:
    type_ = str(head["type"])
    rules = privacy.book.entities.get(type_)
    agreed: dict[str, list[Any]] = orjson.loads(head["agreed"])
    held = {str(row["system"]): orjson.loads(row["fields"]) for row in images if row["present"]}
    names = list(rules.fields) if rules is not None else []
    names += sorted({*agreed, *(name for fields in held.values() for name in fields)} - set(names))
    context = _context(rules, agreed, today)
    found = []
    for name in names:
        value, _, by = agreed.get(name, [None, 0, ""])
        found.append(
            FieldState(
                name=clean(name),
                agreed=privacy.cell(type_, name, value),
                by=clean(by),
                rule=_rule(rules.fields.get(name) if rules else None, context),
                pii=privacy.is_pii(type_, name),
                values={s: privacy.cell(type_, name, f[name]) for s, f in held.items() if name in f},
                differs=tuple(
                    s for s, f in held.items() if name in agreed and name in f and f[name] != value
                ),
            )
        )
    return tuple(found)


def _context(rules: EntityRules | None, agreed: Mapping[str, list[Any]], today: date) -> Context:
    def value(name: str | None) -> str | None:
        entry = agreed.get(name) if name is not None else None
        return str(entry[0]) if entry and entry[0] is not None else None

    if rules is None:
        return Context(today)
    return Context(today, value(rules.legal_entity), value(rules.lifecycle_state))


def _rule(field: ContractField | None, context: Context) -> str:
    if field is None:
        return "not configured"
    if field.survivorship is not None:
        prefer = field.survivorship.prefer
        return f"shared, {field.survivorship.kind}" + (f" {clean(prefer)}" if prefer else "")
    try:
        return f"owner {clean(owner(field, context))}"
    except LookupError:
        return f"owner {' or '.join(sorted(possible_owners(field)))}"


def _key(row: Row) -> Key:
    return Key(
        system=clean(row["system"]),
        key=clean(row["key"]),
        role=row["role"],
        since=moment(row["valid_from"]),
        until=_time(row["valid_to"]),
    )


def _image(row: Row) -> ImageState:
    return ImageState(
        system=clean(row["system"]),
        present=bool(row["present"]),
        fresh=bool(row["fresh"]),
        grade=row["grade"],
        stale=row["stale"] or "",
        stale_since=_time(row["stale_since"]),
        seen=moment(row["seen"]),
    )


def _observation(row: Row, obligations: dict[str, str]) -> Observation:
    return Observation(
        seq=row["seq"],
        system=clean(row["system"]),
        kind=row["kind"],
        operation=clean(row["operation"]),
        object=clean(row["object"]),
        key=clean(row["key"] or ""),
        at=_time(row["at"]),
        received=moment(row["received"]),
        origin=clean(row["origin"] or ""),
        fields=tuple(clean(name) for name in orjson.loads(row["fields"])),
        reason=clean(row["reason"]),
        correlation=clean(row["correlation"]),
        obligations=obligations,
    )


def _command(
    row: Row, type_: str, privacy: Privacy, secrets: frozenset[str], causes: list[int]
) -> CommandState:
    fields: dict[str, Any] = orjson.loads(row["fields"])
    return CommandState(
        number=row["number"],
        message_id=clean(row["message_id"]),
        target=clean(row["target"]),
        kind=row["kind"],
        state=row["state"],
        fields={clean(name): privacy.cell(type_, name, value) for name, value in fields.items()},
        rules={clean(name): clean(rule) for name, rule in orjson.loads(row["rules"]).items()},
        causes=tuple(causes),
        attempts=row["attempts"],
        planned=moment(row["planned"]),
        sent=_time(row["sent"]),
        finished=_time(row["finished"]),
        handle=clean(row["handle"] or ""),
        code=clean(row["code"]),
        answer=privacy.text(row["answer"], secrets),
        correlation=clean(row["correlation"]),
    )


def _conflict(row: Row, type_: str, privacy: Privacy) -> ConflictState:
    name = str(row["field"])
    cells = {part: privacy.cell(type_, name, orjson.loads(row[part])) for part in ("winner", "loser", "base")}
    return ConflictState(
        id=row["id"],
        field=clean(name),
        rule=f"{clean(row['rule'])}@{clean(row['rules_version'])}",
        winner_system=clean(row["winner_system"]),
        loser_system=clean(row["loser_system"]),
        at=moment(row["at"]),
        state=row["state"],
        **cells,
    )


def _waits(row: Row) -> str:
    on = clean(row["waits_on"])
    return clean(row["reason"]) + (f" on {on}" if on else "")


def _time(ms: int | None) -> datetime | None:
    return None if ms is None else moment(ms)
