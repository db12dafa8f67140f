"""The dashboard as a program of its own, for tests in a real terminal: ``terminal.py SOCKET [fault]``."""

from __future__ import annotations

import sys
from pathlib import Path

from agent.api.client import ServiceClient
from agent.operations.wire import Overview
from tui.app import IsthmusApp


class Faulty(ServiceClient):
    """A client with a fault, which holds a value that nobody may see."""

    async def overview(self) -> Overview:
        """Fail, with the value among the local variables."""
        hunter = "hunter" + "2"
        raise ValueError(hunter)


def main() -> int:
    """Run until somebody ends it; the exit code of the dashboard."""
    kind = Faulty if "fault" in sys.argv else ServiceClient
    app = IsthmusApp(kind(Path(sys.argv[1])))
    app.run()
    return app.return_code or 0


if __name__ == "__main__":
    sys.exit(main())
