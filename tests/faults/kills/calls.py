"""System calls as a trace tells them: which, on what kind of file, and how often so far in their thread."""

from __future__ import annotations

import itertools
import random
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

#: Calls that change what the next start finds, or what others are told.
CALLS = (
    "chmod", "fdatasync", "fsync", "ftruncate", "mkdir", "openat", "pwrite64", "rename", "sendto", "sendmsg",
    "unlink", "write",
)  # fmt: skip
#: Kinds of files, by their path below the folder of a site; the rest is of no interest.
KINDS = {
    r"/state/isthmus\.db": "store",
    r"/state/isthmus\.db-wal": "store's log",
    r"/state/isthmus\.db-shm": "store's shared memory",
    r"/state/(epoch|token)(\.tmp)?": "beside the store",
    r"/state/agent\.lock": "lock",
    r"/state(/control\.sock.*)?": "state folder",
    r"/erp\.db": "ERP",
    r"/erp\.db-journal": "ERP's journal",
    r"/books\.db": "accounting",
    r"/books\.db-journal": "accounting's journal",
    r"/sap/in/.*": "file for SAP",
    r"/sap/out/.*": "file from SAP",
    r"/sap/(archive|quarantine)/.*": "archived file",
    r"/sap/(in|out|archive)": "SAP's folder",
}
PIPE, SOCKET = "pipe", "socket"
#: Kinds that only the worker of a database writes.
WORKERS = frozenset({"ERP", "ERP's journal", "accounting", "accounting's journal"})
_LINE = re.compile(r"^(?P<thread>\d+) +(?P<name>\w+)\((?P<rest>.*)$")
_FILE = re.compile(r"^\d+<(?P<what>[^>]+)>")
_NAME = re.compile(r'"(?P<what>[^"]+)"')


@dataclass(frozen=True, order=True)
class Call:
    """The n-th call of a kind on a kind of file in a thread.

    file  the path below the folder of the site; empty for pipes and sockets, which have none
    """

    name: str
    kind: str
    nth: int
    file: str = ""

    def __str__(self) -> str:
        return f"{self.name}:{self.nth}:{self.file or self.kind}"

    @classmethod
    def read(cls, text: str) -> Call:
        """The call that ``str`` spells so. Raises ValueError."""
        name, nth, file = text.split(":", 2)
        kind = kind_of(file, Path())
        if name not in CALLS or kind is None:
            raise ValueError(f"{text} is no call that anything dies at")
        return cls(name, kind, int(nth), "" if kind in (PIPE, SOCKET) else file)

    @property
    def worker(self) -> bool:
        """Whether a database's worker makes it, not the agent itself."""
        return self.kind in WORKERS


def kind_of(path: str, folder: Path) -> str | None:
    """What kind of file a path or a descriptor's description names; None for one of no interest."""
    if path.startswith(PIPE):
        return PIPE
    if path.startswith(("socket", "UNIX", "TCP")):
        return SOCKET
    top = "" if folder == Path() else str(folder)
    below = path.removeprefix(top) if path.startswith(top) else ""
    return next((kind for pattern, kind in KINDS.items() if re.fullmatch(pattern, below)), None)


def told(lines: Iterable[str], folder: Path) -> Iterator[tuple[str, str, str, str]]:
    """Thread, call, kind of file and path below the folder of each line that is of interest."""
    for line in lines:
        found = _LINE.match(line)
        if found is None or found["name"] not in CALLS:
            continue
        what = _FILE.match(found["rest"]) or _NAME.search(found["rest"])
        if what is None:
            continue
        kind = kind_of(what["what"], folder)
        if kind is not None:
            below = what["what"].removeprefix(str(folder)) if kind not in (PIPE, SOCKET) else ""
            yield found["thread"], found["name"], kind, below


def calls(lines: Iterable[str], folder: Path) -> list[Call]:
    """Every call to die at: the first, second, … of its kind on its file, as often as one thread made it."""
    counts: dict[tuple[str, str, str], Counter[str]] = defaultdict(Counter)
    for thread, name, kind, file in told(lines, folder):
        counts[name, kind, file][thread] += 1
    return [
        Call(name, kind, nth, file)
        for (name, kind, file), threads in counts.items()
        for nth in range(1, max(threads.values()) + 1)
    ]


def in_turns(found: Iterable[Call], seed: int) -> list[Call]:
    """One of each kind of call and file by turns, so that rare ones are not lost among frequent ones."""
    chance = random.Random(seed)
    groups: dict[tuple[str, str], list[Call]] = defaultdict(list)
    for call in sorted(found):
        groups[call.name, call.kind].append(call)
    for group in groups.values():
        chance.shuffle(group)
    turns = itertools.zip_longest(*groups.values())
    return [call for turn in turns for call in turn if call is not None]


def never_made(text: str, name: str) -> bool:
    """Whether a trace tells of a call in which its process died."""
    return re.search(rf"^\d+ +{name}\(.* = \?$", text, re.MULTILINE) is not None
