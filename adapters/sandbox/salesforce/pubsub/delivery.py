"""One open subscription of either kind: its place on the bus, its credit, and what it sends next."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

from adapters.salesforce import pubsub_api_pb2 as pb
from adapters.sandbox.salesforce.cdc import events
from adapters.sandbox.salesforce.cdc.channels import Member, Topic
from adapters.sandbox.salesforce.cdc.publisher import enriched
from adapters.sandbox.salesforce.cdc.stream import StoredEvent, Subscribed, replay_id
from adapters.sandbox.salesforce.org.org import Org
from adapters.sandbox.salesforce.pubsub.refusals import BadRequest, Broken, exhausted, invalid

MOST_CREDIT = 100
MOST_BYTES = 3 * 1024 * 1024
_ENRICHED = ("UPDATE", "DELETE")


@dataclass(frozen=True, slots=True)
class Timings:
    """Seconds: between empty responses of a quiet stream, until a stream without credit is ended, until a
    subscription at the tip takes effect, and until a publish stream without events is closed.
    """

    keepalive: float = 60.0
    credit_timeout: float = 60.0
    latest_settle: float = 3.0
    publish_timeout: float = 70.0


@dataclass(frozen=True, slots=True)
class Batch:
    """What goes into one response: events as parts of the serialized response, and the newest replay id."""

    frames: tuple[bytes, ...]
    latest: bytes
    credit: int


class Delivery:
    """Credit comes in from the reader of requests, batches go out."""

    def __init__(
        self, org: Org, timings: Timings, topic: Topic, position: int, noted: Subscribed | None = None
    ) -> None:
        self._org = org
        self._noted = noted or Subscribed(topic.name)
        self._timings = timings
        self._topic = topic
        self._position = position
        self._latest = position
        self._partly = (position, 0)  # an event that came apart, and how many of its parts were sent
        self._credit = 0
        self._closed = False
        self._error: BadRequest | None = None
        self._wake = asyncio.Event()
        self._drops = org.stream.drops
        self._silences = org.stream.silences

    @property
    def latest(self) -> bytes:
        """The newest replay id that the subscriber knows."""
        return replay_id(self._latest)

    @property
    def credit(self) -> int:
        """Events that may still be sent."""
        return self._credit

    def grant(self, count: int) -> None:
        """Adds credit, up to 100. Raises BadRequest for none."""
        if count <= 0:
            raise invalid(
                "subscription.fetch.requested.events.invalid",
                "The number of requested events must be greater than zero.",
            )
        self._credit = min(MOST_CREDIT, self._credit + count)
        self._noted.most_credit = max(self._noted.most_credit, self._credit)
        self._wake.set()

    def refuse(self, error: BadRequest) -> None:
        """Lets the call end with that error."""
        self._error = error
        self._wake.set()

    def close(self) -> None:
        """The subscriber will ask for no more."""
        self._closed = True
        self._wake.set()

    def nudge(self) -> None:
        """There is something to answer besides events."""
        self._wake.set()

    async def settle(self) -> None:
        """A subscription at the tip starts late: what is published meanwhile is not delivered."""
        await asyncio.sleep(self._timings.latest_settle)
        self._position = self._latest = self._org.stream.position

    async def batches(self) -> AsyncIterator[Batch | None]:
        """Batches as they come; None when only a nudge woke it. Ends when credit lapses. Raises BadRequest
        and Broken."""
        self._org.stream.listeners.add(self._wake.set)
        clock = asyncio.get_running_loop().time
        since = clock()
        try:
            while True:
                self._wake.clear()
                await self._check()
                batch = self._batch()
                if batch is not None:
                    yield batch
                    since = clock()
                elif self._credit:
                    if await self._wait(since + self._timings.keepalive - clock()):
                        yield None
                        continue
                    self._position = self._latest = self._org.stream.issue()
                    yield Batch((), self.latest, self._credit)
                    since = clock()
                elif self._closed:
                    return
                elif await self._wait(since + self._timings.credit_timeout - clock()):
                    yield None
                else:
                    return
        finally:
            self._org.stream.listeners.discard(self._wake.set)

    async def _check(self) -> None:
        if self._error is not None:
            raise self._error
        if self._org.stream.silences != self._silences:
            await asyncio.Event().wait()
        if self._org.stream.drops != self._drops:
            raise Broken

    async def _wait(self, seconds: float) -> bool:
        """Waits for anything new; False when the time is over."""
        try:
            async with asyncio.timeout(max(0.0, seconds)):
                await self._wake.wait()
        except TimeoutError:
            return self._wake.is_set()
        return True

    def _batch(self) -> Batch | None:
        """The next events within credit and 3 MB; filtered ones move the position on without credit.

        An event that comes apart into one for each record may do so over several responses.
        """
        frames: list[bytes] = []
        size = 0
        sources: set[str] = set()
        for event in self._org.stream.after(self._position, self._topic.members) if self._credit else ():
            sent = self._partly[1] if self._partly[0] == event.position else 0
            own = list(self._frames(event))[sent:]
            piecemeal = not frames and own and self._org.faults.strike("piecemeal", (event.source,))
            part = own[: 1 if piecemeal else self._credit - len(frames)]
            size += sum(len(each) for each in part)
            if frames and size > MOST_BYTES:
                break
            frames += part
            sources.add(event.source)
            self._latest = event.position
            if len(part) < len(own):
                self._partly = (event.position, sent + len(part))
                break
            self._position = event.position
            if len(frames) >= self._credit or piecemeal:
                break
        if not frames:
            return None
        if self._org.faults.strike("event-limit", sources):
            raise exhausted()
        self._credit = max(0, self._credit - len(frames))
        self._org.stream.delivered += len(frames)
        self._noted.sent += len(frames)
        return Batch(tuple(frames), self.latest, self._credit)

    def _frames(self, event: StoredEvent) -> Iterator[bytes]:
        """The event as this topic delivers it: once, not at all, or once per record with enriched fields."""
        member = self._topic.members[event.source]
        if member is None or event.detail is None or event.detail.change.header_only:
            yield _frame(event)
            return
        change = event.detail.change
        if member.test is not None and not member.test(change.record):
            return
        if not member.fields or change.change_type not in _ENRICHED:
            yield _frame(event)
            return
        for identifier in change.record_ids:
            yield _message(event, self._enriched(event, member, identifier))

    def _enriched(self, event: StoredEvent, member: Member, identifier: str) -> bytes:
        """The payload for one record, with today's values of the enriched fields."""
        assert event.detail is not None
        record = self._org.tables[event.source].get(identifier)
        values = {name: record.values[name] for name in member.fields} if record is not None else {}
        change = enriched(event.detail, identifier, values)
        detail = event.detail
        return events.encode(change, detail.commit, detail.sequence, self._org.schemas[event.schema_id])


def _frame(event: StoredEvent) -> bytes:
    """The event as a part of a serialized response, made once for all subscribers.

    Serialized messages that are put one behind the other are read as one message with the parts of all, and
    both kinds of response hold their events under the same number.
    """
    if not event.frame:
        event.frame = _message(event, event.payload)
    return event.frame


def _message(event: StoredEvent, payload: bytes) -> bytes:
    producer = pb.ProducerEvent(id=event.event_id, schema_id=event.schema_id, payload=payload)
    consumer = pb.ConsumerEvent(event=producer, replay_id=replay_id(event.position))
    data: bytes = pb.FetchResponse(events=[consumer]).SerializeToString()
    return data
