"""The whole engine on a real SQLite file between three systems, driven step by step.

Every public method named in ``OPERATIONS`` is one operation of a test; ``check`` judges what came of them
by what the systems themselves wrote down.
"""

from __future__ import annotations

import random
import shutil
import sqlite3
import tempfile
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import closing
from pathlib import Path
from typing import Any, TypeVar

from agent import failpoints
from agent.core.change import ChangeKind, RawValue
from agent.core.entity import Entity
from agent.core.fate import Fate
from agent.core.message_id import entity_id
from agent.core.retry import Retry
from agent.errors import Refused, RolledBack, Unreachable
from agent.flow import ruling
from agent.flow.acts import ExceptionActs
from agent.flow.confirm import Confirm
from agent.flow.delivery import Delivery
from agent.flow.desk import Terms
from agent.flow.engine import Engine
from agent.flow.health import Health
from agent.flow.intake import Intake
from agent.flow.missed import Missed
from agent.flow.recovery import ask_witness, recover
from agent.flow.snapshot import Snapshot
from agent.flow.sweep import sweep
from agent.store import entities
from agent.store.database import FILE, Begin, Store
from agent.store.writer import DirectWriter
from tests.flow.people import People
from tests.flow.rules import rulebook
from tests.flow.systems.blind import Blind
from tests.flow.systems.cloud import Cloud
from tests.flow.systems.ledger import Ledger
from tests.flow.systems.meanwhile import Meanwhile
from tests.flow.systems.record_of_writes import Writes
from tests.flow.systems.time import TestClock

T = TypeVar("T")
SYSTEMS = ("sf", "erp", "sap")
TEMPLATE: list[Path] = []
#: What decisions have set aside so far, or may set aside when a person rules.
LOSERS = "SELECT loser, CASE state WHEN 'open' THEN winner ELSE loser END FROM conflict"


def now(coroutine: Coroutine[Any, Any, T] | Awaitable[T]) -> T:
    """Run a coroutine that never has to wait: the systems here answer at once."""
    iterator = coroutine.__await__()
    try:
        next(iterator)
    except StopIteration as stop:
        return stop.value  # type: ignore[no-any-return] # the coroutine's own result
    raise AssertionError("a system of the test made the engine wait")


def template() -> Path:
    """An empty migrated store, made once per process."""
    if not TEMPLATE:
        directory = Path(tempfile.mkdtemp(prefix="isthmus-template-"))
        Store.open(directory, TestClock()).close()
        TEMPLATE.append(directory)
    return TEMPLATE[0]


