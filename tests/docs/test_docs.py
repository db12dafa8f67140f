"""The README and the design page say what is true."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from agent.operations.registry import VERBS
from tests.docs import graph

ROOT = Path(__file__).parents[2]


def verbs() -> list[str]:
    """The verbs in the README's list of commands."""
    text = (ROOT / "README.md").read_text()
    return sorted({m[1] for m in re.finditer(r"^isthmus ([a-z]+)", text, re.MULTILINE)})


def test_the_design_page_has_the_graph_of_the_code() -> None:
    """python -m tests.docs.graph writes it."""
    assert graph.PAGE.read_text() == graph.placed(graph.PAGE.read_text())


@pytest.mark.parametrize("verb", sorted({*verbs(), *VERBS}))
def test_every_verb_of_the_readme_and_of_the_registry_exists(verb: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "agent.cli", *verb.split(), "--help"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_of_the_registry_is_in_the_readme(verb: str) -> None:
    group, _, act = verb.partition(" ")
    lines = re.findall(rf"^isthmus {group}\b.*$", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert any(re.search(rf"\b{act}\b", line) for line in lines), verb


def test_both_commands_of_the_readme_are_targets_of_the_makefile() -> None:
    listing = (ROOT / "Makefile").read_text()
    for target in ("demo", "test"):
        assert f"make {target}" in (ROOT / "README.md").read_text()
        assert re.search(rf"^{target}:", listing, re.MULTILINE)


def test_the_readme_shows_a_screenshot_that_is_there() -> None:
    shown = re.findall(r"!\[[^\]]*\]\(([^)]+)\)", (ROOT / "README.md").read_text())
    assert shown
    assert all((ROOT / place).is_file() for place in shown)


def test_files_that_the_readme_names_are_there() -> None:
    text = (ROOT / "README.md").read_text()
    named = re.findall(r"`((?:agent|adapters|tui|tests)/[\w./]*|[\w.]+\.toml)`", text)
    assert named
    for name in named:
        assert (ROOT / name).exists() or name == "isthmus.toml", name


def test_ci_calls_the_test_command_of_the_readme() -> None:
    assert "make test" in (ROOT / ".ci" / "run").read_text()
    assert shutil.which("make")
