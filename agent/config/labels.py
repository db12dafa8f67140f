"""What an adapter finds wrong with its mapping, told in the words of the configuration file."""

from __future__ import annotations

from agent.config.problems import Fault, Loc
from agent.config.shape import Config, PlaceSettings
from agent.errors import ConfigError


def labelled(error: ConfigError, config: Config, system: str) -> list[Fault]:
    """The problems that ``connect`` of a system raised, each at the keys of the file that cause it.

    An adapter knows neither file nor entities: it says ``systems.NAME.SETTING``, ``systems.NAME.OBJECT`` or
    ``systems.NAME.OBJECT.FIELD``, the object and the field in the system's own words. ``rules`` takes the
    result and gives it file and line.
    """
    return [
        Fault(_where(problem.key, config, system), problem.text, problem.nearest)
        for problem in error.problems
    ]


def _where(key: str, config: Config, system: str) -> Loc:
    prefix = f"systems.{system}"
    rest = key.removeprefix(prefix).removeprefix(".") if key.startswith(prefix) else ""
    if rest in type(config.systems[system].settings).model_fields:
        return ("systems", system, rest)
    for name, entity in config.entities.items():
        place = entity.systems.get(system)
        if place is None or not (rest == place.object or rest.startswith(f"{place.object}.")):
            continue
        return ("entities", name, "systems", system, *_inside(place, rest[len(place.object) + 1 :]))
    return ("systems", system)


def _inside(place: PlaceSettings, field: str) -> Loc:
    """The key below a place that names a field of the system; the object's where none does."""
    if field == place.key:
        return ("key",)
    if field and field == place.external_id:
        return ("external_id",)
    for name, mapping in place.fields.items():
        if mapping.source == field:
            return ("fields", name)
    return ("object",)
