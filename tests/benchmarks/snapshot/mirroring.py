"""All accounts into the mirror, in a process of its own: ``python -m tests.benchmarks.snapshot.mirroring``.

FILE is what the stand-in org printed, DIRECTORY takes the stores. The product reads everything as it does
after a gap: first into an empty store, where every record is born and owed to another system, then once more,
where nothing has changed. Beside it stands the csv module over the file of ``--bytes``, with one
``executemany`` and one commit for each page. Prints one JSON line.
"""

from __future__ import annotations

import argparse
import asyncio
import csv
import json
import random
import resource
import sqlite3
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import closing
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

from adapters.salesforce.read.result import PAGE
from adapters.salesforce.system import connect
from agent import garbage, log
from agent.clock import SystemClock
from agent.core.change import ReadResult
from agent.core.contract import (
    ContractField,
    Deletes,
    EntityAtSystem,
    EntityRules,
    FieldMapping,
    OwnerRow,
    Transfer,
    with_identity,
)
from agent.core.delivery import Guarantees
from agent.core.guard import MassLimits
from agent.core.objects import ObjectSpec
from agent.core.rulebook import Rulebook
from agent.flow.confirm import Confirm
from agent.flow.delivery import Delivery
from agent.flow.desk import Terms
from agent.flow.engine import Engine
from agent.flow.snapshot import Snapshot
from agent.ports import Reader, System
from agent.store import gaps
from agent.store.database import Store
from agent.store.writer import Writer
from tests.benchmarks.peers import Peer
from tests.benchmarks.snapshot.taking import KILO, PATIENT_S, Watch, resident
from tests.salesforce.orgprocess import ACCOUNT, Org

TYPE, CLOUD, ERP = "customer", "sf", "erp"
#: Nothing is written to Salesforce, not even whose records these are.
THERE = replace(ACCOUNT, external_id=None)


class Watched:
    """A reader that is passed through: a page counts when the next one is asked for, so it is durable."""

    def __init__(self, reader: Reader, watch: Watch) -> None:
        self._reader = reader
        self._watch = watch

    async def page(self, object: str, resume: str = "") -> AsyncIterator[ReadResult]:
        """As the reader."""
        async for page in self._reader.page(object, resume):
            yield page
            self._watch.passed(len(page.rows))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reader, name)


def rulebook(cloud: Guarantees, erp: Peer) -> Rulebook:
    """Salesforce owns every mapped field of a customer, and the other system is told of it."""
    fields = {
        spec.name.lower(): ContractField(spec.name.lower(), spec.type, owners=(OwnerRow(CLOUD),))
        for spec in ACCOUNT.fields
    }
    mappings = {spec.name.lower(): FieldMapping(spec.name.lower(), spec.name) for spec in ACCOUNT.fields}

    def place(system: str, object_: ObjectSpec, guarantees: Guarantees) -> EntityAtSystem:
        return EntityAtSystem(
            system=system, object=object_, fields=mappings, guarantees=guarantees, create=system == ERP
        )

    rules = EntityRules(
        type=TYPE,
        version="v1",
        transfer=Transfer.STATE,
        fields=fields,
        systems={CLOUD: place(CLOUD, THERE, cloud), ERP: place(ERP, ACCOUNT, erp.guarantees(TYPE))},
        births=(CLOUD,),
        deletes=Deletes.FOLLOW,
        key="accountnumber",
        mass=MassLimits(change_floor=10**9),  # what is held back is not what is measured
    )
    return Rulebook({TYPE: with_identity(rules)})


async def mirrored(org: Org, directory: Path) -> list[dict[str, float]]:
    """Both readings: what each took. Between them the other system is told, so that nothing is left open."""
    settings = org.settings(snapshot="bulk2", request_timeout_s=PATIENT_S)
    system, erp = connect(CLOUD, settings, [THERE], org.secret), Peer(ERP, str(ACCOUNT.external_id))
    clock = SystemClock()
    store = Store.open(directory, clock)
    writer = Writer(store)
    book = rulebook(system.target.guarantees(THERE.name), erp)
    systems = {CLOUD: system, ERP: erp.system()}
    terms, chance = Terms(confirm_after_s=0.0), random.Random(1)
    engine = Engine(store, writer, book, systems, clock, terms, chance)
    try:
        first = await _read(engine, system)
        loops, moved = (Delivery(engine, systems[ERP]), Confirm(engine, systems[ERP])), 1
        while moved:
            moved = sum([await loop.step() for loop in loops])
        return [first, await _read(engine, system)]
    finally:
        await system.target.close()
        writer.close()
        store.close()


async def _read(engine: Engine, system: System) -> dict[str, float]:
    """Close a gap by reading everything."""
    watch = Watch()
    assert system.reader is not None
    await engine.work("gap", lambda desk: gaps.open_(desk.tx, CLOUD, TYPE, "measured", None))
    await Snapshot(engine, replace(system, reader=Watched(system.reader, watch))).step()
    return watch.told()


def bare(file: Path, directory: Path) -> dict[str, float]:
    """The same bytes into one plain table."""
    watch = Watch()
    with (
        closing(sqlite3.connect(directory / "bare.db", isolation_level=None)) as connection,
        file.open(encoding="utf-8", newline="") as lines,
    ):
        connection.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;")
        rows = csv.reader(lines)
        titles = next(rows)
        columns = ", ".join(f"c{number}" for number in range(len(titles)))
        connection.execute(f"CREATE TABLE mirror (c0 TEXT PRIMARY KEY, {columns.partition(', ')[2]})")
        places = ", ".join("?" * len(titles))
        while page := list(islice(rows, PAGE)):
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany(f"INSERT OR REPLACE INTO mirror VALUES ({places})", page)
            connection.execute("COMMIT")
            watch.passed(len(page))
    return watch.told()


def main(arguments: Sequence[str]) -> int:
    """Take it all and tell what it took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("info", type=Path)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--bytes", type=Path, required=True)
    chosen = parser.parse_args(list(arguments))
    log.configure(level="ERROR")
    garbage.settle()
    plain, before = bare(chosen.bytes, chosen.directory), resident()
    first, again = asyncio.run(_taken(Org(json.loads(chosen.info.read_text())), chosen.directory))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / KILO
    told = {"bare": plain, "first": first, "again": again, "before": before, "peak": peak}
    sys.stdout.write(json.dumps(told) + "\n")
    return 0


async def _taken(org: Org, directory: Path) -> list[dict[str, float]]:
    try:
        return await mirrored(org, directory / "store")
    finally:
        await org.close()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
