"""Following a topic through a managed subscription, in which the org keeps the place too.

Our own place is the one that counts, and the org's may be another: it may be older where a commit was lost,
and newer, or at the tip, where the subscription was made anew or a store was put back. No call can ask for it
or set it back (Pub/Sub API guide, "Managed Event Subscriptions": only what was delivered on the call may be
committed, nothing older than what was committed, not with the first request). So the topic is followed from
our place as always, and the managed call listens beside it until both have met at the same event; from there
on it alone is followed, and what became durable here is committed there.
"""

from __future__ import annotations

import asyncio
import uuid
from collections import deque
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from typing import Any

import grpc
import structlog

from adapters.salesforce import pubsub_api_pb2 as pb
from adapters.salesforce.connection.auth import Session
from adapters.salesforce.stream.channel import Channel
from adapters.salesforce.stream.pubsub import PubSub, Subscription
from adapters.salesforce.stream.subscription import CREDIT, Backlog, Follower, Response
from adapters.salesforce.stream.trailer import RETRIED, SessionEnded
from agent.errors import RemoteError, Unreachable

_log = structlog.get_logger(__name__)

#: Wait before a managed call that failed is tried again; doubled each time up to the longest.
RETRY_S, LONGEST_RETRY_S = 5.0, 300.0
#: The method's name, where sessions are refused.
_DOOR = "ManagedSubscribe"
#: Replay ids that are remembered until both calls have met, and until they are committed.
_REMEMBERED = 50_000


