"""Two agents on copies of one store."""

from __future__ import annotations

import contextlib
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator

from agent.api.client import ask
from agent.errors import IsthmusError
from tests.faults.odbc.scene import Scene, fault, holds, until

TWO = "two agents, one ERP"


@fault(
    "two-agents",
    TWO,
    logs=r"fence\.lost",
    others=False,
    kills=False,
)
def two_agents(scene: Scene) -> Iterator[None]:
    """A copy of the store is started while the agent is halted: the older life is fenced off in the ERP."""
    stage = scene.site.stage
    folder, copy = stage.folder, stage.folder / "copy"
    agent = stage.agent
    assert agent is not None
    agent.send_signal(signal.SIGSTOP)
    shutil.copytree(stage.state, copy, ignore=lambda _, names: {name for name in names if "sock" in name})
    config = folder / "copy.toml"
    config.write_text(stage.config.read_text().replace('state_dir = "state"', 'state_dir = "copy"'))
    with (folder / "copy.log").open("ab") as log:
        other = subprocess.Popen(
            [sys.executable, "-m", "agent.cli", "run", "--config", str(config)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=stage.environment,
        )
    scene.closing.append(other.kill)

    def taken() -> bool:
        with contextlib.suppress(IsthmusError):
            found = ask(copy / "control.sock", lambda client: client.status())
            return all(system.state == "up" for system in found.systems)
        return False

    until(taken, "the other agent being at work")
    scene.keep_writing()
    agent.send_signal(signal.SIGCONT)
    scene.keep_writing()
    until(lambda: agent.poll() is not None, "the older life being fenced off")
    told = scene.site.cli("status")
    holds("FENCED: this agent" in told.out and "Stop and remove one" in told.out, f"status says {told.out}")
    holds(told.code == 2, f"status ends with {told.code}")
    scene.struck(agent.returncode != 0, "lives fenced off")
    yield
    other.terminate()
    other.wait()
    holds(other.returncode == 0, f"the other agent ended with {other.returncode}")
    stage.state.rename(folder / "state-of-the-fenced")
    copy.rename(stage.state)
    stage.start_agent()
    stage.wait_for_agent()
