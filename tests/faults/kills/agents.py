"""Running agents: started, waited for, killed. Each is the product's ``run`` in a process of its own."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

#: Seconds in which an agent has to stop itself for its tracer.
HELD_S = 20.0
#: Seconds in which an agent that was killed is gone, and a verb is over.
ANSWER_S = 120.0
#: How many databases a site has, each with a worker.
WORKERS = 2


@dataclass
class Agent:
    """A running agent. ``end`` must be called once, whatever became of it."""

    pid: int
    _agents: Agents
    handle: int

    @property
    def dead(self) -> bool:
        """Whether it has ended."""
        return bool(select.select([self.handle], [], [], 0)[0])

    @property
    def children(self) -> frozenset[int]:
        """The processes of its databases' workers."""
        try:
            tasks = list(Path(f"/proc/{self.pid}/task").iterdir())
            listed = [(task / "children").read_text().split() for task in tasks]
        except (FileNotFoundError, ProcessLookupError):
            return frozenset()
        return frozenset(int(child) for children in listed for child in children)

    def wait_held(self) -> None:
        """Until it has stopped itself. Raises TimeoutError."""
        deadline = time.monotonic() + HELD_S
        while not _state(self.pid, "State").startswith("T"):
            if time.monotonic() > deadline:
                raise TimeoutError("the agent did not stop for its tracer")
            time.sleep(0.002)

    def wait_workers(self) -> list[int]:
        """Until it has started its databases' workers. Raises TimeoutError."""
        deadline = time.monotonic() + HELD_S
        while len(found := self.children) < WORKERS:
            if self.dead or time.monotonic() > deadline:
                raise TimeoutError("the agent did not start its workers")
            time.sleep(0.002)
        return sorted(found)

    def go(self) -> None:
        """Let a held agent go on."""
        os.kill(self.pid, signal.SIGCONT)

    def kill(self) -> None:
        """SIGKILL, where it still runs."""
        if not self.dead:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)

    def end(self) -> int:
        """Kill it, wait for its end; the signal that ended it, 0 for none. Nobody may trace it any more."""
        self.kill()
        status = self._agents.ask({"reap": self.pid})
        os.close(self.handle)
        return os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0


def traced_by(pid: int) -> int:
    """Who traces a process; 0 for nobody, and -1 where it has ended."""
    try:
        return int(_state(pid, "TracerPid"))
    except (FileNotFoundError, ProcessLookupError):
        return -1


def _state(pid: int, name: str) -> str:
    """A line of a process's status in proc(5)."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return line.partition(":")[2].strip()
    raise KeyError(name)


class Agents:
    """Starts agents from one that is loaded already. A context manager."""

    def __init__(self) -> None:
        self._zygote = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.kills.zygote"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def start(self, folder: Path, *, failpoints: str = "", held: bool = False) -> Agent:
        """Start the agent of a site."""
        return self._started(folder, ["run"], failpoints, held)

    def verb(self, folder: Path, *arguments: str) -> None:
        """Run a verb of the command line on a site. Raises RuntimeError with what it said."""
        started = self._started(folder, list(arguments), "", False)
        failed = self.ask({"reap": started.pid})
        os.close(started.handle)
        if failed:
            said = (folder / "agent.log").read_text()[-500:]
            raise RuntimeError(f"isthmus {' '.join(arguments)} failed: {said}")

    def _started(self, folder: Path, arguments: list[str], failpoints: str, held: bool) -> Agent:
        wanted = {
            "arguments": [*arguments, "--config", str(folder / "isthmus.toml")],
            "log": str(folder / "agent.log"),
            "failpoints": failpoints,
            "held": held,
        }
        pid = self.ask({"start": wanted})
        return Agent(pid, self, os.pidfd_open(pid))

    def ask(self, request: dict[str, object]) -> int:
        """One request to the zygote."""
        assert self._zygote.stdin is not None
        assert self._zygote.stdout is not None
        self._zygote.stdin.write(json.dumps(request) + "\n")
        self._zygote.stdin.flush()
        if not select.select([self._zygote.stdout], [], [], ANSWER_S)[0]:
            raise TimeoutError(f"no answer to {request} within {ANSWER_S:.0f} s")
        return int(self._zygote.stdout.readline())

    def close(self) -> None:
        """No more agents."""
        assert self._zygote.stdin is not None
        assert self._zygote.stdout is not None
        self._zygote.stdin.close()
        self._zygote.wait()
        self._zygote.stdout.close()

    def __enter__(self) -> Agents:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
