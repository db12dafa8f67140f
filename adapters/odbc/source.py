"""The source port of an ERP: its strategies take turns, so that a table that is stuck stops only itself."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from adapters.odbc.capture.choice import belongs, names
from adapters.odbc.capture.journal import STREAM
from adapters.odbc.capture.pace import Pace
from adapters.odbc.capture.strategy import Captured
from adapters.odbc.link import Link, User
from adapters.odbc.settings import Settings
from adapters.odbc.wire import Lane
from agent.core.change import Batch
from agent.core.objects import ObjectSpec
from agent.errors import Refused, RemoteError, Unreachable

#: Seconds after which an idle ``read`` returns an empty batch as a sign of life.
_SIGN_OF_LIFE_S = 5.0
#: Seconds after which a strategy that could not look is tried again: the first time, and at most.
_AGAIN_S = 1.0
_AGAIN_MOST_S = 60.0


@dataclass(slots=True)
class _Turn:
    """One strategy as the source sees it.

    due          by the loop's clock, when it is to look again
    served       how many turns the source had given when this one had its last
    positions    with which it is to be opened; None once it was
    outstanding  journal rows that were handed out and not yet released
    error        why it could not look the last time
    """

    name: str
    pace: Pace
    due: float = 0.0
    served: int = 0
    positions: Mapping[str, bytes] | None = None
    outstanding: set[int] = field(default_factory=set)
    error: RemoteError | None = None
    failures: int = 0
    figures: Mapping[str, float] = field(default_factory=dict)
    ailments: tuple[str, ...] = ()


class CaptureSource:
    """Changes of all tables, each from its own strategy.

    A batch belongs to one stream. Positions move with it; journal rows are released by their exact numbers.
    """

    def __init__(self, link: Link, settings: Settings, objects: Sequence[ObjectSpec]) -> None:
        self.link = link
        self._limit = settings.capture_batch
        self._turns = [_Turn(name, Pace(settings.poll_s)) for name in names(settings.tables, objects)]
        self._served = 0
        self._closed = asyncio.Event()

    async def open(self, positions: Mapping[str, bytes]) -> None:
        """Connect; whatever was read and not released comes again.

        Raises Refused where no strategy can begin (no journal is installed). One that cannot while others
        can is tried again later, and told by ``read``.
        """
        self._closed.set()
        self._closed = asyncio.Event()
        self.link.hold(User.SOURCE)
        if not self._turns:
            await self.link.call(User.SOURCE, Lane.READ, "connect")
        stuck = self._all_stuck
        for turn in self._turns:
            turn.outstanding.clear()
            turn.positions = {name: value for name, value in positions.items() if belongs(name, turn.name)}
            if turn.error is None or stuck:
                # what stopped all of them may be over: only another look can tell
                turn.due, turn.error = 0.0, None
                await self._begin(turn)
        if self._all_stuck:
            raise next(turn.error for turn in self._turns if turn.error is not None)

    async def read(self) -> Batch:
        """The next changes, at once when more are waiting, else as soon as a look finds some.

        Raises Unreachable when it is closed meanwhile, and now and then for a strategy that is stuck.
        """
        closed = self._closed
        loop = asyncio.get_running_loop()
        until = loop.time() + _SIGN_OF_LIFE_S
        while True:
            turn = self._next(loop.time())
            if turn is not None:
                captured = await self._look(turn)
                if not captured.empty:
                    return Batch(
                        captured.stream, captured.changes, captured.position, receipt=captured.receipt or None
                    )
            now = loop.time()
            if now >= until:
                return Batch(STREAM, ())
            pause = min([until, *(turn.due for turn in self._turns)]) - now
            if pause > 0:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(pause):
                        await closed.wait()
            if closed.is_set():
                raise Unreachable("the connection is closed", where=self.link.name)

    async def ack(self, batch: Batch) -> None:
        """Delete exactly the journal rows of this batch."""
        if not batch.receipt:
            return
        turn = next(turn for turn in self._turns if belongs(batch.stream, turn.name))
        await self.link.call(User.SOURCE, Lane.READ, "ack", turn.name, batch.receipt)
        turn.outstanding.difference_update(batch.receipt)

    async def close(self) -> None:
        """Stop reading; a worker that the other ports use goes on. ``open`` starts anew."""
        self._closed.set()
        await self.link.release(User.SOURCE)

    def gauges(self) -> dict[str, float]:
        """How many strategies or tables stand now, and what the others tell of themselves."""
        found = {"capture_stuck": float(len(self.ailments()))}
        for turn in self._turns:
            for name, value in turn.figures.items():
                found[name] = max(value, found.get(name, value))
        return found

    def ailments(self) -> list[str]:
        """Tables that are not captured now while others are, a sentence each, and what to do."""
        found = []
        for turn in self._turns:
            if turn.error is not None:
                found.append(f"{turn.name} stands: {turn.error.message} ({turn.error.remedy})")
            else:
                found += turn.ailments
        return found

    @property
    def _all_stuck(self) -> bool:
        return bool(self._turns) and all(turn.error is not None for turn in self._turns)

    def _next(self, now: float) -> _Turn | None:
        """Of those that are due, the one that waited longest for its turn."""
        due = [turn for turn in self._turns if turn.due <= now]
        return min(due, key=lambda turn: turn.served, default=None)

    async def _begin(self, turn: _Turn) -> None:
        try:
            await self.link.call(User.SOURCE, Lane.READ, "open", turn.name, turn.positions)
        except Refused as error:
            self._fail(turn, error)
        else:
            turn.positions = None

    async def _look(self, turn: _Turn) -> Captured:
        """One look. Raises Unreachable for a connection that is gone, and for a strategy that is stuck."""
        self._served += 1
        turn.served = self._served
        if turn.positions is not None:
            await self._begin(turn)
            if turn.positions is not None:
                raise self._told(turn)
        began = asyncio.get_running_loop().time()
        captured: Captured = await self.link.call(
            User.SOURCE, Lane.READ, "look", turn.name, self._limit, frozenset(turn.outstanding)
        )
        if captured.stuck is not None:
            self._fail(turn, captured.stuck.error(self.link.name))
            raise self._told(turn)
        turn.error, turn.failures = None, 0
        turn.figures, turn.ailments = captured.figures, captured.ailments
        turn.outstanding.update(captured.receipt)
        now = asyncio.get_running_loop().time()
        if not captured.empty:
            turn.pace.found(now)
        turn.due = now + (turn.pace.rest(now, now - began) if captured.rest_s is None else captured.rest_s)
        return captured

    def _fail(self, turn: _Turn, error: RemoteError) -> None:
        turn.error = error
        turn.failures += 1
        wait = min(_AGAIN_S * 2 ** min(turn.failures - 1, 10), _AGAIN_MOST_S)
        turn.due = asyncio.get_running_loop().time() + wait

    def _told(self, turn: _Turn) -> RemoteError:
        """The error of a strategy for the engine; a refusal would keep the others waiting for a person."""
        error = turn.error
        if error is None or self._all_stuck:
            return error or Unreachable("the table cannot be captured", where=self.link.name)
        text = f"{turn.name}: {error.message}; the other tables go on"
        return Unreachable(text, where=self.link.name, remedy=error.remedy)
