"""``python -m adapters.sandbox.sap --dir D [--http-port P] [--seed N]``: a sample SAP until it is stopped."""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path

from adapters.sandbox.sap import SampleSap, serve


def main() -> None:
    """Read the options and run."""
    parser = argparse.ArgumentParser(prog="isthmus sandbox sap")
    parser.add_argument("--dir", type=Path, required=True, help="its folder; made if it is not there")
    parser.add_argument("--http-port", type=int, default=0, help="control port on loopback, 0 for any")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--customers", type=int, default=0, help="customers it starts with")
    parser.add_argument("--answer-s", type=float, default=0.5, help="seconds until a status is confirmed")
    parser.add_argument("--encoding", default="utf-8")
    parser.add_argument("--no-echo", action="store_true", help="posted changes do not come back")
    given = parser.parse_args()
    options = SampleSap(
        directory=given.dir.resolve(),
        http_port=given.http_port,
        seed=given.seed,
        customers=given.customers,
        encoding=given.encoding,
        answer_s=given.answer_s,
        echo=not given.no_echo,
    )
    asyncio.run(serve(options))


if __name__ == "__main__":
    main()
