"""``run``: the agent itself."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from agent import failpoints, garbage, log, runtime
from agent.cli.output import DEFAULT_CONFIG, ConfigOption, read_config
from agent.clock import SystemClock


def register(app: typer.Typer) -> None:
    """Add the verbs of this file."""
    app.command("run")(run)


TakeOverOption = Annotated[
    bool,
    typer.Option("--take-over", help="Go on although an agent on a copy of this store has taken over."),
]


def run(config: ConfigOption = DEFAULT_CONFIG, take_over: TakeOverOption = False) -> None:
    """Run the agent until it is stopped. An unreachable system degrades it; it does not stop it."""
    loaded = read_config(config)
    log.configure(loaded.agent.log_format)
    failpoints.arm_from_environment()
    garbage.settle()
    asyncio.run(runtime.run(loaded, SystemClock(), take_over=take_over))
