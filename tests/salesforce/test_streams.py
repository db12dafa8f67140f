"""Event streams against the stand-in org: channels, transactions, schemas that change, and odd events."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
import structlog

from agent.core.change import Batch, Change, ChangeKind, Operation
from agent.core.objects import FieldSpec, FieldType, ObjectSpec
from agent.errors import PositionLost, Unreachable
from agent.ports import System
from tests.salesforce.fresh import FreshOrg, fresh_org

ALL, SALES = "/data/ChangeEvents", "/data/Sales__chn"
TOPIC, CONTACTS = "/data/AccountChangeEvent", "/data/ContactChangeEvent"
ACCOUNT = ObjectSpec(
    "Account",
    "Id",
    (
        *(FieldSpec(name) for name in ("Name", "Phone", "BillingStreet", "BillingCity", "Description")),
        *(FieldSpec(name, FieldType.DECIMAL) for name in ("BillingLatitude", "BillingLongitude")),
    ),
)
CONTACT = ObjectSpec(
    "Contact", "Id", (FieldSpec("FirstName"), FieldSpec("LastName"), FieldSpec("MailingCity"))
)


@pytest.fixture
async def org(tmp_path: Path) -> AsyncIterator[FreshOrg]:
    async with fresh_org(tmp_path) as fresh:
        yield fresh


async def write(org: FreshOrg, *writes: dict[str, Any]) -> list[str]:
    """One transaction of these writes; returns the ids."""
    ids: list[str] = (await org.control("transaction", {"writes": list(writes)}))["ids"]
    return ids


def create(kind: str = "Account", **fields: Any) -> dict[str, Any]:
    named = {"LastName": "Lovelace"} if kind == "Contact" else {"Name": "Nordlicht"}
    return {"op": "create", "object": kind, "fields": named | fields}


def update(key: str, kind: str = "Account", **fields: Any) -> dict[str, Any]:
    return {"op": "update", "object": kind, "id": key, "fields": fields}


async def about(system: System, key: str, operation: Operation) -> tuple[Change, Batch]:
    """The next change of that record and kind, with its batch."""
    while True:
        batch = await system.source.read()
        for change in batch.changes:
            if key in change.keys and change.operation is operation:
                return change, batch


async def drained(system: System) -> None:
    """Read until it fails."""
    while True:
        await system.source.read()


async def test_transaction_over_several_objects_of_a_channel_is_one_batch(org: FreshOrg) -> None:
    system = org.connect(ACCOUNT, CONTACT, channels={ALL: ["*"]}, transaction_idle_s=0.2)
    await system.source.open({})
    ids = await write(org, create(), create("Contact"), create("Contact"))
    _, batch = await about(system, ids[0], Operation.CREATE)
    mine = [one for one in batch.changes if set(one.keys) & set(ids)]
    assert [one.object for one in mine] == ["Account", "Contact", "Contact"]
    assert len({one.transaction for one in mine}) == 1
    assert {one.stream for one in mine} == {ALL}


async def test_channel_beside_the_own_topic_of_another_object(org: FreshOrg) -> None:
    members = [{"object": "Account"}, {"object": "Contact"}]
    await org.control("channels", {"name": "Sales__chn", "members": members})
    system = org.connect(ACCOUNT, CONTACT, channels={SALES: ["Account"]})
    await system.source.open({})
    ids = await write(org, create(), create("Contact"))
    found: dict[str, str] = {}
    while set(found) != set(ids):
        for change in (await system.source.read()).changes:
            found |= {key: change.stream for key in change.keys if key in ids}
    assert found == {ids[0]: SALES, ids[1]: CONTACTS}


async def test_delivery_begins_behind_the_stored_position(org: FreshOrg) -> None:
    system = org.connect(ACCOUNT, transaction_idle_s=0)
    await system.source.open({})
    (first,) = await write(org, create())
    _, batch = await about(system, first, Operation.CREATE)
    (second,) = await write(org, create())
    assert batch.position is not None
    await system.source.open({TOPIC: batch.position})
    keys: list[str] = []
    while second not in keys:
        keys += [key for one in (await system.source.read()).changes for key in one.keys]
    assert first not in keys


async def test_one_lost_position_concerns_its_own_channel_only(org: FreshOrg) -> None:
    system = org.connect(ACCOUNT, CONTACT)
    await system.source.open({CONTACTS: b"\xff" * 10})
    with pytest.raises(PositionLost) as lost:
        await drained(system)
    assert (lost.value.stream, tuple(lost.value.objects or ())) == (CONTACTS, ("Contact",))


async def test_name_and_address_of_a_person_are_equal_in_event_and_read(org: FreshOrg) -> None:
    named = ObjectSpec("Contact", "Id", (FieldSpec("Name"), *CONTACT.fields))
    system = org.connect(CONTACT)
    await system.source.open({})
    (key,) = await write(org, create("Contact", FirstName="Ada", MailingCity="Kiel"))
    change, _ = await about(system, key, Operation.CREATE)
    assert system.reader is not None
    (row,) = (await system.reader.read("Contact", [key])).rows
    assert row.fields is not None
    assert dict(change.fields) == dict(row.fields)
    whole = org.connect(named)
    await whole.source.open({})
    (single,) = await write(org, create("Contact"))
    change, _ = await about(whole, key, Operation.CREATE)
    assert (change.kind, change.keys) == (ChangeKind.GAP, (key,))
    change, _ = await about(whole, single, Operation.CREATE)
    assert whole.reader is not None
    (row,) = (await whole.reader.read("Contact", [single])).rows
    assert row.fields is not None
    assert change.fields["Name"] == row.fields["Name"] == "Lovelace"


async def test_geocoding_comes_as_an_event_of_its_own_with_coordinates_only(org: FreshOrg) -> None:
    system = org.connect(ACCOUNT)
    await system.source.open({})
    (key,) = await write(org, create())
    await org.arm("geocode", scope="Account")
    await write(org, update(key, BillingStreet="Hafenweg 1", BillingCity="Kiel"))
    changed, _ = await about(system, key, Operation.UPDATE)
    assert set(changed.fields) == {"BillingStreet", "BillingCity"}
    second, _ = await about(system, key, Operation.UPDATE)
    assert set(second.fields) == {"BillingLatitude", "BillingLongitude"}
    assert (second.kind, second.origin) == (ChangeKind.EVENT, None)


async def test_small_change_of_a_long_text_comes_as_a_difference_beside_other_values(org: FreshOrg) -> None:
    system = org.connect(ACCOUNT)
    await system.source.open({})
    lines = [f"line {number} of the agreement" for number in range(80)]
    (key,) = await write(org, create(Description="\n".join(lines)))
    whole, _ = await about(system, key, Operation.CREATE)
    assert whole.fields["Description"] == "\n".join(lines)
    lines[40] = "another line"
    await write(org, update(key, Description="\n".join(lines), Phone="2"))
    change, _ = await about(system, key, Operation.UPDATE)
    assert (change.kind, change.fields) == (ChangeKind.EVENT, {"Phone": "2"})
    digest = hashlib.sha256("\n".join(lines).encode()).hexdigest()
    assert change.differences["Description"].split("\n")[1] == f"+++ {digest}"


async def test_schema_that_grows_in_mid_stream_is_followed(org: FreshOrg) -> None:
    system = org.connect(ACCOUNT)
    await system.source.open({})
    (key,) = await write(org, create())
    await org.control("fields", {"object": "Account", "name": "Later__c"})
    await write(org, update(key, Phone="2", Later__c="x"))
    change, _ = await about(system, key, Operation.UPDATE)
    assert change.fields == {"Phone": "2"}


async def test_mapped_field_that_is_removed_is_said_once_and_the_others_go_on(org: FreshOrg) -> None:
    await org.control("fields", {"object": "Account", "name": "Passing__c"})
    spec = ObjectSpec("Account", "Id", (FieldSpec("Phone"), FieldSpec("Passing__c")))
    system = org.connect(spec)
    await system.source.open({})
    (key,) = await write(org, create(Passing__c="there"))
    change, _ = await about(system, key, Operation.CREATE)
    assert change.fields["Passing__c"] == "there"
    await drop(org, "Account", "Passing__c")
    with structlog.testing.capture_logs() as logs:
        for number in range(3):
            await write(org, update(key, Phone=str(number)))
            change, _ = await about(system, key, Operation.UPDATE)
            assert change.fields == {"Phone": str(number)}
    said = [one for one in logs if one["action"] == "salesforce.field.missing"]
    assert [one["field"] for one in said] == ["Passing__c"]


async def drop(org: FreshOrg, kind: str, name: str) -> None:
    async with httpx2.AsyncClient(trust_env=False) as client:
        url = f"{org.details.http}/_sandbox/fields"
        answer = await client.request("DELETE", url, json={"object": kind, "name": name})
        answer.raise_for_status()


async def test_merged_event_names_every_record(org: FreshOrg) -> None:
    system = org.connect(ACCOUNT)
    await system.source.open({})
    ids = await write(org, create(), create(), create())
    await write(org, *(update(key, Phone="same") for key in ids))
    change, _ = await about(system, ids[0], Operation.UPDATE)
    assert change.keys == tuple(ids)
    assert change.fields == {"Phone": "same"}


async def test_wildcard_is_an_overflow_of_the_object(org: FreshOrg) -> None:
    system = org.connect(ACCOUNT)
    await system.source.open({})
    (key,) = await write(org, create())
    await org.arm("wildcard", scope="Account")
    await write(org, update(key, Phone="1"))
    while True:
        kinds = [(one.kind, one.keys) for one in (await system.source.read()).changes]
        if (ChangeKind.OVERFLOW, ()) in kinds:
            return


async def test_used_up_allocation_waits_and_loses_nothing(org: FreshOrg) -> None:
    system = org.connect(ACCOUNT, transaction_idle_s=0)
    await system.source.open({})
    (key,) = await write(org, create())
    _, batch = await about(system, key, Operation.CREATE)
    await org.arm("event-limit")
    (later,) = await write(org, create())
    with pytest.raises(Unreachable) as told:
        await drained(system)
    assert told.value.retry_after == 3600.0
    assert batch.position is not None
    await system.source.open({TOPIC: batch.position})
    change, _ = await about(system, later, Operation.CREATE)
    assert change.keys == (later,)


async def test_half_open_link_is_found_and_the_stream_goes_on_where_it_was(org: FreshOrg) -> None:
    system = org.connect(ACCOUNT, keepalive_s=0.3, keepalive_timeout_s=0.3, transaction_idle_s=0)
    await system.source.open({})
    (key,) = await write(org, create())
    _, batch = await about(system, key, Operation.CREATE)
    await org.arm("half-open")
    (later,) = await write(org, create())
    with pytest.raises(Unreachable):
        await drained(system)
    assert batch.position is not None
    await system.source.open({TOPIC: batch.position})
    assert (await about(system, later, Operation.CREATE))[0].keys == (later,)


async def test_silent_stream_is_found_by_the_watch(org: FreshOrg) -> None:
    system = org.connect(ACCOUNT, silence_s=0.5)
    await system.source.open({})
    await org.arm("silent")
    with pytest.raises(Unreachable, match="sign of life"):
        await drained(system)
