"""strace: kills a process at its n-th call of a kind, before the call is made."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.faults.kills.agents import Agent
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


def attach(agent: Agent, output: Path, folder: Path, call: Call | None) -> Tracer:
    """Trace a held agent and let it go on. It or its worker dies at the call; without one all is recorded.

    Raises PermissionError where nothing may be traced.
    """
    agent.wait_held()
    output.unlink(missing_ok=True)
    process = subprocess.Popen(
        ["strace", "-p", str(agent.pid), "-f", "-y", "-q", "-s", "0", "-o", str(output), "-e", "signal=none",
         *_chosen(call, folder)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    deadline = time.monotonic() + ATTACH_S
    while agent.state("TracerPid") == "0":
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            process.wait()
            raise PermissionError("the agent may not be traced (ptrace)")
        time.sleep(0.002)
    agent.go()
    return Tracer(process, output, call)


def _chosen(call: Call | None, folder: Path) -> list[str]:
    if call is None:
        return ["-e", f"trace={','.join(CALLS)}"]
    chosen = ["-e", f"trace={call.name}", "-e", f"inject={call.name}:signal=KILL:when={call.nth}"]
    if call.kind not in (PIPE, SOCKET):
        chosen += ["-P", f"{folder}{call.file}"]
    if not call.worker:
        chosen += ["-b", "execve"]  # a worker is let alone from the moment when it becomes one
    return chosen
