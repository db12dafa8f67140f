"""Updates on condition: each record with its own, however they travel."""

from __future__ import annotations

from typing import Any

import pytest

from agent.core.delivery import Delivery, DeliveryKind, Guard, Outcome, OutcomeKind, Reason
from agent.ports import System
from tests.salesforce.conftest import Org
from tests.salesforce.fresh import ACCOUNT, FreshOrg, command, create
from tests.salesforce.peers import Answer, Asked

SEEN = Guard(version="2026-11-23T01:45:32.900Z")


def guarded(key: str | None, guard: Guard = SEEN, **fields: Any) -> Delivery:
    return command(DeliveryKind.UPDATE, key, fields=fields, guard=guard)


def many(count: int) -> list[Delivery]:
    return [guarded(f"0010000000{number:05d}AAA", Phone="1") for number in range(count)]


async def seen(system: System, outcomes: list[Outcome]) -> list[Guard]:
    assert system.reader is not None
    rows = (await system.reader.read("Account", [one.key or "" for one in outcomes])).rows
    return [Guard(version=row.version, values=row.fields or {}) for row in rows]


async def born(system: System, count: int) -> list[Outcome]:
    return list(await system.target.apply([create(f"g-{n}", Name=f"Kunde {n}") for n in range(count)]))


async def test_many_share_requests_of_25_and_each_keeps_its_own_condition(fresh: FreshOrg) -> None:
    system = fresh.connect()
    made = await born(system, 40)
    guards = await seen(system, made)
    guards[7] = Guard(version="2020-01-01T00:00:00.000Z")
    before = await fresh.used()
    lot = [guarded(one.key, guard, Phone="2") for one, guard in zip(made, guards, strict=True)]
    outcomes = await system.target.apply(lot)
    assert await fresh.used() == before + 2
    assert [(n, one.reason) for n, one in enumerate(outcomes) if one.kind is not OutcomeKind.ACCEPTED] == [
        (7, Reason.PRECONDITION)
    ]
    assert [one.key for one in outcomes if one.key] == [one.key for n, one in enumerate(made) if n != 7]
    assert len(await fresh.writes("update")) == 39


async def test_a_write_within_the_second_passes_and_one_behind_it_does_not(fresh: FreshOrg) -> None:
    """The declared weakness: the condition has whole seconds."""
    system = fresh.connect()
    await fresh.control("clock", {"freeze": True})
    made = await born(system, 2)
    guards = await seen(system, made)
    writes = [{"object": "Account", "op": "update", "id": made[0].key, "fields": {"Phone": "other"}}]
    await fresh.control("transaction", {"writes": writes})
    await fresh.control("clock", {"advance": 1})
    writes[0]["id"] = made[1].key
    await fresh.control("transaction", {"writes": writes})
    lot = [guarded(one.key, guard, Phone="ours") for one, guard in zip(made, guards, strict=True)]
    outcomes = await system.target.apply(lot)
    assert [one.reason for one in outcomes] == [None, Reason.PRECONDITION]


async def test_refusals_of_parts_are_judged_alone(fresh: FreshOrg) -> None:
    system = fresh.connect()
    made = await born(system, 8)
    guards = await seen(system, made)
    await system.target.apply([command(DeliveryKind.DELETE, made[0].key)])
    lot = [guarded(one.key, guard, Phone="2") for one, guard in zip(made, guards, strict=True)]
    lot[1] = guarded(made[1].key, guards[1], Phone="9" * 41)
    await fresh.arm("lock-row", scope="Account")
    outcomes = await system.target.apply(lot)
    assert [(one.kind, one.code) for one in outcomes[:3]] == [
        (OutcomeKind.REJECTED, "ENTITY_IS_DELETED"),
        (OutcomeKind.RETRY, "UNABLE_TO_LOCK_ROW"),
        (OutcomeKind.ACCEPTED, ""),
    ]
    assert (await system.target.apply([lot[1]]))[0].code == "STRING_TOO_LONG"


async def test_a_text_that_looks_like_a_reference_goes_alone(fresh: FreshOrg) -> None:
    system = fresh.connect()
    made = await born(system, 8)
    guards = await seen(system, made)
    lot = [guarded(one.key, guard, Description="@{n0.id}") for one, guard in zip(made, guards, strict=True)]
    assert {one.kind for one in await system.target.apply(lot)} == {OutcomeKind.ACCEPTED}
    assert {one["fields"]["Description"] for one in await fresh.writes("update")} == {"@{n0.id}"}


