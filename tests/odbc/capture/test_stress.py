"""Eight writers at once with roll-backs and transactions of 0 to 60 ms: no strategy loses one change.

Judged by a read of the table at the end, which no strategy had a part in. The seed is in the test's name and
in the message of a failure: ISTHMUS_STRESS_SEED repeats it.
"""

from __future__ import annotations

import asyncio
import os
import random
import threading
from typing import Any

import pytest

from adapters.odbc import administer
from tests.odbc.capture.sites import Reading, only
from tests.odbc.site import PATIENCE_S, Site

SEED = int(os.environ.get("ISTHMUS_STRESS_SEED", "20261123"))
_WRITERS = 8
_TRANSACTIONS = 30
_LONGEST_S = 0.06
_STRATEGIES: dict[str, dict[str, Any]] = {
    "journal": {"capture": "journal"},
    "snapshot": {"capture": "snapshot"},
    "high-water": {
        "capture": "high-water",
        "column": "big",
        "deletes_every_s": 0.05,
        "segment_rows": 20,
        "max_vanished": 1.0,
    },
    "difference": {
        "capture": "difference",
        "difference_every_s": 0.05,
        "segment_rows": 20,
        "max_vanished": 1.0,
    },
}


class Writers:
    """The users: each writes and deletes rows of its own, in transactions that overlap the others'."""

    def __init__(self, site: Site, seed: int) -> None:
        self._site = site
        self._seed = seed
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._last = 0
        self.errors: list[str] = []
        self._threads = [threading.Thread(target=self._write, args=(number,)) for number in range(_WRITERS)]

    def start(self) -> None:
        """All at once."""
        for thread in self._threads:
            thread.start()

    def join(self) -> None:
        """Until the last has ended."""
        for thread in self._threads:
            thread.join()

    def _number(self) -> int:
        """A counter as a sequence is one: drawn before the commit, in another order than commits come."""
        with self._lock:
            self._last += 1
            return self._last

    def _write(self, writer: int) -> None:
        chance = random.Random(self._seed * 100 + writer)
        connection = self._site.odbc.connect(self._site.connection, autocommit=False)
        keys: list[str] = []
        try:
            for number in range(_TRANSACTIONS):
                mine = self._transact(connection, chance, list(keys), f"{writer}x{number:04d}")
                self._stop.wait(chance.uniform(0, _LONGEST_S))
                if chance.random() < 0.1:
                    connection.rollback()
                else:
                    connection.commit()
                    keys = mine
        except Exception as error:
            self.errors.append(f"{type(error).__name__}: {error}")
        finally:
            connection.close()

    def _transact(self, connection: Any, chance: random.Random, keys: list[str], fresh: str) -> list[str]:
        number = self._number()
        act = chance.choice(("insert", "insert", "update", "delete")) if keys else "insert"
        if act == "insert":
            connection.execute("INSERT INTO sample (code, big, note) VALUES (?, ?, 'new')", fresh, number)
            return [*keys, fresh]
        key = chance.choice(keys)
        if act == "update":
            note = f"n{chance.random()}"
            connection.execute("UPDATE sample SET note = ?, big = ? WHERE code = ?", note, number, key)
            return keys
        connection.execute("DELETE FROM sample WHERE code = ?", key)
        return [one for one in keys if one != key]


@pytest.mark.invariant("I1")
@pytest.mark.parametrize("strategy", _STRATEGIES)
async def test_eight_writers_lose_nothing(server_site: Site, strategy: str) -> None:
    site = server_site
    if strategy == "snapshot" and site.dialect.name != "postgresql":
        return  # PostgreSQL's alone
    reading = Reading(site, only("sample", **_STRATEGIES[strategy]), capture_batch=7)
    if strategy == "snapshot":
        administration = administer("erp", site.settings(tables=reading.tables), site.objects, str)
        await administration.install()
        await administration.close()
    await reading.open()
    if strategy in ("high-water", "difference"):
        await reading.begun("sample")
    writers = Writers(site, SEED)
    writers.start()
    joined = asyncio.create_task(asyncio.to_thread(writers.join))
    while not joined.done():
        await reading.batch()
    assert writers.errors == []
    truth = {
        str(row[0]).rstrip(): str(row[1]) for row in site.user().execute("SELECT code, note FROM sample")
    }
    async with asyncio.timeout(PATIENCE_S):
        while (seen := _seen(reading)) != truth:
            await reading.batch()
    assert seen == truth, f"ISTHMUS_STRESS_SEED={SEED}"
    assert len(truth) > 40


def _seen(reading: Reading) -> dict[str, str]:
    return {key: str(fields["note"]) for key, fields in reading.known.get("sample", {}).items()}
