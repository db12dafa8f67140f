"""The top level belongs to the customer: only what they named stands there. Folders of code are packages."""

import re
from collections.abc import Iterable
from pathlib import PurePosixPath

from tests.architecture.source import CODE, REPOSITORY, tracked

ALLOWED = frozenset(
    {"Makefile", "README.md", "config.example.toml", "pyproject.toml", "requirements.lock", *CODE, "tests"}
)


def strangers(paths: Iterable[str]) -> set[str]:
    """Visible names at the top level that are not among the allowed ones."""
    tops = {path.partition("/")[0] for path in paths}
    return {top for top in tops if top not in ALLOWED and not top.startswith(".")}


def folders_outside_packages(paths: Iterable[str]) -> set[str]:
    """Folders of code or tests with Python but no __init__.py: import contracts would not see them."""
    python = {path for path in paths if path.endswith(".py") and path.partition("/")[0] in {*CODE, "tests"}}
    folders = {str(PurePosixPath(path).parent) for path in python}
    return {folder for folder in folders if f"{folder}/__init__.py" not in python}


def unhashed(lock: str) -> list[str]:
    """Entries of the lock without an exact version or without a hash, and lines that name a place."""
    entries = re.split(r"\n(?=\S)", lock.strip())
    bad = [
        entry for entry in entries if not re.match(r"[a-z0-9-]+==\S+", entry) or "--hash=sha256:" not in entry
    ]
    return bad + [line for line in lock.splitlines() if re.search(r"://|file:|^-|#|(?<!\w)/", line)]


def test_nothing_unexpected_stands_at_the_top_level() -> None:
    assert not strangers(tracked())


def test_a_stranger_at_the_top_level_is_caught() -> None:
    assert strangers(["docs/index.md", "setup.py", ".ci/run", "agent/cli/main.py"]) == {"docs", "setup.py"}


def test_every_folder_of_code_is_a_package() -> None:
    assert not folders_outside_packages(tracked())


def test_a_folder_outside_any_package_is_caught() -> None:
    paths = ["agent/__init__.py", "agent/flow/intake.py", ".setup/install.py"]
    assert folders_outside_packages(paths) == {"agent/flow"}


def test_the_lock_pins_and_hashes_everything_and_names_no_place() -> None:
    assert not unhashed((REPOSITORY / "requirements.lock").read_text())


def test_a_loose_or_placed_entry_of_the_lock_is_caught() -> None:
    assert unhashed("textual>=8 \\\n    --hash=sha256:00\n")
    assert unhashed("textual==8.2.8\n")
    assert unhashed("--find-links wheels\ntextual==8.2.8 \\\n    --hash=sha256:00\n")
