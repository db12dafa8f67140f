"""What was done to the files of one directory, in order, with marks for what its owner was told meanwhile."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.faults.disk.shim import Call


@dataclass(frozen=True, slots=True)
class Event:
    """One thing done to a file of the directory. What is in memory only until a later sync is not marked so.

    kind    create, write, truncate, sync, lost-sync, delete, rename, sync-names, mark
    other   the new name of a rename; what a mark stands for
    journal a file that SQLite syncs together with its name
    """

    kind: str
    name: str
    offset: int = 0
    data: bytes = b""
    other: Any = None
    journal: bool = False


@dataclass
class Tape:
    """Everything that is done to the files of ``directory``; a watch of the shim and of the system's calls.

    start   the files as they lay there, durable, when the recording began
    Memory that several processes share (``-shm``) and the lock are not on the disk in any useful sense.
    """

    directory: Path
    start: dict[str, bytes] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    _guard: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        if self.directory.is_dir():
            self.start = {
                path.name: path.read_bytes()
                for path in sorted(self.directory.iterdir())
                if path.is_file() and matters(path.name)
            }

    def before(self, call: Call) -> int:
        """Nothing is held up."""
        return 0

    def after(self, call: Call) -> None:
        """Write down what changes files or makes changes durable."""
        path = Path(call.path)
        if path.parent != self.directory:
            if path == self.directory and call.kind == "sync":
                self._add(Event("sync-names", ""))
            return
        name = path.name
        if not matters(name):
            return
        match call.kind:
            case "open":
                if call.created:
                    self._add(Event("create", name, journal=call.journal))
            case "write":
                self._add(Event("write", name, call.offset, call.data))
            case "truncate":
                self._add(Event("truncate", name, call.size))
            case "sync":
                self._add(Event("sync", name))
            case "delete":
                self._add(Event("delete", name))
                if call.size:
                    self._add(Event("sync-names", ""))
            case "rename":
                self._add(Event("rename", name, other=Path(call.data.decode()).name))

    def failed_sync(self, name: str) -> None:
        """A sync was answered with an error: what waited for it is believed clean and never written again."""
        self._add(Event("lost-sync", name))

    def mark(self, what: Any) -> None:
        """The owner of the files was told something at this moment."""
        self._add(Event("mark", "", other=what))

    def _add(self, event: Event) -> None:
        with self._guard:
            self.events.append(event)


def matters(name: str) -> bool:
    """Whether a file of the store's directory holds anything that a power cut may take."""
    return not name.endswith(("-shm", ".lock", ".sock"))
