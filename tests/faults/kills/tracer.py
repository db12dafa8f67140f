"""strace: kills a process at its n-th call of a kind, before the call is made."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.faults.kills.agents import Agent, traced_by
from tests.faults.kills.calls import CALLS, PIPE, SOCKET, Call, never_made

ATTACH_S = 20.0


@cache
def unable() -> str:
    """Why nothing can be traced on this machine; empty when it can."""
    if shutil.which("strace") is None:
        return "strace is not installed (apt-get install strace)"
    injected = ["-e", "trace=write", "-e", "inject=write:signal=KILL:when=1"]
    victim = [sys.executable, "-c", "import os; os.write(1, b'still alive')"]
    command = ["strace", "-f", "-qq", "-o", os.devnull, *injected, *victim]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode == -signal.SIGKILL and not done.stdout:
        return ""
    said = done.stderr.strip().splitlines()
    return f"strace cannot trace or kill here: {said[-1] if said else done.returncode}"


@dataclass
class Tracer:
    """strace at work on an agent. ``close`` lets the agent go on without it."""

    process: subprocess.Popen[bytes]
    output: Path
    call: Call | None

    @property
    def killed(self) -> bool:
        """Whether it has killed."""
        if self.call is None or not self.output.exists():
            return False
        return never_made(self.output.read_text(errors="replace"), self.call.name)

    def close(self) -> None:
        """End it; what it traced goes on without it. Safe to call twice."""
        self.process.kill()
        self.process.wait()


def record(agent: Agent, output: Path) -> Tracer:
    """Trace a held agent and its workers, and let it go on. Raises PermissionError."""
    agent.wait_held()
    tracer = _attached([agent.pid], output, ["-e", f"trace={','.join(CALLS)}"], None)
    agent.go()
    return tracer


def attach(agent: Agent, output: Path, folder: Path, call: Call) -> Tracer:
    """Let a held agent go on; it, or a worker of it, dies at the call. Raises PermissionError.

    A worker is traced from its birth on, while it still loads; those that follow it are let alone.
    """
    agent.wait_held()
    if call.worker:
        agent.go()
        victims = agent.wait_workers()
        return _attached(victims, output, _chosen(call, folder), call)
    # What the agent starts is let alone from the moment when it becomes another program.
    tracer = _attached([agent.pid], output, [*_chosen(call, folder), "-b", "execve"], call)
    agent.go()
    return tracer


def _attached(victims: Sequence[int], output: Path, chosen: Sequence[str], call: Call | None) -> Tracer:
    output.unlink(missing_ok=True)
    pids = [word for pid in victims for word in ("-p", str(pid))]
    process = subprocess.Popen(
        ["strace", *pids, "-f", "-y", "-q", "-s", "0", "-o", str(output), "-e", "signal=none", *chosen],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + ATTACH_S
    while any(traced_by(pid) == 0 for pid in victims):
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            process.wait()
            raise PermissionError("the agent may not be traced (ptrace)")
        time.sleep(0.002)
    return Tracer(process, output, call)


def _chosen(call: Call, folder: Path) -> list[str]:
    chosen = ["-e", f"trace={call.name}", "-e", f"inject={call.name}:signal=KILL:when={call.nth}"]
    if call.kind not in (PIPE, SOCKET):
        chosen += ["-P", f"{folder}{call.file}"]
    return chosen
