"""What may be on the disk after its power failed: everything synced, and of the rest whatever chance left.

Of what was not synced each write may be there, missing, torn at any sector of 512 bytes, or older than one
made after it; a file may have grown without its content; a name that was made, changed or taken away since
its directory was synced may be old or new. SQLite takes a sector as not damaged by a write to a part of it
(sqlite.org/psow.html), and so does this disk.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from tests.faults.disk.tape import Event

SECTOR = 512
Names = dict[str, "File"]


@dataclass(slots=True)
class Change:
    """A write (``data``), or a change of size to ``offset`` (no data)."""

    offset: int
    data: bytes | None


@dataclass(slots=True)
class File:
    """A file, whatever its name: what is durable, and what was done to it since, in order.

    gone   writes whose sync failed: to be seen while the machine is up, and on the disk only by chance
    """

    durable: bytearray = field(default_factory=bytearray)
    pending: list[Change] = field(default_factory=list)
    gone: list[Change] = field(default_factory=list)
    names_too: bool = False


class Platter:
    """The disk under one directory. ``take`` follows a tape; ``image`` is one way in which power may fail."""

    def __init__(self, start: Mapping[str, bytes]) -> None:
        self._names: Names = {name: File(bytearray(content)) for name, content in start.items()}
        self._durable: Names = dict(self._names)
        self._unsynced: list[tuple[Event, File]] = []

    def take(self, event: Event) -> None:
        """One thing was done."""
        match event.kind:
            case "create":
                if event.name not in self._names:
                    self._names[event.name] = File(names_too=event.journal)
                    self._unsynced.append((event, self._names[event.name]))
            case "write":
                self._file(event.name).pending.append(Change(event.offset, event.data))
            case "truncate":
                self._file(event.name).pending.append(Change(event.offset, None))
            case "sync":
                self._sync(self._file(event.name))
            case "lost-sync":
                file = self._file(event.name)
                file.gone += [change for change in file.pending if change.data is not None]
                file.pending = []
            case "delete" | "rename":
                self._rename(event)
            case "sync-names":
                self._durable, self._unsynced = dict(self._names), []

    def image(self, dice: random.Random) -> dict[str, bytes]:
        """Name → content of every file that is left."""
        names = self._surviving_names(dice)
        return {name: bytes(self._content(file, dice)) for name, file in names.items()}

    def _file(self, name: str) -> File:
        return self._names[name]

    def _sync(self, file: File) -> None:
        for change in file.pending:
            _apply(file.durable, change)
            file.gone = [rest for gone in file.gone for rest in _without(gone, change)]
        file.pending = []
        if file.names_too:
            file.names_too = False
            self._durable, self._unsynced = dict(self._names), []

    def _rename(self, event: Event) -> None:
        file = self._names.pop(event.name)
        if event.kind == "rename":
            self._names[event.other] = file
        self._unsynced.append((event, file))

    def _surviving_names(self, dice: random.Random) -> Names:
        """The names as they were synced, with some of the changes since: the first ones, or any."""
        if not self._unsynced:
            return self._durable
        if dice.random() < 0.6:
            kept = self._unsynced[: dice.randint(0, len(self._unsynced))]
        else:
            kept = [change for change in self._unsynced if dice.random() < 0.5]
        names = dict(self._durable)
        for event, file in kept:
            if event.kind == "create":
                names[event.name] = file
            elif names.get(event.name) is file:
                del names[event.name]
                if event.kind == "rename":
                    names[event.other] = file
        return names

    def _content(self, file: File, dice: random.Random) -> bytearray:
        content = bytearray(file.durable)
        changes = [change for change in file.gone if dice.random() < 0.2] + file.pending
        if changes:
            dice.choice(WAYS)(content, changes, dice)
        return content


def _apply(content: bytearray, change: Change) -> None:
    if change.data is None:
        _resize(content, change.offset)
        return
    end = change.offset + len(change.data)
    if len(content) < change.offset:
        _resize(content, change.offset)
    content[change.offset : end] = change.data


def _without(gone: Change, over: Change) -> list[Change]:
    """What of a lost write is not written over, or cut off, by a later change that became durable."""
    assert gone.data is not None
    end = gone.offset + len(gone.data)
    over_end = end if over.data is None else over.offset + len(over.data)
    if over.offset >= end or over_end <= gone.offset:
        return [gone]
    parts = []
    if gone.offset < over.offset:
        parts.append(Change(gone.offset, gone.data[: over.offset - gone.offset]))
    if over_end < end:
        parts.append(Change(over_end, gone.data[over_end - gone.offset :]))
    return parts


def _resize(content: bytearray, size: int) -> None:
    if size < len(content):
        del content[size:]
    else:
        content.extend(bytes(size - len(content)))


Way = Callable[[bytearray, list[Change], random.Random], None]


def _nothing(content: bytearray, changes: list[Change], dice: random.Random) -> None:
    """What was not synced is lost."""


def _everything(content: bytearray, changes: list[Change], dice: random.Random) -> None:
    """All of it arrived."""
    for change in changes:
        _apply(content, change)


def _first(content: bytearray, changes: list[Change], dice: random.Random) -> None:
    """It arrived up to some write, and that one in part."""
    count = dice.randrange(len(changes))
    _everything(content, changes[:count], dice)
    _torn(content, [changes[count]], dice)


def _some(content: bytearray, changes: list[Change], dice: random.Random) -> None:
    """Any of it arrived, each write whole."""
    likely = dice.choice((0.2, 0.5, 0.9))
    _everything(content, [change for change in changes if dice.random() < likely], dice)


def _torn(content: bytearray, changes: list[Change], dice: random.Random) -> None:
    """Any sectors of any of it arrived."""
    likely = dice.choice((0.2, 0.5, 0.9))
    for change in changes:
        if change.data is None:
            if dice.random() < likely:
                _apply(content, change)
            continue
        for piece in _sectors(change.offset, change.data):
            if dice.random() < likely:
                _apply(content, piece)


def _shuffled(content: bytearray, changes: list[Change], dice: random.Random) -> None:
    """Any of it arrived, in another order."""
    _torn(content, dice.sample(changes, len(changes)), dice)


def _grown(content: bytearray, changes: list[Change], dice: random.Random) -> None:
    """The files have their new sizes; behind the old ends lies nothing, or what lay there before."""
    before, after = len(content), bytearray(content)
    _everything(after, changes, dice)
    size = len(after)
    if size > before:
        filling = dice.choice((bytes(size - before), dice.randbytes(size - before)))
        content.extend(filling)
    _some(content, changes, dice)


#: The ways in which power may fail; the hard ones more often.
WAYS: tuple[Way, ...] = (_nothing, _everything, _first, _some, _torn, _torn, _shuffled, _grown)


def _sectors(offset: int, data: bytes) -> list[Change]:
    pieces = []
    at = 0
    while at < len(data):
        size = SECTOR - (offset + at) % SECTOR
        pieces.append(Change(offset + at, data[at : at + size]))
        at += size
    return pieces
