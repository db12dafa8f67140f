"""Fifty kills and more in the middle of business, most behind a send: nothing lost, nothing doubled."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from agent.cli.demo.stage import Stage
from tests.faults.evidence import table
from tests.faults.plan import aims
from tests.faults.scenario import play
from tests.journey.people import personal_data

SEED = int(os.environ.get("ISTHMUS_SEED", "1"))
#: Operations of business a second: about a dozen between two kills.
RATE = 6.0
#: Business goes on at most so long, in seconds.
SECONDS = 110.0


@pytest.mark.invariant("I1")
@pytest.mark.invariant("I10")
@pytest.mark.invariant("I14")
@pytest.mark.invariant("I15")
@pytest.mark.invariant("I16")
def test_nothing_is_lost_or_doubled_however_often_the_agent_is_killed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stage = Stage(tmp_path, SEED)
    try:
        played = play(stage, aims(SEED), rate=RATE, seconds=SECONDS)
    finally:
        stage.close()
    with capsys.disabled():
        print(f"\nseed {SEED} (ISTHMUS_SEED sets another)\n{table(played.kills, played.recoveries)}")
        print(f"{played.business.operations} operations of business, faults {played.business.faults}")
        print({name: value for name, value in played.verdict.items() if value not in ([], {})})
    assert [kill.returncode for kill in played.kills] == [-9] * len(played.kills)
    assert len(played.kills) >= 50
    assert len({recovery.at for recovery in played.recoveries}) >= 30
    findings = {name: played.verdict[name] for name in ("missing", "different", "doubled", "lost")}
    assert findings == {name: [] for name in findings}
    assert played.verdict["equal"] is True
    assert played.verdict["conservation"] is True
    log = (tmp_path / "agent.log").read_text()
    private = personal_data(stage.edits) | {str(stage.org["client_secret"])}
    assert not {value for value in private if value in log}
