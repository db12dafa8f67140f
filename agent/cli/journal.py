"""``journal``: the agent's tables and triggers in an ERP."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from adapters import odbc
from agent import config as configuration
from agent.cli.output import DEFAULT_CONFIG, ConfigOption, JsonOption, put, read_config, say
from agent.config import Config, secrets
from agent.errors import InputError
from agent.ports import Check

SystemArgument = Annotated[str, typer.Argument(help="The system's name in the configuration.")]
PrintOption = Annotated[bool, typer.Option("--print", help="Print the SQL for the DBA, change nothing.")]


def register(app: typer.Typer) -> None:
    """Add the verbs of this file."""
    verbs = typer.Typer(help="The agent's tables and triggers in an ERP database.", no_args_is_help=True)
    verbs.command("install")(install)
    verbs.command("verify")(verify)
    verbs.command("remove")(remove)
    app.add_typer(verbs, name="journal")


def install(
    system: SystemArgument, config: ConfigOption = DEFAULT_CONFIG, only_print: PrintOption = False
) -> None:
    """Install journal, ledger and epoch tables and the capture triggers."""
    administration = _administration(system, config)
    if only_print:
        typer.echo(administration.install_script() + administration.grant_script())
        return
    asyncio.run(_and_close(administration, administration.install()))
    say(f"{system}: journal installed")


def verify(
    system: SystemArgument, config: ConfigOption = DEFAULT_CONFIG, as_json: JsonOption = False
) -> None:
    """Say what is missing; exit 1 when something is."""
    administration = _administration(system, config)
    checks = asyncio.run(_verify(administration))
    if as_json:
        put([{"name": c.name, "ok": c.ok, "detail": c.detail, "remedy": c.remedy} for c in checks])
    else:
        for one in checks:
            typer.echo(f"{'ok    ' if one.ok else 'FAILED'} {one.name} {one.detail} {one.remedy}".rstrip())
    if not all(one.ok for one in checks):
        raise typer.Exit(1)


def remove(
    system: SystemArgument, config: ConfigOption = DEFAULT_CONFIG, only_print: PrintOption = False
) -> None:
    """Remove every trace of the agent from the ERP."""
    administration = _administration(system, config)
    if only_print:
        typer.echo(administration.remove_script())
        return
    asyncio.run(_and_close(administration, administration.remove()))
    say(f"{system}: journal removed")


def _administration(system: str, config: ConfigOption) -> odbc.JournalAdministration:
    known = administrations(read_config(config))
    if system not in known:
        raise InputError(
            f"'{system}' is no system of kind odbc", remedy=f"name one of: {', '.join(known) or 'none'}"
        )
    return known[system]


def administrations(loaded: Config) -> dict[str, odbc.JournalAdministration]:
    """One for each ERP of the configuration that is a database. Nothing is started."""
    return {
        name: odbc.administer(name, one.settings, configuration.objects(loaded, name), secrets.resolve)
        for name, one in loaded.systems.items()
        if isinstance(one.settings, odbc.Settings)
    }


async def _and_close(administration: odbc.JournalAdministration, work: object) -> None:
    try:
        await work  # type: ignore[misc] # a coroutine of the administration
    finally:
        await administration.close()


async def _verify(administration: odbc.JournalAdministration) -> list[Check]:
    try:
        return list(await administration.verify())
    finally:
        await administration.close()
