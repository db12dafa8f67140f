"""The event stream breaks, in every way in which streams break."""

from __future__ import annotations

from collections.abc import Iterator

from tests.faults.salesforce import frames
from tests.faults.salesforce.scene import Scene, fault, holds, until

BROKEN = "stream reset, GOAWAY, UNAVAILABLE"
ENDED = r"salesforce\.stream\.end"


def _subscribed_again(scene: Scene, before: int) -> None:
    until(lambda: len(scene.history.subscriptions()) > before, "a new subscription")


@fault("rst-connection", BROKEN, logs=ENDED)
def rst_connection(scene: Scene) -> Iterator[None]:
    before = len(scene.history.subscriptions())
    for customer in scene.customers:
        scene.crm.edit("Account", customer.account, BillingCity="Wien")
    scene.place.events.reset()
    yield
    _subscribed_again(scene, before)


@fault("rst-stream", BROKEN, logs=ENDED)
def rst_stream(scene: Scene) -> Iterator[None]:
    before = len(scene.history.subscriptions())
    holds(scene.place.events.end_streams(frames.NO_ERROR) > 0, "there was no stream to end")
    yield
    _subscribed_again(scene, before)


@fault("goaway", BROKEN, logs=ENDED)
def goaway(scene: Scene) -> Iterator[None]:
    before = len(scene.history.subscriptions())
    holds(scene.place.events.go_away(frames.NO_ERROR) > 0, "there was no connection to take down")
    yield
    _subscribed_again(scene, before)


@fault("unavailable-stream", BROKEN, logs=ENDED)
def unavailable(scene: Scene) -> Iterator[None]:
    before = len(scene.history.subscriptions())
    scene.arm("break")
    yield
    _subscribed_again(scene, before)


@fault("stream-away", BROKEN, says=r"salesforce .*(DOWN|down)", does=r"\(.+\)")
def away(scene: Scene) -> Iterator[None]:
    scene.place.events.shut()
    yield
    scene.place.events.mend()
