"""``isthmus check`` against the stand-in org: from TLS and login to the rights on every object."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from agent.core.objects import FieldSpec, FieldType, ObjectSpec
from agent.ports import Check
from tests.salesforce.place import Place, running

ACCOUNT = ObjectSpec(
    "Account",
    "Id",
    (FieldSpec("Name"), FieldSpec("Phone"), FieldSpec("Credit_Limit__c", FieldType.DECIMAL)),
    external_id="Isthmus_Id__c",
)
INVOICE = ObjectSpec("Invoice__c", "Id", (FieldSpec("Status__c"),), external_id="Isthmus_Id__c")
SET = "Setup > Users > Permission Sets > Isthmus Integration"


@pytest.fixture(scope="module")
def org_process() -> Iterator[dict[str, Any]]:
    with running() as info:
        yield info


@pytest.fixture
async def place(org_process: dict[str, Any]) -> AsyncIterator[Place]:
    place = Place(org_process)
    yield place
    rights = {"Read": True, "Edit": True, "ViewAllRecords": True, "ModifyAllRecords": True}
    await place.control("POST", "access", object="Account", rights=rights, captured=True)
    await place.close()


async def checked(place: Place, **changes: Any) -> list[Check]:
    return list(await place.connect((ACCOUNT, INVOICE), **changes).probe.check())


async def faults(place: Place, **changes: Any) -> dict[str, tuple[str, str]]:
    """What failed: name → detail and remedy."""
    return {one.name: (one.detail, one.remedy) for one in await checked(place, **changes) if not one.ok}


async def test_an_org_in_order(place: Place) -> None:
    checks = await checked(place)
    assert [check for check in checks if not check.ok] == []
    host, bus = place.info["https"].removeprefix("https://"), place.info["grpc"]
    assert [check.name for check in checks] == [
        "login",
        "user",
        "api version",
        "clock",
        "api calls",
        "event delivery",
        f"host {host}",
        f"host {bus}",
        "ca_file",
        "object Account",
        "fields Account",
        "external id Account.Isthmus_Id__c",
        "object Invoice__c",
        "fields Invoice__c",
        "external id Invoice__c.Isthmus_Id__c",
        "events /data/AccountChangeEvent",
        "view all Account",
        "events /data/Invoice__ChangeEvent",
        "view all Invoice__c",
    ]
    details = {check.name: check.detail for check in checks}
    assert details["user"] == (
        "integration@isthmus.example, Minimum Access - API Only Integrations, Salesforce Integration"
    )
    assert details["view all Account"] == "View All Records"
    assert details[f"host {bus}"].startswith("certificate of Isthmus sandbox authority until ")


async def test_a_right_that_is_missing_is_told_with_the_user_s_own_permission_set(place: Place) -> None:
    rights = {"ViewAllRecords": False, "ModifyAllRecords": False, "Edit": False}
    await place.control(
        "POST", "access", object="Account", rights=rights, hidden=["Phone"], read_only=["Name"]
    )
    fields = "Setup > Object Manager > Account > Fields & Relationships"
    view_all = f"{SET} > Object Settings > Account > Edit: View All Records"
    assert await faults(place) == {
        "object Account": (
            "may read, create, delete; not edit",
            f"{SET} > Object Settings > Account > Edit: Read, Edit",
        ),
        "field Account.Name": (
            "not editable",
            f"{fields} > Name > Set Field-Level Security: not Read-Only for the user",
        ),
        "field Account.Phone": (
            "missing, or not readable",
            f"{fields} > Phone > Set Field-Level Security: Visible for the user",
        ),
        "events /data/AccountChangeEvent": ("may not be subscribed", view_all),
        "view all Account": ("not granted: no events for records of others", view_all),
    }


async def test_an_object_that_is_not_selected_for_change_events_is_told(place: Place) -> None:
    await place.control("POST", "access", object="Account", captured=False)
    found = await faults(place)
    assert list(found) == ["events /data/AccountChangeEvent"]
    assert found["events /data/AccountChangeEvent"][1] == (
        "Setup > Integrations > Change Data Capture: move Account to Selected Entities, Save"
    )


async def test_an_object_that_may_not_be_read_is_told(place: Place) -> None:
    await place.control("POST", "access", object="Account", rights={"Read": False})
    assert list(await faults(place)) == ["object Account"]


async def test_an_object_that_is_not_on_its_channel_is_told(place: Place) -> None:
    """The channel may be subscribed, and would stay silent about it."""
    await place.control("POST", "channels", name="Sync__chn", members=[{"object": "Account"}])
    found = await faults(place, channels={"/data/Sync__chn": ["*"]})
    assert list(found) == ["member Invoice__c"]
    assert found["member Invoice__c"][0] == "is not on /data/Sync__chn"
    await place.control("POST", "channels", name="Sync__chn", members=[{"object": "Invoice__c"}])
    assert await faults(place, channels={"/data/Sync__chn": ["*"]}) == {}


async def test_a_channel_that_tells_of_a_part_of_the_records_only_is_told(place: Place) -> None:
    """A record that leaves the filter is not told of any more, not even as deleted."""
    members = [{"object": "Account", "filter": "Industry = 'Energy'"}, {"object": "Invoice__c"}]
    await place.control("POST", "channels", name="Part__chn", members=members)
    found = await faults(place, channels={"/data/Part__chn": ["*"]})
    assert list(found) == ["filter Account"]
    detail, remedy = found["filter Account"]
    assert "only of records where Industry = 'Energy'" in detail
    assert "/data/AccountChangeEvent" in remedy


async def test_an_object_that_is_not_selected_is_told_for_the_channel_of_all(place: Place) -> None:
    await place.control("POST", "access", object="Account", captured=False)
    found = await faults(place, channels={"/data/ChangeEvents": ["*"]})
    assert list(found) == ["member Account"]
    assert "Selected Entities" in found["member Account"][1]


async def test_a_channel_that_is_not_there_is_told(place: Place) -> None:
    found = await faults(place, channels={"/data/Nowhere__chn": ["*"]})
    assert found["events /data/Nowhere__chn"][0] == "the org has no such channel"


async def test_a_managed_subscription_is_looked_up(place: Place) -> None:
    topic = "/data/AccountChangeEvent"
    found = await faults(place, managed={topic: "Isthmus_Place"})
    assert found["managed Isthmus_Place"][0] == "there is no such managed subscription"
    await place.tooling("ManagedEventSubscription", "Isthmus_Place", topicName=topic, state="STOP")
    assert (await faults(place, managed={topic: "Isthmus_Place"}))["managed Isthmus_Place"] == (
        "state STOP",
        "set its state to RUN",
    )
    await place.tooling("ManagedEventSubscription", "Isthmus_Other", topicName=topic, state="RUN")
    assert await faults(place, managed={topic: "Isthmus_Other"}) == {}


async def test_a_wrong_endpoint_of_events_hides_nothing_else(place: Place) -> None:
    whole = {check.name for check in await checked(place)}
    found = await checked(place, pubsub_endpoint="localhost:1")
    wrong = {check.name: check.remedy for check in found if not check.ok}
    assert set(wrong) == {
        "host localhost:1",
        "events /data/AccountChangeEvent",
        "events /data/Invoice__ChangeEvent",
    }
    assert "allow TCP to localhost:1" in wrong["host localhost:1"]
    assert {check.name for check in found} >= whole - {f"host {place.info['grpc']}"}


async def test_a_user_that_cannot_log_in_leaves_hosts_clock_and_version(place: Place) -> None:
    await place.arm("deny-login", detail="inactive_user: user is inactive")
    checks = await checked(place)
    assert [(check.name, check.ok) for check in checks] == [
        ("login", False),
        ("api version", True),
        ("clock", True),
        (f"host {place.info['https'].removeprefix('https://')}", True),
        (f"host {place.info['grpc']}", True),
        ("ca_file", True),
    ]
    assert "Setup > Users > Users > integration@isthmus.example > Edit > Active" in checks[0].remedy


async def test_a_clock_that_is_off_is_told(place: Place) -> None:
    await place.control("POST", "clock", advance=-300)
    try:
        assert list(await faults(place)) == ["clock"]
    finally:
        await place.control("POST", "clock", advance=300)


async def test_calls_that_are_nearly_used_up_are_told_and_still_checked(place: Place) -> None:
    """People may use the reserve: a check runs when nothing else does."""
    await place.control("POST", "calls", used=14_000, limit=15_000)
    try:
        found = await faults(place)
        assert list(found) == ["api calls"]
        assert "of 15,000 in 24 h used (93%)" in found["api calls"][0]
    finally:
        await place.control("POST", "calls", used=0, limit=5_000_000)


async def test_many_objects_cost_one_call_each_and_no_second_login(place: Place) -> None:
    before = len(await place.logins())
    await asyncio.gather(*(checked(place) for _ in range(3)))
    assert len(await place.logins()) - before == 3
