"""Streams of several objects: what breaks on one breaks for all that it carries."""

from __future__ import annotations

from collections.abc import Iterator

from tests.faults.salesforce.positions import LOST, TOLD, lost
from tests.faults.salesforce.scene import Scene, fault
from tests.faults.salesforce.streams import BROKEN, ENDED, subscribed_again

CHANNEL = "Sync__chn"
OURS = {"channels": {f"/data/{CHANNEL}": ["*"]}}
ALL = {"channels": {"/data/ChangeEvents": ["*"]}}


def made(scene: Scene) -> None:
    """A channel of the org's own with both objects, one of them with an enriched field."""
    members = [{"object": "Account", "enriched": ["Isthmus_Id__c"]}, {"object": "Invoice__c"}]
    scene.history.ask("POST", "channels", {"name": CHANNEL, "members": members})


@fault("channel-reset", BROKEN, logs=ENDED, settings=OURS, prepare=made)
def reset(scene: Scene) -> Iterator[None]:
    """The one connection of a custom channel is reset."""
    before = len(scene.history.subscriptions())
    scene.place.events.reset()
    yield
    subscribed_again(scene, before)


@fault("channel-replay-id-expired", LOST, logs=TOLD, settings=OURS, prepare=made, edits=False)
def expired(scene: Scene) -> Iterator[None]:
    """The place in a custom channel is lost: both objects are read again."""
    yield from lost(scene, "expire")


@fault("all-changes-reset-by-org", LOST, logs=TOLD, settings=ALL, edits=False)
def all_changes(scene: Scene) -> Iterator[None]:
    """The place in the stream of all changes is lost."""
    yield from lost(scene, "reset")


@fault("channel-duplicates-and-gaps", BROKEN, settings=ALL)
def duplicates(scene: Scene) -> Iterator[None]:
    """Events of both objects come twice, without values, and in pieces, on one stream."""
    scene.arm("duplicate", scope="*", count=10)
    scene.arm("gap", scope="Invoice__c", count=3)
    scene.arm("gap", scope="Account", count=3)
    scene.arm("piecemeal", scope="*", count=20)
    yield
    scene.met("duplicate", 10)
