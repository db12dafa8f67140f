"""How verbs speak: data on stdout, narration on stderr."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from adapters import registry
from agent import config as configuration
from agent.config import Config
from agent.errors import ConfigError, InputError, IsthmusError

ConfigOption = Annotated[
    Path, typer.Option("--config", "-c", help="The configuration file.", envvar="ISTHMUS_CONFIG")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Machine-readable output.")]
DEFAULT_CONFIG = Path("isthmus.toml")


def read_config(file: Path) -> Config:
    """The configuration. Raises ConfigError with every problem, InputError when there is no such file."""
    if not file.exists():
        raise InputError(
            "there is no such configuration file",
            where=str(file),
            remedy="make one with 'isthmus init', or name another with --config",
        )
    return configuration.load(file, registry.settings_model)


def put(document: Any) -> None:
    """One JSON document on stdout."""
    sys.stdout.write(json.dumps(document, ensure_ascii=False, default=str) + "\n")
    sys.stdout.flush()


def say(text: str) -> None:
    """A line of narration on stderr."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def fail(error: IsthmusError) -> None:
    """Say what went wrong, where, and what to do."""
    if isinstance(error, ConfigError):
        say(f"isthmus: {len(error.problems)} problem(s) in the configuration")
        for problem in error.problems:
            say(f"  {problem}")
        return
    say(f"isthmus: {error}")
