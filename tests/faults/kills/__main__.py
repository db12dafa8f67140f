"""``python -m tests.faults.kills CALL …``: play again what a proof printed.

A call is its name, its number in its thread, and the file below the site's folder, ``pipe`` or ``socket``:
``fsync:1:/state/isthmus.db-wal``.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

from tests.faults.kills.agents import Agents
from tests.faults.kills.calls import Call
from tests.faults.kills.play import fast, play, prepare


def main() -> int:
    """Play once; 1 when the judge found something."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.kills", description=__doc__)
    parser.add_argument("calls", nargs="+", type=Call.read, metavar="CALL")
    chosen = parser.parse_args().calls
    folder = Path(tempfile.mkdtemp(prefix="isthmus-kills-", dir=fast()))
    try:
        with Agents() as agents:
            played = play(prepare(folder / "site", agents), agents, chosen)
    finally:
        shutil.rmtree(folder)
    print(f"killed at {', '.join(map(str, played.killed)) or 'no call'}")
    print("\n".join(played.found) or "everything had exactly one effect, in order")
    return 1 if played.found else 0


if __name__ == "__main__":
    sys.exit(main())
