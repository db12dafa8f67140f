"""``init`` and ``check``: from nothing to a configuration that works."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from agent import runtime
from agent.cli.example import example
from agent.cli.output import DEFAULT_CONFIG, ConfigOption, JsonOption, put, read_config, say
from agent.errors import InputError
from agent.operations.wire import clean
from agent.ports import Check


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
    as_json: JsonOption = False,
) -> None:
    """Check the configuration, then every connection and permission. Changes nothing anywhere."""
    loaded = read_config(config)
    assembly = runtime.assemble(loaded)
    found: dict[str, list[Check]] = {
        "configuration": [Check("configuration", True, f"{len(loaded.entities)} entities")]
    }
    if not offline:
        found |= asyncio.run(_probe(assembly))
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
