"""The order of the tests: files that take long come first, so that no worker is left with one at the end."""

from __future__ import annotations

from pathlib import Path

import pytest

_TESTS = Path(__file__).parent
#: Folders whose files take long, the longest first; all others follow in their own order.
LONG = ("faults", "journey", "proof", "odbc", "flow")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Sort by folder; the order within a file stays."""
    items.sort(key=lambda item: _rank(item.path))


def _rank(path: Path) -> int:
    folder = path.relative_to(_TESTS).parts[0] if path.is_relative_to(_TESTS) else ""
    return LONG.index(folder) if folder in LONG else len(LONG)
