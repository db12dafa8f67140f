"""Creates under whatever goes wrong, sent again until they are accepted: each record is there once."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from agent.core.delivery import Delivery, OutcomeKind
from agent.ports import System
from tests.salesforce.fresh import FreshOrg, Pending, create, update

ROUNDS = 60
FAULTS = ("answer-lost", "lock-row", "unavailable", "job-failed", "refuse")
OPEN = (OutcomeKind.RETRY, OutcomeKind.UNCERTAIN)


def wanted(dice: random.Random) -> list[Delivery]:
    """Accounts, some of which hang on others, and contacts of accounts."""
    lot = []
    for number in range(30):
        parent = dice.randrange(number) if number and dice.random() < 0.3 else None
        more: dict[str, Any] = {} if parent is None else {"ParentId": Pending(f"a-{parent}")}
        text = "see @{n1.id}" if dice.random() < 0.1 else "plain"
        lot.append(create(f"a-{number}", Name=f"Kunde {number}", Description=text, **more))
    for number in range(40):
        account = Pending(f"a-{dice.randrange(30)}")
        lot.append(create(f"c-{number}", "Contact", LastName=f"Olsen {number}", AccountId=account))
    return lot


def sent(delivery: Delivery, keys: dict[str, str]) -> Delivery:
    """As the engine sends it: what is bound meanwhile goes by its key."""
    bound = {name: keys[id_] for name, id_ in delivery.pending.items() if id_ in keys}
    pending = {name: id_ for name, id_ in delivery.pending.items() if name not in bound}
    return replace(delivery, fields={**delivery.fields, **bound}, pending=pending)


async def created(
    system: System, fresh: FreshOrg, dice: random.Random, lot: list[Delivery]
) -> dict[str, str]:
    """Send until everything is accepted; returns reference → key."""
    keys: dict[str, str] = {}
    left = list(lot)
    for number in range(ROUNDS):
        if number < ROUNDS // 2:
            method = dice.choice(("POST", "PATCH", "PUT", "GET"))
            await fresh.arm(dice.choice(FAULTS), method=method, after=dice.randrange(4))
        dice.shuffle(left)
        taken = [sent(one, keys) for one in left]
        outcomes = await system.target.apply(taken)
        again = []
        for one, outcome in zip(left, outcomes, strict=True):
            assert outcome.kind in (OutcomeKind.ACCEPTED, *OPEN), (outcome, one)
            if outcome.kind is OutcomeKind.ACCEPTED:
                assert outcome.key
                assert keys.setdefault(one.reference, outcome.key) == outcome.key
            else:
                again.append(replace(one, uncertain=outcome.kind is OutcomeKind.UNCERTAIN))
        left = again
        if not left:
            return keys
    raise AssertionError(f"{len(left)} of {len(lot)} were never accepted")


@pytest.mark.parametrize("bulk", [0, 1000])
@pytest.mark.parametrize("seed", range(4))
async def test_whatever_goes_wrong_each_record_is_made_once_and_hangs_on_its_parent(
    fresh: FreshOrg, seed: int, bulk: int
) -> None:
    dice = random.Random(seed)
    system = fresh.connect(bulk_rows=bulk, bulk_from=5, bulk_deadline_s=10)
    lot = wanted(dice)
    keys = await created(system, fresh, dice, lot)
    await fresh.clear()
    for object_name in ("Account", "Contact"):
        made = Counter(one["fields"]["Isthmus_Id__c"] for one in await fresh.writes("create", object_name))
        assert set(made.values()) == {1}
    assert set(keys) == {one.reference for one in lot}
    assert system.reader is not None
    for one in lot:
        rows = await system.reader.read(one.object, [keys[one.reference]])
        fields = rows.rows[0].fields
        assert fields is not None
        hung = {name: keys[id_] for name, id_ in one.pending.items()}
        for name, expected in {**one.fields, **hung}.items():
            assert fields[name] == expected, (one.reference, name)


async def test_updates_that_were_not_applied_are_sent_again_and_lost_ones_never(fresh: FreshOrg) -> None:
    dice = random.Random(7)
    system = fresh.connect(bulk_rows=1000, bulk_from=8)
    keys = await created(system, fresh, dice, [create(f"u-{n}", Name=f"Kunde {n}") for n in range(20)])
    await fresh.clear()
    left = {key: update(key, Phone=reference) for reference, key in keys.items()}
    for number in range(ROUNDS):
        if number < 8:
            await fresh.arm(dice.choice(FAULTS), method=dice.choice(("PATCH", "PUT", "POST")))
        if not left:
            break
        outcomes = await system.target.apply(list(left.values()))
        for one, outcome in zip(list(left.values()), outcomes, strict=True):
            key = one.key or ""
            if outcome.kind is OutcomeKind.ACCEPTED:
                del left[key]
            elif outcome.kind is OutcomeKind.UNCERTAIN:
                left[key] = replace(one, uncertain=True)
        lost = [one for one in left.values() if one.uncertain]
        for one in lost:  # the engine reads, and plans again where it was not applied
            assert (await system.target.apply([one]))[0].kind is OutcomeKind.UNCERTAIN
            left[one.key or ""] = replace(one, uncertain=False)
    assert not left
    assert system.reader is not None
    for reference, key in keys.items():
        fields = (await system.reader.read("Account", [key])).rows[0].fields
        assert fields is not None
        assert fields["Phone"] == reference
