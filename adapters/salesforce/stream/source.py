"""Changes from Salesforce: Change Data Capture streams, each with its position, merged into one sequence."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence

import structlog

from adapters.salesforce.connection.http import HttpLink
from adapters.salesforce.settings import Settings
from adapters.salesforce.stream.avro import EventSchema
from adapters.salesforce.stream.channel import channels_of, moved, topic_of
from adapters.salesforce.stream.feed import Feed
from adapters.salesforce.stream.managed import ManagedFollower
from adapters.salesforce.stream.pubsub import PubSub
from adapters.salesforce.stream.subscription import Arrival, Backlog, Follower
from adapters.salesforce.stream.transaction import Assembly
from agent.core.change import Batch
from agent.core.objects import ObjectSpec
from agent.errors import PositionLost, Refused, RemoteError, Unreachable

__all__ = ["BACKLOG_BYTES", "SalesforceSource", "topic_of"]

_log = structlog.get_logger(__name__)

#: Bytes of events that may wait for the engine, over all streams.
BACKLOG_BYTES = 8 * 1024 * 1024
#: Events that are handed out together where so many wait, besides the rest of the last transaction.
AT_ONCE = 500
#: Seconds until a stream that was refused is asked for again.
ASK_AGAIN_S = 60.0
_USER = "source"


class SalesforceSource:
    """A Source. Its streams are named by their topics; a position is a replay id, opaque.

    Also ``read`` raises PositionLost and Refused: the server checks a position only on the open stream.
    ``keepalive_s`` is the time between pings of the next connection.
    A new stream starts at the oldest retained event, so nothing between a snapshot and the stream is missed.
    """

    def __init__(
        self,
        name: str,
        objects: Sequence[ObjectSpec],
        settings: Settings,
        link: HttpLink,
        connect: Callable[[float], PubSub],
    ) -> None:
        self._name = name
        self._link = link
        self._connect = connect
        self._settings = settings
        self.keepalive_s = settings.keepalive_s
        specs = {spec.name: spec for spec in objects}
        self._streams = {
            channel.topic: Feed(channel, [specs[each] for each in channel.objects])
            for channel in channels_of(objects, settings.channels, settings.managed)
        }
        self._pubsub: PubSub | None = None
        self._backlog = Backlog(BACKLOG_BYTES)
        self._assemblies: dict[str, Assembly] = {}
        self._followers: dict[str, Follower] = {}
        self._tasks: dict[asyncio.Task[None], str] = {}
        self._failure: Exception | None = None
        self._refused: dict[str, Refused] = {}
        self._positions: Mapping[str, bytes] = {}
        self._ask_again = 0.0

    async def open(self, positions: Mapping[str, bytes]) -> None:
        """Check every topic and begin to follow it. One that is refused is asked for again, now and then.

        Raises Unreachable, Refused where every topic is, or PositionLost for a stream that the settings do
        not follow any more.
        """
        await self._stop()
        self._check_moved(positions)
        self._link.hold(_USER)
        self._backlog, self._failure = Backlog(BACKLOG_BYTES), None
        idle_s = self._settings.transaction_idle_s
        self._assemblies = {
            name: Assembly(name, idle_s, several=feed.channel.several) for name, feed in self._streams.items()
        }
        self._pubsub = self._connect(self.keepalive_s)
        self._refused, self._positions = {}, dict(positions)
        try:
            await self._check_all(self._pubsub)
        except BaseException:
            await self._stop()
            raise
        for topic in self._streams:
            if topic not in self._refused:
                self._follow(self._pubsub, topic)
        count = len(self._followers)
        _log.info("following", action="salesforce.stream.open", system=self._name, topics=count)

    async def read(self) -> Batch:
        """Whole transactions of one stream. Interrupting it loses nothing.

        Raises Unreachable, Refused, PositionLost; what arrived before a failure is handed out before.
        """
        if self._pubsub is None:
            raise Unreachable("the source is not open", where=self._name)
        while True:
            arrival = self._backlog.first()
            if arrival is not None and self._has_room_for(arrival):
                await self._take(self._pubsub, arrival)
                continue
            batch = self._finished()
            if batch is not None:
                return batch
            if arrival is None:
                await self._wait()
            else:
                return self._alive(arrival)

    async def ack(self, batch: Batch) -> None:
        """Tell the org of a place that it keeps too. Else nothing is released: it keeps its events."""
        follower = self._followers.get(batch.stream)
        if isinstance(follower, ManagedFollower) and batch.position is not None:
            follower.commit(batch.position)

    async def close(self) -> None:
        """Stop following. Safe to call twice."""
        await self._stop()
        await self._link.release(_USER)

    def _check_moved(self, positions: Mapping[str, bytes]) -> None:
        found = moved([feed.channel for feed in self._streams.values()], positions)
        if found is not None:
            stream, objects = found
            raise PositionLost(
                f"the settings take {', '.join(objects)} from another stream now",
                stream=stream,
                objects=objects,
                where=self._name,
                remedy="what may lie between both streams is read",
            )

    def ailments(self) -> list[str]:
        """Streams that the org refuses while others are followed, and what to do."""
        return [f"{error.message}: {error.remedy}" for error in self._refused.values()]

    async def _check_all(self, pubsub: PubSub) -> None:
        """One topic that is refused stops only itself. Raises Refused where all are, Unreachable."""
        for topic in self._streams:
            try:
                await self._check(pubsub, topic)
            except Refused as error:
                self._refuse(topic, error)
        if len(self._refused) == len(self._streams):
            raise next(iter(self._refused.values()))

    def _refuse(self, topic: str, error: Refused) -> None:
        self._refused[topic] = error
        self._ask_again = asyncio.get_running_loop().time() + ASK_AGAIN_S
        _log.warning(
            "stream refused",
            action="salesforce.stream.refused",
            system=self._name,
            topic=topic,
            why=str(error),
        )

    async def _ask_for_refused(self, pubsub: PubSub) -> None:
        """Follow what the org lets us follow again, from where it was left."""
        self._ask_again = asyncio.get_running_loop().time() + ASK_AGAIN_S
        for topic in list(self._refused):
            try:
                await self._check(pubsub, topic)
            except RemoteError:
                continue
            del self._refused[topic]
            self._follow(pubsub, topic)
            _log.info("following again", action="salesforce.stream.again", system=self._name, topic=topic)

    async def _check(self, pubsub: PubSub, topic: str) -> None:
        info = await pubsub.topic(topic)
        if not info.can_subscribe:
            raise Refused(
                f"{topic}: the user may not subscribe",
                where=self._name,
                remedy="give the integration user 'View All' on the object",
            )

    def _follow(self, pubsub: PubSub, topic: str) -> None:
        channel, position = self._streams[topic].channel, self._positions.get(topic)
        kind = ManagedFollower if channel.managed else Follower
        follower = kind(pubsub, channel, position, self._backlog, self._settings.silence_s)
        self._followers[topic] = follower
        task = asyncio.create_task(follower.run(), name=f"{self._name} {topic}")
        task.add_done_callback(self._ended)
        self._tasks[task] = topic

    async def _stop(self) -> None:
        tasks, self._tasks = self._tasks, {}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._followers.clear()
        pubsub, self._pubsub = self._pubsub, None
        if pubsub is not None:
            await pubsub.close()

    def _ended(self, task: asyncio.Task[None]) -> None:
        if task.cancelled() or task not in self._tasks:
            return
        error, topic = task.exception(), self._tasks.pop(task)
        if isinstance(error, Refused) and self._failure is None and self._tasks:
            self._refuse(topic, error)
        elif self._failure is None and isinstance(error, Exception):
            known = isinstance(error, RemoteError)
            _log.warning(
                "stream ended",
                action="salesforce.stream.end",
                stream=task.get_name(),
                known=known,
                error=str(error),
            )
            self._failure = error
            if "too many pings" in str(error).lower():
                # A server that allows fewer pings hangs up; the next connection asks half as often.
                self.keepalive_s *= 2
        self._backlog.wake()

    # --- from arrivals to batches; nothing is taken away from a place before it stands in the next one

    def _has_room_for(self, arrival: Arrival) -> bool:
        """Whether its events are read before anything is handed out: what waits becomes durable at once."""
        assembly = self._assemblies[arrival.stream]
        return bool(arrival.response.events) and not assembly.is_full and assembly.finished() < AT_ONCE

    def _finished(self) -> Batch | None:
        """Events that need not wait any longer: of transactions that ended, or after which nothing came."""
        now = asyncio.get_running_loop().time()
        for stream, assembly in self._assemblies.items():
            if not assembly:
                continue
            count = assembly.finished()
            if not count and now >= assembly.due and not self._backlog.holds(stream):
                count = len(assembly)
            if count:
                return self._hand_out(assembly, count)
        return None

    def _hand_out(self, assembly: Assembly, count: int) -> Batch:
        batch, size = assembly.take(count)
        self._backlog.release(size)
        return batch

    def _alive(self, arrival: Arrival) -> Batch:
        """An empty response tells how far the server has looked, which is behind all that it sent before."""
        assembly = self._assemblies[arrival.stream]
        if assembly:
            return self._hand_out(assembly, len(assembly))
        self._backlog.drop()
        assembly.passed(arrival.response.latest_replay_id)
        return Batch(arrival.stream, (), arrival.response.latest_replay_id or None)

    async def _wait(self) -> None:
        """Wait for an arrival, for the end of a transaction, or for a failure behind which nothing waits."""
        waiting = [assembly.due for assembly in self._assemblies.values() if assembly]
        if not waiting and self._failure is not None:
            raise self._failure
        if self._refused and self._pubsub is not None:
            if asyncio.get_running_loop().time() >= self._ask_again:
                await self._ask_for_refused(self._pubsub)
            waiting.append(self._ask_again)
        await self._backlog.changed(min(waiting, default=None))

    async def _take(self, pubsub: PubSub, arrival: Arrival) -> None:
        """Read an arrival's events into their assembly, until one of them need not wait."""
        feed, assembly = self._streams[arrival.stream], self._assemblies[arrival.stream]
        while arrival.taken < len(arrival.response.events):
            consumed = arrival.response.events[arrival.taken]
            schema: EventSchema | None = pubsub.known(consumed.event.schema_id)
            item = (
                feed.item(schema, consumed, arrival.share)
                if schema is not None
                else await feed.asked(pubsub, consumed, arrival.share)
            )
            assembly.add(item, arrival.at)
            arrival.taken += 1
            if assembly.is_full:
                return
        self._backlog.drop()
