"""One sandbox process for all clients, started by the command that users type."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.conformance.place import Place


@pytest.fixture(scope="session")
def place() -> Iterator[Place]:
    """A running org with thirty customers and what belongs to them."""
    command = [sys.executable, "-m", "agent.cli", "sandbox", "salesforce", "--accounts", "30", "--seed", "3"]
    command += ["--business", "--latest-settle", "0", "--keepalive", "0.5", "--credit-timeout", "5"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield Place(json.loads(process.stdout.readline()))
        finally:
            process.terminate()


@pytest.fixture(autouse=True)
def _trust(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Clients that verify certificates by the environment find the sandbox's authority there."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", place.ca_file)
    monkeypatch.setenv("NO_PROXY", "*")
