"""The repository as the architecture tests see it: tracked files, their text and trees, and offences."""

import ast
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
CODE = ("agent", "adapters", "tui")
GENERATED = frozenset({"pubsub_api_pb2.py", "pubsub_api_pb2_grpc.py", "pubsub_api_pb2.pyi"})


@dataclass(frozen=True)
class Offence:
    """One place that breaks a rule: path from the top of the repository, line, and what is wrong with it."""

    path: str
    line: int
    fault: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.fault}"


@dataclass(frozen=True)
class Source:
    """A text file: its path from the top of the repository, and what stands in it."""

    path: str
    text: str

    @property
    def module(self) -> str:
        """The dotted name under which Python imports this file."""
        return self.path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")

    def tree(self) -> ast.Module:
        """The file's syntax tree."""
        return ast.parse(self.text, self.path)


@cache
def tracked() -> tuple[str, ...]:
    """The paths of all files under version control that exist in the working tree."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=REPOSITORY, capture_output=True, check=True, text=True
    )
    return tuple(path for path in listed.stdout.split("\0") if path and (REPOSITORY / path).is_file())


def python_sources(*folders: str) -> Iterator[Source]:
    """Every tracked, hand-written Python file below the folders."""
    prefixes = tuple(f"{folder}/" for folder in folders)
    for path in tracked():
        if path.endswith(".py") and path.startswith(prefixes) and Path(path).name not in GENERATED:
            yield Source(path, (REPOSITORY / path).read_text(encoding="utf-8"))


def text_sources() -> Iterator[Source]:
    """Every tracked file that is UTF-8 text of our own; samples under tests/data are kept as they came."""
    for path in tracked():
        if path.startswith("tests/data/"):
            continue
        try:
            yield Source(path, (REPOSITORY / path).read_text(encoding="utf-8"))
        except UnicodeDecodeError:
            continue


def listed(offences: Iterable[Offence]) -> str:
    """Offences as a readable block, empty when there are none: `assert not listed(…)` shows them all."""
    return "\n".join(str(offence) for offence in offences)
