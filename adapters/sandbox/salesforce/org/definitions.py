"""Reads objects files: the sample org's own, and one that a user gives to add or replace objects."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any

from adapters.sandbox.salesforce.org import shapes
from adapters.sandbox.salesforce.org.fields import Field, ObjectType
from adapters.sandbox.salesforce.org.ids import base62
from adapters.sandbox.salesforce.org.shapes import BadObjects, label, nearest

SAMPLE = Path(__file__).with_name("sample.toml")
SETUP = Path(__file__).with_name("setup.toml")
_OBJECT_KEYS = {
    *("prefix", "label", "label_plural", "conditional_etag", "change_events", "writable"),
    *("record_types", "fields", "validations", "duplicates", "flows"),
}
_RULE_KEYS = {
    "validations": ({"when", "message"}, {"field"}),
    "duplicates": ({"name", "match"}, {"block"}),
    "flows": ({"when", "set", "value"}, set[str]()),
}


@dataclass(frozen=True, slots=True)
class Definition:
    """One object with the rules written for it; the rules stand as in the file, by kind."""

    kind: ObjectType
    rules: dict[str, list[dict[str, Any]]]


@dataclass(frozen=True, slots=True)
class Definitions:
    """All objects and platform events of an org, in order."""

    objects: tuple[Definition, ...]
    events: tuple[ObjectType, ...]


def read(extra: Path | None = None) -> Definitions:
    """The sample org, with the objects of ``extra`` added or in place of those of the same name.

    Raises BadObjects with every problem found, one a line.
    """
    documents = [_load(SAMPLE)] + ([_load(extra)] if extra else [])
    objects: dict[str, dict[str, Any]] = {}
    events: dict[str, dict[str, Any]] = {}
    problems: list[str] = []
    for document in documents:
        problems += [
            f"unknown section '{key}'{nearest(key, ('object', 'event'))}"
            for key in document
            if key not in ("object", "event")
        ]
        objects |= document.get("object", {})
        events |= document.get("event", {})
    numbers = count(0xB0)
    made = [_definition(name, body, next(numbers), problems) for name, body in objects.items()]
    made += [_definition(name, body, 0, problems) for name, body in _load(SETUP)["object"].items()]
    published = [_definition(name, body, next(numbers), problems).kind for name, body in events.items()]
    _check_together([each.kind for each in made], problems)
    if problems:
        raise BadObjects("\n".join(problems))
    return Definitions(tuple(_with_ways_back(each) for each in made), tuple(published))


def _load(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise BadObjects(f"{path.name}: {error}") from None


def _definition(name: str, body: dict[str, Any], number: int, problems: list[str]) -> Definition:
    problems += [
        f"{name}: unknown key '{k}'{nearest(k, _OBJECT_KEYS)}" for k in body if k not in _OBJECT_KEYS
    ]
    fields: list[Field] = []
    for field_name, spec in body.get("fields", {}).items():
        try:
            fields += shapes.fields(field_name, str(spec))
        except BadObjects as error:
            problems.append(f"{name}: {error}")
    if not fields:
        problems.append(f"{name}: an object needs fields")
    own = str(body.get("label", label(name)))
    kind = ObjectType(
        name=name,
        label=own,
        label_plural=str(body.get("label_plural", f"{own}s")),
        prefix=str(body.get("prefix", f"a{base62(number, 2)}")),
        fields=(*fields, *shapes.hidden()),
        conditional_etag=body.get("conditional_etag") is True,
        change_events=body.get("change_events") is not False,
        writable=body.get("writable") is not False,
        record_types=tuple(str(each) for each in body.get("record_types", ())),
    )
    rules = {each: list(body.get(each, [])) for each in _RULE_KEYS}
    for what, entries in rules.items():
        for entry in entries:
            problems += [f"{name}: {problem}" for problem in _rule_problems(kind, what, entry)]
    return Definition(kind, rules)


def _with_ways_back(definition: Definition) -> Definition:
    """Names the way from a parent to these records where the file does not."""
    kind = definition.kind
    plural = kind.label_plural.replace(" ", "_" if kind.custom else "")

    def named(field: Field) -> Field:
        if field.children or field.reference_to in ("", "User", "RecordType"):
            return field
        return replace(field, children=f"{plural}__r" if field.custom else plural)

    return replace(definition, kind=replace(kind, fields=tuple(named(each) for each in kind.fields)))


def _rule_problems(kind: ObjectType, what: str, entry: dict[str, Any]) -> list[str]:
    needed, allowed = _RULE_KEYS[what]
    problems = [f"{what}: '{key}' is missing" for key in sorted(needed - set(entry))]
    problems += [
        f"{what}: unknown key '{key}'{nearest(key, needed | allowed)}"
        for key in entry
        if key not in needed | allowed
    ]
    named = [entry.get("field"), *entry.get("match", ())]
    named += [entry.get("when"), entry.get("set")] if what == "flows" else []
    for name in named:
        if name is not None and kind.find(str(name)) is None:
            problems.append(f"{what}: no field '{name}'{nearest(str(name), [f.name for f in kind.fields])}")
    return problems


def _check_together(kinds: list[ObjectType], problems: list[str]) -> None:
    names = {kind.name for kind in kinds}
    prefixes: dict[str, str] = {}
    for kind in kinds:
        other = prefixes.setdefault(kind.prefix, kind.name)
        if other != kind.name:
            problems.append(f"{kind.name}: prefix '{kind.prefix}' is that of {other}")
        if len(kind.prefix) != 3 or not kind.prefix.isalnum():
            problems.append(f"{kind.name}: prefix '{kind.prefix}' is not three letters or digits")
        for field in kind.fields:
            if field.reference_to and field.reference_to not in names:
                hint = nearest(field.reference_to, names)
                problems.append(f"{kind.name}: {field.name}: no object '{field.reference_to}'{hint}")
