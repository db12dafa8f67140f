"""Business as a whole: a seeded order of operations at a steady pace, with faults in between."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections import Counter
from contextlib import AsyncExitStack
from dataclasses import asdict

from adapters.sandbox.business.backoffice import SapDesk
from adapters.sandbox.business.crm import Declined, SalesforceUser
from adapters.sandbox.business.edits import EditJournal
from adapters.sandbox.business.ledger import ErpDesk
from adapters.sandbox.business.operations import Operations
from adapters.sandbox.business.people import Typist
from adapters.sandbox.business.settings import Progress, Settings, Summary, Until
from adapters.sandbox.erp import Refusal

#: Faults of the org, as it is told of them; each strikes once.
_ORG_FAULTS: dict[str, tuple[dict[str, object], ...]] = {
    "gap": ({"kind": "gap", "scope": "Account"},),
    "undecodable": ({"kind": "undecodable", "scope": "Account"},),
    "answer_lost": (
        {"kind": "answer-lost", "scope": "Account", "method": "PATCH"},
        {"kind": "answer-lost", "scope": "Invoice__c", "method": "PATCH"},
    ),
}
#: Faults come within this part of a run: something to disturb before, time to recover after.
_FAULTY_PART = (0.15, 0.75)


class Business:
    """People at work in all three systems. One object, one run.

    The order of kinds, the values typed and the place of faults follow from the seed; which customer an
    operation meets depends on who has arrived by then.
    """

    def __init__(self, settings: Settings, progress: Progress | None = None) -> None:
        self._settings = settings
        self._progress = progress
        self._stopped = asyncio.Event()
        self._summary = Summary()
        self._done: Counter[str] = Counter()
        self._started = 0.0
        self._erp = ErpDesk(settings.erp)
        self._dice = random.Random(f"{settings.seed}/business")

    def stop(self) -> None:
        """End the run after the operations under way."""
        self._stopped.set()

    @property
    def begun(self) -> bool:
        """Whether an operation was done."""
        return bool(self._done)

    @property
    def tried_again(self) -> int:
        """How often the ERP was too busy so far."""
        return self._erp.retries

    async def run(self, until: Until) -> Summary:
        """Work until then. An operation that fails for no foreseen reason ends the run with its error."""
        settings = self._settings
        async with AsyncExitStack() as stack:
            crm = SalesforceUser(settings.salesforce, settings.client_id, settings.client_secret)
            stack.push_async_callback(crm.close)
            sap = SapDesk(settings.sap)
            stack.push_async_callback(sap.close)
            erp = self._erp
            stack.push_async_callback(erp.close)
            await erp.open()
            journal = EditJournal(settings.journal)
            stack.callback(journal.close)
            people = Operations(crm, erp, sap, journal)
            await people.begin()
            self._started = asyncio.get_running_loop().time()
            await self._found(people)
            await self._work(people, _Saboteur(crm, sap, self._fault_plan(until)), until)
            summary = self._summary
            summary.done = dict(sorted(self._done.items()))
            summary.retries = people.retries + erp.retries + sap.retries
            summary.unknown, summary.edits = people.unknown, journal.lines
            summary.seconds = asyncio.get_running_loop().time() - self._started
            return summary

    async def _found(self, people: Operations) -> None:
        for number in range(self._settings.first_customers):
            await people.customer(Typist(self._settings.seed, 900_000 + number))
            self._done["customer"] += 1

    async def _work(self, people: Operations, saboteur: _Saboteur, until: Until) -> None:
        shares = asdict(self._settings.share)
        kinds, weights = list(shares), list(shares.values())
        hands = asyncio.Semaphore(self._settings.hands)
        loop = asyncio.get_running_loop()
        begin = loop.time()
        end = begin + until.seconds if until.seconds is not None else None
        try:
            async with asyncio.TaskGroup() as group:
                for number in itertools.count():
                    due = begin + number / self._settings.rate
                    over = number == until.operations or (end is not None and due >= end)
                    if over or await self._stopped_before(due):
                        break
                    await hands.acquire()
                    self._summary.faults = await saboteur.strike(number)
                    kind = self._dice.choices(kinds, weights)[0]
                    task = group.create_task(self._operation(people, kind, number))
                    task.add_done_callback(lambda _: hands.release())
                    self._tell(number, until, begin)
        finally:
            await saboteur.leave()

    async def _stopped_before(self, due: float) -> bool:
        """Wait for the moment, or for the stop; whether it was the stop."""
        try:
            async with asyncio.timeout_at(due):
                await self._stopped.wait()
        except TimeoutError:
            return False
        return True

    async def _operation(self, people: Operations, kind: str, number: int) -> None:
        act = getattr(people, kind)
        try:
            done: bool = await act(Typist(self._settings.seed, number))
        except (Refusal, Declined):
            self._summary.refused += 1
            return
        if done:
            self._done[kind] += 1
        else:
            self._summary.idle += 1

    def _tell(self, number: int, until: Until, begin: float) -> None:
        if self._progress is None:
            return
        now = asyncio.get_running_loop().time()
        spent = now - self._started
        end = begin + until.seconds - now if until.seconds is not None else None
        left = float((until.operations or 0) - number) if end is None else end
        done = sum(self._done.values())
        self._progress(done, done / spent if spent else 0.0, max(0.0, left))

    def _fault_plan(self, until: Until) -> dict[int, list[str]]:
        """Operation → the faults that come just before it."""
        expected = until.expected(self._settings.rate)
        low, high = (int(expected * part) for part in _FAULTY_PART)
        plan: dict[int, list[str]] = {}
        for kind, count in asdict(self._settings.faults).items():
            for _ in range(count):
                plan.setdefault(self._dice.randint(low, high), []).append(kind)
        return plan


class _Saboteur:
    """Makes things go wrong where the plan says so, and clears what did not strike."""

    def __init__(self, crm: SalesforceUser, sap: SapDesk, plan: dict[int, list[str]]) -> None:
        self._crm = crm
        self._sap = sap
        self._plan = plan
        self._armed: Counter[str] = Counter()

    async def strike(self, number: int) -> dict[str, int]:
        """Arm what is due before that operation; all that was armed so far, by kind."""
        for kind in self._plan.get(number, ()):
            if kind == "broken_idoc":
                await self._sap.send_broken_file()
            else:
                choices = _ORG_FAULTS[kind]
                await self._crm.arm(choices[self._armed[kind] % len(choices)])
            self._armed[kind] += 1
        return dict(self._armed)

    async def leave(self) -> None:
        """Disarm the org."""
        if self._armed.keys() & _ORG_FAULTS.keys():
            await self._crm.disarm()
