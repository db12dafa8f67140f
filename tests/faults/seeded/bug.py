"""A seeded bug: a small change to the product's source, the promise it breaks, the tests that must see it.

Each is a TOML file of ``bugs``: ``promise`` (one sentence: what is broken), ``invariants``, ``tests`` (what
pytest is given), and one or more ``[[change]]`` with ``file``, ``before`` and ``after``: exact text, of which
``before`` stands in the file once.
"""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

BUGS = Path(__file__).parent / "bugs"
#: Where the product's source is; a bug in a test would prove nothing.
PRODUCT = ("agent/", "adapters/", "tui/")
_KEYS = {"promise", "invariants", "tests", "change"}
_CHANGE_KEYS = {"file", "before", "after"}


class Unfit(Exception):
    """A bug that does not fit the source or the tests of now: it has to be written anew."""


@dataclass(frozen=True)
class Change:
    """One place: ``before`` stands exactly once in the file, and ``after`` takes its place."""

    file: str
    before: str
    after: str

    def made_in(self, text: str) -> str:
        """The file's text with the bug. Raises Unfit where the place is not there, or not the only one."""
        count = text.count(self.before)
        if count != 1 or self.before == self.after:
            raise Unfit(f"{self.file} holds the text to be changed {count} times, not once")
        return text.replace(self.before, self.after)


@dataclass(frozen=True)
class Bug:
    """A named bug; ``tests`` are files or tests that fail with it and pass without it."""

    name: str
    promise: str
    invariants: tuple[str, ...]
    tests: tuple[str, ...]
    changes: tuple[Change, ...]

    @property
    def number(self) -> int:
        """Its place in the order: what its name begins with."""
        return int(self.name.partition("_")[0])

    def texts(self, tree: Path) -> dict[str, str]:
        """Every file that it touches, with the bug. Raises Unfit where it does not fit the tree."""
        found: dict[str, str] = {}
        for change in self.changes:
            if not change.file.startswith(PRODUCT):
                raise Unfit(f"{self.name}: {change.file} is not the product's source")
            try:
                text = found.get(change.file) or (tree / change.file).read_text(encoding="utf-8")
                found[change.file] = change.made_in(text)
            except (OSError, Unfit) as error:
                raise Unfit(f"{self.name} does not apply any more: {error}") from None
        for file, text in found.items():
            try:
                ast.parse(text, file)
            except SyntaxError as error:
                raise Unfit(f"{self.name} makes no Python of {file}: {error}") from None
        return found

    def check_tests(self, tree: Path) -> None:
        """Raises Unfit where a test that must catch it is not there any more."""
        for test in self.tests:
            file, _, rest = test.partition("::")
            path = tree / file
            if not path.exists():
                raise Unfit(f"{self.name}: {file} is not there any more")
            function = rest.rpartition("::")[2].partition("[")[0]
            if function and not re.search(rf"def {function}\(", path.read_text(encoding="utf-8")):
                raise Unfit(f"{self.name}: {file} has no {function} any more")


def load(file: Path) -> Bug:
    """One bug from its file. Raises Unfit for a file that is not as it has to be."""
    try:
        read: dict[str, Any] = tomllib.loads(file.read_text(encoding="utf-8"))
        changes = read["change"]
        if read.keys() != _KEYS or any(change.keys() != _CHANGE_KEYS for change in changes):
            raise Unfit(f"{file.name}: the keys are {', '.join(sorted(_KEYS | _CHANGE_KEYS))}")
        bug = Bug(
            name=file.stem,
            promise=read["promise"],
            invariants=tuple(read["invariants"]),
            tests=tuple(read["tests"]),
            changes=tuple(Change(**change) for change in changes),
        )
    except (tomllib.TOMLDecodeError, KeyError, TypeError) as error:
        raise Unfit(f"{file.name}: {error}") from None
    if not re.fullmatch(r"[0-9]+_[a-z0-9_]+", bug.name):
        raise Unfit(f"{file.name}: a bug is called NN_what_it_does")
    if not (bug.promise.strip() and bug.invariants and bug.tests and bug.changes):
        raise Unfit(f"{file.name}: a promise, its invariants, tests and changes have to be named")
    return bug


def bugs(only: Sequence[str] = ()) -> list[Bug]:
    """All bugs in their order, or those whose names hold one of these texts. Raises Unfit."""
    found = sorted((load(file) for file in BUGS.glob("*.toml")), key=lambda bug: bug.number)
    if not only:
        return found
    chosen = [bug for bug in found if any(text in bug.name for text in only)]
    for text in only:
        if not any(text in bug.name for bug in found):
            raise Unfit(f"no seeded bug is called {text}")
    return chosen
