"""``make conformance``: every client against the sandbox; a table on stderr, the verdict last, figures as
JSON."""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
import time
from collections import Counter
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import pytest

CLIENTS = {
    "test_simple_salesforce": "simple-salesforce",
    "test_salesforce_bulk": "salesforce-bulk",
    "test_pysfpubsub": "pysfpubsub",
}


class Tally:
    """Counts how the tests of each client ended, and names those that failed."""

    def __init__(self) -> None:
        self.ended: dict[str, Counter[str]] = {name: Counter() for name in CLIENTS.values()}
        self.failed: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Called by pytest for each phase of each test."""
        if report.when != "call" and report.passed:
            return
        module = Path(report.nodeid.partition("::")[0]).stem
        client = CLIENTS.get(module)
        if client is None:
            return
        self.ended[client][report.outcome] += 1
        if report.failed:
            self.failed.append(report.nodeid)


def main(arguments: Sequence[str]) -> int:
    """Runs the clients; 0 when everything passed."""
    parser = argparse.ArgumentParser(prog="make conformance", description=__doc__)
    parser.add_argument("--json", type=Path, help="figures as JSON into this file")
    options = parser.parse_args(list(arguments))
    tally = Tally()
    started = time.monotonic()
    folder = str(Path(__file__).parent)
    with contextlib.redirect_stdout(sys.stderr):
        code = pytest.main(["-q", "--no-header", "-p", "no:cacheprovider", folder], plugins=[tally])
    seconds = round(time.monotonic() - started, 1)
    for client, ended in tally.ended.items():
        sys.stderr.write(f"{client} {version(client)}: {ended['passed']} of {ended.total()} passed\n")
    passed = code == 0 and not tally.failed and all(each["passed"] for each in tally.ended.values())
    if options.json is not None:
        clients = {
            client: {"version": version(client), "passed": ended["passed"], "tests": ended.total()}
            for client, ended in tally.ended.items()
        }
        figures = {"command": "make conformance", "passed": passed, "seconds": seconds, "clients": clients}
        options.json.write_text(json.dumps({**figures, "failed": tally.failed}, indent=2) + "\n")
    print(f"make conformance: {'passed' if passed else 'FAILED'} after {seconds:.0f} s")
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
