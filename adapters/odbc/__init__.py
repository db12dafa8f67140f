"""Legacy ERPs behind ODBC: captured table by table as it suits, written in transactions with a ledger row.

What makes a system is imported when it is asked for: the worker process needs none of it, and is started anew
whenever it was lost.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from adapters.odbc.connection import administer, connect
    from adapters.odbc.settings import Settings
    from adapters.odbc.system import JournalAdministration

_PLACES = {
    "JournalAdministration": "system",
    "Settings": "settings",
    "administer": "connection",
    "connect": "connection",
}

__all__ = ["JournalAdministration", "Settings", "administer", "connect"]


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_PLACES[name]}"), name)
