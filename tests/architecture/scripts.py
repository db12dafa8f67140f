"""The scripts of the set-up folder, which is no package, as modules for tests."""

import importlib
import sys
from types import ModuleType

import pytest

from tests.architecture.source import REPOSITORY

_NAMES = ("debian", "install", "narration", "stages", "system")


def script(name: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Import a set-up script afresh; it and the scripts it imports are forgotten after the test."""
    for known in _NAMES:
        monkeypatch.delitem(sys.modules, known, raising=False)
    monkeypatch.syspath_prepend(REPOSITORY / ".setup")
    module = importlib.import_module(name)
    for known in _NAMES:
        if known in sys.modules:
            monkeypatch.setitem(sys.modules, known, sys.modules[known])
    return module
