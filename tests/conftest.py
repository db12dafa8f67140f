"""What holds for all tests: files that take long come first, and none changes how the next one logs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

_TESTS = Path(__file__).parent
#: Folders whose files take long, the longest first; all others follow in their own order.
LONG = ("faults", "journey", "proof", "odbc", "flow")


@pytest.fixture(autouse=True)
def _logs_as_ever() -> Iterator[None]:
    """A test that sets up logging in this process leaves nothing of it to the next one."""
    yield
    structlog.reset_defaults()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Sort by folder; the order within a file stays."""
    items.sort(key=lambda item: _rank(item.path))


def _rank(path: Path) -> int:
    folder = path.relative_to(_TESTS).parts[0] if path.is_relative_to(_TESTS) else ""
    return LONG.index(folder) if folder in LONG else len(LONG)
