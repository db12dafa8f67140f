"""``python -m adapters.sandbox.erp --connection S --install``: set up the sample ERP and let its users work.

Every action is one JSON line on stdout.
"""

from __future__ import annotations

import argparse
import json
import sys
import threading
from collections.abc import Sequence

from adapters.sandbox.erp.database import UnknownDatabase
from adapters.sandbox.erp.traffic import SampleErp


def main(arguments: Sequence[str] | None = None) -> int:
    """0 done, 2 wrong use, 3 the database refused or cannot be reached."""
    options = _options(arguments)
    try:
        erp = SampleErp(options.connection, seed=options.seed)
    except (UnknownDatabase, ImportError) as error:
        print(error, file=sys.stderr)
        return 2
    except Exception as error:
        if type(error).__module__ != "pyodbc":
            raise
        print("the database cannot be reached; check the connection string", file=sys.stderr)
        return 3
    try:
        return _drive(erp, options)
    finally:
        erp.close()


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="isthmus sandbox erp", description="A sample ERP over ODBC.")
    parser.add_argument("--connection", required=True, help="ODBC connection string")
    parser.add_argument("--install", action="store_true", help="create tables and rules if they are missing")
    parser.add_argument("--customers", type=int, default=0, help="create this many customers first")
    parser.add_argument("--steps", type=int, default=0, help="user actions to make; -1: until interrupted")
    parser.add_argument("--every", type=float, default=0.0, help="seconds between two actions")
    parser.add_argument("--seed", type=int, default=0, help="the same seed gives the same actions")
    return parser.parse_args(arguments)


def _drive(erp: SampleErp, options: argparse.Namespace) -> int:
    installed = erp.installed()
    if options.install and not installed:
        erp.install()
        _print({"action": "install", "database": erp.database.kind})
    elif not installed:
        print("the sample ERP is not installed there; add --install", file=sys.stderr)
        return 2
    if options.customers:
        first = len(erp.customer_ids()) + 1
        for key in erp.seed_customers(options.customers, first=first):
            _print({"action": "customer", "key": str(key)})
    pause = threading.Event()
    done = 0
    try:
        while options.steps < 0 or done < options.steps:
            _print(erp.step().as_dict())
            done += 1
            if options.every:
                pause.wait(options.every)
    except KeyboardInterrupt:
        print(f"stopped after {done} actions", file=sys.stderr)
    return 0


def _print(line: dict[str, str]) -> None:
    print(json.dumps(line), flush=True)


if __name__ == "__main__":
    sys.exit(main())