class ManagedFollower(Follower):
    """Follows one topic, and keeps the org's place in it where ours is durable."""

    def __init__(
        self, pubsub: PubSub, channel: Channel, position: bytes | None, backlog: Backlog, silence_s: float
    ) -> None:
        super().__init__(pubsub, channel, position, backlog, silence_s)
        self._name = channel.managed
        self._commits = Commits(channel)
        self._progress = asyncio.Event()
        self._seen: dict[bytes, int] = {}  # ids that our own call has delivered, with their numbers
        self._begin_anew()

    def commit(self, position: bytes) -> None:
        """Everything up to this replay id is durable here: the org may know."""
        self._commits.ask(position)

    async def run(self) -> None:
        """Never returns. Raises Unreachable, Refused, PositionLost.

        A managed call that fails before both have met is told and tried again, and nothing waits for it.
        """
        while True:
            self._begin_anew()
            own = asyncio.create_task(super().run())
            beside = asyncio.create_task(self._meet())
            try:
                await asyncio.wait({own, beside}, return_when=asyncio.FIRST_COMPLETED)
                if own.done():
                    own.result()
                met = beside.result()
            except BaseException:
                await _dropped(beside)
                raise
            finally:
                await _cancelled(own)
            self._joined = True
            _log.info(
                "managed", action="salesforce.managed.follow", topic=self.topic, subscription=self._name
            )
            try:
                await self._follow(met.call, met.reading)
            except SessionEnded:
                _log.info("session ended", action="salesforce.stream.renew", topic=self.topic)
                await self._pubsub.renew(met.session, _DOOR)

    def _begin_anew(self) -> None:
        self._joined, self._number, self._whole = False, 0, True
        self._seen = {} if self._position is None else {self._position: 0}
        self._own_last = self._managed_last = self._position or b""
        self._commits.forget()

    # --- until both calls have met

    async def _meet(self) -> _Met:
        """A managed call whose last event was delivered by our own call too: nothing is between them."""
        wait, told = RETRY_S, False
        while True:
            session = await self._pubsub.session()
            call = _ManagedCall(self._pubsub.managed(session), self._request())
            try:
                return _Met(call, await self._listen(call), session)
            except SessionEnded:
                call.cancel()
                await self._pubsub.renew(session, _DOOR)
            except RemoteError as error:
                if not told:
                    _log.warning(
                        f"the managed subscription {self._name} cannot be used: {error}; the topic is "
                        "followed from our own place meanwhile",
                        action="salesforce.managed.failed",
                        topic=self.topic,
                    )
                told = True
                call.cancel()
            except BaseException:
                call.cancel()
                raise
            await asyncio.sleep(wait)
            wait = min(2 * wait, LONGEST_RETRY_S)

    def _request(self) -> pb.ManagedFetchRequest:
        if self._name.startswith("18x"):
            return pb.ManagedFetchRequest(subscription_id=self._name, num_requested=CREDIT)
        return pb.ManagedFetchRequest(developer_name=self._name, num_requested=CREDIT)

    async def _listen(self, call: _ManagedCall) -> asyncio.Task[Response | None]:
        """Take what the managed call delivers as known or as still to come, until both calls have met.

        Returns the read that is under way then: to interrupt it would end the call.
        """
        heard: dict[bytes, None] = {}
        first = last = b""
        reading: asyncio.Task[Response | None] | None = None
        try:
            await call.begin()
            reading = asyncio.create_task(call.read())
            while not first or last not in self._seen or self._is_partly(last):
                self._progress.clear()
                await self._wait(reading, [self._progress.wait], None)
                if not reading.done():
                    continue
                response = reading.result()
                if response is None:
                    text = f"{self.topic}: the managed call was ended"
                    raise Unreachable(text, where=self._pubsub.name, remedy=RETRIED)
                self._pubsub.accepted(_DOOR)
                reading = asyncio.create_task(call.read())
                if response.events:
                    first, last = first or response.events[0].replay_id, response.events[-1].replay_id
                    heard |= dict.fromkeys(event.replay_id for event in response.events)
                    _limit(heard)
                    await call.request(len(response.events))
        except grpc.aio.AioRpcError as error:
            await _cancelled(reading)
            raise self._pubsub.translate(error, self.topic, self._channel.objects) from error
        except BaseException:
            await _cancelled(reading)
            raise
        for place in heard:
            self._commits.delivered(place)
        self._managed_last = last
        self._tell(first, heard)
        return reading

    def _tell(self, first: bytes, heard: Collection[bytes]) -> None:
        """Say how far the org's place was from ours, where they differed."""
        begins = self._seen.get(first)
        if begins is not None and begins > 1:
            _log.warning(
                "the org's place was ahead of ours: what lies between was read from our own place",
                action="salesforce.managed.ahead",
                topic=self.topic,
                events=begins - 1,
            )
        elif not begins:
            _log.info(
                "the org's place was behind ours: what it sent again is left out",
                action="salesforce.managed.behind",
                topic=self.topic,
                events=sum(not self._seen.get(place) for place in heard),
            )

    # --- both calls

    def _take(self, response: Response | None) -> int:
        if response is None:
            return super()._take(response)
        if self._joined:
            return self._take_managed(response)
        self._whole = not response.events
        for event in response.events:
            self._number += 1
            self._own_last = event.replay_id
            self._seen[event.replay_id] = self._number
        _limit(self._seen)
        self._progress.set()
        return super()._take(response)

    def _is_partly(self, place: bytes) -> bool:
        """Whether our own call may have delivered only some of the events of this id (``Follower._move``)."""
        return self._channel.several and not self._whole and place == self._own_last

    def _take_managed(self, response: Any) -> int:
        """Put what is new into the backlog.

        An answer to a commit is no sign of life of the topic, and one that was sent before the managed call
        delivered all that is known would lead back.
        """
        used = len(response.events)
        for event in response.events:
            self._commits.delivered(event.replay_id)
        if response.HasField("commit_response"):
            self._commits.answered(response.commit_response)
        fresh = [
            event
            for event in response.events
            if event.replay_id not in self._seen or self._is_partly(event.replay_id)
        ]
        if used:
            self._managed_last = response.events[-1].replay_id
        if fresh or self._managed_last == self._own_last:
            self._seen.clear()
        if not fresh and (used or self._seen or response.HasField("commit_response")):
            return used
        if not fresh and response.latest_replay_id:
            self._commits.delivered(response.latest_replay_id)
        super()._take(pb.FetchResponse(events=fresh, latest_replay_id=response.latest_replay_id))
        return used

    def _wakers(self) -> list[Callable[[], Awaitable[object]]]:
        return [self._commits.wanted.wait] if self._joined else []

    async def _before(self, subscription: Subscription) -> None:
        """Send the newest place that became durable since."""
        request = self._commits.next() if self._joined else None
        if request is not None and isinstance(subscription, _ManagedCall):
            await subscription.send(pb.ManagedFetchRequest(commit_replay_id_request=request))


