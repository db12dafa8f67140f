"""Everything wrong with a configuration, collected so that it can be told at once."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import UnionType
from typing import Annotated, Any, NoReturn, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from agent.errors import ConfigError, Problem

Loc = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault before it knows its file: where (path of keys), what, and the nearest valid name."""

    loc: Loc
    text: str
    nearest: str | None = None


@dataclass(slots=True)
class Problems:
    """Collects faults of one file. ``lines`` maps a path of keys to the line where it is written."""

    file: str
    lines: Mapping[Loc, int] = field(default_factory=dict)
    found: list[tuple[int, Problem]] = field(default_factory=list)

    def add(self, fault: Fault) -> None:
        """Keep a fault, once."""
        line = self._line(fault.loc)
        where = f"{self.file}:{line}" if line else self.file
        entry = (line, Problem(where, dotted(fault.loc), fault.text, fault.nearest))
        if entry not in self.found:
            self.found.append(entry)

    def extend(self, faults: Iterable[Fault]) -> None:
        """Keep several faults."""
        for fault in faults:
            self.add(fault)

    def raise_found(self) -> None:
        """Raise ConfigError with everything found, in the order of the file, if anything was."""
        if self.found:
            raise ConfigError([problem for _, problem in sorted(self.found, key=lambda entry: entry[0])])

    def stop(self, fault: Fault) -> NoReturn:
        """Add a fault behind which nothing can be checked, and raise."""
        self.add(fault)
        raise ConfigError([problem for _, problem in self.found])

    def _line(self, loc: Loc) -> int:
        """The line of a key, or of the nearest table around it; 0 when unknown."""
        names = tuple(step for step in loc if isinstance(step, str))
        for end in range(len(names), 0, -1):
            if names[:end] in self.lines:
                return self.lines[names[:end]]
        return 0


def dotted(loc: Loc) -> str:
    """``("entities", "customer", "births", 0)`` as ``entities.customer.births[0]``."""
    text = ""
    for step in loc:
        if isinstance(step, int):
            text += f"[{step}]"
        else:
            text += f".{step}" if text else step
    return text


def nearest(name: object, valid: Iterable[str]) -> str | None:
    """The valid name that was probably meant, if one is near enough."""
    if not isinstance(name, str):
        return None
    close = difflib.get_close_matches(name, sorted(valid), n=1, cutoff=0.6)
    return close[0] if close else None


def shape_faults(model: type[BaseModel], data: Mapping[str, Any], error: ValidationError) -> list[Fault]:
    """A validation error in the words of this file; values never appear, they may be secret."""
    faults = []
    renamed: set[Loc] = set()
    details = error.errors(include_url=False, include_context=True)
    for detail in details:
        if detail["type"] == "extra_forbidden":
            fault = _unknown(model, data, detail)
            faults.append(fault)
            renamed.add((*fault.loc[:-1], fault.nearest or ""))
    for detail in details:
        loc = written(data, detail["loc"], missing=detail["type"] == "missing")
        if detail["type"] == "missing":
            if loc not in renamed:
                faults.append(Fault(loc, "missing key"))
        elif detail["type"] != "extra_forbidden":
            faults.append(Fault(loc, _text(detail), _choice(detail)))
    return faults


def _unknown(model: type[BaseModel], data: Mapping[str, Any], detail: ErrorDetails) -> Fault:
    loc = written(data, detail["loc"], missing=False)
    return Fault(loc, "unknown key", nearest(loc[-1], names_at(model, loc[:-1])))


def _text(detail: ErrorDetails) -> str:
    if detail["type"] in ("enum", "literal_error"):
        return f"must be {detail.get('ctx', {}).get('expected', 'another value')}"
    if detail["type"] in ("model_type", "dict_type"):
        return "must be a table"
    if detail["type"] == "string_too_short":
        return "must not be empty"
    if detail["type"] == "string_type":
        return "must be text"
    message = detail["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, ")
    message = message.replace("Input should be a valid ", "must be a ").replace(
        "Input should be ", "must be "
    )
    return (
        re.sub(r"\bstring\b", "text", message)
        .replace("a integer", "an integer")
        .replace("dictionary", "table")
    )


def _choice(detail: ErrorDetails) -> str | None:
    if detail["type"] not in ("enum", "literal_error"):
        return None
    return nearest(detail["input"], re.findall(r"'([^']*)'", str(detail.get("ctx", {}).get("expected", ""))))


def written(data: Any, loc: Loc, *, missing: bool) -> Loc:
    """The path as it is written in the file: without the names of union members that pydantic adds."""
    path: list[str | int] = []
    inner = data
    for index, step in enumerate(loc):
        here = _has(inner, step)
        if here:
            inner = inner[step]
        if here or (missing and index == len(loc) - 1):
            path.append(step)
    return tuple(path)


def _has(data: Any, step: str | int) -> bool:
    if isinstance(data, Mapping):
        return step in data
    return isinstance(data, list) and isinstance(step, int) and 0 <= step < len(data)


def names_at(model: type[BaseModel], loc: Loc) -> set[str]:
    """The key names that are valid in the table at this path of a model."""
    types: list[Any] = [model]
    for step in loc:
        types = [inner for one in types for inner in _inside(one, step)]
    return {name for one in types if _is_model(one) for name in one.model_fields}


def _inside(annotation: Any, step: str | int) -> list[Any]:
    if _is_model(annotation):
        field_ = annotation.model_fields.get(step)
        return members(field_.annotation) if field_ else []
    arguments = get_args(annotation)
    origin = get_origin(annotation)
    if isinstance(origin, type) and issubclass(origin, Mapping) and len(arguments) == 2:
        return members(arguments[1])
    return members(arguments[0]) if arguments else []


def members(annotation: Any) -> list[Any]:
    """The types that an annotation stands for: unions and Annotated are taken apart."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return members(get_args(annotation)[0])
    if origin in (Union, UnionType):
        return [inner for one in get_args(annotation) for inner in members(one)]
    return [annotation]


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)
