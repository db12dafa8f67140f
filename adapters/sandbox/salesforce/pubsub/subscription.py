"""One open Subscribe call: its place in the stream, its credit, and what it sends next."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import grpc

from adapters.salesforce import pubsub_api_pb2 as pb
from adapters.sandbox.salesforce.cdc.stream import StoredEvent, UnknownReplayId, replay_id
from adapters.sandbox.salesforce.org.org import Org

MOST_CREDIT = 100
MOST_BYTES = 3 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Timings:
    """Seconds: between empty responses of a quiet stream, until a stream without credit is ended, and until a
    subscription at the tip takes effect.
    """

    keepalive: float = 60.0
    credit_timeout: float = 60.0
    latest_settle: float = 3.0


class BadRequest(Exception):
    """A request that ends the call; ``code`` is the trailer's error code without its prefix."""

    def __init__(self, status: grpc.StatusCode, code: str, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.code = code
        self.text = text


def unknown_topic(org: Org, topic: str) -> BadRequest:
    """The refusal of a topic that the org does not have."""
    text = (
        f"The topic information for org CORE/prod/{org.id} and topic {topic} not found. "
        "Verify that the topic exists and that change data capture is enabled for it."
    )
    return BadRequest(grpc.StatusCode.NOT_FOUND, "topic.not.found", text)


class Broken(Exception):
    """The server side dropped the stream."""


class Subscription:
    """State of one call. ``run`` is its whole life."""

    def __init__(self, org: Org, timings: Timings, rpc_id: str) -> None:
        self._org = org
        self._timings = timings
        self._rpc_id = rpc_id
        self._topic = ""
        self._objects: frozenset[str] = frozenset()
        self._position = 0
        self._credit = 0
        self._closed = False
        self._error: BadRequest | UnknownReplayId | None = None
        self._changed = asyncio.Event()
        self._dropped = org.stream.dropped()

    async def run(self, requests: AsyncIterator[pb.FetchRequest]) -> AsyncIterator[pb.FetchResponse]:
        """Yields responses until the client is done, does wrong, or lets its credit lapse."""
        first = await anext(aiter(requests), None)
        if first is None or first is grpc.aio.EOF:
            return
        self._begin(first)
        reader = asyncio.create_task(self._read(requests))
        try:
            if first.replay_preset == pb.LATEST:
                await self._settle()
            async for response in self._deliver():
                yield response
        finally:
            reader.cancel()
            await asyncio.gather(reader, return_exceptions=True)

    def _begin(self, request: pb.FetchRequest) -> None:
        """Fixes topic and start. Raises BadRequest or UnknownReplayId."""
        names = self._org.topic_objects(request.topic_name)
        if names is None:
            raise unknown_topic(self._org, request.topic_name)
        self._topic, self._objects = request.topic_name, names
        self._grant(request)
        if request.replay_preset == pb.CUSTOM:
            if not request.replay_id:
                raise BadRequest(
                    grpc.StatusCode.INVALID_ARGUMENT,
                    "subscription.fetch.replayid.validation.failed",
                    "A valid replay ID is required with the replay preset CUSTOM.",
                )
            self._position = self._org.stream.resolve(request.replay_id)
        elif request.replay_preset == pb.LATEST:
            self._position = self._org.stream.position

    def _grant(self, request: pb.FetchRequest) -> None:
        if request.num_requested <= 0:
            raise BadRequest(
                grpc.StatusCode.INVALID_ARGUMENT,
                "subscription.fetch.requested.events.invalid",
                "The number of requested events must be greater than zero.",
            )
        self._credit = min(MOST_CREDIT, self._credit + request.num_requested)

    async def _read(self, requests: AsyncIterator[pb.FetchRequest]) -> None:
        """Takes further requests: only their credit counts, presets and replay ids are ignored."""
        async for request in requests:
            try:
                if request.topic_name not in ("", self._topic):
                    raise BadRequest(
                        grpc.StatusCode.INVALID_ARGUMENT,
                        "subscription.fetch.topic.name.invalid",
                        "The topic name can't change within a subscription.",
                    )
                self._grant(request)
            except BadRequest as error:
                self._error = error
                self._changed.set()
                return
            self._changed.set()
        self._closed = True
        self._changed.set()

    async def _settle(self) -> None:
        """A subscription at the tip starts late: what is published meanwhile is not delivered."""
        await asyncio.sleep(self._timings.latest_settle)
        self._position = self._org.stream.position

    async def _deliver(self) -> AsyncIterator[pb.FetchResponse]:
        clock = asyncio.get_running_loop().time
        since = clock()
        while True:
            self._check()
            arrival = self._org.stream.arrival()
            self._changed.clear()
            batch = self._batch()
            if batch:
                self._credit -= len(batch)
                self._org.stream.delivered += len(batch)
                self._position = batch[-1].position
                yield self._response([_consumer_event(event) for event in batch])
                since = clock()
            elif self._credit:
                if await self._wait(arrival, since + self._timings.keepalive - clock()):
                    continue
                self._position = self._org.stream.issue()
                yield self._response([])
                since = clock()
            elif self._closed or not await self._wait(None, since + self._timings.credit_timeout - clock()):
                return

    def _check(self) -> None:
        if self._error is not None:
            raise self._error
        if self._dropped.is_set():
            raise Broken

    def _batch(self) -> list[StoredEvent]:
        batch: list[StoredEvent] = []
        size = 0
        for event in self._org.stream.after(self._position, self._objects):
            size += len(event.payload) + 128
            if len(batch) == self._credit or (batch and size > MOST_BYTES):
                break
            batch.append(event)
        return batch

    async def _wait(self, arrival: asyncio.Event | None, seconds: float) -> bool:
        """Waits for a request, a drop, or ``arrival`` too; False when the time is over."""
        events = [self._changed, self._dropped] + ([arrival] if arrival else [])
        waits = [asyncio.create_task(event.wait()) for event in events]
        try:
            done, _ = await asyncio.wait(
                waits, timeout=max(0.0, seconds), return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            for wait in waits:
                wait.cancel()
        return bool(done)

    def _response(self, events: list[pb.ConsumerEvent]) -> pb.FetchResponse:
        return pb.FetchResponse(
            events=events,
            latest_replay_id=replay_id(self._position),
            rpc_id=self._rpc_id,
            pending_num_requested=self._credit,
        )


def _consumer_event(event: StoredEvent) -> Any:
    producer = pb.ProducerEvent(id=event.event_id, schema_id=event.schema_id, payload=event.payload)
    return pb.ConsumerEvent(event=producer, replay_id=replay_id(event.position))
