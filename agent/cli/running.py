"""``run``: the agent itself."""

from __future__ import annotations

import asyncio

import typer

from agent import failpoints, log, runtime
from agent.cli.output import DEFAULT_CONFIG, ConfigOption, read_config
from agent.clock import SystemClock


def register(app: typer.Typer) -> None:
    """Add the verbs of this file."""
    app.command("run")(run)


def run(config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Run the agent until it is stopped. An unreachable system degrades it; it does not stop it."""
    loaded = read_config(config)
    log.configure(loaded.agent.log_format)
    failpoints.arm_from_environment()
    asyncio.run(runtime.run(loaded, SystemClock()))
