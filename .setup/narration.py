"""What the set-up tells whoever waits for it: steps with their times on stderr, and how it gives up."""

import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from typing import NoReturn

_started = time.monotonic()


def say(text: str) -> None:
    """Print one line of narration with the seconds since the start."""
    print(f"[{time.monotonic() - _started:6.1f} s] {text}", file=sys.stderr, flush=True)


def give_up(problem: str, remedy: str) -> NoReturn:
    """End the run with exit code 1, the problem and what to do about it."""
    say(f"setup failed: {problem}")
    print(f"{'':11}{remedy}", file=sys.stderr, flush=True)
    raise SystemExit(1)


def run(command: Sequence[str], environment: Mapping[str, str] | None = None) -> bool:
    """Run a command without standard input, its output on stderr; tell whether it succeeded."""
    finished = subprocess.run(
        command, env=environment, stdin=subprocess.DEVNULL, stdout=sys.stderr.fileno(), check=False
    )
    return finished.returncode == 0
