"""The agent and its workers kill themselves at one failpoint after the other, on one and the same site."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.kills.agents import Agents
from tests.faults.kills.play import died_at, prepare, rest

AGENT = (
    "intake.before_commit",
    "intake.before_ack",
    "delivery.sent.after_commit",
    "delivery.after_apply",
    "recovery.before_commit",
    "idoc.before_fsync",
    "idoc.after_fsync",
    "idoc.before_rename",
    "idoc.after_rename",
    "idoc.before_archive",
    "idoc.after_archive",
)
WORKER = ("odbc.before_commit", "odbc.after_commit", "odbc.before_release", "odbc.after_release")


@pytest.mark.invariant("I14")
@pytest.mark.invariant("I16")
@pytest.mark.invariant("I17")
def test_everything_has_one_effect_in_order_whoever_dies_at_whatever_failpoint(tmp_path: Path) -> None:
    with Agents() as agents:
        site = prepare(tmp_path / "site", agents)
        missed = []
        for number, place in enumerate((*AGENT, *WORKER), start=10):
            site.customer(number, f"first of {number}")
            site.rename(1, f"renamed before {number}")
            site.invoice(number, customer=number)
            if not died_at(site, agents, place, hit=2 if place in WORKER else 1):
                missed.append(place)
        agent = agents.start(site.folder)
        try:
            found = rest(site, agent)
        finally:
            agent.end()
            site.close()
    assert missed == []
    assert (found.wrong, found.missing) == ([], [])