async def test_guards_of_values_are_compared_with_one_read(fresh: FreshOrg) -> None:
    system = fresh.connect()
    made = await born(system, 30)
    guards = [Guard(values={"Name": f"Kunde {n}" if n else "another"}) for n in range(30)]
    before = await fresh.used()
    lot = [guarded(one.key, guard, Phone="2") for one, guard in zip(made, guards, strict=True)]
    outcomes = await system.target.apply(lot)
    assert await fresh.used() == before + 3
    assert (outcomes[0].reason, outcomes[0].code) == (Reason.PRECONDITION, "VALUE_CHANGED")
    assert {one.kind for one in outcomes[1:]} == {OutcomeKind.ACCEPTED}


async def test_few_go_by_requests_of_their_own(org: Org) -> None:
    org.http.answer = lambda asked: (204, None, {})
    outcomes = await org.connect(ACCOUNT).target.apply(many(5))
    assert {one.kind for one in outcomes} == {OutcomeKind.ACCEPTED}
    assert [asked.method for asked in org.http.asked] == ["PATCH"] * 5


async def test_parts_hold_the_condition_and_are_not_put_together(org: Org) -> None:
    org.http.answer = lambda asked: (200, {"compositeResponse": []}, {})
    await org.connect(ACCOUNT).target.apply(many(26))
    sizes = sorted(len(asked.json["compositeRequest"]) for asked in org.http.asked)
    assert sizes == [1, 25]
    body = org.http.asked[0].json
    assert (body["allOrNone"], body["collateSubrequests"]) == (False, False)
    assert body["compositeRequest"][0]["httpHeaders"] == {
        "If-Unmodified-Since": "Mon, 23 Nov 2026 01:45:32 GMT",
        "Sforce-Auto-Assign": "FALSE",
    }


def part(number: int, status: int = 204) -> dict[str, Any]:
    return {"referenceId": f"n{number}", "httpStatusCode": status, "body": None, "httpHeaders": {}}


@pytest.mark.parametrize(
    ("answer", "accepted"),
    [
        (None, 0),
        ((500, None, {}), 0),
        ((200, None, {}), 0),
        ((200, {"compositeResponse": "?"}, {}), 0),
        ((200, {"compositeResponse": ["?", part(99)]}, {}), 0),
        ((200, {"compositeResponse": [part(n) for n in range(4)]}, {}), 4),
        ((200, {"compositeResponse": [part(0, 500), *(part(n) for n in range(1, 6))]}, {}), 5),
    ],
)
async def test_parts_without_a_clear_answer_are_uncertain(org: Org, answer: Answer, accepted: int) -> None:
    def once(asked: Asked) -> Answer:
        return answer

    org.http.answer = once
    outcomes = await org.connect(ACCOUNT).target.apply(many(6))
    kinds = [one.kind for one in outcomes]
    assert kinds.count(OutcomeKind.ACCEPTED) == accepted
    assert kinds.count(OutcomeKind.UNCERTAIN) == 6 - accepted
    assert len(org.http.asked) == 1


async def test_a_request_that_cannot_be_read_is_sent_part_by_part(org: Org) -> None:
    def answer(asked: Asked) -> Answer:
        if asked.path.endswith("/composite"):
            return 400, [{"errorCode": "JSON_PARSER_ERROR", "message": "?"}], {}
        return 204, None, {}

    org.http.answer = answer
    outcomes = await org.connect(ACCOUNT).target.apply(many(8))
    assert {one.kind for one in outcomes} == {OutcomeKind.ACCEPTED}
    assert all("if-unmodified-since" in asked.headers for asked in org.http.asked[1:])


async def test_a_part_that_cannot_be_written_is_refused_alone(org: Org) -> None:
    org.http.answer = lambda asked: (200, {"compositeResponse": [part(n) for n in range(9)]}, {})
    lot = many(8)
    lot[2] = guarded(lot[2].key, Phone=1.5)
    lot[3] = guarded(lot[3].key, Guard(version="yesterday"), Phone="1")
    outcomes = await org.connect(ACCOUNT).target.apply(lot)
    assert [one.code for one in outcomes[2:4]] == ["VALUE", "VALUE"]
    assert {one.kind for n, one in enumerate(outcomes) if n not in (2, 3)} == {OutcomeKind.ACCEPTED}
