"""Following one topic: credit, the bounded backlog, the watch on silence, and a new login when needed."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import grpc
import structlog

from adapters.salesforce import pubsub_api_pb2 as pb
from adapters.salesforce.stream.channel import Channel
from adapters.salesforce.stream.pubsub import PubSub, Subscription
from adapters.salesforce.stream.trailer import RETRIED, SessionEnded
from agent.errors import Unreachable

_log = structlog.get_logger(__name__)

Response = pb.FetchResponse
#: The server counts at most this many requested events per call.
CREDIT = 100
#: Without credit the server ends a stream after a minute: while the backlog is full, one event keeps it.
TRICKLE_S = 45.0


@dataclass(slots=True)
class Arrival:
    """One response as it came.

    at     when it came, by the loop's clock;  size: in bytes
    taken  how many of its events were read already: an interrupted reader goes on there
    """

    stream: str
    response: pb.FetchResponse
    size: int
    at: float = 0.0
    taken: int = 0

    @property
    def share(self) -> int:
        """Bytes that count for each of its events."""
        return self.size // max(1, len(self.response.events))


class Backlog:
    """Responses that wait for the engine, in the order of their arrival, bounded by bytes.

    Bytes count until what arrived is handed out (``release``), also while it waits for the rest of its
    transaction. The bound stops new requests; what was asked for before (at most 100 events per topic) still
    arrives.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._arrivals: deque[Arrival] = deque()
        self._waiting: Counter[str] = Counter()
        self._size = 0
        self._changed = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()

    def put(self, arrival: Arrival) -> None:
        """Take what has arrived."""
        self._arrivals.append(arrival)
        self._waiting[arrival.stream] += 1
        self._resize(arrival.size)
        self.wake()

    def first(self) -> Arrival | None:
        """The oldest arrival; it stays until ``drop``, so that an interrupted reader loses nothing."""
        return self._arrivals[0] if self._arrivals else None

    def drop(self) -> None:
        """Forget the oldest arrival: all of it was read. The bytes of its events still count."""
        arrival = self._arrivals.popleft()
        self._waiting[arrival.stream] -= 1
        self.release(arrival.size - arrival.share * len(arrival.response.events))

    def release(self, size: int) -> None:
        """So many bytes were handed out."""
        self._resize(-size)

    def holds(self, stream: str) -> bool:
        """Whether something of this stream waits here."""
        return self._waiting[stream] > 0

    def has_room(self) -> bool:
        """Whether more may be asked for."""
        return self._size < self._limit

    async def room(self) -> None:
        """Wait until more may be asked for."""
        await self._room.wait()

    def wake(self) -> None:
        """Let the reader look again: something arrived, or a topic failed."""
        self._changed.set()

    async def changed(self, until: float | None = None) -> None:
        """Wait for ``wake``, or until that time of the loop's clock."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(until):
                await self._changed.wait()
        self._changed.clear()

    def _resize(self, by: int) -> None:
        self._size += by
        if self.has_room():
            self._room.set()
        else:
            self._room.clear()


class Follower:
    """Follows one topic from a position into the backlog until it fails."""

    def __init__(
        self, pubsub: PubSub, channel: Channel, position: bytes | None, backlog: Backlog, silence_s: float
    ) -> None:
        self.topic = channel.topic
        self._channel = channel
        self._pubsub = pubsub
        self._position = position
        self._arrived: bytes | None = None  # the last replay id that came
        self._backlog = backlog
        self._silence_s = silence_s
        self._heard_since_login = False

    async def run(self) -> None:
        """Never returns. Raises Unreachable, Refused, PositionLost.

        A session that ends is renewed, and the stream goes on behind what has arrived here: that waits in the
        backlog and is handed out first.
        """
        renewed = False
        while True:
            session = await self._pubsub.session()
            self._heard_since_login = False
            try:
                await self._follow(self._pubsub.subscribe(session, self._first_request()))
            except SessionEnded as ended:
                if renewed and not self._heard_since_login:
                    raise self._pubsub.rejected(ended) from ended
                renewed = True
                _log.info("session ended", action="salesforce.stream.renew", topic=self.topic)
                await self._pubsub.renew(session)

    def _first_request(self) -> pb.FetchRequest:
        """Where to start: behind the known position, else at the oldest event. Never at the tip."""
        if self._position is None:
            return pb.FetchRequest(topic_name=self.topic, replay_preset=pb.EARLIEST, num_requested=CREDIT)
        return pb.FetchRequest(
            topic_name=self.topic, replay_preset=pb.CUSTOM, replay_id=self._position, num_requested=CREDIT
        )

    async def _follow(
        self, subscription: Subscription, reading: asyncio.Task[Response | None] | None = None
    ) -> None:
        """Follow a call; ``reading``: it was begun before, and this read of it is under way."""
        try:
            if reading is None:
                async with asyncio.timeout(self._silence_s):
                    await subscription.begin()
                reading = asyncio.create_task(subscription.read())
            await self._pump(subscription, reading)
        except grpc.aio.AioRpcError as error:
            meant = self._pubsub.translate(error, self.topic, self._channel.objects)
            raise meant from error
        except TimeoutError as error:
            raise self._silent() from error
        finally:
            subscription.cancel()

    async def _pump(self, subscription: Subscription, reading: asyncio.Task[Response | None]) -> None:
        """Take responses and give back credit at once, before anything is decoded, while there is room."""
        clock = asyncio.get_running_loop().time
        owed, heard, asked = 0, clock(), clock()
        try:
            while True:
                await self._before(subscription)
                room = self._backlog.has_room()
                if owed and (room or clock() - asked >= TRICKLE_S):
                    number = owed if room else 1
                    await subscription.request(number)
                    owed, asked = owed - number, clock()
                until = min(heard + self._silence_s, asked + TRICKLE_S) if owed else heard + self._silence_s
                wakers = self._wakers() + ([self._backlog.room] if owed else [])
                await self._wait(reading, wakers, until - clock())
                if reading.done():
                    owed += self._take(reading.result())
                    heard = clock()
                    reading = asyncio.create_task(subscription.read())
                elif clock() - heard >= self._silence_s:
                    raise self._silent()
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)

    async def _before(self, subscription: Subscription) -> None:
        """Send what is to be sent before the next wait, besides credit."""

    def _wakers(self) -> list[Callable[[], Awaitable[object]]]:
        """What ends a wait, besides a response and room in the backlog."""
        return []

    @staticmethod
    async def _wait(
        reading: asyncio.Task[Response | None],
        wakers: Sequence[Callable[[], Awaitable[object]]],
        seconds: float | None,
    ) -> None:
        """Wait for a response, for any of the wakers, or for so many seconds."""
        others = [asyncio.ensure_future(waker()) for waker in wakers]
        until = None if seconds is None else max(0.0, seconds)
        try:
            await asyncio.wait([reading, *others], timeout=until, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for other in others:
                other.cancel()

    def _take(self, response: Response | None) -> int:
        """Put a response into the backlog; returns how many events it used of our credit."""
        if response is None:
            text = f"{self.topic}: the server ended the stream"
            raise Unreachable(text, where=self._pubsub.name, remedy=RETRIED)
        if not self._heard_since_login:
            self._heard_since_login = True
            self._pubsub.accepted()
        self._move(response)
        now = asyncio.get_running_loop().time()
        self._backlog.put(Arrival(self.topic, response, response.ByteSize(), now))
        return len(response.events)

    def _move(self, response: Response) -> None:
        """Move the place from which the next call would go on.

        On a channel of several objects one replay id may be that of several events, which need not come in
        one response (CDC developer guide, "Event Enrichment Considerations"): whoever began behind it could
        miss some. There the place is behind the last id that was followed by another one; what comes again
        for that is known.
        """
        if not (self._channel.several and response.events):
            self._position = self._arrived = end_of(response) or self._position
            return
        for event in response.events:
            if event.replay_id != self._arrived:
                self._position = self._arrived or self._position
            self._arrived = event.replay_id

    def _silent(self) -> Unreachable:
        return Unreachable(
            f"{self.topic}: nothing arrived for {self._silence_s:g} s, not even a sign of life",
            where=self._pubsub.name,
            remedy=RETRIED,
        )


def end_of(response: Response) -> bytes | None:
    """Where a response ends: at its last event; an empty one says how far the server has looked."""
    if response.events:
        return response.events[-1].replay_id or None
    return response.latest_replay_id or None
