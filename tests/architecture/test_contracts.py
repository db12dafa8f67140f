"""The import contracts of pyproject.toml catch offenders: each is shown a small tree that breaks it."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.source import REPOSITORY

MODULES = {
    "agent.core": ("change", "delivery", "objects", "plan"),
    "agent": ("clock", "errors", "failpoints", "garbage", "log", "ports", "runtime"),
    "agent.store": ("tables",),
    "agent.config": ("document",),
    "agent.flow": ("intake",),
    "agent.operations": ("verbs", "wire"),
    "agent.cli": ("main",),
    "adapters": ("registry",),
    "adapters.idoc": ("target",),
    "adapters.idoc.format": ("flat",),
    "adapters.odbc": ("capture",),
    "adapters.salesforce": ("pubsub_api_pb2", "system"),
    "adapters.sandbox.salesforce": ("server",),
    "adapters.sandbox.sap": ("system",),
    "tui": ("app",),
}
CLEAN = {
    "agent.cli.main": "import agent.runtime, adapters.registry, tui.app",
    "agent.runtime": "import agent.flow.intake, agent.config.document, agent.store.tables, adapters.registry",
    "agent.flow.intake": "import agent.store.tables, agent.ports, agent.core.plan",
    "agent.ports": "import agent.core.change, agent.errors",
    "agent.core.plan": "import agent.core.objects, agent.errors",
    "adapters.odbc.capture": "import agent.ports, agent.core.change, agent.errors, agent.failpoints, pyodbc",
    "adapters.sandbox.salesforce.server": "import adapters.salesforce.pubsub_api_pb2",
    "adapters.sandbox.sap.system": "import adapters.idoc.format.flat",
    "tui.app": "import agent.operations.wire, textual",
}
BROKEN = {
    "store above flow": ("agent.store.tables", "import agent.flow.intake"),
    "core above ports": ("agent.core.plan", "import agent.ports"),
    "core with a clock": ("agent.core.plan", "import time"),
    "core with input and output": ("agent.core.plan", "import pathlib"),
    "core behind the errors' back": ("agent.errors", "import sqlite3"),
    "core with an injected clock": ("agent.core.plan", "import agent.clock"),
    "adapter in the engine": ("adapters.odbc.capture", "import agent.store.tables"),
    "adapter that plans": ("adapters.odbc.capture", "import agent.core.plan"),
    "adapter beside adapter": ("adapters.odbc.capture", "import adapters.salesforce.system"),
    "sandbox inside the adapter": (
        "adapters.sandbox.salesforce.server",
        "import adapters.salesforce.system",
    ),
    "sandbox beyond the codec": ("adapters.sandbox.sap.system", "import adapters.idoc.target"),
    "idoc format with the adapter": ("adapters.idoc.format.flat", "import agent.errors"),
    "dashboard with the store": ("tui.app", "import agent.store.tables"),
    "dashboard with the verbs": ("tui.app", "import agent.operations.verbs"),
    "engine with an adapter": ("agent.flow.intake", "import adapters.odbc.capture"),
    "engine with a driver": ("agent.flow.intake", "import pyodbc"),
}


def lint(tree: Path, content: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run the contracts over a tree of the architecture's modules with the given content."""
    for module in (f"{package}.{name}" for package, names in MODULES.items() for name in names):
        file = tree / (module.replace(".", "/") + ".py")
        file.parent.mkdir(parents=True, exist_ok=True)
        for folder in file.relative_to(tree).parents[:-1]:
            (tree / folder / "__init__.py").touch()
        file.write_text(content.get(module, "") + "\n")
    project = (REPOSITORY / "pyproject.toml").read_text()
    (tree / "pyproject.toml").write_text(project[project.index("[tool.importlinter]") :])
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    return subprocess.run(command, cwd=tree, capture_output=True, text=True, check=False)


def test_the_architecture_as_drawn_is_kept(tmp_path: Path) -> None:
    verdict = lint(tmp_path, CLEAN)
    assert verdict.returncode == 0, verdict.stdout


@pytest.mark.parametrize("offence", BROKEN)
def test_an_import_against_the_architecture_is_caught(tmp_path: Path, offence: str) -> None:
    module, line = BROKEN[offence]
    verdict = lint(tmp_path, {**CLEAN, module: line})
    assert verdict.returncode == 1, verdict.stdout
    assert "BROKEN" in verdict.stdout
