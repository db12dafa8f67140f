"""SAP over IDoc files: ``Settings`` and ``connect`` for the engine; the codec is ``flat``,
``document``, ``layout``.
"""

from __future__ import annotations

from adapters.idoc.connection import KIND, connect
from adapters.idoc.settings import Settings

__all__ = ["KIND", "Settings", "connect"]
