"""How the sandbox starts: its arguments, and the errors that tell what is wrong with them."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from adapters.sandbox.salesforce.cdc.publisher import MOST_CHANGES
from adapters.sandbox.salesforce.org import definitions
from adapters.sandbox.salesforce.org.definitions import Definitions
from adapters.sandbox.salesforce.org.errors import ApiError
from adapters.sandbox.salesforce.org.org import Org
from adapters.sandbox.salesforce.org.shapes import BadObjects
from adapters.sandbox.salesforce.pubsub.delivery import Timings
from adapters.sandbox.salesforce.seed.planting import Plan

WRONG_USE = 2


@dataclass(frozen=True, slots=True)
class Options:
    """How the sandbox starts. A port of 0 takes a free one; ``state_dir`` None keeps keys only while it runs,
    ``state_file`` None keeps the records so; ``defined`` None is the sample org."""

    http_port: int = 0
    https_port: int = 0
    grpc_port: int = 0
    plaintext_grpc_port: int = 0
    seed: int = 1
    accounts: int = 0
    business: bool = False
    history_hours: float = 1.0
    state_dir: Path | None = None
    state_file: Path | None = None
    defined: Definitions | None = None
    overflow_at: int = MOST_CHANGES
    token_hours: float = 2.0
    retention_hours: float = 72.0
    timings: Timings = field(default_factory=Timings)

    @property
    def plan(self) -> Plan:
        """The data to start with."""
        return Plan(self.accounts, self.business, self.history_hours)


def parse(arguments: Sequence[str]) -> Options:
    """The options of ``isthmus sandbox salesforce``. Ends the process with code 2 for what cannot be used."""
    given = vars(_parser().parse_args(list(arguments)))
    objects: Path | None = given.pop("objects")
    seconds = {name: given.pop(name) for name in ("keepalive", "credit_timeout", "latest_settle")}
    options = Options(**given, timings=Timings(**seconds))
    if objects is None:
        return options
    try:
        defined = definitions.read(objects)
        Org(defined=defined)
    except (BadObjects, ApiError) as error:
        lines = str(error).splitlines() if isinstance(error, BadObjects) else [error.message]
        sys.stderr.write("".join(f"{objects.name}: {line}\n" for line in lines))
        raise SystemExit(WRONG_USE) from None
    return replace(options, defined=defined)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="isthmus sandbox salesforce", description="A Salesforce org on loopback."
    )
    for name in ("http-port", "https-port", "grpc-port", "plaintext-grpc-port"):
        parser.add_argument(f"--{name}", type=_port, default=0, help="0 takes a free port")
    parser.add_argument("--seed", type=int, default=1, help="the same seed gives the same org")
    parser.add_argument("--accounts", type=_count, default=0, help="customers to start with")
    parser.add_argument(
        "--business", action="store_true", help="customers with orders, invoices and the like"
    )
    parser.add_argument("--history-hours", type=float, default=1.0, help="how old the data of the start is")
    parser.add_argument("--objects", type=Path, help="a TOML file of objects to add or replace")
    parser.add_argument("--state-dir", type=Path, help="keeps certificates and keys over restarts")
    parser.add_argument("--state-file", type=Path, help="keeps records and events over restarts")
    parser.add_argument(
        "--overflow-at", type=_count, default=MOST_CHANGES, help="changes of a transaction that overflow"
    )
    parser.add_argument("--retention-hours", type=float, default=72.0, help="how long events are kept")
    parser.add_argument("--token-hours", type=float, default=2.0, help="how long an unused session lives")
    timings = Timings()
    parser.add_argument("--keepalive", type=float, default=timings.keepalive, help="seconds")
    parser.add_argument("--credit-timeout", type=float, default=timings.credit_timeout, help="seconds")
    parser.add_argument("--latest-settle", type=float, default=timings.latest_settle, help="seconds")
    return parser


def _count(text: str) -> int:
    number = int(text)
    if number < 0:
        raise argparse.ArgumentTypeError("0 or more")
    return number


def _port(text: str) -> int:
    number = int(text)
    if not 0 <= number < 65536:
        raise argparse.ArgumentTypeError("0 to 65535")
    return number
