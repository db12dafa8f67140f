"""What a failed call told: the exception's class, its SQLSTATE, and the server's or the driver's number."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

_NATIVE = re.compile(r"\((-?\d+)\) \(SQL\w+\)$")


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """An error as pyodbc shows it; ``native`` is None where its text ends without a number."""

    kind: str
    state: str
    native: int | None


#: The first call on a connection that the server has closed: it depends on which of the two was faster.
CLOSED_BY_SERVER = (
    Diagnosis("Error", "01000", 20017),
    Diagnosis("Error", "HY000", 0),
    Diagnosis("OperationalError", "08S01", 20006),
)


def diagnose(odbc: Any, action: Callable[[], object]) -> Diagnosis:
    """The error of a call that must fail."""
    try:
        result = action()
    except odbc.Error as error:
        found = _NATIVE.search(error.args[-1])
        return Diagnosis(type(error).__name__, error.args[0], int(found[1]) if found else None)
    raise AssertionError(f"the call was to fail and returned {result!r}")
