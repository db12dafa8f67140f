"""The book of creates: which records were handed over to SAP as new, kept in the archive directory.

SAP checks no duplicates and its customers carry no id of ours. A store that was put back from an older copy
does not know what the lost life created; the book does. One line per create, durable before the hand-over;
of the fields only digests are kept.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from adapters.idoc.directory import sync_directory
from agent.core.change import RawValue

BOOK = ".isthmus-creates"


@dataclass(frozen=True, slots=True)
class Entry:
    """One create: the record, under which mark of the store, as which file, and the DOCNUM that SAP got.

    ``handle`` is another file's where an earlier hand-over of the same record stands for this one;
    ``fields`` then are that one's too: field → digest of its value.
    """

    reference: str
    life: str
    token: int
    file: str
    handle: str
    fields: Mapping[str, str]

    def said(self, fields: Mapping[str, RawValue]) -> frozenset[str]:
        """Which of these fields it carried with the same value."""
        return frozenset(name for name, found in digests(fields).items() if self.fields.get(name) == found)


class Book:
    """The book of one SAP system. One thread at a time; every call may raise OSError."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / BOOK
        self._entries: dict[str, Entry] = {}
        self._size = 0

    def find(self, reference: str) -> Entry | None:
        """The latest create of a record."""
        return self._read().get(reference)

    def write(self, entry: Entry) -> None:
        """Write down a create; it is durable when this returns."""
        line = json.dumps(asdict(entry), separators=(",", ":")).encode()
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
        with os.fdopen(os.open(self._path, flags, 0o640), "ab") as stream:
            stream.write(b"\n" + line + b"\n")  # a line that a crash has cut must not spoil this one
            stream.flush()
            os.fsync(stream.fileno())
        sync_directory(self._path.parent)

    def _read(self) -> dict[str, Entry]:
        """Every record's latest create, with what was written since the last look."""
        try:
            size = self._path.stat().st_size
        except FileNotFoundError:
            size = 0
        if size < self._size:
            self._entries, self._size = {}, 0
        if size > self._size:
            with self._path.open("rb") as stream:
                stream.seek(self._size)
                content = stream.read()
            found = (_entry(line) for line in content.splitlines())
            self._entries |= {entry.reference: entry for entry in found if entry is not None}
            self._size += len(content)
        return self._entries


def digests(fields: Mapping[str, RawValue]) -> dict[str, str]:
    """Field → digest of its value."""
    return {
        name: hashlib.sha256(f"{type(value).__name__}:{value}".encode()).hexdigest()[:16]
        for name, value in fields.items()
    }


def _entry(line: bytes) -> Entry | None:
    """None for an empty line, or one that a crash has cut: nothing was handed over behind that."""
    try:
        return Entry(**json.loads(line)) if line else None
    except (ValueError, TypeError):
        return None
