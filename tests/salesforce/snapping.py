"""Reads all accounts and tells each page on a line, to be killed: ``python -m tests.salesforce.snapping``.

Its argument is JSON: ``info`` of the org, ``way``, ``chunk`` and ``resume``. A line is ``[resume, keys]``.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

import structlog

from tests.salesforce.orgprocess import Org


async def _read(told: dict[str, Any]) -> None:
    org = Org(told["info"])
    reader = org.reader(snapshot=told["way"], snapshot_chunk=told["chunk"])
    async for page in reader.page("Account", told["resume"]):
        sys.stdout.write(json.dumps([page.resume, [row.key for row in page.rows]]) + "\n")
        sys.stdout.flush()
    await org.close()


if __name__ == "__main__":
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    asyncio.run(_read(json.loads(sys.argv[1])))
