"""Loading the configuration: one TOML file in, a sound ``Config`` or every problem at once out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from agent.config.connections import SettingsModel, read_systems
from agent.config.contracts import NAME, NAME_RULE, check_contract
from agent.config.document import fingerprint, read
from agent.config.places import check_places
from agent.config.problems import Fault, Problems, nearest
from agent.config.repair import repaired, shaped, sound
from agent.config.shape import AgentSettings, Config, EntitySettings, FieldSettings
from agent.core.contract import Part
from agent.core.objects import FieldType

SECTIONS = ("agent", "systems", "entities")
_VERSION = 12  # hex digits of a rules version: enough to tell versions apart, short enough to be read aloud


def load(path: Path, settings_model: SettingsModel) -> Config:
    """Read and check a configuration file.

    ``settings_model`` gives the settings model of a kind of system and raises ConfigError for a kind that
    does not exist. Raises ConfigError with every problem that can be found without connecting;
    what the targets can do is checked by ``rules``. Nothing is resolved: secrets stay references.
    """
    data, problems = read(path)
    base = path.resolve().parent
    for section in data:
        if section not in SECTIONS:
            problems.add(Fault((section,), "unknown key", nearest(section, SECTIONS)))
    agent = shaped(AgentSettings, data.get("agent", {}), ("agent",), problems)
    system_tables = _tables(data, "systems", problems)
    systems = read_systems(system_tables, settings_model, problems, base)
    entity_tables = _tables(data, "entities", problems)
    entities = _entities(entity_tables, system_tables, problems)
    problems.extend(_objects_twice(entities))
    problems.extend(_references(entities))
    problems.extend(_cycles(entities))
    problems.raise_found()
    assert agent is not None  # anything wrong with it was raised above
    return Config(
        path=path,
        agent=_anchored(agent, base),
        systems=systems,
        entities=entities,
        versions={name: fingerprint(table)[:_VERSION] for name, table in entity_tables.items()},
        config_hash=fingerprint(data),
        lines=problems.lines,
    )


def _tables(data: Mapping[str, Any], section: str, problems: Problems) -> Mapping[str, Any]:
    tables = data.get(section, {})
    if not isinstance(tables, Mapping):
        problems.add(Fault((section,), "must be a table"))
        return {}
    if not tables:
        problems.add(Fault((section,), f"missing: write at least one [{section}.NAME]"))
    return tables


def _entities(
    tables: Mapping[str, Any], systems: Mapping[str, Any], problems: Problems
) -> dict[str, EntitySettings]:
    """Every entity that is sound, or sound enough that the checks across entities still say something."""
    entities: dict[str, EntitySettings] = {}
    for name, table in tables.items():
        if not NAME.fullmatch(name):
            problems.add(Fault(("entities", name), NAME_RULE))
        entity = shaped(EntitySettings, table, ("entities", name), problems)
        faulty: frozenset[str] = frozenset()
        if entity is None and isinstance(table, Mapping):
            entity, faulty = repaired(table)
        if entity is not None:
            entities[name] = entity
            problems.extend(_below(name, sound(check_contract(entity, tables), faulty)))
            problems.extend(_below(name, sound(check_places(entity, systems), faulty)))
    return entities


def _below(name: str, faults: Iterator[Fault]) -> Iterator[Fault]:
    for fault in faults:
        yield Fault(("entities", name, *fault.loc), fault.text, fault.nearest)


def _anchored(agent: AgentSettings, base: Path) -> AgentSettings:
    """Relative paths are meant from the folder of the file: a service has no useful working directory."""
    socket = base / agent.control_socket if agent.control_socket else None
    return agent.model_copy(update={"state_dir": base / agent.state_dir, "control_socket": socket})


def _objects_twice(entities: Mapping[str, EntitySettings]) -> Iterator[Fault]:
    taken: dict[tuple[str, str], str] = {}
    for name, entity in entities.items():
        for system, place in entity.systems.items():
            other = taken.setdefault((system, place.object), name)
            if other != name:
                text = f"'{place.object}' at '{system}' is entity '{other}' already"
                yield Fault(("entities", name, "systems", system, "object"), text)


def _references(entities: Mapping[str, EntitySettings]) -> Iterator[Fault]:
    """Where a reference is mapped, what it refers to must be stored too, or it has no key there."""
    for name, entity in entities.items():
        for system, place in entity.systems.items():
            for field in place.fields:
                settings = entity.fields.get(field)
                parent = entities.get(_referred(settings) or "") if settings else None
                if settings and parent is not None and system not in parent.systems:
                    text = f"refers to '{settings.reference}', which is not stored in '{system}'"
                    yield Fault(("entities", name, "systems", system, "fields", field), text)


def _cycles(entities: Mapping[str, EntitySettings]) -> Iterator[Fault]:
    """No child is created before its parent. A cycle is broken where a reference may be added later.

    The body of a document is never completed later: a cycle of nothing else would wait for ever.
    """
    for name, entity in entities.items():
        for field, settings in entity.fields.items():
            start = _referred(settings) if settings.part is Part.BODY else None
            route = _route(start, name, entities, ())
            if route is not None:
                text = f"records would wait for each other: {' → '.join((name, *route))}"
                yield Fault(("entities", name, "fields", field, "reference"), text)


def _referred(settings: FieldSettings) -> str | None:
    return settings.reference if settings.type is FieldType.REFERENCE else None


def _route(
    start: str | None, goal: str, entities: Mapping[str, EntitySettings], seen: tuple[str, ...]
) -> tuple[str, ...] | None:
    if start is None or start not in entities or start in seen:
        return None
    if start == goal:
        return (goal,)
    for settings in entities[start].fields.values():
        if settings.part is not Part.BODY:
            continue
        found = _route(_referred(settings), goal, entities, (*seen, start))
        if found is not None:
            return (start, *found)
    return None
