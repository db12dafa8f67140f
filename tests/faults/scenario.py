"""The demo's stage with business all the time, an agent that is killed again and again, and the verdict."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field

from adapters.sandbox.business.business import Business
from adapters.sandbox.business.settings import Faults, Settings, Share, Summary, Until
from agent.cli.demo import verdict
from agent.cli.demo.stage import Stage
from agent.store.database import FILE
from tests.faults.evidence import Kill, Recovery, last_row, recoveries
from tests.faults.plan import ANYWHERE, Aim

#: Seconds in which an agent has to come by its failpoint; after that it is killed from outside.
REACH_S = 6.0
#: Seconds in which everything has to be at rest after the last start.
REST_S = 60.0
#: Consecutive looks, each with nothing open and every system up, that count as rest.
LOOKS = 6
FAULTS = Faults(gap=3, undecodable=2, answer_lost=4, broken_idoc=2)


@dataclass
class Played:
    """What happened: the kills, what the journal says of them, what business did, and the verdict."""

    kills: list[Kill] = field(default_factory=list)
    recoveries: list[Recovery] = field(default_factory=list)
    business: Summary = field(default_factory=Summary)
    verdict: dict[str, object] = field(default_factory=dict)


def play(stage: Stage, aims: Sequence[Aim], *, rate: float, seconds: float) -> Played:
    """Open the stage, kill at each aim while business goes on, then let the agent come to rest and judge.

    ``seconds`` is how long business goes on at most; it ends with the last kill.
    """
    played = Played()
    stage.open()
    stage.start_agent()
    stage.wait_for_agent()
    with business(stage, Pace(rate, seconds)) as done:
        played.kills.append(kill(stage, Aim(ANYWHERE)))
        for aim in aims:
            stage.start_agent(aim.failpoints)
            played.kills.append(kill(stage, aim))
    played.business = done()
    stage.start_agent()
    stage.wait_for_agent()
    rest(stage)
    stage.stop_agent()
    played.recoveries = recoveries(stage.state / FILE, played.kills)
    played.verdict = verdict.judge(stage, played.business, stage.seed)
    return played


@dataclass(frozen=True, slots=True)
class Pace:
    """Operations a second, for so many seconds at most, of these kinds, after so many customers' birth, with
    so many faults among them."""

    rate: float
    seconds: float
    share: Share = field(default_factory=Share)
    first_customers: int = 5
    faults: Faults = FAULTS


@contextmanager
def business(stage: Stage, pace: Pace) -> Iterator[Callable[[], Summary]]:
    """People at work in all systems while the block runs; afterwards, what they did."""
    working = Business(
        Settings(
            salesforce=str(stage.org["http"]),
            client_id=str(stage.org["client_id"]),
            client_secret=str(stage.org["client_secret"]),
            erp=stage.erp,
            sap=str(stage.sap["http"]),
            journal=stage.edits,
            seed=stage.seed,
            rate=pace.rate,
            first_customers=pace.first_customers,
            share=pace.share,
            faults=pace.faults,
        )
    )
    found: list[Summary] = []
    loops: list[asyncio.AbstractEventLoop] = []

    async def work() -> None:
        loops.append(asyncio.get_running_loop())
        found.append(await working.run(Until(seconds=pace.seconds)))

    def summary() -> Summary:
        if not found:
            raise RuntimeError("business ended with an error; see above")
        return found[0]

    thread = threading.Thread(target=lambda: asyncio.run(work()), name="business", daemon=True)
    thread.start()
    try:
        yield summary
    finally:
        ends = time.monotonic() + REST_S
        while thread.is_alive():
            with contextlib.suppress(IndexError, RuntimeError):  # the loop has not begun, or just ended
                loops[0].call_soon_threadsafe(working.stop)
            thread.join(0.2)
            if time.monotonic() > ends:
                raise TimeoutError(f"people are still at work {REST_S:.0f} s after they were to stop")


def kill(stage: Stage, aim: Aim) -> Kill:
    """Wait until the agent has killed itself where it was told to; else kill it from outside."""
    agent = stage.agent
    assert agent is not None
    if aim.point == ANYWHERE:
        stage.wait_for_agent()
    reached = _died(agent, aim.after_s if aim.point == ANYWHERE else REACH_S)
    if not reached:
        agent.kill()
        agent.wait()
    return Kill(aim.point, reached or aim.point == ANYWHERE, agent.returncode, last_row(stage.state / FILE))


def _died(agent: subprocess.Popen[bytes], within_s: float) -> bool:
    try:
        agent.wait(within_s)
    except subprocess.TimeoutExpired:
        return False
    return True


def arrived(stage: Stage, customers: int) -> None:
    """Until so many customers are in the ERP. Raises TimeoutError."""
    deadline = time.monotonic() + REST_S
    while _in_erp(stage) < customers:
        if time.monotonic() > deadline:
            raise TimeoutError(f"not {customers} customers in the ERP after {REST_S:.0f} s")
        time.sleep(0.2)


def _in_erp(stage: Stage) -> int:
    with closing(sqlite3.connect(f"file:{stage.folder / 'erp.db'}?mode=ro", uri=True)) as erp:
        return int(erp.execute("SELECT count(*) FROM customer").fetchone()[0])


def rest(stage: Stage) -> None:
    """Until nothing is open and every system is up, several times in a row. Raises TimeoutError."""
    deadline = time.monotonic() + REST_S
    quiet = 0
    while quiet < LOOKS:
        if time.monotonic() > deadline:
            raise TimeoutError(f"not at rest after {REST_S:.0f} s: {stage.status().model_dump_json()}")
        status = stage.status()
        account = status.conservation
        open_ = account.states.get("open", 0) + account.open_commands
        up = all(system.state == "up" for system in status.systems)
        quiet = quiet + 1 if up and not open_ else 0
        time.sleep(0.4)
