"""Changes from Salesforce: one Change Data Capture stream per object, merged into one sequence of batches."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence

import structlog

from adapters.salesforce import avro
from adapters.salesforce import pubsub_api_pb2 as pb
from adapters.salesforce.event import EventReader, keys_in, undecodable
from adapters.salesforce.http import HttpLink
from adapters.salesforce.pubsub import PubSub
from adapters.salesforce.settings import Settings
from adapters.salesforce.subscription import Arrival, Backlog, Follower, end_of
from agent.core.change import Batch, Change
from agent.core.objects import ObjectSpec
from agent.errors import Refused, RemoteError, Unreachable

_log = structlog.get_logger(__name__)

#: Bytes of responses that may wait for the engine, over all topics.
BACKLOG_BYTES = 8 * 1024 * 1024
_USER = "source"


def topic_of(object_name: str) -> str:
    """The change event topic of an object: ``/data/AccountChangeEvent``, ``/data/Invoice__ChangeEvent``."""
    stem = object_name[:-1] if object_name.endswith("__c") else object_name
    return f"/data/{stem}ChangeEvent"


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
        self._silence_s = settings.silence_s
        self.keepalive_s = settings.keepalive_s
        self._readers = {
            topic_of(spec.name): (spec.name, EventReader(spec, topic_of(spec.name)))
            for spec in objects
            if spec.capture
        }
        self._pubsub: PubSub | None = None
        self._backlog = Backlog(BACKLOG_BYTES)
        self._tasks: list[asyncio.Task[None]] = []
        self._failure: Exception | None = None

    async def open(self, positions: Mapping[str, bytes]) -> None:
        """Check every topic and begin to follow it. Raises Unreachable, Refused."""
        await self._stop()
        self._link.hold(_USER)
        self._backlog, self._failure = Backlog(BACKLOG_BYTES), None
        self._pubsub = self._connect(self.keepalive_s)
        try:
            for topic in self._readers:
                info = await self._pubsub.topic(topic)
                if not info.can_subscribe:
                    raise Refused(
                        f"{topic}: the user may not subscribe",
                        where=self._name,
                        remedy="give the integration user 'View All' on the object",
                    )
        except BaseException:
            await self._stop()
            raise
        for topic in self._readers:
            follower = Follower(self._pubsub, topic, positions.get(topic), self._backlog, self._silence_s)
            task = asyncio.create_task(follower.run(), name=f"{self._name} {topic}")
            task.add_done_callback(self._ended)
            self._tasks.append(task)
        _log.info("following", action="salesforce.stream.open", system=self._name, topics=len(self._readers))

    async def read(self) -> Batch:
        """One batch per response. Interrupting it loses nothing. Raises Unreachable, Refused, PositionLost.

        What arrived before a failure is handed out before the failure is raised.
        """
        if self._pubsub is None:
            raise Unreachable("the source is not open", where=self._name)
        while True:
            arrival = self._backlog.first()
            if arrival is not None:
                batch = await self._decode(self._pubsub, arrival)
                self._backlog.drop()
                return batch
            if self._failure is not None:
                raise self._failure
            await self._backlog.changed()

    async def ack(self, batch: Batch) -> None:
        """Nothing to release: Salesforce keeps its events for 72 hours, and the position is stored here."""

    async def close(self) -> None:
        """Stop following. Safe to call twice."""
        await self._stop()
        await self._link.release(_USER)

    async def _stop(self) -> None:
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        pubsub, self._pubsub = self._pubsub, None
        if pubsub is not None:
            await pubsub.close()

    def _ended(self, task: asyncio.Task[None]) -> None:
        if task.cancelled() or task not in self._tasks:
            return
        error = task.exception()
        if self._failure is None and isinstance(error, Exception):
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

    async def _decode(self, pubsub: PubSub, arrival: Arrival) -> Batch:
        changes = [await self._change(pubsub, arrival.topic, one) for one in arrival.response.events]
        return Batch(arrival.topic, tuple(changes), end_of(arrival.response))

    async def _change(self, pubsub: PubSub, topic: str, consumed: pb.ConsumerEvent) -> Change:
        """One event as a change; what cannot be understood is said so, and the stream goes on."""
        object_name, reader = self._readers[topic]
        event = consumed.event
        try:
            schema = await pubsub.schema(event.schema_id, topic)
        except avro.Undecodable as error:
            return undecodable(topic, object_name, consumed, str(error), ())
        try:
            decoded = reader.read(schema, event.payload)
        except (avro.Undecodable, ValueError, KeyError, TypeError, OverflowError) as error:
            return undecodable(topic, object_name, consumed, str(error), _keys(schema, event.payload))
        if decoded.warning:
            _log.warning(decoded.warning, action="salesforce.event.odd", topic=topic, schema=event.schema_id)
        return decoded.change


def _keys(schema: avro.EventSchema, payload: bytes) -> tuple[str, ...]:
    try:
        return keys_in(avro.decode_header(schema, payload))
    except avro.Undecodable:
        return ()
