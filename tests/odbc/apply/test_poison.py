"""One bad command in a batch costs only itself, whatever is bad about it and wherever it stands."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from adapters.odbc.apply.applier import Applier
from adapters.odbc.apply.progress import Begun, Done
from agent.core.change import RawValue
from agent.core.delivery import DeliveryKind, OutcomeKind, Reason
from tests.odbc.apply.test_groups import sample
from tests.odbc.apply.watch import applied, count, creates, customers, phones
from tests.odbc.site import Site, create, update


@pytest.mark.parametrize("place", [0, 59, 119])
async def test_a_poison_row_of_many_costs_only_itself(site: Site, place: int) -> None:
    batch = [create(f"m{n}", f"r{n}", name="!" if n == place else f"n{n}") for n in range(120)]
    outcomes = await applied(site.system(), batch)
    refused = [number for number, outcome in enumerate(outcomes) if outcome.kind is OutcomeKind.REJECTED]
    assert refused == [place] and outcomes[place].text == "the name ! is reserved"
    assert count(site, "customer") == count(site, "isthmus_ledger") == 119


async def test_each_kind_of_refusal_in_a_batch_keeps_its_own_reason(site: Site) -> None:
    site.business.create_customer("Taken", number="C-1", external_ref="r-taken")
    (key,) = customers(site, 1, phone="1")
    outcomes = await applied(
        site.system(),
        [
            *creates("a"),
            create("m1", "r1", name="!"),
            create("m2", "r2", name=None),
            create("m3", "r3", name="B", number="C-1"),
            create("m4", "r4", name="C", payment_terms="Z999"),
            create("m5", "r-taken", name="Taken"),
            create("m6", "r-taken", name="Other"),
            update("m7", key, {"phone": "0"}, phone="2"),
            update("m8", "987654", phone="2"),
            *creates("z"),
        ],
    )
    reasons = [outcome.reason for outcome in outcomes]
    business, invalid = Reason.BUSINESS, Reason.INVALID
    assert reasons[:6] == [None, business, invalid, business, business, None]
    assert reasons[6:] == [Reason.PRECONDITION, Reason.PRECONDITION, Reason.GONE, None]
    assert outcomes[5].code == "exists"
    assert count(site, "isthmus_ledger") == 2


async def test_a_constraint_that_is_refused_at_the_commit_of_a_group_costs_only_its_command(
    site: Site,
) -> None:
    batch = [sample(f"m{n}", f"K{n}", DeliveryKind.CREATE, note="x") for n in range(10)]
    batch[4] = replace(batch[4], fields={"note": "x", "parent": "none"})
    outcomes = await applied(site.system(), batch)
    assert [n for n, one in enumerate(outcomes) if one.kind is not OutcomeKind.ACCEPTED] == [4]
    assert outcomes[4].reason is Reason.BUSINESS
    assert count(site, "sample") == count(site, "isthmus_ledger") == 9


@pytest.mark.parametrize("protocol", ["7.4-0", "7.4-1", "7.4-2"])
async def test_no_savepoint_habit_of_the_driver_stores_half_a_group(
    postgresql_site: Site, protocol: str
) -> None:
    """Trap 2 and 3: with one the rest of the transaction is a new one, with the other its commit is none."""
    site = postgresql_site
    site.adapter_connection += f"Protocol={protocol};"
    batch = [create(f"m{n}", f"r{n}", name="!" if n in {7, 30} else f"n{n}") for n in range(40)]
    outcomes = await applied(site.system(), batch)
    assert [n for n, one in enumerate(outcomes) if one.kind is not OutcomeKind.ACCEPTED] == [7, 30]
    assert count(site, "customer") == count(site, "isthmus_ledger") == 38


async def test_a_large_group_is_halved_and_a_small_one_taken_apart(site: Site) -> None:
    """Finding one bad command in many costs a few transactions, not one for each."""
    batch = [create(f"m{n}", f"r{n}", name="!" if n == 130 else f"n{n}") for n in range(400)]
    site.system()
    told: list[Begun | Done] = []
    applier = Applier(site.link().erp)
    applier.apply(batch, told.append)
    applier.close()
    begun = [len(event.places) for event in told if isinstance(event, Begun)]
    assert begun[:4] == [400, 200, 100, 100] and begun.count(1) == 50 and len(begun) < 60
    assert count(site, "customer") == 399


@pytest.mark.invariant("I14")
async def test_random_batches_with_bad_commands_do_what_single_commands_do(site: Site) -> None:
    """The same commands in batches of random sizes and one by one leave the same records and outcomes."""
    chance = random.Random(20261123)
    together, alone = customers(site, 12, phone="0"), customers(site, 12, phone="0")
    system = site.system()
    words = ["0", "1", "2", "x" * 41]
    for number in range(60):
        picks = [chance.randrange(12) for _ in range(chance.randint(1, 9))]
        drawn = [
            (pick, chance.choice(words), chance.choice(words[:3]), chance.random() < 0.1) for pick in picks
        ]
        for keys, way in ((together, "t"), (alone, "a")):
            batch = [
                update(f"{way}{number}.{place}", keys[pick], {"phone": seen}, **_fields(phone, bad))
                for place, (pick, phone, seen, bad) in enumerate(drawn)
            ]
            if way == "t":
                first = await applied(system, batch)
            else:
                second = [(await applied(system, [one]))[0] for one in batch]
        assert [(one.kind, one.reason) for one in first] == [(one.kind, one.reason) for one in second]
    found = phones(site)
    assert found[:12] == found[12:]


def _fields(phone: str, bad: bool) -> dict[str, RawValue]:
    return {"name": "!"} if bad else {"phone": phone}
