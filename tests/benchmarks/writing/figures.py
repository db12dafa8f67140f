"""What is measured: rows a second and API calls, by requests of 200 and by bulk jobs, in turns with the bare
loops against the same stand-in org."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from statistics import median
from typing import Any

from adapters.salesforce.settings import Settings
from adapters.salesforce.system import connect
from adapters.salesforce.values import http_date
from agent.core.delivery import Delivery, DeliveryKind, Guard, Outcome, OutcomeKind
from agent.core.objects import FieldSpec, ObjectSpec
from agent.ports import System
from tests.benchmarks.sandbox.processes import sandbox
from tests.benchmarks.writing.bare import KEY, SIZE, BareLoop, Record

ACCOUNT = ObjectSpec("Account", "Id", (FieldSpec("Name"), FieldSpec("Phone"), FieldSpec("Site")), KEY)
#: The bare loop looks at its job so often, in seconds.
LOOK_S = 0.1
#: Updates on condition: so many at most, for the bare loop sends each alone; a version not yet reached.
CONDITIONAL, FEW, LATER = "updates on condition", 2000, "2099-01-01T00:00:00.000Z"
#: Calls are told for so many records.
PER = 10_000


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure. ``ratio`` is ours to the reference's."""

    name: str
    unit: str
    ours: float
    reference: float
    what: str

    @property
    def ratio(self) -> float:
        return self.ours / self.reference


@dataclass
class _Way:
    """What the rounds of one way took: seconds and calls for a record, ours and bare."""

    ours: list[float] = field(default_factory=list)
    bare: list[float] = field(default_factory=list)
    calls: list[float] = field(default_factory=list)
    bare_calls: list[float] = field(default_factory=list)


def writing(records: int, rounds: int) -> Iterator[Figure]:
    """Creates and updates, without and with a backlog."""
    with sandbox() as served:
        ways = asyncio.run(_Site(served.told).measured(records, rounds))
    for name, way in ways.items():
        ours, bare = 1 / median(way.ours), 1 / median(way.bare)
        yield Figure(name, "rows/s", ours, bare, "the same by a bare loop")
        calls, plain = median(way.calls) * PER, median(way.bare_calls) * PER
        yield Figure(f"calls, {name}", "for 10,000", calls, plain, "the same by a bare loop")


class _Site:
    """A system with bulk jobs, one without, and the bare loop."""

    def __init__(self, told: dict[str, Any]) -> None:
        self._told = told
        self._bare = BareLoop(told)
        self._number = 0

    async def measured(self, records: int, rounds: int) -> dict[str, _Way]:
        """Rounds of every way, each in turns with the bare one."""
        names = ("creates by 200", "updates by 200", CONDITIONAL, "creates by a job", "updates by a job")
        ways = {name: _Way() for name in names}
        systems = [self._system(0), self._system(records)]
        try:
            for system in systems:
                await system.target.apply([self._create(one) for one in self._records(2)])
            for _ in range(rounds):
                for system, by, most in zip(systems, ("200", "a job"), (SIZE, records), strict=True):
                    ids = await self._creates(system, ways[f"creates by {by}"], records, most)
                    await self._updates(system, ways[f"updates by {by}"], ids, most)
                    if most == SIZE:
                        await self._conditional(system, ways[CONDITIONAL], ids[:FEW])
        finally:
            for system in systems:
                await system.target.close()
            self._bare.close()
        return ways

    async def _creates(self, system: System, way: _Way, records: int, most: int) -> list[str]:
        deliveries = [self._create(one) for one in self._records(records)]
        outcomes = await self._ours(system, way, deliveries, most)
        self._barely(way, self._records(records), most)
        return [one.key or "" for one in outcomes]

    async def _updates(self, system: System, way: _Way, ids: list[str], most: int) -> None:
        deliveries = [_delivery(DeliveryKind.UPDATE, key, "", {"Phone": key}) for key in ids]
        await self._ours(system, way, deliveries, most)
        self._barely(way, [{"Id": key, "Phone": key[::-1]} for key in ids], most)

    async def _conditional(self, system: System, way: _Way, ids: list[str]) -> None:
        guard = Guard(version=LATER)
        plain = [_delivery(DeliveryKind.UPDATE, key, "", {"Phone": key}) for key in ids]
        await self._ours(system, way, [replace(one, guard=guard) for one in plain], SIZE)
        with self._counted(way, len(ids)):
            self._bare.conditional([{"Id": key, "Phone": key[::-1]} for key in ids], http_date(LATER))

    async def _ours(
        self, system: System, way: _Way, deliveries: Sequence[Delivery], most: int
    ) -> list[Outcome]:
        before, began = self._bare.used(), time.perf_counter()
        outcomes: list[Outcome] = []
        for start in range(0, len(deliveries), most):
            outcomes += await system.target.apply(deliveries[start : start + most])
        way.ours.append((time.perf_counter() - began) / len(deliveries))
        way.calls.append((self._bare.used() - before) / len(deliveries))
        assert {one.kind for one in outcomes} == {OutcomeKind.ACCEPTED}
        return outcomes

    def _barely(self, way: _Way, records: Sequence[Record], most: int) -> None:
        with self._counted(way, len(records)):
            ids = self._bare.collections(records) if most == SIZE else self._bare.job(records, LOOK_S)
        assert len(ids) == len(records)

    @contextlib.contextmanager
    def _counted(self, way: _Way, records: int) -> Iterator[None]:
        before, began = self._bare.used(), time.perf_counter()
        yield
        way.bare.append((time.perf_counter() - began) / records)
        way.bare_calls.append((self._bare.used() - before) / records)

    def _system(self, bulk_rows: int) -> System:
        settings = Settings(
            login_url=self._told["http"],
            insecure_http=True,
            auth="client-credentials",
            client_id=self._told["client_id"],
            client_secret="env:SECRET",
            pubsub_endpoint=self._told["grpc_plaintext"],
            pubsub_plaintext=True,
            bulk_rows=bulk_rows,
            bulk_from=max(SIZE + 1, min(bulk_rows, 4000)),
        )
        return connect("crm", settings, [ACCOUNT], lambda reference: str(self._told["client_secret"]))

    def _records(self, count: int) -> list[Record]:
        start = self._number
        self._number += count
        return [
            {KEY: f"bench-{n}", "Name": f"Customer {n}", "Phone": f"+49 {n}", "Site": "Kiel"}
            for n in range(start, start + count)
        ]

    def _create(self, record: Record) -> Delivery:
        fields = {name: value for name, value in record.items() if name != KEY}
        return _delivery(DeliveryKind.CREATE, None, record[KEY], fields)


def _delivery(kind: DeliveryKind, key: str | None, reference: str, fields: dict[str, str]) -> Delivery:
    return Delivery(f"m-{reference or key}", "customer", "Account", kind, key, reference, fields)
