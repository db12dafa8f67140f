"""The command line. stdout is data, stderr is narration, exit codes are an API.

0 done · 1 degraded or differences found · 2 wrong use, config or input · 3 a remote refused or is
unreachable · 4 denied
"""

from __future__ import annotations

import sys

import typer

from agent import log
from agent.cli import conflicts, demo, flow, idoc, journal, operate, prepare, running, sandbox
from agent.cli.output import fail
from agent.errors import IsthmusError

app = typer.Typer(
    name="isthmus",
    help="Keeps Salesforce and on-premise ERP systems in step: every change once, in order, traceable.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
running.register(app)
prepare.register(app)
operate.register(app)
conflicts.register(app)
flow.register(app)
journal.register(app)
idoc.register(app)
sandbox.register(app)
demo.register(app)


def main() -> None:
    """The console script: errors become one clear text and their exit code."""
    log.configure(level="ERROR")  # a verb says itself what it finds; `run` logs as configured
    try:
        app()
    except IsthmusError as error:
        fail(error)
        sys.exit(error.exit_code)


__all__ = ["app", "main"]