class World(People):
    """Three systems, an agent between them, and what users and faults do."""

    def __init__(self, beside: World | None = None, host: str = "alpha") -> None:
        """A world of its own, or another agent on a copy of the store of the one ``beside``."""
        self.host = host
        self.clock: TestClock = beside.clock if beside else TestClock()
        self.meanwhile: Meanwhile = beside.meanwhile if beside else Meanwhile()
        self.cloud: Cloud = beside.cloud if beside else Cloud(self.clock, meanwhile=self.meanwhile)
        self.erp: Ledger = beside.erp if beside else Ledger(meanwhile=self.meanwhile)
        self.sap: Blind = beside.sap if beside else Blind(meanwhile=self.meanwhile)
        self.held = {}
        self.second: Ledger | None = None
        self.directory = Path(tempfile.mkdtemp(prefix="isthmus-world-", dir=_fast()))
        if beside is not None:
            copy_store(beside._copy if beside._copy.exists() else beside.directory, self.directory)
        else:
            shutil.copy(template() / FILE, self.directory / FILE)
            shutil.copy(template() / "epoch", self.directory / "epoch")
        self.values = 0
        self.customers: list[str] = beside.customers if beside else []
        self.documents = 0
        self.crashes = 0
        self.nested = 0
        self.seconds_per_edit = 0.0
        self.rollbacks = 0
        self.lost_losers: set[str] = set()
        self._untold = False
        self.engine: Engine
        self._start()

    # --- the agent's life

    def _start(self) -> None:
        """Start, as often as a system has seen more than the store knows."""
        begin = Begin(host=self.host)
        for _ in range(4):
            try:
                return self._begin(begin)
            except RolledBack as found:
                self._shut()
                begin = Begin(beyond=found.epoch, why=found.message, host=self.host)
        raise AssertionError("I22: epoch after epoch, and no end")

    def _begin(self, begin: Begin) -> None:
        systems = {s.name: s for s in (self.cloud.system(), self.erp.system(), self.sap.system())}
        if self.second is not None:
            systems[self.second.name] = self.second.system()
        store = Store.open(self.directory, self.clock, begin)
        book = self.limited(rulebook(systems["sf"], systems["erp"], systems["sap"], systems.get("eu")))
        terms = Terms(confirm_after_s=1.0, retry=dict.fromkeys(systems, Retry(1.0, 4.0)))
        self.engine = Engine(store, DirectWriter(store), book, systems, self.clock, terms, random.Random(1))
        for name in systems:
            now(ask_witness(self.engine, name))
        now(recover(self.engine))
        self.intakes = {name: Intake(self.engine, system) for name, system in systems.items()}
        self.deliveries = {name: Delivery(self.engine, system) for name, system in systems.items()}
        self.confirms = {name: Confirm(self.engine, system) for name, system in systems.items()}
        self.looks = {name: Missed(self.engine, system) for name, system in systems.items()}
        self.snapshots = {name: Snapshot(self.engine, system) for name, system in systems.items()}
        self.health = Health(self.engine)

    def _shut(self) -> None:
        """The store is closed by whoever has it open."""
        self.engine.store.close()

    def restart(self) -> None:
        """The agent dies and is started again."""
        while True:
            self._shut()
            try:
                return self._start()
            except failpoints.Crash:
                self._died()

    def begin_loops(self) -> None:
        """Every loop does what it does when it begins."""
        self._run(self._begin_loops)

    async def _begin_loops(self) -> int:
        await self.health.declare()
        for name, delivery in self.deliveries.items():
            await delivery.recover()
            await delivery.next_due_ms()
            await self.confirms[name].next_due_ms()
            await self.looks[name].next_due_ms()
        return 1

    def lose_epoch(self) -> None:
        """Somebody takes away the file beside the store while the agent does not run."""
        self._shut()
        (self.directory / "epoch").unlink()
        self.restart()

    def _died(self) -> None:
        self.crashes += 1
        failpoints.disarm()

    def close(self) -> None:
        """Take everything away."""
        failpoints.disarm()
        self._shut()
        shutil.rmtree(self.directory, ignore_errors=True)
        shutil.rmtree(self._copy, ignore_errors=True)

    @property
    def _copy(self) -> Path:
        return self.directory.with_name(f"{self.directory.name}-copy")

    def _run(self, step: Callable[[], Coroutine[Any, Any, int]]) -> int:
        """One step of the agent. A crash, or an error that its supervisor would see, ends and restarts it."""
        try:
            return now(step())
        except (Unreachable, Refused):
            return 0  # its loop tries again later
        except failpoints.Crash:
            if self.nested:
                raise  # the crash of a step takes the whole agent, with the step that waits
            self._died()
        except RolledBack:
            if self.nested:
                raise
        self.restart()
        return 1

    # --- operations: users

    def create(self) -> None:
        """A user creates a customer in the cloud."""
        written: dict[str, RawValue] = {"Name": self._value(), "Phone": self._value()}
        self.customers.append(self.cloud.user_create("Account", written))

    def edit_cloud(self, customer: int, name: str) -> None:
        """A user edits a customer in the cloud."""
        key = self.customers[customer % len(self.customers)] if self.customers else ""
        if key in self.cloud.records:
            self.cloud.user_edit(key, name, self._value())

    def edit_erp(self, customer: int, name: str) -> None:
        """A user edits a customer in the ERP."""
        keys = [key for object_, key in self.erp.rows if object_ == "customer"]
        if keys:
            self.erp.user_edit("customer", keys[customer % len(keys)], name, self._value())

    def second_erp(self) -> None:
        """The site has two ERPs with customers, from the beginning."""
        if self.second is None and not self.customers:
            self.second = Ledger("eu", meanwhile=self.meanwhile)
            self.restart()

    def edit_second(self, customer: int, name: str) -> None:
        """A user edits a customer in the second ERP."""
        keys = [key for _, key in self.second.rows] if self.second is not None else []
        if self.second is not None and keys:
            self.second.user_edit("customer", keys[customer % len(keys)], name, self._value())

    def edit_sap(self, customer: int, name: str) -> None:
        """A user edits a customer in SAP."""
        keys = list(self.sap.records)
        if keys:
            self.sap.user_edit(keys[customer % len(keys)], name, self._value())

    def book_document(self, customer: int) -> None:
        """A user books a document in the ERP."""
        keys = [key for object_, key in self.erp.rows if object_ == "customer"]
        if keys:
            self.documents += 1
            fields: dict[str, RawValue] = {
                "amount": self._value(),
                "customer_id": keys[customer % len(keys)],
                "status": "open",
            }
            self.erp.user_create("invoice", f"i{self.documents}", fields)

    def pay_document(self, document: int) -> None:
        """A user marks a document as paid."""
        if self.documents:
            self.erp.user_edit("invoice", f"i{document % self.documents + 1}", "status", self._value())

    def delete_cloud(self, customer: int) -> None:
        """A user deletes a customer without documents in the cloud."""
        key = self._without_documents(customer)
        if key is not None and key in self.cloud.records:
            self.cloud.user_delete(key)

    def undelete_cloud(self, customer: int) -> None:
        """A user takes a customer out of the cloud's bin."""
        key = self.customers[customer % len(self.customers)] if self.customers else ""
        if key in self.cloud.bin and key not in self.cloud.merged:
            self.cloud.user_undelete(key)

    def merge_cloud(self, loser: int) -> None:
        """A user merges a customer into the other one in the cloud."""
        there = [key for key in self.customers if key in self.cloud.records]
        if len(there) > 1:
            key = there[loser % len(there)]
            self.cloud.user_merge(key, next(other for other in there if other != key))

    def delete_erp(self, customer: int) -> None:
        """A user deletes a customer without documents in the ERP."""
        keys = [key for object_, key in self.erp.rows if object_ == "customer"]
        used = {row.get("customer_id") for (object_, _), row in self.erp.rows.items() if object_ == "invoice"}
        if keys and keys[customer % len(keys)] not in used:
            self.erp.user_delete("customer", keys[customer % len(keys)])

    def _without_documents(self, customer: int) -> str | None:
        """A customer's key in the cloud, unless documents refer to it anywhere."""
        if not self.customers:
            return None
        key = self.customers[customer % len(self.customers)]
        if any(record.fields.get("Account") == key for record in self.cloud.records.values()):
            return None
        used = {row.get("customer_id") for (object_, _), row in self.erp.rows.items() if object_ == "invoice"}
        own = {name for (_, name), row in self.erp.rows.items() if row.get("external_ref") == self.id_of(key)}
        return None if used & own else key

    def resolve(self, fate: str) -> None:
        """A person rules what follows from the oldest deletion that waits for them."""
        waiting = self.rows("SELECT id FROM exception WHERE state = 'open' AND kind = 'deleted' ORDER BY id")
        if waiting:
            number = int(waiting[0][0])
            self._run(lambda: self._resolve(number, Fate(fate)))

    async def _resolve(self, number: int, fate: Fate) -> int:
        await ExceptionActs(self.engine).resolve(number, fate, None, "op1", "a test")
        return 1

    def rule(self, keep_loser: bool) -> None:
        """A person rules the oldest open conflict."""
        open_ = self.rows("SELECT id, winner, loser FROM conflict WHERE state = 'open' AND rule = 'manual'")
        if open_:
            number, winner, loser = open_[0]
            keep = ruling.Keep.LOSER if keep_loser else ruling.Keep.WINNER
            shown = ruling.Shown.of(winner, loser)
            self._run(lambda: self._rule(int(number), keep, shown))

    async def _rule(self, number: int, keep: ruling.Keep, shown: ruling.Shown) -> int:
        await self.engine.work("ruling", lambda desk: ruling.rule(desk, number, keep, shown, "a test"), "op1")
        return 1

    def retry(self) -> None:
        """A person has the oldest refused command tried again."""
        refused = self.rows(
            "SELECT id FROM exception WHERE state = 'open' AND kind IN ('rejected', 'loop') ORDER BY id"
        )
        if refused:
            number = int(refused[0][0])
            self._run(lambda: self._retry(number))

    def settle_exception(self, kind: str) -> None:
        """A person closes the oldest exception of a kind, and somebody who may not has tried it before."""
        number = next(
            iter(self.rows(f"SELECT id FROM exception WHERE state = 'open' AND kind = '{kind}'")), None
        )
        if number is not None:
            self._run(lambda: self._close_exception(int(number[0])))

    async def _close_exception(self, number: int) -> int:
        acts = ExceptionActs(self.engine)
        await acts.deny("exceptions close", str(number), "op2", "not their role")
        await acts.close(number, "op1", "a test")
        return 1

    async def _retry(self, number: int) -> int:
        acted = await ExceptionActs(self.engine).retry(number, "op1", "a test")
        assert acted.done, acted.text
        return 1

    # --- operations: faults

    def gap(self, index: int) -> None:
        """An event becomes a gap event."""
        self.cloud.spoil(index, ChangeKind.GAP)

    def lose_position(self) -> None:
        """The cloud does not know any more where the agent was."""
        self.cloud.forgotten = True

    def twin(self, customer: int) -> None:
        """A record of a customer that the agent knows is in the ERP before the agent creates it there."""
        key = self.customers[customer % len(self.customers)]
        known = self.rows(f"SELECT entity FROM binding WHERE system = 'sf' AND key = '{key}'")
        there = {row.get("external_ref") for row in self.erp.rows.values()}
        if known and known[0][0] not in there:
            name = self.cloud.records[key].fields["Name"]
            self.erp.user_create("customer", f"t{key}", {"name": name, "external_ref": str(known[0][0])})

    def overflow(self, index: int) -> None:
        """An event is lost in an overflow: anything of its object may have changed."""
        self.cloud.spoil(index, ChangeKind.OVERFLOW)

    def undecodable(self, index: int) -> None:
        """An event cannot be understood."""
        self.cloud.spoil(index, ChangeKind.UNDECODABLE)

    def flow(self, on: bool) -> None:
        """A Flow in the cloud changes another field in the transaction of our write."""
        self.cloud.flow = on

    def fault(self, system: str, kind: str) -> None:
        """The next command to a system meets a fault."""
        if system == "eu" and self.second is not None:
            self.second.faults.append(kind)
        elif system != "eu":
            (self.cloud if system == "sf" else self.erp).faults.append(kind)

    def lack(self, system: str, name: str, gone: bool) -> None:
        """A system does not let anybody write a field through its interface any more, or does again."""
        lacking = (self.cloud if system == "sf" else self.erp).lacking
        lacking.add(name) if gone else lacking.discard(name)

    def hide(self, name: str, gone: bool) -> None:
        """The cloud does not show a field any more, or does again."""
        self.cloud.hidden.add(name) if gone else self.cloud.hidden.discard(name)

    def unasked(self) -> None:
        """The ERP does not answer the next question whether it has a record."""
        self.erp.unasked += 1

    def refuse(self) -> None:
        """SAP can't post the next message for now."""
        self.sap.refuse += 1

    def reject(self) -> None:
        """SAP will never post the next message."""
        self.sap.reject += 1

    def finish_late(self) -> None:
        """The cloud finishes what nobody waits for any more."""
        self.cloud.finish_late()

    def crash_at(self, point: str, hit: int) -> None:
        """The agent dies at a failpoint."""
        failpoints.disarm()
        failpoints.arm(point, failpoints.Action.CRASH, hit)

    def happens_at(self, place: str, name: str, *arguments: Any) -> None:
        """While the agent waits at this place for the next time, this operation happens."""

        def happen() -> None:
            self.nested += 1
            try:
                getattr(self, name)(*arguments)
            finally:
                self.nested -= 1

        self.meanwhile.armed[place] = happen

    # --- operations: the agent and the course of time

    def copy_state(self) -> None:
        """Somebody copies the whole state directory, as a backup of the machine does."""
        self._copy.mkdir(exist_ok=True)
        copy_store(self.directory, self._copy)

    def roll_back(self) -> None:
        """The whole state directory is put back as it was when it was copied; nobody tells the agent."""
        if not self._copy.exists():
            return
        self.lost_losers |= {text.strip('"') for row in self.rows(LOSERS) for text in row}
        self.rollbacks += 1
        self._untold = True
        self._shut()
        for file in self.directory.iterdir():
            file.unlink()
        copy_store(self._copy, self.directory)
        self.restart()
        self.look()  # a hold that is younger than the copy has to be set again

    def silence(self, system: str, on: bool) -> None:
        """A system's witness does not answer, or does again."""
        (self.erp if system == "erp" else self.sap).witness.silent = on

    def pace(self, seconds: float) -> None:
        """From now on this much time passes before a user writes anything."""
        self.seconds_per_edit = seconds

    def intake(self, system: str) -> int:
        """The agent takes what a source has."""
        return self._run(self.intakes[system].step) if system in self.intakes else 0

    def events_at_once(self, count: int) -> None:
        """From now on the cloud's stream gives this many events at a time."""
        self.cloud.at_once = count

    def lists(self, can: bool) -> None:
        """From now on the cloud can tell what was touched, or it cannot."""
        self.cloud.lists = can

    def redeliver(self, index: int) -> int:
        """An event comes again."""
        if not self.cloud.events:
            return 0
        seen = self.rows("SELECT value FROM position WHERE system = 'sf'")
        known = int(seen[0][0]) if seen else 0
        if known:
            self.cloud.repeat = index % known
            return self.intake("sf")
        return 0

    def deliver(self, system: str) -> int:
        """The agent sends."""
        return self._run(self.deliveries[system].step) if system in self.deliveries else 0

    def snapshot(self, system: str) -> int:
        """The agent closes the gaps of a system."""
        return self._run(self.snapshots[system].step) if system in self.snapshots else 0

    def look_for_missed(self, system: str) -> int:
        """The agent looks at what was touched at a system, where that is due."""
        return self._run(self.looks[system].step) if system in self.looks else 0

    def confirm(self, system: str) -> int:
        """The agent reads what is stale."""
        return self._run(self.confirms[system].step) if system in self.confirms else 0

    def post(self, echo: bool) -> None:
        """SAP posts the next message."""
        self.sap.post(echo=echo)

    def sweep(self) -> None:
        """The agent looks for what is late."""
        self._run(self._sweep)

    async def _sweep(self) -> int:
        await sweep(self.engine)
        return 1

    def wait(self, seconds: float) -> None:
        """Time passes; requests that ran too long are finished by the server."""
        self.clock.move(seconds)
        if any(late.until <= self.clock.now() for late in self.cloud.late):
            self.cloud.finish_late()

    def settle(self) -> None:
        """Everything runs until nothing moves any more."""
        failpoints.disarm()
        self.rest()

    def rest(self) -> None:
        """The same, while what is armed stays armed."""
        self.meanwhile.armed.clear()
        self.erp.witness.silent = self.sap.witness.silent = False
        self.cloud.lacking.clear()
        self.cloud.hidden.clear()
        self.erp.lacking.clear()
        quiet, tries = 0, 20
        for _ in range(600):
            moved = sum(self.intake(name) for name in self.systems)
            moved += sum(self.deliver(name) for name in self.systems)
            moved += int(self.sap.post(echo=True))
            moved += sum(self.confirm(name) + self.snapshot(name) for name in self.systems)
            if moved:
                quiet = 0
                continue
            if self.let_go():
                quiet = 0
                continue
            if tries and self.rows(
                "SELECT 1 FROM waiting WHERE reason = 'withheld'"
                " UNION SELECT 1 FROM withheld WHERE unseen = 1"
            ):
                tries -= 1
                self.wait(3600.0)
                self.sweep()
                quiet = 0
                continue
            quiet += 1
            if quiet == 4 and not self._untold:
                return
            if self._untold:
                self._untold, quiet = False, 0
                self.sap.send_again()  # as the exception asks its people
            self.wait(130.0)
            self.sweep()
        raise AssertionError("I9: no quiescence, the systems keep writing to each other")

    # --- what a check may look at

    def _value(self) -> str:
        if self.seconds_per_edit:
            self.wait(self.seconds_per_edit)
        self.values += 1
        return f"v{self.values}"

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        """Look into the store."""
        connection = sqlite3.connect(f"file:{self.directory / FILE}?mode=ro", uri=True)
        try:
            return connection.execute(statement).fetchall()
        finally:
            connection.close()

    def id_of(self, key: str) -> str:
        """The canonical id of a customer that was born in the cloud."""
        return entity_id("customer", "sf", key)

    def entity(self, key: str) -> Entity:
        """The entity of a customer in the cloud."""
        with self.engine.store.transaction("look") as tx:
            row = tx.one("SELECT entity FROM binding WHERE system = 'sf' AND key = ?", key)
            assert row is not None, f"I1: customer {key} never became an entity"
            return entities.get(tx, str(row[0]))

    @property
    def total_writes(self) -> int:
        """How often the agent wrote, anywhere."""
        return sum(writes.count for writes in self.writes.values())

    @property
    def systems(self) -> tuple[str, ...]:
        """Names of the systems that there are."""
        return tuple(self.engine.systems)

    @property
    def writes(self) -> dict[str, Writes]:
        """Who wrote what, by system."""
        found = {"sf": self.cloud.writes, "erp": self.erp.writes, "sap": self.sap.writes}
        return found if self.second is None else {**found, "eu": self.second.writes}

    @property
    def ledgers(self) -> dict[str, Ledger]:
        """The ERPs, by system."""
        return {"erp": self.erp} if self.second is None else {"erp": self.erp, "eu": self.second}


def copy_store(source: Path, target: Path) -> None:
    """Copy a state directory as a backup tool does: the database as one moment, and what lies beside it."""
    for name in ("epoch", "token"):
        if (source / name).exists():
            shutil.copy(source / name, target / name)
    with (
        closing(sqlite3.connect(source / FILE)) as old,
        closing(sqlite3.connect(target / FILE)) as new,
    ):
        old.backup(new)


def _fast() -> str | None:
    shared = Path("/dev/shm")
    return str(shared) if shared.is_dir() else None
