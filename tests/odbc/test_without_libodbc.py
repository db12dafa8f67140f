"""A machine without unixODBC, which no wheel of pyodbc brings: only what needs a database fails there."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from agent.cli.example import example

_ROOT = Path(__file__).parents[2]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Of processes that find a pyodbc whose driver manager is not there."""
    found = importlib.util.find_spec("pyodbc")
    assert found is not None and found.origin is not None
    image = Path(found.origin).read_bytes()
    assert b"libodbc.so.2" in image
    broken = tmp_path / "modules"
    broken.mkdir()
    (broken / Path(found.origin).name).write_bytes(image.replace(b"libodbc.so.2", b"libnone.so.2"))
    path = os.pathsep.join([str(broken), str(_ROOT)])
    return {**os.environ, "PYTHONPATH": path}


def _run(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        cwd=_ROOT,
        timeout=120,
    )


def test_such_a_pyodbc_cannot_be_imported(environment: dict[str, str]) -> None:
    """Else the tests below would show nothing."""
    done = _run(environment, "-c", "import pyodbc")
    assert done.returncode == 1 and "libnone.so.2" in done.stderr


def test_the_program_and_every_adapter_start(environment: dict[str, str]) -> None:
    modules = "adapters.registry, adapters.odbc, adapters.odbc.worker, agent.cli, agent.runtime, tui"
    assert _run(environment, "-c", f"import {modules}").returncode == 0


def test_a_configuration_with_a_database_is_checked_offline(
    environment: dict[str, str], tmp_path: Path
) -> None:
    config = tmp_path / "isthmus.toml"
    config.write_text(example().read_text())
    done = _run(environment, "-m", "agent.cli", "check", "--offline", "--config", str(config))
    assert "pyodbc" not in done.stderr and "libnone" not in done.stderr
    assert done.returncode == 0, done.stderr


_CHECK = """
import asyncio, json
from adapters.odbc import Settings, connect
async def main():
    system = connect("erp", Settings(connection="Driver=/x/psqlodbcw.so;Server=localhost"), [], str)
    checks = await system.probe.check()
    await system.target.close()
    print(json.dumps([[check.name, check.ok, check.detail, check.remedy] for check in checks]))
asyncio.run(main())
"""


def test_a_check_names_the_packages_that_bring_the_library(environment: dict[str, str]) -> None:
    done = _run(environment, "-c", _CHECK)
    assert done.returncode == 0, done.stderr
    _, ok, detail, remedy = next(one for one in json.loads(done.stdout) if one[0] == "connect")
    assert not ok and "libnone.so.2" in detail
    assert "apt-get install libodbc2 odbc-postgresql" in remedy
