"""The place in the stream is lost: replay ids that are expired, of an earlier stream, or of another org."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing

from agent.store.database import FILE
from tests.faults.salesforce.history import positions
from tests.faults.salesforce.scene import REMEDY, Scene, fault, holds, until

LOST = "replay id expired, corrupted, reset"
TOLD = r"replay ID .*starts at its oldest event"
GAP = frozenset({"gap"})


def _from_the_oldest(scene: Scene, before: int) -> None:
    """The stream goes on at its oldest event; nothing is skipped."""
    until(
        lambda: "EARLIEST" in {each["preset"] for each in scene.history.subscriptions()[before:]},
        "a subscription from the oldest event",
    )


def lost(scene: Scene, kind: str) -> Iterator[None]:
    """Things happen while the stream is away, and are gone when it is back."""
    before = len(scene.history.subscriptions())
    scene.place.events.shut()
    scene.lasts(2.0)
    scene.edit(scene.customers[0], BillingCity="Besançon")
    number, _ = scene.born()
    scene.crm.delete("Account", scene.born()[1])
    scene.arm(kind)
    scene.edit(scene.customers[1], BillingStreet="Rue Voltaire 7")
    scene.place.events.mend()
    _from_the_oldest(scene, before)
    until(lambda: scene.site.in_erp(number), "what was born in the gap")
    yield


@fault("replay-id-expired", LOST, logs=TOLD, leaves=GAP, edits=False)
def expired(scene: Scene) -> Iterator[None]:
    """The agent was away longer than events are kept."""
    yield from lost(scene, "expire")


@fault("stream-reset-by-org", LOST, logs=TOLD, leaves=GAP, edits=False)
def moved(scene: Scene) -> Iterator[None]:
    """The org moved to another instance: no replay id is known there."""
    yield from lost(scene, "reset")


@fault("replay-id-of-another-org", LOST, logs=TOLD, leaves=GAP, edits=False, kills=False)
def foreign(scene: Scene) -> Iterator[None]:
    """The stored bytes are no replay id of this stream."""
    agent, before = scene.site.stage.agent, len(scene.history.subscriptions())
    assert agent is not None
    agent.kill()
    agent.wait()
    with closing(sqlite3.connect(scene.site.stage.state / FILE)) as store, store:
        store.execute(
            "UPDATE position SET value = ? WHERE system = 'salesforce'", (bytes.fromhex("ff" * 10),)
        )
    scene.edit(scene.customers[0], BillingCity="Besançon")
    scene.site.start()
    _from_the_oldest(scene, before)
    yield


@fault(
    "invalid-argument-keeps-the-position",
    LOST,
    says=r"^salesforce .* DOWN .*The topic",
    does=REMEDY,
)
def invalid(scene: Scene) -> Iterator[None]:
    """INVALID_ARGUMENT that is not about the replay id: the position stays."""
    before = len(scene.history.subscriptions())
    known = positions(scene.site.stage.state)
    detail = "subscription.fetch.topic.name.invalid: The topic is not valid."
    scene.arm("refuse-stream", scope="*", count=1000, detail=detail)
    scene.arm("break")
    yield
    scene.history.ask("DELETE", "faults")
    scene.finally_(lambda: _kept(scene, before, known))


def _kept(scene: Scene, before: int, known: Iterable[str]) -> None:
    later = [each for each in scene.history.subscriptions()[before:] if each["topic"] in known]
    given_up = {each["topic"] for each in later if each["preset"] != "CUSTOM"}
    holds(bool(later) and not given_up, f"positions were given up: {given_up}")


@fault(
    "event-allocation-used-up",
    "503, REQUEST_LIMIT_EXCEEDED, TXN/concurrency limit",
    says=r"^salesforce .* DOWN .*allocation",
    does=REMEDY,
    kills=False,
)
def allocation(scene: Scene) -> Iterator[None]:
    """The day's events are used up: the agent stays off instead of flapping, and goes on when told to."""
    before = len(scene.history.subscriptions())
    scene.arm("event-limit", scope="Account")
    yield
    scene.lasts(5.0)
    tried = len(scene.history.subscriptions()) - before
    holds(tried <= 3, f"subscribed {tried} times though nothing is left")
    scene.kill()
