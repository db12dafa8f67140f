"""The event stream breaks, in every way in which streams break."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing

from tests.faults.salesforce import frames
from tests.faults.salesforce.scene import REMEDY, Scene, fault, holds, until

BROKEN = "stream reset, GOAWAY, UNAVAILABLE"
HALF_OPEN = "half-open, silent"
SLOW = "slow consumer"
ORDER = "duplicates, reorder across keys, split transaction"
ENDED = r"salesforce\.stream\.end"
DOWN = r"^salesforce .* DOWN "
#: Seconds within which a dead link is noticed, and what two looks at the status may take.
NOTICED_S = 10.0 + 2.0
#: Longest that a stream says nothing before it is given up, here; the org speaks every five seconds.
SILENCE_S = 8.0
#: Events that wait for a slow consumer.
MANY = 150
#: The most that may be asked for at once (Pub/Sub API guide, "Flow Control").
WINDOW = 100


def subscribed_again(scene: Scene, before: int) -> None:
    """Wait for the stream to be followed anew."""
    until(lambda: len(scene.history.subscriptions()) > before, "a new subscription")


@fault("rst-connection", BROKEN, logs=ENDED)
def rst_connection(scene: Scene) -> Iterator[None]:
    """The connection is reset while events are on it."""
    before = len(scene.history.subscriptions())
    scene.place.events.reset()
    yield
    subscribed_again(scene, before)


@fault("rst-stream", BROKEN, logs=ENDED)
def rst_stream(scene: Scene) -> Iterator[None]:
    """The server resets every stream and keeps the connection."""
    before = len(scene.history.subscriptions())
    holds(scene.place.events.end_streams(frames.NO_ERROR) > 0, "there was no stream to end")
    yield
    subscribed_again(scene, before)


@fault("goaway", BROKEN, logs=ENDED)
def goaway(scene: Scene) -> Iterator[None]:
    """The server is taken down in good order."""
    before = len(scene.history.subscriptions())
    holds(scene.place.events.go_away(frames.NO_ERROR) > 0, "there was no connection to take down")
    yield
    subscribed_again(scene, before)


@fault("goaway-too-many-pings", BROKEN, logs=ENDED)
def calm(scene: Scene) -> Iterator[None]:
    """The server asks for calm: ENHANCE_YOUR_CALM."""
    before = len(scene.history.subscriptions())
    holds(scene.place.events.go_away(frames.ENHANCE_YOUR_CALM) > 0, "there was no connection to take down")
    yield
    subscribed_again(scene, before)


@fault("unavailable-stream", BROKEN, logs=ENDED)
def unavailable(scene: Scene) -> Iterator[None]:
    """The org ends every subscription with UNAVAILABLE."""
    before = len(scene.history.subscriptions())
    scene.arm("break")
    yield
    subscribed_again(scene, before)


@fault("stream-away", BROKEN, says=DOWN, does=REMEDY)
def away(scene: Scene) -> Iterator[None]:
    """The Pub/Sub API cannot be reached for a while; REST can."""
    scene.place.events.shut()
    yield
    scene.place.events.mend()


@fault("half-open", HALF_OPEN, says=DOWN, does=REMEDY)
def half_open(scene: Scene) -> Iterator[None]:
    """The gateway dies without a word; pings find it."""
    scene.place.events.die()
    until(lambda: scene.state == "down", "the dead link being noticed", NOTICED_S)
    yield
    scene.place.events.mend()


@fault("silent", HALF_OPEN, says=DOWN, lasting=False, settings={"silence_s": SILENCE_S})
def silent(scene: Scene) -> Iterator[None]:
    """The connection lives and answers pings, the streams say nothing: the agent's own watch finds it."""
    before = len(scene.history.subscriptions())
    scene.arm("silent")
    yield
    subscribed_again(scene, before)


@fault("slow-consumer", SLOW, edits=False)
def slow_consumer(scene: Scene) -> Iterator[None]:
    """The ERP is locked and the agent halted while events come: the window stays, and so does the stream."""
    before = len(scene.history.subscriptions())
    with closing(
        sqlite3.connect(scene.site.stage.folder / "erp.db", isolation_level=None, timeout=10.0)
    ) as lock:
        lock.execute("BEGIN IMMEDIATE")
        with scene.site.nobody_looking():
            for number in range(MANY):
                scene.edit(scene.customers[number % 3], BillingStreet=f"Lange Reihe {number}")
            scene.lasts(2.0)
        scene.lasts(3.0)
        lock.execute("ROLLBACK")
    found = scene.history.subscriptions()
    holds(len(found) == before, "the stream did not stay up")
    most = max(each["most_credit"] for each in found)
    holds(most <= WINDOW, f"{most} events were asked for at once")
    yield


@fault("received-not-committed", BROKEN, edits=False, kills=False)
def received(scene: Scene) -> Iterator[None]:
    """The agent is killed with events in its hands that it had not made durable."""
    stage = scene.site.stage
    agent = stage.agent
    assert agent is not None
    agent.kill()
    agent.wait()
    scene.arm("piecemeal", scope="Account", count=20)
    for number in range(12):
        scene.edit(scene.customers[number % 3], BillingStreet=f"Am Wall {number}")
    stage.start_agent("intake.before_commit=kill@4")
    scene.died("intake.before_commit")
    yield


@fault("split-transaction", ORDER, edits=False, kills=False)
def split(scene: Scene) -> Iterator[None]:
    """A transaction comes in pieces; the agent is killed between them."""
    stage = scene.site.stage
    agent = stage.agent
    assert agent is not None
    agent.kill()
    agent.wait()
    scene.arm("piecemeal", scope="Account", count=6)
    names = {customer: f"Teilweise {customer.number}" for customer in scene.customers}
    writes = [
        {"op": "update", "object": "Account", "id": customer.account, "fields": {"BillingCity": city}}
        for customer, city in names.items()
    ]
    scene.history.ask("POST", "transaction", {"user": "sales", "writes": writes})
    for customer, city in names.items():
        scene.typed[customer] = {"BillingCity": city}
    stage.start_agent("intake.after_commit=kill@2")
    scene.died("intake.after_commit")
    yield
