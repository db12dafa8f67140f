"""One session for everything that calls an org: one refresh at a time, and none where it cannot help."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import grpc
import pytest

from adapters.salesforce import pubsub_api_pb2 as pb
from adapters.salesforce.connection.auth import Login
from adapters.salesforce.connection.governor import Governor
from adapters.salesforce.connection.http import HttpLink
from adapters.salesforce.connection.proxy import Ways
from adapters.salesforce.connection.rest import Rest
from adapters.salesforce.jobs.bulk import Bulk
from adapters.salesforce.jobs.bulk2 import Jobs
from adapters.salesforce.stream.channel import Channel
from adapters.salesforce.stream.pubsub import PubSub
from adapters.salesforce.stream.subscription import Backlog, Follower
from agent.core.delivery import Delivery, DeliveryKind, OutcomeKind
from agent.errors import Refused, Unreachable
from tests.salesforce.conftest import Org
from tests.salesforce.peers import Answer, Asked, Stream
from tests.salesforce.place import Place, running
from tests.salesforce.samples import TOPIC, encode, header

CALLERS = 20


@pytest.fixture(scope="module")
def org_process() -> Iterator[dict[str, Any]]:
    with running("--accounts", "3", "--keepalive", "0.2") as info:
        yield info


@pytest.fixture
async def place(org_process: dict[str, Any]) -> AsyncIterator[Place]:
    place = Place(org_process)
    yield place
    await place.close()


def event(replay: bytes) -> pb.ConsumerEvent:
    """A change of an account."""
    payload = encode({"ChangeEventHeader": header(transactionKey=f"t-{replay.hex()}")})
    produced = pb.ProducerEvent(schema_id="account-1", payload=payload)
    return pb.ConsumerEvent(event=produced, replay_id=replay)


async def _quiet(stream: Stream) -> None:
    await stream.wait_cancelled()


class Callers:
    """Everything that calls an org, around one login."""

    def __init__(self, place: Place) -> None:
        settings = place.settings()
        ways = Ways(settings, place.secret)
        self.link = HttpLink(settings, ways)
        self.login = Login("crm", settings, self.link, place.secret)
        governor = Governor("crm")
        self.rest = Rest("crm", settings, self.link, self.login, governor)
        self.jobs = Jobs(self.rest, "query")
        self.pubsub = PubSub("crm", settings, self.login, {}, 30.0, ways)
        self.bulk = Bulk("crm", settings, self.login, governor, ways)
        self.schema_id = ""

    async def begin(self) -> None:
        """One call through each door, so that all of them have used the first session."""
        self.schema_id = (await self.pubsub.topic(TOPIC)).schema_id
        await self.rest.get("/limits")

    async def follow(self) -> None:
        """Open a stream and wait for its first sign of life, as the engine does.

        The library loses the reason of a call that is refused before its first message went out; the next
        open asks for the topic first, which tells.
        """
        try:
            await self._follow()
        except Unreachable:
            await self.pubsub.topic(TOPIC)
            await self._follow()

    async def _follow(self) -> None:
        backlog = Backlog(1 << 20)
        task = asyncio.create_task(
            Follower(self.pubsub, Channel(TOPIC, ("Account",)), None, backlog, 30.0).run()
        )
        task.add_done_callback(lambda _: backlog.wake())
        while backlog.first() is None and not task.done():
            await backlog.changed()
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    async def schema(self) -> None:
        """Ask for a schema that this client does not know yet."""
        fresh = PubSub.__new__(PubSub)
        fresh.__dict__ = {**self.pubsub.__dict__, "_schemas": {}}
        await fresh.schema(self.schema_id, TOPIC)

    async def all(self) -> list[BaseException | None]:
        """Every kind of call, many times at once."""
        kinds: list[Callable[[], Any]] = [
            lambda: self.rest.get("/limits"),
            lambda: self.pubsub.topic(TOPIC),
            self.schema,
            self.follow,
            lambda: self.jobs.look("750000000000001AAA"),
        ]
        calls = [kind() for kind in kinds for _ in range(CALLERS)]
        bulk = self.bulk.make_query("Account")
        done = await asyncio.gather(*calls, bulk, return_exceptions=True)
        return [one for one in done if isinstance(one, BaseException)]

    async def close(self) -> None:
        await self.pubsub.close()
        await self.link.release("nobody")


@pytest.fixture
async def callers(place: Place) -> AsyncIterator[Callers]:
    made = Callers(place)
    async with made.bulk:
        yield made
    await made.close()


async def test_everybody_shares_the_one_refresh_of_a_dead_session(place: Place, callers: Callers) -> None:
    """REST, GetTopic, GetSchema, Subscribe, Bulk API 1.0 and 2.0, twenty of each at once."""
    await callers.begin()
    for _ in range(3):
        before = len(await place.logins())
        await place.arm("revoke")
        assert await callers.all() == []
        assert len(await place.logins()) - before == 1


async def test_everybody_shares_the_first_login(place: Place, callers: Callers) -> None:
    before = len(await place.logins())
    callers.schema_id = (await callers.pubsub.topic(TOPIC)).schema_id
    assert await callers.all() == []
    assert len(await place.logins()) - before == 1


async def test_a_locked_user_is_tried_once_however_many_ask(place: Place, callers: Callers) -> None:
    await callers.begin()
    await place.arm("deny-login", count=100, detail="invalid_grant: user is locked")
    await place.arm("revoke")
    before = len(await place.logins())
    for _ in range(3):
        failures = await callers.all()
        assert {type(one) for one in failures} == {Refused}
        assert {"Unlock" in str(one) for one in failures} == {True}
    assert (await place.logins())[before:] == ["invalid_grant"]


async def test_writes_wait_while_a_user_is_inactive_and_none_is_lost(place: Place) -> None:
    system = place.connect()
    await place.arm("deny-login", count=100, detail="inactive_user: user is inactive")
    write = Delivery(
        message_id="1-1",
        entity_type="customer",
        object="Account",
        kind=DeliveryKind.UPDATE,
        key="001000000000001AAA",
        reference="none",
        fields={"Phone": "1"},
    )
    outcomes = [(await system.target.apply([write]))[0] for _ in range(5)]
    assert {one.kind for one in outcomes} == {OutcomeKind.RETRY}
    assert {"Edit > Active" in one.text for one in outcomes} == {True}


async def test_a_token_that_ends_in_the_middle_of_a_stream_costs_no_event(org: Org) -> None:
    """The stream goes on behind what has arrived, with the new session."""

    async def first(stream: Stream) -> None:
        await stream.send(event(b"\x01"))
        org.bus.revoked.add(stream.token)
        await stream.fail(grpc.StatusCode.UNAUTHENTICATED, "service.auth.error")

    async def second(stream: Stream) -> None:
        await stream.send(event(b"\x02"))
        await stream.wait_cancelled()

    org.bus.scripts = [first, second]
    system = org.connect()
    await system.source.open({})
    found = [(await system.source.read()).position for _ in range(2)]
    assert found == [b"\x01", b"\x02"]
    assert org.bus.streams[1].first.replay_id == b"\x01"
    assert org.http.logins == 2


async def test_every_call_of_the_bus_carries_token_instance_and_org(org: Org) -> None:
    """The address with its scheme, the org id in its long form."""

    async def script(stream: Stream) -> None:
        await stream.send(event(b"\x01"))
        await stream.wait_cancelled()

    org.bus.scripts = [script]
    system = org.connect()
    await system.source.open({})
    await system.source.read()
    assert {told["method"] for told in org.bus.metadata} == {"GetTopic", "Subscribe", "GetSchema"}
    carried = {(told["accesstoken"], told["instanceurl"], told["tenantid"]) for told in org.bus.metadata}
    assert carried == {("00D000000000001!1", org.http.url, "00D000000000001EAA")}


async def test_a_session_that_only_get_schema_refuses_is_renewed_once_and_then_rests(org: Org) -> None:
    """The stream lives on the old token; every open would otherwise cost a login."""

    async def script(stream: Stream) -> None:
        await stream.send(event(b"\x01"))
        await stream.wait_cancelled()

    org.bus.scripts = [script]
    org.bus.refused_methods = {"GetSchema"}
    system = org.connect()
    for _ in range(5):
        await system.source.open({})
        with pytest.raises(Refused, match="GetSchema: a new session was refused at once"):
            await system.source.read()
    assert org.http.logins == 2
    org.bus.refused_methods = set()
    await system.source.open({})
    assert (await system.source.read()).position == b"\x01"


async def test_a_session_that_only_subscribe_refuses_is_renewed_once_and_then_rests(org: Org) -> None:
    org.bus.scripts = [_quiet]
    org.bus.refused_methods = {"Subscribe"}
    system = org.connect()
    for _ in range(5):
        await system.source.open({})
        with pytest.raises(Refused, match="Subscribe: a new session was refused at once"):
            await system.source.read()
    assert org.http.logins == 2


async def test_many_that_are_refused_at_once_cost_one_login(org: Org) -> None:
    org.http.answer = lambda asked: (401, [{"errorCode": "INVALID_SESSION_ID", "message": "expired"}], {})
    system = org.connect()
    assert system.reader is not None
    reads = (system.reader.read("Account", ["001000000000001AAA"]) for _ in range(CALLERS))
    found = await asyncio.gather(*reads, return_exceptions=True)
    assert {type(one) for one in found} == {Refused}
    assert org.http.logins == 2


async def test_a_session_that_only_rest_refuses_is_renewed_once_and_then_rests(org: Org) -> None:
    def answer(asked: Asked) -> Answer:
        return 401, [{"errorCode": "INVALID_SESSION_ID", "message": "Session expired or invalid"}], {}

    org.http.answer = answer
    system = org.connect()
    assert system.reader is not None
    for _ in range(5):
        with pytest.raises(Refused, match="REST: a new session was refused at once: INVALID_SESSION_ID"):
            await system.reader.read("Account", ["001000000000001AAA"])
    assert org.http.logins == 2
    # One look with the session that there is, each time: that is how a person's mending is noticed.
    assert len(org.http.asked) == 6
