"""One word for everything: when `status` is healthy, degraded, critical or unknown."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from agent.operations.text import status_text
from agent.operations.verdict import Code, verdict
from agent.operations.wire import (
    ConflictCounts,
    Conservation,
    ConservationRow,
    ExceptionCounts,
    Queue,
    Status,
    SystemStatus,
    age,
)
from tests.operations.site import BEGIN

BALANCED = Conservation(
    balanced=True,
    observed=2,
    recorded=2,
    states={"open": 1, "confirmed": 1},
    open_commands=1,
    mismatched=0,
    orphans=0,
    unexplained=0,
    unproven=0,
    checked=BEGIN,
)
UP = SystemStatus(name="erp", kind="odbc", state="up", since=BEGIN)


def status(**changes: Any) -> Status:
    """A healthy status, with some parts changed."""
    healthy = Status(
        service="up",
        version="0.1.0",
        epoch=1,
        at=BEGIN,
        systems=(UP,),
        replay_headroom_s=71 * 3600.0,
        conservation=BALANCED,
        exceptions=ExceptionCounts(),
        conflicts=ConflictCounts(decided=3),
        progress={"intake.erp": BEGIN - timedelta(seconds=5)},
    )
    return healthy.model_copy(update=changes)


def test_healthy_is_without_a_reason() -> None:
    judged = verdict(status())
    assert (judged.code, judged.word, judged.reasons) == (0, "HEALTHY", ())


@pytest.mark.invariant("I22")
def test_an_agent_that_was_taken_over_from_is_critical_and_says_by_whom() -> None:
    judged = verdict(status(service="down", host="alpha", fenced="an agent on beta (epoch 2)"))
    assert judged.code is Code.CRITICAL
    assert judged.reasons[0].startswith("FENCED: this agent (alpha) was taken over from by an agent on beta")
    assert "isthmus run --take-over" in judged.reasons[0]


def test_what_cannot_be_read_is_unknown() -> None:
    assert verdict(None).code is Code.UNKNOWN


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        (
            {"systems": (UP.model_copy(update={"state": "down", "reason": "refused"}),)},
            "erp is down: refused",
        ),
        ({"systems": (UP.model_copy(update={"state": "starting"}),)}, "erp is starting"),
        ({"replay_headroom_s": 10 * 3600.0}, "10.0 h of the replay window left"),
        ({"uncertain": 2}, "uncertain commands: 2 (asked again by themselves)"),
        ({"exceptions": ExceptionCounts(open=3, late=1)}, "exceptions: 3 open, 1 late"),
        ({"conflicts": ConflictCounts(open=1)}, "conflicts: 1 wait for a ruling"),
    ],
)
def test_degraded(changes: dict[str, Any], reason: str) -> None:
    judged = verdict(status(**changes))
    assert (judged.code, judged.reasons) == (Code.DEGRADED, (reason,))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"service": "down", "note": "it does not run"}, "SERVICE DOWN: it does not run"),
        (
            {"conservation": BALANCED.model_copy(update={"balanced": False, "orphans": 1})},
            "conservation does not balance: 1 orphans",
        ),
        (
            {"conservation": BALANCED.model_copy(update={"balanced": False, "observed": 3})},
            "conservation does not balance: 3 announced, 2 recorded",
        ),
        ({"replay_headroom_s": -1.0}, "0.0 h of the replay window left"),
        (
            {"progress": {"deliver.erp": BEGIN - timedelta(seconds=600)}},
            "deliver.erp has made no progress for 600 s",
        ),
    ],
)
def test_critical(changes: dict[str, Any], reason: str) -> None:
    judged = verdict(status(**changes))
    assert (judged.code, judged.reasons) == (Code.CRITICAL, (reason,))


def test_the_gravest_reason_comes_first() -> None:
    down = UP.model_copy(update={"state": "down"})
    judged = verdict(status(service="down", systems=(down,), uncertain=1))
    assert judged.reasons == ("SERVICE DOWN", "uncertain commands: 1 (asked again by themselves)")


@pytest.mark.invariant("I15")
def test_the_text_shows_the_account_of_every_entity_and_target() -> None:
    rows = (
        ConservationRow(type="customer", target="erp", states={"confirmed": 12, "open": 1}),
        ConservationRow(type="invoice", target="crm", states={"confirmed": 3}),
    )
    shown = status(conservation=BALANCED.model_copy(update={"rows": rows}))
    lines = [line.split() for line in status_text(shown, verdict(shown)).splitlines()]
    assert ["entity", "target", "open", "confirmed"] in lines
    assert ["customer", "erp", "1", "12"] in lines and ["invoice", "crm", "0", "3"] in lines


def test_the_text_begins_with_the_verdict_and_performance_data() -> None:
    queue = Queue(ready=2, uncertain=1)
    text = status_text(
        broken := status(systems=(UP.model_copy(update={"lag_s": 90.0, "queue": queue}),), uncertain=1),
        verdict(broken),
    )
    first, *rest = text.splitlines()
    assert first == (
        "ISTHMUS DEGRADED - uncertain commands: 1 (asked again by themselves) |"
        " 'lag_erp'=90.0s 'queue_erp'=3 exceptions=0 uncertain=1 replay_headroom=255600s"
    )
    assert any(line.split()[:3] == ["erp", "odbc", "up"] and "(1 uncertain)" in line for line in rest)
    assert "Conservation  BALANCED: 2 obligations (1 open, 1 confirmed)" in rest
    assert "Replay        2d23 of 72h left" in rest


def test_the_keys_that_other_programs_read_are_there() -> None:
    keys = status().model_dump(mode="json")
    promised = {
        "systems",
        "replay_headroom_s",
        "conservation",
        "exceptions",
        "uncertain",
        "version",
        "epoch",
        "conflicts",
    }
    assert promised <= keys.keys()
    assert {"name", "kind", "state", "since", "reason", "lag_s", "queue"} <= keys["systems"][0].keys()


def test_durations_are_short() -> None:
    assert [age(s) for s in (-1, 59, 60, 3600, 86_400)] == ["0s", "59s", "1m", "1h00", "1d00"]
