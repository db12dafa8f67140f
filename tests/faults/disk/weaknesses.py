"""Stores that are written carelessly in one place: each must be found out, or these tests would be blind."""

from __future__ import annotations

import os
import random
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

from agent.store import beside as numbers
from agent.store import database
from tests.faults.disk import oracle, workloads
from tests.faults.disk.enduring import recorded_with_failed_sync
from tests.faults.disk.oracle import Finding
from tests.faults.disk.powerfailure import beside, first, images
from tests.faults.disk.recording import record
from tests.flow.reference import SCENARIO

#: The beginning of the reference scenario: enough to find a store that is written carelessly.
BEGINNING = SCENARIO[:27]


@contextmanager
def synchronous(level: str) -> Iterator[None]:
    """The store opened with less care than FULL."""
    real = database.connect

    def careless(file: Path, *, read_only: bool = False) -> sqlite3.Connection:
        connection = real(file, read_only=read_only)
        connection.execute(f"PRAGMA synchronous = {level}")
        return connection

    with patch.object(database, "connect", careless):
        yield


def not_full(level: str, dice: random.Random) -> Finding | None:
    """SQLite does not wait for the disk at each commit."""
    with synchronous(level):
        recording = record(BEGINNING)
    return first(recording, oracle.by_states(recording.states), dice, 0.5)


def believed(dice: random.Random) -> Finding | None:
    """A start believes what lies in the log after a failed sync: it is shown to every reader, and not on the
    disk.
    """
    with patch.object(numbers, "write_again", lambda file: None):
        for at in (4, 6, 10, 11, 12):
            recording = recorded_with_failed_sync(SCENARIO[:40], at)
            found = first(recording, oracle.by_states(recording.states, recording.between), dice, 0.3)
            if found is not None:
                return found
    return None


def unsynced_number(dice: random.Random) -> Finding | None:
    """The epoch beside the store is renamed into its place before its content is on the disk."""

    def careless(file: Path, value: int) -> None:
        temporary = file.with_name("epoch.tmp")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT, 0o600)
        os.write(descriptor, str(value).encode())
        os.close(descriptor)
        temporary.replace(file)

    with patch.object(numbers, "keep", careless):
        recording, _ = workloads.birth()
    looks = (beside(image, recording.epoch) for image in images(recording, dice, 2.0))
    return next((found for found in looks if found is not None), None)


#: Name → what is found when a store is written so; None when it passes for sound.
WEAKNESSES: dict[str, Callable[[random.Random], Finding | None]] = {
    "synchronous = NORMAL": lambda dice: not_full("NORMAL", dice),
    "synchronous = OFF": lambda dice: not_full("OFF", dice),
    "a log believed after a failed sync": believed,
    "an epoch that is not synced": unsynced_number,
}
