"""The command line of the judge: reads, judges, waits for quiet where asked, prints one verdict."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from . import erp, sap
from .equality import compare
from .findings import Verdict
from .journal import Edit, read_edits, read_losers
from .loss import lost_edits
from .mapping import Meaning
from .report import as_json, as_table
from .salesforce import Login, SalesforceReader
from .world import InputError, UnreachableError, World


class Judge:
    """Reads the three systems and judges them, as often as it is asked."""

    def __init__(self, login: Login, erp_connection: str, sap_folder: Path) -> None:
        self._salesforce = SalesforceReader(login)
        self._erp = erp_connection
        self._sap = sap_folder

    def look(self) -> World:
        """Everything as it is now. Raises UnreachableError."""
        erp_customers, erp_invoices = erp.read(self._erp)
        sap_customers, posted_twice = sap.read(self._sap)
        customers = {"salesforce": self._salesforce.customers(), "erp": erp_customers, "sap": sap_customers}
        invoices = {"salesforce": self._salesforce.invoices(), "erp": erp_invoices}
        holdings = {"customer": customers, "invoice": invoices}
        return World(holdings, self._salesforce.writes(), posted_twice)


def judge(world: World, edits: Sequence[Edit], losers: set[tuple[str, str, Meaning]]) -> Verdict:
    """The verdict on what was found."""
    found = compare(world)
    lost, excused = lost_edits(world, edits, losers)
    return Verdict(
        entities_compared=found.entities,
        fields_compared=found.fields,
        missing=found.missing,
        different=found.different,
        doubled=found.doubled,
        lost=lost,
        within_limit=excused,
        edits_judged=len(edits),
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """0 equal, 1 not equal, 2 wrong use or input, 3 a system cannot be read."""
    options = _options(arguments)
    try:
        verdict = _judged(options)
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    except UnreachableError as error:
        print(error, file=sys.stderr)
        return 3
    print(as_json(verdict) if options.json else as_table(verdict))
    return 0 if verdict.equal else 1


def _judged(options: argparse.Namespace) -> Verdict:
    login = Login(
        options.salesforce.rstrip("/"), options.client_id, _secret(options.client_secret), options.ca_file
    )
    judge_of = Judge(login, options.erp, options.sap)
    deadline = time.monotonic() + options.timeout
    before = ""
    while True:
        world = judge_of.look()
        verdict = judge(
            world,
            read_edits(options.journal) if options.journal else [],
            read_losers(options.conflicts) if options.conflicts else set(),
        )
        now = world.fingerprint() if verdict.equal else ""
        if options.wait_quiet is None or (now and now == before):
            return verdict
        if time.monotonic() + options.wait_quiet > deadline:
            return verdict
        before = now
        time.sleep(options.wait_quiet)


def _secret(given: str) -> str:
    """The secret itself, or the one in the environment that ``env:NAME`` names. Raises InputError."""
    if not given.startswith("env:"):
        return given
    name = given.removeprefix("env:")
    if name not in os.environ:
        raise InputError(f"--client-secret: the environment has no {name}")
    return os.environ[name]


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="oracle", description="Do Salesforce, the ERP and SAP hold the same, once, with nothing lost?"
    )
    parser.add_argument("--salesforce", required=True, help="URL of the org")
    parser.add_argument("--client-id", required=True)
    parser.add_argument("--client-secret", required=True, help="the secret, or env:NAME")
    parser.add_argument("--ca-file", default="", help="PEM file with the org's root, where it is private")
    parser.add_argument("--erp", required=True, help="ODBC connection string")
    parser.add_argument("--sap", required=True, type=Path, help="folder of the sample SAP")
    parser.add_argument("--journal", type=Path, help="JSON lines: the edits that users made")
    parser.add_argument("--conflicts", type=Path, help="JSON list: the recorded losers")
    parser.add_argument("--wait-quiet", type=float, help="judge until equal and unchanged for S seconds")
    parser.add_argument("--timeout", type=float, default=60.0, help="longest wait for quiet, in seconds")
    parser.add_argument("--json", action="store_true", help="one line of JSON")
    return parser.parse_args(arguments)
