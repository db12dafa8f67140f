"""``config.example.toml``: it loads, explains every key once, and shows the defaults of the code."""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from contextlib import AsyncExitStack
from dataclasses import dataclass
from enum import Enum
from functools import cache
from pathlib import Path, PurePath
from typing import Any

import pytest
from pydantic import BaseModel, TypeAdapter
from pydantic.fields import FieldInfo

from adapters.odbc.tables import TableSettings
from adapters.registry import KINDS, connect, settings_model
from agent.config import load, objects, rules
from agent.config.contracts import owner_row
from agent.config.shape import (
    USUAL_RETRY,
    AgentSettings,
    EntitySettings,
    FieldAtSystemSettings,
    FieldSettings,
    OwnerRowSettings,
    PlaceSettings,
    RetrySettings,
    SurvivorshipSettings,
)
from agent.core.contract import ContractField, Transfer
from agent.core.guard import MassLimits
from agent.core.ownership import faults
from agent.flow.desk import Terms

EXAMPLE = Path(__file__).parents[2] / "config.example.toml"
COMMENTED = re.compile(r"^# (?=[a-z_]+ = )")
KEY = re.compile(r"^([a-z_]+) = ")


@dataclass(frozen=True)
class Entry:
    """One explained key: its table, its explanation, what is written, and whether it is commented out."""

    table: tuple[str, ...]
    key: str
    explanation: str
    value: Any
    commented: bool


@cache
def entries() -> list[Entry]:
    """Every key that has an explanation directly above it, in the order of the file."""
    found: list[Entry] = []
    table: tuple[str, ...] = ()
    explanation: list[str] = []
    lines = EXAMPLE.read_text(encoding="utf-8").splitlines()
    for index, line in enumerate(lines):
        if line.startswith("## "):
            explanation.append(line[3:])
            continue
        if line.startswith("["):
            table = tuple(line.strip("[]").split("."))
        key = KEY.match(COMMENTED.sub("", line))
        if key and explanation:
            value = statement(lines[index:])[key.group(1)]
            text = " ".join(explanation)
            found.append(Entry(table, key.group(1), text, value, line.startswith("# ")))
        explanation = []
    return found


def statement(lines: list[str]) -> dict[str, Any]:
    """The first key = value of these lines, which may be commented out and span several lines."""
    text = ""
    for line in lines:
        text += line.removeprefix("# ") + "\n"
        try:
            return tomllib.loads(text)
        except tomllib.TOMLDecodeError:
            continue
    raise AssertionError(f"no value at {lines[0]!r}")


def model_of(table: tuple[str, ...], key: str) -> type[BaseModel]:
    """The model that a key of a table belongs to."""
    match table:
        case ("agent",):
            return AgentSettings
        case ("systems", _) if key in RetrySettings.model_fields:
            return RetrySettings
        case ("systems", name):
            return settings_model(kinds()[name])
        case ("systems", name, "tables", _) if kinds()[name] == "odbc":
            return TableSettings
        case ("entities", _):
            return EntitySettings
        case ("entities", _, "fields", _):
            return FieldSettings
        case ("entities", _, "systems", _):
            return PlaceSettings
    raise AssertionError(table)


def kinds() -> dict[str, str]:
    data = tomllib.loads(EXAMPLE.read_text(encoding="utf-8"))
    return {name: str(table["kind"]) for name, table in data["systems"].items()}


def plain(value: Any) -> Any:
    """A default as TOML would write it."""
    if isinstance(value, Enum):
        return value.value
    return str(value) if isinstance(value, PurePath) else value


@cache
def described() -> list[tuple[Entry, FieldInfo]]:
    """Explained keys that belong to a model, with the model's field."""
    found = []
    for entry in entries():
        if entry.table[-1:] == ("fields",) or (entry.key == "kind" and entry.table[0] == "systems"):
            continue
        model = model_of(entry.table, entry.key)
        assert entry.key in model.model_fields, f"{entry.table}: no key '{entry.key}'"
        found.append((entry, model.model_fields[entry.key]))
    return found


def test_the_example_loads() -> None:
    config = load(EXAMPLE, settings_model)
    assert set(config.systems) == {"salesforce", "erp", "sap"}
    assert set(config.entities) == {"customer", "invoice"}


