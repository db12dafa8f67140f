"""Whatever is damaged in a configuration, it ends in a Config or in a ConfigError that names a key."""

from __future__ import annotations

import json
import random
import tomllib
from copy import deepcopy
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from agent.errors import ConfigError, Problem
from tests.config.sample import SAMPLE, loaded

TEXTS = ("", "crm", "x" * 70, "env:")
VALUES: tuple[Any, ...] = (
    0,
    -1,
    10**30,
    1.5,
    True,
    date(2027, 1, 1),
    [],
    [1],
    [{}],
    {},
    {"owner": "crm"},
    *TEXTS,
)


def toml(value: Any) -> str:
    """A value as TOML, tables inline."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)} = {toml(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(toml(inner) for inner in value) + "]"
    return value.isoformat() if isinstance(value, date) else json.dumps(value)


def damage(data: Any, chance: random.Random) -> None:
    """Remove, rename or replace one key at a random depth."""
    while True:
        key = chance.choice(sorted(data)) if isinstance(data, dict) else chance.randrange(len(data))
        inner = data[key]
        if isinstance(inner, dict | list) and inner and chance.random() < 0.8:
            data = inner
            continue
        kind = chance.choice(("remove", "rename", "replace"))
        if kind == "replace" or isinstance(data, list):
            data[key] = deepcopy(chance.choice(VALUES))
        else:
            del data[key]
            if kind == "rename":
                data[f"{key}x"] = inner
        return


def problems_of(folder: Path, text: str) -> list[Problem]:
    """What is wrong with a text; nothing if the damage did no harm."""
    try:
        loaded(folder, text)
    except ConfigError as error:
        return error.problems
    return []


@pytest.mark.parametrize("seed", range(150))
def test_damage_ends_in_a_config_or_in_named_problems(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    data = tomllib.loads(SAMPLE)
    for _ in range(chance.randint(1, 4)):
        damage(data, chance)
    text = "".join(f"{json.dumps(key)} = {toml(value)}\n" for key, value in data.items())
    found = problems_of(tmp_path, text)
    assert all(problem.key and problem.text for problem in found)
