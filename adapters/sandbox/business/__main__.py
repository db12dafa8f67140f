"""``python -m adapters.sandbox.business …``: business in running sandboxes, summed up in a line of JSON."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path

from adapters.sandbox.business import Business, Faults, Settings, Share, Until, tamper
from adapters.sandbox.erp import SampleErp


def main(arguments: Sequence[str] | None = None) -> int:
    """0 done, 2 wrong use."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.tamper:
        return _tamper(options.erp)
    needed = ("salesforce", "client_id", "client_secret", "sap", "journal")
    absent = [f"--{name.replace('_', '-')}" for name in needed if getattr(options, name) is None]
    if absent or (options.seconds is None and options.operations is None):
        parser.error(f"needed: {', '.join(absent) or '--seconds or --operations'}")
    share, unknown = _shares(options.share)
    if unknown:
        parser.error(f"no kind {', '.join(unknown)}; there are {', '.join(f.name for f in fields(Share))}")
    secret = options.client_secret
    settings = Settings(
        salesforce=options.salesforce,
        client_id=options.client_id,
        client_secret=os.environ[secret[4:]] if secret.startswith("env:") else secret,
        erp=options.erp,
        sap=options.sap,
        journal=options.journal,
        seed=options.seed,
        rate=options.rate,
        first_customers=options.customers,
        share=share,
        faults=Faults(*([options.faults] * len(fields(Faults)))),
    )
    return asyncio.run(_run(settings, Until(options.seconds, options.operations)))


async def _run(settings: Settings, until: Until) -> int:
    business = Business(settings, _narrate if sys.stderr.isatty() else None)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, business.stop)
    summary = await business.run(until)
    print(json.dumps({**asdict(summary), "operations": summary.operations, "rate": round(summary.rate, 2)}))
    return 0


def _tamper(connection: str) -> int:
    erp = SampleErp(connection)
    try:
        print(json.dumps({"tampered": tamper(erp)}))
    finally:
        erp.close()
    return 0


def _narrate(done: int, rate: float, left: float) -> None:
    sys.stderr.write(f"\r{done} done, {rate:.1f} a second, {left:.0f} left   ")


def _shares(given: Sequence[str]) -> tuple[Share, list[str]]:
    """``kind=weight`` pairs over the defaults, and the kinds that do not exist."""
    pairs = {name: int(weight) for name, _, weight in (pair.partition("=") for pair in given)}
    known = {field.name for field in fields(Share)}
    unknown = sorted(pairs.keys() - known)
    return Share(**{name: weight for name, weight in pairs.items() if name in known}), unknown


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="business", description="People at work in the sandbox systems.")
    parser.add_argument("--salesforce", help="URL of the org")
    parser.add_argument("--client-id")
    parser.add_argument("--client-secret", help="the secret, or env:NAME")
    parser.add_argument("--erp", required=True, help="ODBC connection string of the sample ERP")
    parser.add_argument("--sap", help="URL of the sample SAP's control port")
    parser.add_argument("--journal", type=Path, help="file for the edits that were made")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rate", type=float, default=10.0, help="operations a second")
    parser.add_argument("--seconds", type=float, help="how long")
    parser.add_argument("--operations", type=int, help="how many")
    parser.add_argument("--customers", type=int, default=5, help="customers to begin with")
    parser.add_argument("--share", nargs="*", default=[], metavar="KIND=WEIGHT")
    parser.add_argument("--faults", type=int, default=0, help="faults of each kind")
    parser.add_argument("--tamper", action="store_true", help="only change one row of the ERP unseen")
    return parser


if __name__ == "__main__":
    sys.exit(main())
