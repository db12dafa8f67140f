"""``python -m tests.faults.kills.zygote``: an agent that is loaded but not started, and forks running ones.

Loading costs more than all that a small site has to do. Each line on stdin is a request as JSON:
``{"start": …}`` forks an agent and answers its process id, ``{"reap": pid}`` waits for its end and tells how.
A held agent stops itself before its first step, until somebody who traces it lets it go on.
"""

from __future__ import annotations

import ctypes
import importlib
import json
import os
import signal
import sys
from typing import Any

#: What ``isthmus run`` would load only once it runs.
LATER = (
    "adapters.idoc.connection", "adapters.odbc.connection", "agent.cli.running", "agent.runtime", "aiosqlite",
    "uvicorn", "watchdog.observers",
)  # fmt: skip
#: prctl(2): who may trace a process, where the machine lets only its parent do so.
PR_SET_PTRACER, PR_SET_PTRACER_ANY = 0x59616D61, ctypes.c_ulong(-1)


def main() -> None:
    """Serve requests until stdin ends."""
    for name in LATER:
        importlib.import_module(name)
    for line in sys.stdin:
        request = json.loads(line)
        if "start" in request:
            pid = os.fork()
            if pid == 0:
                _run(request["start"])
            answer = pid
        else:
            answer = os.waitpid(request["reap"], 0)[1]
        print(answer, flush=True)


def _run(wanted: dict[str, Any]) -> None:
    """Become an agent: a session of its own, its output in its log. Does not return."""
    from agent.cli import main as isthmus

    os.setsid()
    nothing = os.open(os.devnull, os.O_RDONLY)
    log = os.open(wanted["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for target, source in ((0, nothing), (1, log), (2, log)):
        os.dup2(source, target)
    os.close(nothing)
    os.close(log)
    os.environ["ISTHMUS_FAILPOINTS"] = wanted["failpoints"]
    sys.argv = ["isthmus", *wanted["arguments"]]
    if wanted["held"]:
        ctypes.CDLL(None).prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY, 0, 0, 0)
        os.kill(os.getpid(), signal.SIGSTOP)
    code = 1
    try:
        isthmus()
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 1
    finally:
        os._exit(code)


if __name__ == "__main__":
    main()