async def test_the_example_can_be_honoured_by_its_targets() -> None:
    config = load(EXAMPLE, settings_model)
    async with AsyncExitStack() as stack:
        systems = {}
        for name, system in config.systems.items():
            made = connect(
                system.kind, name, system.settings, objects(config, name), lambda _: "Driver=SQLite3"
            )
            stack.push_async_callback(made.source.close)
            stack.push_async_callback(made.target.close)
            systems[name] = made
        built = rules(config, {name: made.target.guarantees for name, made in systems.items()})
    assert built["customer"].births == ("salesforce",)
    assert built["invoice"].transfer is Transfer.EVENT
    assert built["invoice"].lane == "customer"
    assert {name for name, field in built["customer"].fields.items() if field.shared} == {"phone"}
    assert [name for name, place in built["customer"].systems.items() if place.blind] == ["sap"]


@pytest.mark.parametrize("kind", ["agent", "retry", "entities", "fields", "places", "tables", *KINDS])
def test_every_key_is_explained_exactly_once(kind: str) -> None:
    named: dict[str, type[BaseModel]] = {
        "agent": AgentSettings,
        "retry": RetrySettings,
        "entities": EntitySettings,
        "fields": FieldSettings,
        "places": PlaceSettings,
        "tables": TableSettings,
    }
    model = named.get(kind) or settings_model(kind)
    counted = Counter(entry.key for entry, _ in described() if model_of(entry.table, entry.key) is model)
    inner = {"entities": {"fields", "systems"}, "places": {"fields"}, "odbc": {"tables"}}.get(kind, set())
    assert counted == {name: 1 for name in model.model_fields if name not in inner}


def test_the_kind_of_a_system_is_explained_once() -> None:
    assert [entry.table for entry in entries() if entry.key == "kind"] == [("systems", "salesforce")]


def test_the_schedule_that_suits_each_kind_is_the_one_of_the_code() -> None:
    for key, entry in ((one.key, one) for one, _ in described() if one.key in RetrySettings.model_fields):
        said = {kind: float(number) for number, kind in re.findall(r"([0-9.]+) for (\w+)", entry.explanation)}
        attribute = key.removeprefix("retry_")
        assert said == {kind: getattr(USUAL_RETRY[kind], attribute) for kind in KINDS}
        assert entry.value == said["salesforce"]


def test_the_guard_of_the_configuration_is_that_of_the_core() -> None:
    fields, limits = EntitySettings.model_fields, MassLimits()
    for name in ("change_share", "change_floor", "delete_share", "delete_floor"):
        assert fields[f"mass_{name}"].default == getattr(limits, name)
    assert AgentSettings.model_fields["mass_window_s"].default == Terms().mass_window_s


EACH = [pytest.param(one, info, id=".".join((*one.table, one.key))) for one, info in described()]


@pytest.mark.parametrize(("entry", "info"), EACH)
def test_what_is_commented_out_is_the_default(entry: Entry, info: FieldInfo) -> None:
    said = re.search(r"Default: (.*?)(?:\. |\.$)", entry.explanation)
    default = plain(info.get_default(call_default_factory=True)) if not info.is_required() else None
    if info.is_required():
        assert not entry.commented, "a key that must be set is in use"
    elif "No default." in entry.explanation or (said and default is None):
        assert default is None
    elif said:
        assert tomllib.loads(f"x = {said.group(1)}")["x"] == default
    else:
        assert entry.commented, "an optional key in use says its default in words"
        assert entry.value == default
        assert type(entry.value) is type(default)


@pytest.mark.parametrize(("entry", "info"), EACH)
def test_every_value_shown_is_one_that_the_key_takes(entry: Entry, info: FieldInfo) -> None:
    adapter: TypeAdapter[Any] = TypeAdapter(info.rebuild_annotation())
    adapter.validate_python(entry.value)


def test_the_ownership_table_shown_names_one_owner_in_every_context() -> None:
    (entry,) = [one for one in entries() if one.key == "owners"]
    rows = [OwnerRowSettings.model_validate(row) for row in entry.value]
    assert faults(ContractField("shown", owners=tuple(owner_row(row) for row in rows))) == []
    assert set().union(*entry.value) == set(OwnerRowSettings.model_fields)


@pytest.mark.parametrize(
    ("key", "model"),
    [
        ("owners", OwnerRowSettings),
        ("survivorship", SurvivorshipSettings),
        ("number", FieldAtSystemSettings),
    ],
)
def test_the_columns_of_inline_tables_are_explained_once(key: str, model: type[BaseModel]) -> None:
    text = EXAMPLE.read_text(encoding="utf-8")
    (entry,) = [one for one in entries() if one.key == key]
    for column in model.model_fields:
        assert len(re.findall(rf"(?m)^##   {column}  ", text)) == 1
        assert f"  {column}  " in entry.explanation


def test_the_example_holds_no_machine_or_secret() -> None:
    text = EXAMPLE.read_text(encoding="utf-8")
    assert not re.search(r'(?i)password *=(?! *"credential:)|BEGIN|/home/|/root/|/tmp/', text)
