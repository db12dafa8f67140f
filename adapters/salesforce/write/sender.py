"""Requests that write: how many run at a time, which must not meet, and what no answer means."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterable, Mapping

from adapters.salesforce.connection.http import AnswerLost, NotSent
from adapters.salesforce.connection.rest import Call, Reply, Rest
from adapters.salesforce.write import verdict
from agent.core.delivery import Delivery, Outcome
from agent.errors import IsthmusError

#: Requests at a time; an org allows 25 long ones to all its clients together.
PARALLEL = 5

#: Place of a command among those of one ``apply`` → the command.
Lot = Mapping[int, Delivery]


class Apart:
    """Lets requests run at a time only while no record is touched by two of them.

    A write locks its record and those that it refers to; two requests that meet at one parent answer
    UNABLE_TO_LOCK_ROW (vendor: "Record-Level Locking").
    """

    def __init__(self) -> None:
        self._held: set[str] = set()
        self._freed = asyncio.Condition()

    @contextlib.asynccontextmanager
    async def holding(self, keys: Iterable[str]) -> AsyncIterator[None]:
        """Wait until none of these is held, and hold all of them while the block runs."""
        wanted = frozenset(keys)
        async with self._freed:
            await self._freed.wait_for(lambda: self._held.isdisjoint(wanted))
            self._held |= wanted
        try:
            yield
        finally:
            async with self._freed:
                self._held -= wanted
                self._freed.notify_all()


class Sender:
    """Sends the requests of one target."""

    def __init__(self, rest: Rest) -> None:
        self.rest = rest
        self._apart = Apart()
        self._slots = asyncio.Semaphore(PARALLEL)

    @contextlib.asynccontextmanager
    async def turn(self, keys: Iterable[str]) -> AsyncIterator[None]:
        """Wait for a turn that meets no running request at one of these records."""
        async with self._apart.holding(keys), self._slots:
            yield

    async def send(
        self, call: Call, sent: Lot, read: Callable[[Reply], dict[int, Outcome]]
    ) -> dict[int, Outcome]:
        """Send a request; what becomes of it without an answer depends on whether it left."""
        try:
            reply = await self.rest.call(call)
        except NotSent as error:
            return dict.fromkeys(sent, verdict.not_sent("NO_CONNECTION", str(error)))
        except AnswerLost as error:
            return dict.fromkeys(sent, verdict.no_answer(str(error)))
        except IsthmusError as error:
            return dict.fromkeys(sent, verdict.withheld(error))
        return read(reply)
