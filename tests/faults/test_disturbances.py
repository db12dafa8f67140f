"""Everything around the agent goes wrong at once while business goes on: nothing is lost or doubled."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from adapters.sandbox.business.settings import Share
from agent.cli.demo import verdict
from agent.cli.demo.stage import Stage
from tests.faults.disturbances import disturbances
from tests.faults.scenario import Pace, arrived, business, rest

SEED = int(os.environ.get("ISTHMUS_SEED", "1"))
#: Each of the twenty kinds twice.
STRIKES = 40
#: Customers that there are before anything goes wrong. None is born later: a birth that is hidden in a lost
#: stretch of the stream is for a person to look after, who is told so.
CUSTOMERS = 25
PACE = Pace(rate=8.0, seconds=120.0, share=Share(customer=0), first_customers=CUSTOMERS)


@pytest.mark.invariant("I2")
@pytest.mark.invariant("I3")
@pytest.mark.invariant("I8")
@pytest.mark.invariant("I10")
@pytest.mark.invariant("I14")
@pytest.mark.invariant("I15")
def test_nothing_is_lost_or_doubled_whatever_goes_wrong_around_the_agent(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stage = Stage(tmp_path, SEED, max_request_s=1.5)
    over = threading.Event()
    try:
        stage.open()
        stage.start_agent()
        stage.wait_for_agent()
        with business(stage, PACE) as done, disturbances(stage, over.wait) as wrong:
            arrived(stage, CUSTOMERS)
            for name in wrong.order(STRIKES):
                wrong.strike(name)
                over.wait(0.4)
        rest(stage)
        assert stage.agent is not None
        assert stage.agent.poll() is None
        stage.stop_agent()
        found = verdict.judge(stage, done(), SEED)
    finally:
        stage.close()
    with capsys.disabled():
        print(f"\nseed {SEED} (ISTHMUS_SEED sets another): {dict(sorted(wrong.done.items()))}")
        print({name: value for name, value in found.items() if value not in ([], {})})
    findings = {name: found[name] for name in ("missing", "different", "doubled", "lost")}
    assert findings == {name: [] for name in findings}
    assert found["equal"] is True
    assert found["conservation"] is True
    assert wrong.done.keys() == set(wrong.names())
