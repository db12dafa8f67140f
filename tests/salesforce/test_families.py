"""Customers and their contacts, born in an ERP, go to Salesforce in one graph: engine and wire (I18)."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from agent.core.change import Row
from agent.core.contract import (
    ContractField,
    EntityAtSystem,
    EntityRules,
    FieldMapping,
    OwnerRow,
    Transfer,
    with_identity,
)
from agent.core.objects import FieldSpec, FieldType, ObjectSpec
from agent.core.retry import Retry
from agent.core.rulebook import Rulebook
from agent.flow.confirm import Confirm
from agent.flow.delivery import Delivery
from agent.flow.desk import Terms
from agent.flow.engine import Engine
from agent.flow.intake import Intake
from agent.ports import System
from agent.store.database import Store
from agent.store.writer import DirectWriter
from tests.flow.systems.ledger import Ledger
from tests.flow.systems.time import TestClock
from tests.salesforce.fresh import ACCOUNT, CONTACT, FreshOrg

OWNED = (OwnerRow("erp"),)


def rules(crm: System, erp: System) -> Rulebook:
    """Customers and contacts of the ERP, copied to Salesforce."""

    def place(system: System, spec: ObjectSpec, fields: dict[str, str], *, create: bool) -> EntityAtSystem:
        mapped = {name: FieldMapping(name, source) for name, source in fields.items()}
        return EntityAtSystem(
            system.name, spec, mapped, system.target.guarantees(spec.name), create=create, delete=False
        )

    def table(name: str, *columns: str) -> ObjectSpec:
        return ObjectSpec(name, "key", tuple(FieldSpec(column) for column in columns), "external_ref")

    customer = EntityRules(
        type="customer",
        version="v1",
        transfer=Transfer.STATE,
        fields={"name": ContractField("name", owners=OWNED)},
        systems={
            "crm": place(crm, ACCOUNT, {"name": "Name"}, create=True),
            "erp": place(erp, table("customer", "name"), {"name": "name"}, create=False),
        },
        births=("erp",),
    )
    person = EntityRules(
        type="person",
        version="v1",
        transfer=Transfer.STATE,
        fields={
            "name": ContractField("name", owners=OWNED),
            "customer": ContractField("customer", FieldType.REFERENCE, owners=OWNED, reference="customer"),
        },
        systems={
            "crm": place(crm, CONTACT, {"name": "LastName", "customer": "AccountId"}, create=True),
            "erp": place(
                erp,
                table("person", "name", "customer"),
                {"name": "name", "customer": "customer"},
                create=False,
            ),
        },
        births=("erp",),
    )
    return Rulebook({one.type: with_identity(one) for one in (customer, person)})


class Copy:
    """An agent between an ERP and the org."""

    def __init__(self, fresh: FreshOrg, folder: Path) -> None:
        self.erp = Ledger("erp")
        self.fresh = fresh
        self.clock = TestClock()
        self.crm = fresh.connect(max_request_s=1.0)
        systems = {"crm": self.crm, "erp": self.erp.system()}
        self.store = Store.open(folder, self.clock)
        terms = Terms(retry=dict.fromkeys(systems, Retry(1.0, 4.0)))
        engine = Engine(
            self.store,
            DirectWriter(self.store),
            rules(systems["crm"], systems["erp"]),
            systems,
            self.clock,
            terms,
            random.Random(1),
        )
        self.intake = Intake(engine, systems["erp"])
        self.delivery = Delivery(engine, systems["crm"])
        self.confirm = Confirm(engine, systems["crm"])

    def born(self, customers: int, each: int) -> None:
        """Customers, each with so many people."""
        for number in range(customers):
            self.erp.user_create("customer", f"c{number}", {"name": f"Kunde {number}"})
            for person in range(each):
                fields = {"name": f"Olsen {number}-{person}", "customer": f"c{number}"}
                self.erp.user_create("person", f"p{number}-{person}", fields)

    async def take_up(self) -> None:
        """Everything is known and planned, nothing sent."""
        while await self.intake.step():
            pass

    async def settle(self) -> None:
        """Everything runs until nothing is left to be sent."""
        for _ in range(60):
            await self.take_up()
            await self.delivery.step()
            await self.confirm.step()
            self.clock.move(30.0)
            with self.store.transaction("look") as tx:
                if not tx.one(
                    "SELECT 1 FROM outbox WHERE target = 'crm' AND state IN ('ready', 'sent', 'uncertain')"
                ):
                    return
        raise AssertionError("not at rest")

    async def homes(self) -> dict[str, str]:
        """Last name → the name of the account that the contact hangs on."""
        names = {row.key: row.fields["Name"] async for row in self._all("Account") if row.fields}
        return {
            str(row.fields["LastName"]): str(names[str(row.fields["AccountId"])])
            async for row in self._all("Contact")
            if row.fields
        }

    async def _all(self, object_name: str) -> AsyncIterator[Row]:
        assert self.crm.reader is not None
        async for page in self.crm.reader.page(object_name):
            for row in page.rows:
                yield row


@pytest.fixture
def copy(fresh: FreshOrg, tmp_path: Path) -> Iterator[Copy]:
    built = Copy(fresh, tmp_path / "store")
    yield built
    built.store.close()


WANTED = {f"Olsen {number}-{person}": f"Kunde {number}" for number in range(8) for person in range(3)}


async def test_families_go_in_one_call(copy: Copy) -> None:
    copy.born(8, 3)
    await copy.take_up()
    before = await copy.fresh.used()
    await copy.delivery.step()
    assert await copy.fresh.used() - before == 1
    assert await copy.homes() == WANTED
    await copy.settle()


@pytest.mark.parametrize("kind", ["answer-lost", "lock-row", "unavailable"])
async def test_whatever_becomes_of_the_call_everybody_is_there_once(copy: Copy, kind: str) -> None:
    copy.born(8, 3)
    await copy.take_up()
    await copy.fresh.arm(kind, method="POST")
    await copy.settle()
    assert await copy.homes() == WANTED
    for object_name in ("Account", "Contact"):
        made = await copy.fresh.writes("create", object_name)
        assert len({one["fields"]["Isthmus_Id__c"] for one in made}) == len(made)


async def test_children_of_a_refused_parent_wait_for_it(copy: Copy) -> None:
    copy.born(2, 1)
    copy.erp.user_edit("customer", "c0", "name", "x" * 300)
    await copy.settle()
    assert await copy.homes() == {"Olsen 1-0": "Kunde 1"}
    copy.erp.user_edit("customer", "c0", "name", "Kunde 0")
    await copy.settle()
    assert await copy.homes() == {"Olsen 0-0": "Kunde 0", "Olsen 1-0": "Kunde 1"}
