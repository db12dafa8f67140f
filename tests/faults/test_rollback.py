"""A whole state directory is put back while everything else has moved on; nobody tells the agent (I22)."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import httpx2
import pytest

from adapters.sandbox.business.settings import Share
from agent.cli.demo import verdict
from agent.cli.demo.stage import Stage
from agent.operations.wire import Status
from agent.store import throughput
from agent.store.database import FILE
from tests.faults.scenario import Pace, arrived, business, rest

SEED = int(os.environ.get("ISTHMUS_SEED", "1"))
#: Customers in the ERP when the copy is made, and when it is put back.
BEFORE, AFTER = 4, 7
#: Seconds in which an agent has to notice another one: it looks with every sweep, if nothing else comes.
PATIENCE_S = 60.0
#: No clashes on purpose: what the lost life decided about one is written down in the lost store only.
PACE = Pace(rate=8.0, seconds=60.0, share=Share(customer=20, phone_clash=0), first_customers=BEFORE)


@dataclass(frozen=True, slots=True)
class RolledBack:
    """The stage after it all, the copy that was put back, the status, and the verdict.

    decided  the (business key, field) of conflicts that the lost life had decided
    """

    stage: Stage
    copy: Path
    status: Status
    found: dict[str, object]
    decided: set[tuple[str, str]]


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RolledBack]:
    """Business all the time; a copy of the stopped agent's directory is put back after it has gone on."""
    folder = tmp_path_factory.mktemp("rolled back")
    stage, copy = Stage(folder, SEED), folder / "copy"
    try:
        stage.open()
        stage.start_agent()
        stage.wait_for_agent()
        with business(stage, PACE) as done:
            arrived(stage, BEFORE)
            stage.stop_agent()
            shutil.copytree(stage.state, copy)
            stage.start_agent()
            arrived(stage, AFTER)
            stage.stop_agent()
        decided = {(one.business_key, one.field) for one in throughput.losers(stage.state / FILE)}
        shutil.rmtree(stage.state)
        shutil.copytree(copy, stage.state)
        stage.start_agent()
        stage.wait_for_agent()
        people_at_sap_send_again(stage)
        rest(stage)
        status = stage.status()
        stage.stop_agent()
        yield RolledBack(stage, copy, status, verdict.judge(stage, done(), SEED), decided)
    finally:
        stage.close()


@pytest.mark.invariant("I8")
@pytest.mark.invariant("I14")
@pytest.mark.invariant("I15")
@pytest.mark.invariant("I22")
def test_nothing_is_lost_or_doubled_when_the_machine_is_rolled_back(played: RolledBack) -> None:
    found = played.found
    print({name: value for name, value in found.items() if value not in ([], {})})
    assert (found["missing"], found["different"], found["doubled"]) == ([], [], [])
    lost = cast("list[dict[str, str]]", found["lost"])
    assert [one for one in lost if (one["key"], one["field"]) not in played.decided] == []
    assert found["conservation"] is True


@pytest.mark.invariant("I22")
def test_the_operator_sees_one_new_epoch_and_why(played: RolledBack) -> None:
    log = (played.stage.folder / "agent.log").read_text()
    assert log.count("agent.rolled_back") == 1
    assert "has seen what this store does not know" in log
    assert played.status.epoch == 2
    assert played.status.exceptions.by_kind.get("restored") == 1


@pytest.mark.invariant("I22")
def test_of_two_agents_on_copies_the_earlier_one_stops_and_stays_stopped(played: RolledBack) -> None:
    stage = played.stage
    other = stage.folder / "other.toml"
    text = stage.config.read_text()
    assert 'state_dir = "state"' in text
    other.write_text(text.replace('state_dir = "state"', f'state_dir = "{played.copy}"'))
    stage.start_agent()
    stage.wait_for_agent()
    first = stage.agent
    assert first is not None
    clone = subprocess.Popen(
        [sys.executable, "-m", "agent.cli", "run", "--config", str(other)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=stage.environment,
    )
    try:
        assert first.wait(PATIENCE_S) == 2, "it stops by itself, as one that a person has to look at"
        stage.start_agent()
        assert stage.agent is not None
        assert stage.agent.wait(PATIENCE_S) == 2, "a restart of the service does not take it back"
        assert clone.poll() is None
        down = subprocess.run(
            [sys.executable, "-m", "agent.cli", "status", "--config", str(stage.config)],
            env=stage.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert down.returncode == 2
        assert "FENCED" in down.stdout
    finally:
        clone.send_signal(signal.SIGTERM)
        clone.wait(PATIENCE_S)


def people_at_sap_send_again(stage: Stage) -> None:
    """What the exception asks for: the files that were archived, then every record."""
    archive, inbound = stage.folder / "sap" / "archive", Path(str(stage.sap["outbound"]))
    for file in sorted(archive.iterdir()):
        if not file.name.startswith("."):
            file.rename(inbound / file.name)
    httpx2.post(f"{stage.sap['http']}/send-all", timeout=30.0).raise_for_status()
