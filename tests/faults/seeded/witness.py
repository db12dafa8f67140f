"""A plugin of the run on a copy: it makes sure that the copy is what is tested, and writes down what came.

``ISTHMUS_SEEDED_TREE`` is the copy, ``ISTHMUS_SEEDED_REPORT`` the file for the results as JSON.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

TREE, REPORT = "ISTHMUS_SEEDED_TREE", "ISTHMUS_SEEDED_REPORT"
#: The exit code of a run that did not import the copy.
ELSEWHERE = 90

_failed: dict[str, str] = {}
_passed: set[str] = set()


def pytest_sessionstart() -> None:
    """Refuse to run anything but the copy."""
    import adapters
    import agent
    import tests
    import tui

    tree = Path(os.environ[TREE]).resolve()
    for package in (agent, adapters, tui, tests):
        file = Path(package.__file__ or "").resolve()
        if not file.is_relative_to(tree):
            pytest.exit(f"{package.__name__} comes from {file}, not from the copy", returncode=ELSEWHERE)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Remember what failed, in which words, and what passed."""
    if report.failed:
        said = str(report.longrepr).strip().splitlines()
        errors = [line for line in said if line.startswith("E  ")]
        _failed.setdefault(report.nodeid, (errors or said or [""])[0].removeprefix("E").strip()[:200])
    elif report.passed and report.when == "call":
        _passed.add(report.nodeid)


def pytest_sessionfinish() -> None:
    """Write it all down."""
    Path(os.environ[REPORT]).write_text(json.dumps({"failed": _failed, "passed": sorted(_passed)}))
