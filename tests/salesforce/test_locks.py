"""Records of one parent never in two requests that run at the same time: they would lock each other out."""

from __future__ import annotations

import asyncio
from typing import Any

from adapters.salesforce.table import Table
from adapters.salesforce.write.parents import chunks, own, parents
from adapters.salesforce.write.sender import PARALLEL, Apart
from agent.core.delivery import Delivery, DeliveryKind, OutcomeKind
from tests.salesforce.conftest import Org
from tests.salesforce.fresh import ACCOUNT, CONTACT, command, create, update
from tests.salesforce.peers import Answer, Asked

ONE, TWO = "001000000000001AAA", "001000000000002AAA"


def contact(number: int, parent: str | None) -> Delivery:
    return create(f"k-{number}", "Contact", LastName="Olsen", AccountId=parent)


def done(records: list[Any]) -> Answer:
    return (
        200,
        [{"id": "003000000000001AAA", "success": True, "created": True, "errors": []}] * len(records),
        {},
    )


def test_children_of_a_parent_stand_beside_each_other() -> None:
    lot = {number: contact(number, (TWO, ONE, None)[number % 3]) for number in range(9)}
    found = chunks(Table(CONTACT), lot, 4)
    assert [[parents(Table(CONTACT), one) for one in part.values()] for part in found] == [
        [(), (), (), (ONE,)],
        [(ONE,), (ONE,), (TWO,), (TWO,)],
        [(TWO,)],
    ]


def test_without_parents_the_order_is_kept() -> None:
    lot = {number: contact(number, None) for number in range(5)}
    assert [list(part) for part in chunks(Table(CONTACT), lot, 2)] == [[0, 1], [2, 3], [4]]


def test_no_record_is_named_twice_in_one_request() -> None:
    lot = dict(enumerate([update(ONE, Phone="1"), update(ONE[:15], Phone="2"), update(TWO, Phone="3")]))
    assert [list(part) for part in chunks(Table(ACCOUNT), lot, 200)] == [[0], [1, 2]]
    both = dict(enumerate([create("a", Name="x"), create("A", Name="y")]))
    assert [list(part) for part in chunks(Table(ACCOUNT), both, 200)] == [[0], [1]]


def test_short_and_long_ids_are_one_parent() -> None:
    table = Table(CONTACT)
    assert parents(table, contact(1, ONE)) == parents(table, contact(1, ONE[:15]))
    assert own(command(DeliveryKind.DELETE, ONE)) == own(update(ONE[:15]))


async def test_what_meets_waits_and_what_does_not_goes_on() -> None:
    apart = Apart()
    free, order = asyncio.Event(), []

    async def work(name: str, *keys: str) -> None:
        async with apart.holding(keys):
            order.append(name)
            if name == "first":
                await free.wait()
            if name == "other":
                free.set()

    async with asyncio.TaskGroup() as group:
        group.create_task(work("first", "a", "b"))
        await asyncio.sleep(0)
        group.create_task(work("meets", "b", "c"))
        group.create_task(work("other", "c", "d"))
    assert order == ["first", "other", "meets"]


async def test_a_request_that_is_given_up_holds_nobody_up() -> None:
    apart = Apart()
    held = asyncio.Event()

    async def forever() -> None:
        async with apart.holding(["a"]):
            held.set()
            await asyncio.Event().wait()

    first = asyncio.create_task(forever())
    await held.wait()
    waiting = asyncio.create_task(forever())
    await asyncio.sleep(0)
    waiting.cancel()
    first.cancel()
    await asyncio.gather(first, waiting, return_exceptions=True)
    async with apart.holding(["a"]):
        pass


async def test_requests_that_meet_at_a_parent_follow_each_other_while_others_run(org: Org) -> None:
    seen: list[set[str]] = []
    other = asyncio.Event()

    async def answer(asked: Asked) -> Answer:
        records = asked.json["records"]
        names = {str(one["AccountId"]) for one in records}
        seen.append(names)
        if TWO in names:
            other.set()
        elif len([one for one in seen if ONE in one]) == 1:
            await other.wait()
            assert [one for one in seen if ONE in one] == [{ONE}]
        return done(records)

    org.http.answer = answer
    lot = [contact(number, ONE) for number in range(400)]
    lot += [contact(number, TWO) for number in range(400, 600)]
    outcomes = await org.connect(ACCOUNT, CONTACT).target.apply(lot)
    assert {one.kind for one in outcomes} == {OutcomeKind.ACCEPTED}
    assert len(seen) == 3


async def test_an_update_of_a_parent_does_not_run_beside_its_children(org: Org) -> None:
    running: set[str] = set()

    async def answer(asked: Asked) -> Answer:
        assert not running
        running.add(asked.path)
        await asyncio.sleep(0)
        running.clear()
        return (204, None, {}) if "/sobjects/Account/" in asked.path else done(asked.json["records"])

    org.http.answer = answer
    lot = [update(ONE, Phone="1"), contact(1, ONE), contact(2, ONE)]
    outcomes = await org.connect(ACCOUNT, CONTACT).target.apply(lot)
    assert {one.kind for one in outcomes} == {OutcomeKind.ACCEPTED}


async def test_so_many_requests_run_at_a_time_and_no_more(org: Org) -> None:
    running, most = 0, 0
    full = asyncio.Event()

    async def answer(asked: Asked) -> Answer:
        nonlocal running, most
        running += 1
        most = max(most, running)
        if running == PARALLEL:
            full.set()
        await full.wait()
        running -= 1
        return done(asked.json["records"])

    org.http.answer = answer
    lot = [contact(number, None) for number in range(200 * PARALLEL * 2)]
    await org.connect(ACCOUNT, CONTACT).target.apply(lot)
    assert most == PARALLEL
