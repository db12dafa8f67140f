"""Managed subscriptions against the stand-in org: ours is the place that counts, and the org keeps it too."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import httpx2
import pytest
import structlog

from adapters.salesforce import pubsub_api_pb2 as pb
from adapters.salesforce.pubsub_api_pb2_grpc import PubSubStub
from adapters.salesforce.stream.channel import Channel
from adapters.salesforce.stream.managed import Commits
from agent.core.change import Batch
from agent.errors import PositionLost
from agent.ports import System
from tests.salesforce.fresh import ACCOUNT, FreshOrg, fresh_org

TOPIC = "/data/AccountChangeEvent"


class Org:
    """A stand-in org with a managed subscription ``Agent`` to the changes of accounts."""

    def __init__(self, fresh: FreshOrg, token: str, tenant: str) -> None:
        self.fresh = fresh
        self._bearer = {"Authorization": f"Bearer {token}"}
        self._metadata = (("accesstoken", token), ("instanceurl", fresh.details.http), ("tenantid", tenant))

    async def define(self, name: str = "Agent", **more: str) -> str:
        """Make the subscription; returns its id."""
        settings = {"topicName": TOPIC, "state": "RUN", "defaultReplay": "EARLIEST", **more}
        url = f"{self.fresh.details.http}/services/data/v62.0/tooling/sobjects/ManagedEventSubscription"
        async with httpx2.AsyncClient(trust_env=False) as client:
            body = {"FullName": name, "Metadata": settings}
            answer = await client.post(url, json=body, headers=self._bearer)
            answer.raise_for_status()
            return str(answer.json()["id"])

    async def define_again(self, identity: str, **metadata: str) -> None:
        """Change the subscription."""
        base = f"{self.fresh.details.http}/services/data/v62.0/tooling/sobjects/ManagedEventSubscription"
        async with httpx2.AsyncClient(trust_env=False) as client:
            url = f"{base}/{identity}"
            answer = await client.patch(url, json={"Metadata": metadata}, headers=self._bearer)
            answer.raise_for_status()

    async def write(self, *names: str) -> None:
        """Create accounts, each in a transaction of its own."""
        for name in names:
            body = {"writes": [{"op": "create", "object": "Account", "fields": {"Name": name}}]}
            await self.fresh.control("transaction", body)

    async def kept(self, commit_first: int = 0) -> bytes:
        """Where the org would begin now: the replay id of the first event that it would send.

        ``commit_first``: commit behind so many of them before.
        """
        async with grpc.aio.insecure_channel(self.fresh.details.grpc_plaintext) as channel:
            stub = PubSubStub(channel)  # type: ignore[no-untyped-call]  # generated
            call = stub.ManagedSubscribe(metadata=self._metadata)
            try:
                await call.write(pb.ManagedFetchRequest(developer_name="Agent", num_requested=100))
                events: list[Any] = []
                while len(events) <= max(commit_first - 1, 0):
                    events += (await call.read()).events
                if commit_first:
                    place = events[commit_first - 1].replay_id
                    commit = pb.CommitReplayRequest(commit_request_id="test", replay_id=place)
                    await call.write(pb.ManagedFetchRequest(commit_replay_id_request=commit))
                    while not (await call.read()).HasField("commit_response"):
                        pass
                return bytes(events[0].replay_id)
            finally:
                call.cancel()

    def connect(self, **more: Any) -> System:
        return self.fresh.connect(ACCOUNT, managed={TOPIC: "Agent"}, transaction_idle_s=0, **more)


@pytest.fixture
async def org(tmp_path: Path) -> AsyncIterator[Org]:
    async with fresh_org(tmp_path) as fresh:
        details = fresh.details
        form = {"grant_type": "client_credentials"}
        form |= {"client_id": details.client_id, "client_secret": details.client_secret}
        async with httpx2.AsyncClient(trust_env=False) as client:
            answer = await client.post(f"{details.http}/services/oauth2/token", data=form)
            answer.raise_for_status()
        granted = answer.json()
        yield Org(fresh, granted["access_token"], granted["id"].split("/")[-2])


async def created(system: System, last: str, ack: bool = True) -> tuple[list[str], bytes]:
    """Names of the accounts that were created, up to that one; and the place behind it."""
    names: list[str] = []
    while True:
        batch: Batch = await system.source.read()
        names += [str(one.fields["Name"]) for one in batch.changes if "Name" in one.fields]
        if ack:
            await system.source.ack(batch)
        if last in names:
            assert batch.position is not None
            return names, batch.position


async def said(logs: list[Any], action: str) -> None:
    """Wait until the log says so."""
    while action not in {one["action"] for one in logs}:  # noqa: ASYNC110 - a log wakes nobody
        await asyncio.sleep(0.01)


async def test_place_that_is_durable_here_is_kept_by_the_org_too(org: Org) -> None:
    await org.define()
    await org.write("A")
    system = org.connect()
    with structlog.testing.capture_logs() as logs:
        await system.source.open({})
        assert "A" in (await created(system, "A"))[0]
        await said(logs, "salesforce.managed.follow")
        await org.write("B", "C")
        assert (await created(system, "C"))[0] == ["B", "C"]
    await org.write("D")
    expected = await system.source.read()
    while await org.kept() != expected.position:  # noqa: ASYNC110 - the org wakes nobody
        await asyncio.sleep(0.01)
    assert [one.fields["Name"] for one in expected.changes] == ["D"]


async def test_nothing_is_lost_or_repeated_where_the_orgs_place_is_behind_ours(org: Org) -> None:
    await org.define()
    await org.write("A", "B", "C")
    system = org.connect()
    await system.source.open({})
    _, place = await created(system, "C", ack=False)
    await system.source.close()
    with structlog.testing.capture_logs() as logs:
        await system.source.open({TOPIC: place})
        await org.write("D", "E")
        assert (await created(system, "E"))[0] == ["D", "E"]
        await said(logs, "salesforce.managed.follow")
        await org.write("F")
        assert (await created(system, "F"))[0] == ["F"]
    assert "salesforce.managed.behind" in {one["action"] for one in logs}


async def test_what_lies_between_is_read_and_said_where_the_orgs_place_is_ahead_of_ours(org: Org) -> None:
    await org.define()
    system = org.connect()
    await org.write("A")
    await system.source.open({})
    _, place = await created(system, "A", ack=False)
    await system.source.close()
    await org.write("B", "C")
    while await org.kept(commit_first=1) != place:
        pass  # each look commits one event more
    await org.kept(commit_first=1)
    with structlog.testing.capture_logs() as logs:
        await system.source.open({TOPIC: place})
        await org.write("D")
        assert (await created(system, "D"))[0] == ["B", "C", "D"]
        await said(logs, "salesforce.managed.follow")
        await org.write("E")
        assert (await created(system, "E"))[0] == ["E"]
    ahead = [one for one in logs if one["action"] == "salesforce.managed.ahead"]
    assert [one["events"] for one in ahead] == [1]


async def test_subscription_that_begins_at_the_tip_loses_nothing(org: Org) -> None:
    await org.define(defaultReplay="LATEST")
    await org.write("A", "B")
    system = org.connect()
    await system.source.open({})
    names, _ = await created(system, "B")
    assert names[-2:] == ["A", "B"]


@pytest.mark.parametrize("more", [{"state": "STOP"}, None])
async def test_subscription_that_cannot_be_used_is_said_and_the_topic_is_followed(
    org: Org, more: dict[str, str] | None
) -> None:
    if more is not None:
        await org.define(**more)
    await org.write("A")
    system = org.connect()
    with structlog.testing.capture_logs() as logs:
        await system.source.open({})
        assert "A" in (await created(system, "A"))[0]
        await said(logs, "salesforce.managed.failed")
    await org.write("B")
    assert (await created(system, "B"))[0] == ["B"]


async def test_subscription_is_tried_again_until_it_can_be_used(
    org: Org, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapters.salesforce.stream.managed.RETRY_S", 0.01)
    identity = await org.define(state="STOP")
    await org.write("A")
    system = org.connect()
    with structlog.testing.capture_logs() as logs:
        await system.source.open({})
        assert "A" in (await created(system, "A"))[0]
        await said(logs, "salesforce.managed.failed")
        await org.define_again(identity, state="RUN")
        await said(logs, "salesforce.managed.follow")
    await org.write("B")
    assert (await created(system, "B"))[0] == ["B"]


async def test_subscription_is_named_by_its_id_too(org: Org) -> None:
    identity = await org.define()
    await org.write("A")
    system = org.fresh.connect(ACCOUNT, managed={TOPIC: identity}, transaction_idle_s=0)
    with structlog.testing.capture_logs() as logs:
        await system.source.open({})
        assert "A" in (await created(system, "A"))[0]
        await said(logs, "salesforce.managed.follow")


async def test_lost_place_is_told_although_the_subscription_would_go_on_at_the_tip(org: Org) -> None:
    await org.define(errorRecoveryReplay="LATEST")
    await org.write("A")
    system = org.connect()
    await system.source.open({})
    _, place = await created(system, "A")
    await system.source.close()
    await org.fresh.arm("expire")
    await org.write("B")
    await system.source.open({TOPIC: place})
    with pytest.raises(PositionLost) as lost:
        await created(system, "B")
    assert (lost.value.stream, tuple(lost.value.objects or ())) == (TOPIC, ("Account",))


async def test_session_that_ends_on_the_managed_call_is_renewed_without_loss(org: Org) -> None:
    await org.define()
    await org.write("A")
    system = org.connect()
    with structlog.testing.capture_logs() as logs:
        await system.source.open({})
        await created(system, "A")
        await said(logs, "salesforce.managed.follow")
        await org.fresh.arm("revoke")
        await org.fresh.arm("break")
        await org.write("B")
        with pytest.raises(Exception, match="RST_STREAM"):
            await created(system, "never")
    await system.source.open({})
    assert "B" in (await created(system, "B"))[0]


def commits() -> Commits:
    return Commits(Channel(TOPIC, ("Account",), "Agent"))


def test_only_what_the_call_delivered_is_committed_and_the_newest_stands_for_all() -> None:
    places = commits()
    for number in range(5):
        places.delivered(bytes([number]))
    places.ask(b"unknown")
    assert places.next() is None
    places.ask(b"\1")
    places.ask(b"\3")
    request = places.next()
    assert request is not None and request.replay_id == b"\3"
    assert places.next() is None
    places.ask(b"\2")
    assert places.next() is None


def test_one_answer_stands_for_several_commits_and_a_refusal_is_said_once() -> None:
    places = commits()
    asked = []
    for number in range(4):
        places.delivered(bytes([number]))
        places.ask(bytes([number]))
        asked.append(places.next() or pb.CommitReplayRequest())
    with structlog.testing.capture_logs() as logs:
        third = asked[2]
        request = third.commit_request_id
        places.answered(pb.CommitReplayResponse(commit_request_id=request, replay_id=b"\2"))
        assert not logs
        error = pb.Error(code=pb.COMMIT, msg="older")
        for _ in range(2):
            places.answered(pb.CommitReplayResponse(commit_request_id="x", replay_id=b"\3", error=error))
        last = asked[3].commit_request_id
        places.answered(pb.CommitReplayResponse(commit_request_id=last, replay_id=b"\3"))
    assert [one["action"] for one in logs] == ["salesforce.managed.differs", "salesforce.managed.agrees"]


def test_answer_that_names_another_place_is_a_disagreement() -> None:
    places = commits()
    places.delivered(b"\1")
    places.ask(b"\1")
    request = (places.next() or pb.CommitReplayRequest()).commit_request_id
    with structlog.testing.capture_logs() as logs:
        places.answered(pb.CommitReplayResponse(commit_request_id=request, replay_id=b"\7"))
    (logged,) = logs
    assert (logged["ours"], logged["theirs"]) == ("01", "07")
