"""Both bulk APIs over one set of jobs."""

from __future__ import annotations

from adapters.sandbox.salesforce.bulk.first import FirstBulk
from adapters.sandbox.salesforce.bulk.jobs import Jobs
from adapters.sandbox.salesforce.bulk.runner import Runner
from adapters.sandbox.salesforce.bulk.second import SecondBulk
from adapters.sandbox.salesforce.rest.gate import Gate


class Bulk:
    """Holds the jobs, the worker and the endpoints."""

    def __init__(self, gate: Gate) -> None:
        self._jobs = Jobs(gate.org)
        self._runner = Runner(self._jobs)
        self.first = FirstBulk(gate, self._jobs, self._runner)
        self.second = SecondBulk(gate, self._jobs, self._runner)

    async def close(self) -> None:
        """Stops the worker and removes the files."""
        await self._runner.close()
        self._jobs.close()
