"""Whether the org tells of changes, and whether the user gets to see them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from adapters.salesforce.channel import Channel
from adapters.salesforce.grant import PLACE, Grants
from adapters.salesforce.pubsub import PubSub
from agent.errors import IsthmusError
from agent.ports import Check

_CAPTURE = "Setup > Integrations > Change Data Capture"


async def listening(pubsub: PubSub, channels: Sequence[Channel], grants: Grants | None) -> list[Check]:
    """The checks of all channels, and of every object that is taken from one."""
    told = await asyncio.gather(*(_channel(pubsub, channel, grants) for channel in channels))
    return [check for checks in told for check in checks]


async def _channel(pubsub: PubSub, channel: Channel, grants: Grants | None) -> list[Check]:
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
    return [found, *(_seen(one, channel, grants, found.ok) for one in channel.objects)]


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
