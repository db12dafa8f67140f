"""Records that refer to each other are created in two steps, and deleted in some order (I18)."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

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
from agent.core.objects import FieldSpec, FieldType, ObjectSpec
from agent.core.rulebook import Rulebook
from agent.flow.confirm import Confirm
from agent.flow.delivery import Delivery
from agent.flow.engine import Engine
from agent.flow.intake import Intake
from agent.flow.recovery import ask_witness, recover
from agent.store.database import Store
from agent.store.writer import DirectWriter
from tests.flow.systems.ledger import Ledger
from tests.flow.systems.time import TestClock
from tests.flow.world import now

pytestmark = pytest.mark.invariant("I18")
FIELDS = {"name": "name", "boss": "boss_key"}


class Company:
    """People with a boss in ``hr``, copied to ``erp``, which refuses a boss that it does not have."""

    def __init__(self, folder: Path, erp: Ledger | None = None) -> None:
        self.clock = TestClock()
        self.hr, self.erp = Ledger("hr"), erp or Strict("erp")
        systems = {"hr": self.hr.system(), "erp": self.erp.system()}
        places = {
            name: EntityAtSystem(
                name,
                ObjectSpec("person", "key", tuple(FieldSpec(f) for f in FIELDS.values()), "external_ref"),
                {field: FieldMapping(field, source) for field, source in FIELDS.items()},
                system.target.guarantees("person"),
                create=name == "erp",
                delete=True,
            )
            for name, system in systems.items()
        }
        owners = (OwnerRow("hr"),)
        person = EntityRules(
            type="person",
            version="v1",
            transfer=Transfer.STATE,
            fields={
                "name": ContractField("name", owners=owners),
                "boss": ContractField("boss", FieldType.REFERENCE, owners=owners, reference="person"),
            },
            systems=places,
            births=("hr",),
            deletes=Deletes.FOLLOW,
            key="name",
        )
        self.folder, self.systems = folder, systems
        self.book = Rulebook({"person": with_identity(person)})
        self.start()

    def start(self) -> None:
        """The agent starts, on the store that it left behind if it died."""
        self.store = Store.open(self.folder, self.clock)
        systems = self.systems
        engine = Engine(
            self.store, DirectWriter(self.store), self.book, systems, self.clock, chance=random.Random(1)
        )
        self.engine = engine
        for name in systems:
            now(ask_witness(engine, name))
        now(recover(engine))
        self.steps = [
            step
            for system in systems.values()
            for step in (
                Intake(engine, system).step,
                Delivery(engine, system).step,
                Confirm(engine, system).step,
            )
        ]

    def settle(self) -> None:
        """Everything runs until nothing moves any more."""
        quiet = 0
        for _ in range(200):
            if sum(now(step()) for step in self.steps):
                quiet = 0
                continue
            quiet += 1
            if quiet == 3:
                return
            self.clock.move(30.0)
        raise AssertionError("I9: no quiescence")

    def bosses(self) -> dict[object, object]:
        """Who has which boss in the ERP, by name."""
        people = {key: row for (_, key), row in self.erp.rows.items()}
        return {
            row["name"]: people[str(row["boss_key"])]["name"] if row.get("boss_key") else None
            for row in people.values()
        }

    def open_kinds(self) -> list[object]:
        """Kinds of the exceptions that stand."""
        with self.store.transaction("look") as tx:
            return [row[0] for row in tx.rows("SELECT kind FROM exception WHERE state = 'open'")]


class Strict(Ledger):
    """A ledger system with a foreign key from boss to person, on every write."""

    def _apply(self, delivery):  # type: ignore[no-untyped-def] # as the base's
        boss = delivery.fields.get("boss_key")
        assert boss is None or ("person", boss) in self.rows, f"I18: {boss} is not there yet"
        return super()._apply(delivery)


@pytest.fixture
def company(tmp_path: Path) -> Iterator[Company]:
    built = Company(tmp_path / "store")
    yield built
    built.store.close()


def hire(company: Company, bosses: dict[str, str | None]) -> None:
    """Rows of people in ``hr``, each with a boss by key."""
    for key, boss in bosses.items():
        company.hr.user_create("person", key, {"name": key, "boss_key": boss})


@pytest.mark.parametrize(
    "bosses",
    [
        {"a": "a"},
        {"a": "b", "b": "a"},
        {"a": "b", "b": "c", "c": "a"},
        {"a": "b", "b": "c", "c": "d", "d": "b", "e": "a"},
        {"child": "parent", "parent": None},
    ],
    ids=lambda bosses: "-".join(f"{k}{v}" for k, v in bosses.items()),
)
def test_whoever_refers_to_whom_all_arrive_with_their_references(
    company: Company, bosses: dict[str, str | None]
) -> None:
    hire(company, bosses)
    company.settle()
    assert company.bosses() == bosses


def test_a_change_of_reference_into_a_cycle_is_an_update(company: Company) -> None:
    hire(company, {"a": None, "b": "a"})
    company.settle()
    company.hr.user_edit("person", "a", "boss_key", "b")
    company.settle()
    assert company.bosses() == {"a": "b", "b": "a"}


def test_children_are_deleted_before_their_parents(company: Company) -> None:
    hire(company, {"boss": None, "one": "boss", "two": "one"})
    company.settle()
    order: list[str] = []
    delete = company.erp._delete

    def noted(object_: str, key: str) -> None:
        order.append(str(company.erp.rows[object_, key]["name"]))
        delete(object_, key)

    company.erp._delete = noted  # type: ignore[method-assign] # to see the order
    for key in ("boss", "one", "two"):
        company.hr.user_delete("person", key)
    company.settle()
    assert order == ["two", "one", "boss"] and company.erp.rows == {}


def test_a_cycle_is_deleted_too(company: Company) -> None:
    hire(company, {"a": "b", "b": "a"})
    company.settle()
    for key in ("a", "b"):
        company.hr.user_delete("person", key)
    company.settle()
    assert company.erp.rows == {}


def test_what_somebody_still_refers_to_is_not_deleted_until_a_person_has_looked(company: Company) -> None:
    hire(company, {"boss": None, "one": "boss", "other": None})
    company.settle()
    company.hr.user_delete("person", "boss")
    company.settle()
    assert len(company.erp.rows) == 3 and company.open_kinds() == ["dependant"]
    company.hr.user_edit("person", "one", "boss_key", "other")
    company.settle()
    assert company.bosses() == {"one": "other", "other": None} and company.open_kinds() == []
