"""A user who writes at a steady rate, in a process of its own:
``python -m tests.benchmarks.capture.sending RATE COUNT WORD``, the connection string on stdin.

Prints the moment behind each COMMIT, by the monotonic clock, as a JSON list.
"""

from __future__ import annotations

import json
import sys
import time

from adapters.odbc.dialects import DIALECTS, dialect_of
from adapters.odbc.driver import load_driver_manager
from tests.benchmarks.capture.table import Account

LEAD_S = 0.1


def sent(connection: str, rate: float, numbers: range, word: str) -> list[float]:
    """Write them; when each was committed."""
    dialect = DIALECTS[dialect_of(connection, where="bench")]
    account = Account(load_driver_manager(dialect, where="bench"), dialect, connection)
    began = time.monotonic() + LEAD_S
    moments = []
    for number in numbers:
        due = began + (number - numbers.start) / rate
        while (left := due - time.monotonic()) > 0:
            time.sleep(left)
        account.stamp_one(word, number)
        moments.append(time.monotonic())
    account.close()
    return moments


def main(rate: str, count: str, word: str) -> None:
    """Write and tell."""
    moments = sent(sys.stdin.read().strip(), float(rate), range(1, 1 + int(count)), word)
    sys.stdout.write(json.dumps(moments) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
