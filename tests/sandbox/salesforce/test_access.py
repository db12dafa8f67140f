"""What the integration user may see and do, as callers find out."""

from __future__ import annotations

from typing import Any

import grpc
import pytest

from adapters.salesforce import pubsub_api_pb2 as pb
from tests.sandbox.salesforce.client import Client

TOPIC = "/data/AccountChangeEvent"
ASSIGNED = (
    "SELECT PermissionSetId, PermissionSet.Label, PermissionSet.IsOwnedByProfile FROM PermissionSetAssignment"
    " WHERE AssigneeId = '{user}'"
)
OPENED = (
    "SELECT SobjectType, PermissionsEdit, PermissionsViewAllRecords, Parent.Label FROM ObjectPermissions"
    " WHERE SobjectType IN ('Account', 'Invoice__c') AND ParentId IN"
    " (SELECT PermissionSetId FROM PermissionSetAssignment WHERE AssigneeId = '{user}')"
)


async def rows(client: Client, query: str) -> list[dict[str, Any]]:
    """The records of a query about the integration user."""
    user = (await client.query("SELECT Id FROM User WHERE Username LIKE 'integration@%'"))["records"][0]["Id"]
    found: list[dict[str, Any]] = (await client.query(query.format(user=user)))["records"]
    return found


async def topic(client: Client, name: str = TOPIC) -> pb.TopicInfo:
    found: pb.TopicInfo = await client.stub.GetTopic(
        pb.TopicRequest(topic_name=name), metadata=client.metadata()
    )
    return found


async def described(client: Client) -> dict[str, Any]:
    found: dict[str, Any] = (await client.call("GET", "sobjects/Account/describe")).json()
    return found


async def test_the_rights_of_the_user_can_be_queried(client: Client) -> None:
    labels = [
        (one["PermissionSet"]["Label"], one["PermissionSet"]["IsOwnedByProfile"])
        for one in await rows(client, ASSIGNED)
    ]
    assert labels == [("Minimum Access - API Only Integrations", True), ("Isthmus Integration", False)]
    opened = await rows(client, OPENED)
    assert [
        (one["SobjectType"], one["PermissionsViewAllRecords"], one["Parent"]["Label"]) for one in opened
    ] == [
        ("Account", True, "Isthmus Integration"),
        ("Invoice__c", True, "Isthmus Integration"),
    ]


async def test_the_user_has_a_profile_with_a_licence(client: Client) -> None:
    query = "SELECT Profile.Name, Profile.UserLicense.Name FROM User WHERE Id = '{user}'"
    (found,) = await rows(client, query)
    assert found["Profile"]["UserLicense"]["Name"] == "Salesforce Integration"


async def test_rights_that_are_taken_away_show_in_describe_and_in_the_rows(client: Client) -> None:
    await client.control(
        "access", {"object": "Account", "rights": {"Edit": False}, "hidden": ["Phone"], "read_only": ["Name"]}
    )
    found = await described(client)
    fields = {each["name"]: each for each in found["fields"]}
    assert (found["updateable"], found["createable"]) == (False, True)
    assert "Phone" not in fields
    assert fields["Name"]["updateable"] is False
    assert fields["Site"]["updateable"] is True
    assert [one["PermissionsEdit"] for one in await rows(client, OPENED)] == [False, True]
    await client.control("access", {"object": "Account", "rights": {"Edit": True}})
    assert "Phone" in {each["name"] for each in (await described(client))["fields"]}


async def test_an_object_that_may_not_be_read_is_not_described(client: Client) -> None:
    await client.control("access", {"object": "Account", "rights": {"Read": False}})
    assert (await client.call("GET", "sobjects/Account/describe")).status_code == 404


async def test_a_topic_of_one_object_wants_view_all(client: Client) -> None:
    assert (await topic(client)).can_subscribe
    rights = {"ViewAllRecords": False, "ModifyAllRecords": False}
    await client.control("access", {"object": "Account", "rights": rights})
    assert not (await topic(client)).can_subscribe
    assert (await topic(client, "/data/ChangeEvents")).can_subscribe


async def test_an_object_whose_changes_are_not_captured_has_no_topic(client: Client) -> None:
    await client.control("access", {"object": "Account", "captured": False})
    with pytest.raises(grpc.aio.AioRpcError, match="not found"):
        await topic(client)
    await client.control("access", {"object": "Account", "captured": True})
    assert (await topic(client)).can_subscribe


@pytest.mark.parametrize(
    "body",
    [
        {"object": "Account", "rights": {"Fly": True}},
        {"object": "Account", "rights": []},
        {"object": "User", "rights": {"Edit": False}},
        {"object": "Account", "hidden": ["Nowhere"]},
    ],
)
async def test_what_is_no_right_is_refused(client: Client, body: dict[str, Any]) -> None:
    await client.control("access", body, status=400)
