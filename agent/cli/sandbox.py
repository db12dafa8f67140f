"""``sandbox``: the systems that stand in for the real ones, each a server of its own."""

from __future__ import annotations

import runpy
import sys

import typer

PASS_ON = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}


def register(app: typer.Typer) -> None:
    """Add the verbs of this file."""
    verbs = typer.Typer(help="Stand-ins for the real systems, on loopback.", no_args_is_help=True)
    verbs.command("salesforce", context_settings=PASS_ON)(salesforce)
    verbs.command("erp", context_settings=PASS_ON)(erp)
    verbs.command("sap", context_settings=PASS_ON)(sap)
    app.add_typer(verbs, name="sandbox")


def salesforce(context: typer.Context) -> None:
    """A Salesforce org: OAuth, SOAP, REST, both bulk APIs, Pub/Sub. Prints one JSON line when it listens."""
    _run("salesforce", context.args)


def erp(context: typer.Context) -> None:
    """A sample ERP in any supported database: --connection ODBC-STRING."""
    _run("erp", context.args)


def sap(context: typer.Context) -> None:
    """A sample SAP system on IDoc directories: --dir D."""
    _run("sap", context.args)


def _run(name: str, arguments: list[str]) -> None:
    """Run the sandbox's own command line in this process."""
    sys.argv = [f"isthmus sandbox {name}", *arguments]
    runpy.run_module(f"adapters.sandbox.{name}", run_name="__main__", alter_sys=True)
