"""How verbs reach the agent: its control socket, or for looking its store while it does not run."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Annotated, TypeVar

import typer

from agent import runtime
from agent.api.client import ServiceClient, ask
from agent.cli import show
from agent.cli.output import put
from agent.clock import SystemClock
from agent.config import Config
from agent.operations.offline import offline
from agent.operations.wire import Reads, ServiceDown, VerbResult

T = TypeVar("T")
ReasonOption = Annotated[str, typer.Option("--reason", help="Why; it is written down with your name.")]


def act(config: Config, act: Callable[[ServiceClient], Awaitable[VerbResult]], as_json: bool) -> None:
    """Act through the service; 1 for an act that the service refused with an explanation."""
    result = ask(config.agent.socket, act)
    if as_json:
        put(result.model_dump(mode="json"))
    else:
        show.result(result)
    if not result.done:
        raise typer.Exit(1)


def look(config: Config, question: Callable[[Reads], Awaitable[T]]) -> T:
    """Ask the running agent; with the service down, its store, which then says so."""
    try:
        return ask(config.agent.socket, question)
    except ServiceDown:
        return asyncio.run(_look_offline(config, question))


async def _look_offline(config: Config, question: Callable[[Reads], Awaitable[T]]) -> T:
    assembly = runtime.assemble(config)
    kinds = {name: system.kind for name, system in assembly.systems.items()}
    async with offline(config.agent.state_dir, assembly.book, SystemClock(), kinds) as reads:
        return await question(reads)
