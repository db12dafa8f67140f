"""``flow``: stop all writes to a system or to all of them, let them go on, and agree to mass changes."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from typing import Annotated

import typer

from agent import runtime
from agent.api.client import ServiceClient
from agent.api.peer import Peer
from agent.cli import show
from agent.cli.asking import act, look
from agent.cli.output import DEFAULT_CONFIG, ConfigOption, JsonOption, put, read_config, say
from agent.clock import SystemClock
from agent.config import Config
from agent.errors import Fenced, StoreError
from agent.flow.acts import ExceptionActs
from agent.operations.registry import Role
from agent.operations.verbs import Actor, Verbs
from agent.operations.wire import ServiceDown, VerbResult
from agent.store.database import FILE

#: All systems.
ALL = "*"
SystemArgument = Annotated[str, typer.Argument(help="A system; all of them when none is named.")]
ScopeArgument = Annotated[
    str,
    typer.Argument(
        help="A system, or what waits for an approval: customer@erp, or customer@erp:update alone."
        " All systems when none is named."
    ),
]
WhyOption = Annotated[str, typer.Option("--reason", help="Why; it is written down with your name.")]
Deed = Callable[[Verbs, Actor], Awaitable[VerbResult]]


def register(app: typer.Typer) -> None:
    """Add the verbs of this file."""
    verbs = typer.Typer(help="Stop writing to systems, and let it go on.", no_args_is_help=True)
    verbs.command("list")(list_flow)
    verbs.command("hold")(hold)
    verbs.command("release")(release)
    app.add_typer(verbs, name="flow")


def list_flow(config: ConfigOption = DEFAULT_CONFIG, as_json: JsonOption = False) -> None:
    """What is held, since when, by whom and why, and what waits for an approval."""
    found = look(read_config(config), lambda reads: reads.flow())
    if as_json:
        put(found.model_dump(mode="json"))
    else:
        show.flow(found)


def hold(
    system: SystemArgument = ALL,
    reason: WhyOption = "",
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Send nothing more, from the very next step on; reading and planning go on. Survives restarts."""
    _act(
        read_config(config),
        lambda client: client.hold(system, reason),
        lambda verbs, actor: verbs.hold(system, actor, reason),
        as_json,
    )


def release(
    scope: ScopeArgument = ALL,
    reason: WhyOption = "",
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Let a system go on, or agree to a mass change; that needs a reason."""
    _act(
        read_config(config),
        lambda client: client.release(scope, reason),
        lambda verbs, actor: verbs.release(scope, actor, reason),
        as_json,
    )


def _act(
    config: Config, asked: Callable[[ServiceClient], Awaitable[VerbResult]], deed: Deed, as_json: bool
) -> None:
    """Through the service; while it does not run, on its store, so that it starts as it was told."""
    try:
        act(config, asked, as_json)
    except ServiceDown as down:
        result = asyncio.run(_on_the_store(config, deed, down))
        say("the service does not run: written into its store, it holds from its next start on")
        if as_json:
            put(result.model_dump(mode="json"))
        else:
            show.result(result)
        if not result.done:
            raise typer.Exit(1) from None


async def _on_the_store(config: Config, deed: Deed, down: ServiceDown) -> VerbResult:
    file = config.agent.state_dir / FILE
    try:
        owner = file.stat().st_uid
    except FileNotFoundError:
        raise StoreError(
            "there is no store here yet", where=str(file), remedy="start the agent: isthmus run"
        ) from None
    except PermissionError:
        raise down from None
    role = Role.APPROVER if os.geteuid() in (0, owner) else Role.VIEWER
    actor = Actor(Peer(os.getuid(), os.getpid()).name, role)
    try:
        async with runtime.engine(runtime.assemble(config), SystemClock()) as engine:
            return await deed(Verbs(ExceptionActs(engine)), actor)
    except Fenced:
        # It runs and does not answer: nobody else may write into its store.
        raise down from None
    except PermissionError:
        raise down from None
