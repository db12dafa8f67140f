"""Whether the org tells of changes, and whether the user gets to see them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from adapters.salesforce.check.grant import PLACE, Grants
from adapters.salesforce.connection.rest import Rest
from adapters.salesforce.stream.channel import ALL, Channel, topic_of
from adapters.salesforce.stream.pubsub import PubSub
from adapters.salesforce.values import soql
from agent.errors import IsthmusError
from agent.ports import Check

#: Objects that have no View All Records of their own (CDC developer guide, "Required Permissions").
_WITHOUT = frozenset({"Task", "Event"})
_CAPTURE = "Setup > Integrations > Change Data Capture"


async def listening(
    pubsub: PubSub, rest: Rest, channels: Sequence[Channel], grants: Grants | None
) -> list[Check]:
    """The checks of all channels, and of every object that is taken from one."""
    told = await asyncio.gather(*(_channel(pubsub, rest, channel, grants) for channel in channels))
    return [check for checks in told for check in checks]


async def _channel(pubsub: PubSub, rest: Rest, channel: Channel, grants: Grants | None) -> list[Check]:
    name = f"events {channel.topic}"
    try:
        info = await pubsub.topic(channel.topic)
    except IsthmusError as error:
        found = _unheard(name, channel, error)
    else:
        if info.can_subscribe:
            found = Check(name, True, "may be subscribed")
        else:
            found = Check(name, False, "may not be subscribed", _view_all(grants, *channel.objects))
    told = channel.several and found.ok
    members = await _members(rest, channel) if told else None
    filtered = await _filters(rest, channel) if told else {}
    managed = [await _managed(rest, channel)] if channel.managed else []
    seen = (_seen(one, channel, grants, found.ok) for one in channel.objects)
    return [found, *managed, *_absent(channel, members), *_thinned(channel, filtered), *seen]


async def _members(rest: Rest, channel: Channel) -> frozenset[str] | None:
    """The change events on a channel of several objects; None where the user may not see them (Tooling API,
    PlatformEventChannelMember: needs View Setup and Configuration)."""
    query = "SELECT SelectedEntity FROM PlatformEventChannelMember WHERE EventChannel = {name}"
    name = soql(channel.topic.removeprefix("/data/"))
    try:
        reply = await rest.get("/tooling/query", {"q": query.format(name=name)})
        return frozenset(str(one["SelectedEntity"]) for one in reply.body["records"]) or None
    except (IsthmusError, KeyError, TypeError):
        return None


def _absent(channel: Channel, members: frozenset[str] | None) -> list[Check]:
    """The objects that are awaited on a channel and are not on it: it would just stay silent about them."""
    if members is None:
        return []
    missing = [one for one in channel.objects if topic_of(one).removeprefix("/data/") not in members]
    if channel.topic == ALL:
        remedy = f"{_CAPTURE}: move it to Selected Entities, Save"
    else:
        remedy = "add it to the channel (Metadata API: PlatformEventChannelMember)"
    return [Check(f"member {one}", False, f"is not on {channel.topic}", remedy) for one in missing]


async def _filters(rest: Rest, channel: Channel) -> dict[str, str]:
    """Change event on a channel of several objects → its filter; what the user may not see is left out
    (Tooling API, PlatformEventChannelMember: FilterExpression)."""
    query = (
        "SELECT SelectedEntity, FilterExpression FROM PlatformEventChannelMember WHERE EventChannel = {name}"
    )
    name = soql(channel.topic.removeprefix("/data/"))
    try:
        rows = (await rest.get("/tooling/query", {"q": query.format(name=name)})).body["records"]
        return {str(one["SelectedEntity"]): str(one["FilterExpression"] or "") for one in rows}
    except (IsthmusError, KeyError, TypeError):
        return {}


def _thinned(channel: Channel, filters: Mapping[str, str]) -> list[Check]:
    """The objects of which the channel tells a part only. Who leaves the part is not told of, not even as
    deleted (CDC developer guide, "Change Event Filters")."""
    checks = []
    for one in channel.objects:
        text = filters.get(topic_of(one).removeprefix("/data/"), "")
        if text:
            detail = f"{channel.topic} tells only of records where {text}: other changes are found by looks"
            remedy = "take the filter off the member (Metadata API: PlatformEventChannelMember), or take"
            remedy += f" {one} from {topic_of(one)} in 'channels'"
            checks.append(Check(f"filter {one}", False, detail, remedy))
    return checks


async def _managed(rest: Rest, channel: Channel) -> Check:
    """Whether the subscription that keeps the place is there and runs (Tooling API,
    ManagedEventSubscription)."""
    name = f"managed {channel.managed}"
    column = "Id" if channel.managed.startswith("18x") else "DeveloperName"
    query = f"SELECT Id, Metadata FROM ManagedEventSubscription WHERE {column} = {soql(channel.managed)}"  # noqa: S608 - literals only
    remedy = "make it with the Tooling API (ManagedEventSubscription), or correct 'managed'"
    try:
        records = (await rest.get("/tooling/query", {"q": query})).body["records"]
        if not records:
            return Check(name, False, "there is no such managed subscription", remedy)
        metadata = records[0]["Metadata"]
        topic, state = str(metadata["topicName"]), str(metadata["state"])
    except (IsthmusError, KeyError, TypeError):
        return Check(name, True, "not visible to this user (View Setup and Configuration)")
    if topic != channel.topic:
        return Check(name, False, f"is for {topic}", remedy)
    return Check(name, state == "RUN", f"state {state}", "" if state == "RUN" else "set its state to RUN")


def _seen(object_name: str, channel: Channel, grants: Grants | None, subscribed: bool) -> Check:
    """Whether events of the object come for every record. A channel of several objects withholds without a
    word what the user may not see (CDC developer guide, "Required Permissions for Change Event Subscribers").
    """
    name = f"view all {object_name}"
    if grants is None:
        if channel.several or not subscribed:
            text = "not visible to this user, and the channel withholds silently what it may not see"
            return Check(name, False, text, f"{_view_all(grants, object_name)}; or let it 'View Setup'")
        return Check(name, True, "the topic would refuse otherwise")
    if grants.sees_all(object_name):
        return Check(name, True, "View All Data" if grants.all_data else "View All Records")
    return Check(name, False, "not granted: no events for records of others", _view_all(grants, object_name))


def _view_all(grants: Grants | None, *objects: str) -> str:
    place = grants.place if grants else PLACE
    if not _WITHOUT.isdisjoint(objects):
        return f"{place} > System Permissions > Edit: View All Data (there is no View All of {objects[0]})"
    return f"{place} > Object Settings > {', '.join(objects)} > Edit: View All Records"


def _unheard(name: str, channel: Channel, error: IsthmusError) -> Check:
    """A topic that the org does not tell about."""
    if "not found" not in error.message.lower():
        return Check(name, False, error.message, error.remedy)
    if channel.topic.endswith("__chn"):
        remedy = "make the channel (Metadata API: PlatformEventChannel), or correct 'channels'"
        return Check(name, False, "the org has no such channel", remedy)
    objects = ", ".join(channel.objects)
    remedy = f"{_CAPTURE}: move {objects} to Selected Entities, Save"
    return Check(name, False, "changes are not captured", remedy)
