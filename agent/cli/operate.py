"""``status``, ``trace``, ``exceptions`` and ``tui``: looking at the agent and acting on what it asks."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from agent.api.client import ServiceClient, ask
from agent.cli import show
from agent.cli.asking import ReasonOption, act, look
from agent.cli.output import DEFAULT_CONFIG, ConfigOption, JsonOption, put, read_config, say
from agent.core.fate import Fate
from agent.errors import InputError, IsthmusError
from agent.operations.verdict import Code, verdict
from agent.operations.wire import ServiceDown

#: Columns and rows of a picture of the dashboard.
PICTURE = (110, 30)


def register(app: typer.Typer) -> None:
    """Add the verbs of this file."""
    app.command("status")(status)
    app.command("trace")(trace)
    app.command("tui")(tui)
    verbs = typer.Typer(help="What a person must look at.", no_args_is_help=True)
    verbs.command("list")(list_exceptions)
    verbs.command("show")(show_exception)
    verbs.command("retry")(retry)
    verbs.command("resolve")(resolve)
    verbs.command("close")(close)
    app.add_typer(verbs, name="exceptions")


def status(config: ConfigOption = DEFAULT_CONFIG, as_json: JsonOption = False) -> None:
    """How the agent does: 0 healthy, 1 degraded, 2 critical or not running, 3 unknown."""
    loaded = read_config(config)
    try:
        found = look(loaded, lambda reads: reads.status())
    except IsthmusError as error:
        say(f"isthmus: {error}")
        raise typer.Exit(Code.CRITICAL if isinstance(error, ServiceDown) else Code.UNKNOWN) from None
    judged = verdict(found)
    if as_json:
        put({**found.model_dump(mode="json"), "verdict": judged.word, "reasons": list(judged.reasons)})
    else:
        show.status(found, judged)
    raise typer.Exit(judged.code)


def trace(
    key: Annotated[
        str, typer.Argument(help="A business key, system key, message id, DOCNUM or correlation id.")
    ],
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """The whole story of a record: seen, decided, sent, answered, confirmed. 1 for a key nobody has."""
    found = look(read_config(config), lambda reads: reads.trace(key))
    if as_json:
        put(found.model_dump(mode="json"))
    else:
        show.trace(found)
    if found.record is None and not found.matches:
        raise typer.Exit(1)


def list_exceptions(
    config: ConfigOption = DEFAULT_CONFIG,
    state: Annotated[str, typer.Option("--state", help="open or closed.")] = "open",
    as_json: JsonOption = False,
) -> None:
    """What waits for a person, with cause, money, owner and due date."""
    found = look(read_config(config), lambda reads: reads.exceptions(state))
    if as_json:
        put(found.model_dump(mode="json"))
    else:
        show.exceptions(found)


def show_exception(
    number: Annotated[int, typer.Argument(help="The exception's number.")],
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Everything about one exception: cause, remedy, money, owner, due date, command."""
    found = look(read_config(config), lambda reads: reads.exception(number))
    if as_json:
        put(found.model_dump(mode="json"))
    else:
        show.exception(found)


def retry(
    number: Annotated[int, typer.Argument(help="The exception's number.")],
    reason: ReasonOption,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Try again what was refused, after its cause was mended. Refused where it could act twice."""
    act(read_config(config), lambda client: client.retry(number, reason), as_json)


def resolve(
    number: Annotated[int, typer.Argument(help="The exception's number.")],
    fate: Annotated[
        Fate,
        typer.Option("--fate", help="Of a deleted record: the first three; of a lost answer: the others."),
    ],
    reason: ReasonOption,
    key: Annotated[
        str | None, typer.Option("--key", help="Its key at the target, where an applied create made it.")
    ] = None,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Say what no rule and no read can tell: what follows from a deletion, what became of a command."""
    act(read_config(config), lambda client: client.resolve(number, fate, reason, key), as_json)


def close(
    number: Annotated[int, typer.Argument(help="The exception's number.")],
    reason: ReasonOption,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Close an exception without sending; it stays in the story with your reason."""
    act(read_config(config), lambda client: client.close_exception(number, reason), as_json)


def tui(
    config: ConfigOption = DEFAULT_CONFIG,
    ascii_only: Annotated[bool, typer.Option("--ascii", help="No characters beyond ASCII.")] = False,
    svg: Annotated[
        Path | None, typer.Option("--svg", help="Write the first screen to a file instead.")
    ] = None,
) -> None:
    """The dashboard: the overview, what waits for a person, and any record's story."""
    from tui import IsthmusApp, picture  # a terminal program is loaded only where one is shown

    socket = read_config(config).agent.socket
    if svg is not None:
        svg.write_text(ask(socket, lambda client: picture(client, PICTURE)))
        return
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise InputError(
            "the dashboard needs a terminal", remedy="use 'isthmus status', or 'isthmus tui --svg FILE'"
        )
    app = IsthmusApp(ServiceClient(socket), ascii=ascii_only)
    app.run()
    raise typer.Exit(app.return_code or 0)
