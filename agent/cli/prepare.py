"""``init`` and ``check``: from nothing to a configuration that works."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from adapters.odbc import JournalAdministration
from agent import runtime
from agent.cli.example import example
from agent.cli.journal import administrations
from agent.cli.output import DEFAULT_CONFIG, ConfigOption, JsonOption, put, read_config, say
from agent.config import Config
from agent.errors import InputError, RemoteError
from agent.operations.wire import clean
from agent.ports import Check

RoundTripOption = Annotated[
    bool,
    typer.Option(
        "--roundtrip", help="Also write samples to each mapped column of a database, and take them back."
    ),
]
GrantsOption = Annotated[
    bool,
    typer.Option(
        "--print-grants", help="Print the least rights of the agent's database users as SQL; nothing else."
    ),
]


def register(app: typer.Typer) -> None:
    """Add the verbs of this file."""
    app.command("init")(init)
    app.command("check")(check)


def init(
    file: Annotated[Path, typer.Argument(help="The file to write.")] = DEFAULT_CONFIG,
    state: Annotated[
        Path | None, typer.Option("--state-dir", help="Where the agent keeps its store.")
    ] = None,
) -> None:
    """Write a configuration to start from: every key explained, every default shown."""
    if file.exists():
        raise InputError("there is such a file already", where=str(file), remedy="name another one")
    text = example().read_text()
    if state is not None:
        lines = [f'state_dir = "{state}"' if ln.startswith("state_dir =") else ln for ln in text.splitlines()]
        text = "\n".join(lines) + "\n"
    file.write_text(text)
    say(f"wrote {file}; edit it, then try it with: isthmus check --config {file}")


def check(
    config: ConfigOption = DEFAULT_CONFIG,
    offline: Annotated[bool, typer.Option("--offline", help="The configuration only.")] = False,
    roundtrip: RoundTripOption = False,
    print_grants: GrantsOption = False,
    as_json: JsonOption = False,
) -> None:
    """Check the configuration, then every connection and permission. Changes nothing anywhere."""
    loaded = read_config(config)
    if print_grants:
        _print_grants(loaded, as_json)
        return
    assembly = runtime.assemble(loaded)
    found: dict[str, list[Check]] = {
        "configuration": [Check("configuration", True, f"{len(loaded.entities)} entities")]
    }
    if not offline:
        found |= asyncio.run(_probe(assembly))
    if roundtrip and not offline:
        for name, administration in administrations(loaded).items():
            say(f"writing samples to {name} and taking them back ...")
            found[name] = [*found.get(name, []), *asyncio.run(_round_trip(administration))]
    faults = [c for checks in found.values() for c in checks if not c.ok]
    if as_json:
        put(
            {
                "ok": not faults,
                "checks": [
                    {"system": s, "name": c.name, "ok": c.ok, "detail": c.detail, "remedy": c.remedy}
                    for s, checks in found.items()
                    for c in checks
                ],
            }
        )
    else:
        _print(found)
    if faults:
        raise typer.Exit(3)


async def _round_trip(administration: JournalAdministration) -> list[Check]:
    try:
        return list(await administration.round_trip())
    except RemoteError as error:
        return [Check("round trip", ok=False, detail=error.message, remedy=error.remedy)]
    finally:
        await administration.close()


def _print_grants(loaded: Config, as_json: bool) -> None:
    scripts = {name: one.grant_script() for name, one in administrations(loaded).items()}
    if as_json:
        put({"grants": scripts})
        return
    for script in scripts.values():
        typer.echo(script)


async def _probe(assembly: runtime.Assembly) -> dict[str, list[Check]]:
    found = {}
    for name, system in assembly.systems.items():
        say(f"checking {name} ...")
        try:
            found[name] = list(await system.probe.check())
        finally:
            await system.source.close()
            await system.target.close()
    return found


def _print(found: dict[str, list[Check]]) -> None:
    rows = [("system", "check", "result", "detail and what to do")]
    for system, checks in found.items():
        for one in checks:
            text = one.detail if one.ok else f"{one.detail} → {one.remedy}" if one.remedy else one.detail
            rows.append((system, one.name, "ok" if one.ok else "FAILED", clean(text)))
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
        typer.echo("  ".join([*cells, row[3]]).rstrip())