class _ManagedCall(Subscription):
    """One open call of ManagedSubscribe."""

    async def request(self, number: int) -> None:
        """Ask for more events."""
        await self.send(pb.ManagedFetchRequest(num_requested=number))


@dataclass(frozen=True, slots=True)
class _Met:
    """A managed call that has met our own: with the read that is under way, and its session."""

    call: _ManagedCall
    reading: asyncio.Task[Response | None]
    session: Session


class Commits:
    """Places to be committed, and those whose answer is awaited. One answer may stand for several."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._delivered: dict[bytes, None] = {}
        self._place: bytes | None = None
        self._sent: deque[tuple[str, bytes]] = deque()
        self._refused = False
        self.wanted = asyncio.Event()

    def forget(self) -> None:
        """A new call: nothing was delivered on it, and nothing is awaited."""
        self._delivered.clear()
        self._sent.clear()
        self._place = None
        self.wanted.clear()

    def delivered(self, place: bytes) -> None:
        """The call delivered this place; only such may be committed."""
        self._delivered[place] = None
        _limit(self._delivered)

    def ask(self, place: bytes) -> None:
        """Commit this place, unless the call has not delivered it."""
        if place not in self._delivered:
            return
        for passed in list(self._delivered):
            del self._delivered[passed]
            if passed == place:
                break
        self._place = place
        self.wanted.set()

    def next(self) -> pb.CommitReplayRequest | None:
        """The newest place that is wanted and was not sent."""
        place, self._place = self._place, None
        self.wanted.clear()
        if place is None:
            return None
        identity = str(uuid.uuid4())
        self._sent.append((identity, place))
        return pb.CommitReplayRequest(commit_request_id=identity, replay_id=place)

    def answered(self, answer: pb.CommitReplayResponse) -> None:
        """Take the org's word; it answers the commits before it too."""
        expected = b""
        while self._sent and answer.commit_request_id in {identity for identity, _ in self._sent}:
            identity, expected = self._sent.popleft()
            if identity == answer.commit_request_id:
                break
        refused = answer.HasField("error")
        if refused or (expected and answer.replay_id != expected):
            if not self._refused:
                _log.warning(
                    "the org does not take our place, which stays the one that counts",
                    action="salesforce.managed.differs",
                    topic=self._channel.topic,
                    ours=expected.hex(),
                    theirs=answer.replay_id.hex(),
                    said=answer.error.msg,
                )
            self._refused = True
        elif self._refused:
            self._refused = False
            _log.info(
                "the org takes our place again", action="salesforce.managed.agrees", topic=self._channel.topic
            )


def _limit(places: dict[bytes, Any]) -> None:
    """Forget the oldest of too many."""
    if len(places) > _REMEMBERED:
        for place in list(places)[: _REMEMBERED // 4]:
            del places[place]


async def _dropped(meeting: asyncio.Task[_Met]) -> None:
    """End a meeting, also one that has just succeeded."""
    await _cancelled(meeting)
    if not meeting.cancelled() and meeting.exception() is None:
        met = meeting.result()
        await _cancelled(met.reading)
        met.call.cancel()


async def _cancelled(task: asyncio.Task[Any] | None) -> None:
    if task is not None:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
