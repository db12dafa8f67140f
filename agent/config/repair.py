"""A table with shape faults, made whole enough that the rest of it can still be checked.

Everything wrong is told at once; what rests on a faulty key is not told, it would only be noise.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

from pydantic import ValidationError

from agent.config.problems import Fault, Loc, Problems, names_at, nearest, shape_faults, written
from agent.config.shape import EntitySettings, Shape

AnyShape = TypeVar("AnyShape", bound=Shape)

_STAND_IN = "?"  # no object or field of a system is called so
_WHOLE = ("transfer", "births", "fields", "systems")  # without these nothing else of an entity makes sense


def shaped(model: type[AnyShape], table: object, loc: Loc, problems: Problems) -> AnyShape | None:
    """The table as its model, or None with its faults in ``problems``. Unknown keys do not stop it."""
    if not isinstance(table, Mapping):
        problems.add(Fault(loc, "must be a table"))
        return None
    try:
        return model.model_validate(table)
    except ValidationError as error:
        for fault in shape_faults(model, table, error):
            problems.add(Fault((*loc, *fault.loc), fault.text, fault.nearest))
    return None


def repaired(table: Mapping[str, Any]) -> tuple[EntitySettings | None, frozenset[str]]:
    """What can be made of an entity with faults, and the names of what was faulty."""
    data: dict[str, Any] = _copied(table)
    faulty: set[str] = set()
    for _ in range(4):  # a key that is renamed or filled in can show a fault of its own
        try:
            return EntitySettings.model_validate(data), frozenset(faulty)
        except ValidationError as error:
            details = error.errors(include_url=False, include_input=False)
        unknown = [d["loc"] for d in details if d["type"] == "extra_forbidden"]
        if unknown:
            for loc in [written(data, loc, missing=False) for loc in unknown]:
                _rename(data, loc)
            continue
        locs = [written(data, d["loc"], missing=d["type"] == "missing") for d in details]
        if not all(_mend(data, loc, faulty) for loc in locs):
            break
    return None, frozenset(faulty)


def sound(faults: Iterator[Fault], faulty: frozenset[str]) -> Iterator[Fault]:
    """The faults that do not rest on something faulty."""
    for fault in faults:
        quoted = any(f"'{name}'" in fault.text for name in faulty)
        whole = bool(faulty) and len(fault.loc) == 1 and fault.loc[0] in _WHOLE
        if not (quoted or whole or faulty & set(fault.loc)):
            yield fault


def _rename(data: dict[str, Any], loc: Loc) -> None:
    """Take an unknown key for the one that was probably meant, if that is missing; else leave it out."""
    *parents, last = loc
    inner = _at(data, tuple(parents))
    value = inner.pop(last)
    meant = nearest(last, names_at(EntitySettings, tuple(parents)))
    if meant is not None:
        inner.setdefault(meant, value)


def _mend(data: dict[str, Any], loc: Loc, faulty: set[str]) -> bool:
    """Remove or fill in what is faulty; False when the entity makes no sense without it."""
    match loc:
        case ("fields", str(name), *_) if isinstance(data["fields"], dict):
            data["fields"].pop(name, None)
            faulty.add(name)
        case ("systems", str(system), "fields", str(name), *_):
            data["systems"][system]["fields"][name] = _STAND_IN + name
            faulty.add(name)
        case ("systems", str(system), "object" | "key" as key):
            data["systems"][system][key] = _STAND_IN + system
            faulty.add(key)
        case ("systems", str(system), str(key)) if key != "fields":
            data["systems"][system].pop(key, None)
            faulty.add(key)
        case (str(key),) if key not in _WHOLE:
            data.pop(key, None)
            faulty.add(key)
        case _:
            return False
    return True


def _at(data: Any, loc: Loc) -> Any:
    for step in loc:
        data = data[step]
    return data


def _copied(data: Any) -> Any:
    if isinstance(data, Mapping):
        return {key: _copied(value) for key, value in data.items()}
    return [_copied(value) for value in data] if isinstance(data, list) else data
