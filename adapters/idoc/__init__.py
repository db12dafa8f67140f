"""SAP over IDoc files: ``Settings`` and ``connect`` for the engine; ``format`` is the codec, a library of its
own. The transfer is imported when it is asked for, so that the format can be used without it.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from adapters.idoc.connection import KIND, connect
    from adapters.idoc.settings import Settings

_PLACES = {"KIND": "connection", "connect": "connection", "Settings": "settings"}

__all__ = ["KIND", "Settings", "connect"]


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_PLACES[name]}"), name)
