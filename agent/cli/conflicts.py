"""``conflicts``: where two systems changed the same field, and a person's word on which value holds."""

from __future__ import annotations

from typing import Annotated

import typer

from agent.api.client import ServiceClient
from agent.cli import show
from agent.cli.asking import ReasonOption, act, look
from agent.cli.output import DEFAULT_CONFIG, ConfigOption, JsonOption, put, read_config, say
from agent.config.problems import nearest
from agent.errors import InputError
from agent.operations.plain import choice_text
from agent.operations.wire import ConflictItem, Side, VerbResult, clean

NumberArgument = Annotated[int, typer.Argument(help="The conflict's number.")]


def register(app: typer.Typer) -> None:
    """Add the verbs of this file."""
    verbs = typer.Typer(help="Where two systems changed the same field.", no_args_is_help=True)
    verbs.command("list")(list_conflicts)
    verbs.command("show")(show_conflict)
    verbs.command("rule")(rule)
    app.add_typer(verbs, name="conflicts")


def list_conflicts(
    config: ConfigOption = DEFAULT_CONFIG,
    state: Annotated[str, typer.Option("--state", help="open, decided or all.")] = "open",
    as_json: JsonOption = False,
) -> None:
    """What waits for a ruling, and what rules and people decided."""
    found = look(read_config(config), lambda reads: reads.conflicts(state))
    if as_json:
        put(found.model_dump(mode="json"))
    else:
        show.conflicts(found)


def show_conflict(
    number: NumberArgument, config: ConfigOption = DEFAULT_CONFIG, as_json: JsonOption = False
) -> None:
    """Both systems with what they hold, and how to rule or what was decided."""
    found = look(read_config(config), lambda reads: reads.conflict(number))
    if as_json:
        put(found.model_dump(mode="json"))
    else:
        show.conflict(found)


def rule(
    number: NumberArgument,
    keep: Annotated[
        str,
        typer.Option(
            "--keep", help="winner (the value that the others hold), loser, or the name of a system."
        ),
    ],
    reason: ReasonOption,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Say which value holds. Refused where a value has changed since the conflict was shown."""

    async def ruled(client: ServiceClient) -> VerbResult:
        found = await client.conflict(number)
        kept = side(found, keep)
        if found.waits:
            say(choice_text(found, kept))
        return await client.rule(number, kept, found.shown, reason)

    act(read_config(config), ruled, as_json)


def side(conflict: ConflictItem, keep: str) -> Side:
    """Which side a word or a system's name means. Raises InputError with the nearest name."""
    sides: dict[str, Side] = {"winner": "winner", "loser": "loser"}
    if conflict.winner_system != conflict.loser_system:
        sides = {conflict.winner_system: "winner", conflict.loser_system: "loser", **sides}
    folded = {name.casefold(): chosen for name, chosen in sides.items()}
    chosen = sides.get(keep) or folded.get(keep.casefold())
    if chosen is None:
        near = nearest(keep, sides)
        hint = f"; did you mean '{near}'?" if near else ""
        raise InputError(
            f"'{clean(keep)}' is no side of conflict {conflict.id}{hint}",
            remedy=f"say --keep with one of: {', '.join(sides)}",
        )
    return chosen
