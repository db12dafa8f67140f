"""The duplicate probe for many creates at once: as many answers as questions, in few calls."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pytest

from adapters.salesforce.write.target import SalesforceTarget
from agent.core.change import Row
from agent.errors import Refused
from agent.ports import System
from tests.salesforce.fresh import FreshOrg, create


def target(system: System) -> SalesforceTarget:
    assert isinstance(system.target, SalesforceTarget)
    return system.target


def keys(answers: Sequence[Sequence[Row]]) -> list[list[str]]:
    return [[row.key for row in rows] for rows in answers]


@pytest.fixture
async def made(fresh: FreshOrg) -> tuple[System, list[str]]:
    """A system, and the keys of four accounts."""
    system = fresh.connect()
    outcomes = await system.target.apply(
        [
            create("m-1", Name="O'Hara \\ Söhne", Phone="1"),
            create("m-2", Name="NORDLICHT", Phone="2"),
            create("m-3", Name="nordlicht ", Phone="3"),
            create("m-4", Name="Ende", Credit_Limit__c=Decimal("5.00")),
        ]
    )
    return system, [one.key or "" for one in outcomes]


async def test_many_questions_are_answered_by_few_calls_and_as_one_by_one(
    fresh: FreshOrg, made: tuple[System, list[str]]
) -> None:
    system, _ = made
    names = [
        "Nordlicht",
        "O'Hara \\ Söhne",
        "nobody",
        "Ende",
        "nordlicht",
        *(f"none {n}" for n in range(495)),
    ]
    questions = [{"Name": name} for name in names]
    before = await fresh.used()
    answers = await target(system).find_many("Account", questions)
    assert await fresh.used() - before <= 5
    single = [await system.target.find("Account", question) for question in questions[:6]]
    assert keys(answers)[:6] == keys(single)
    assert keys(answers)[5:] == [[]] * 495


async def test_what_cannot_share_a_query_is_asked_alone(made: tuple[System, list[str]]) -> None:
    system, found = made
    questions: list[dict[str, Any]] = [
        {"Name": "Ende"},
        {"Phone": "2", "Name": "Nordlicht"},
        {"Credit_Limit__c": Decimal("5.00")},
        {"Phone": None},
    ]
    answers = await target(system).find_many("Account", questions)
    assert keys(answers) == [[found[3]], [found[1]], [found[3]], [found[3]]]


async def test_records_of_one_value_answer_each_who_asks(made: tuple[System, list[str]]) -> None:
    system, found = made
    answers = await target(system).find_many("Account", [{"Phone": "1"}, {"Phone": "1"}, {"Phone": "2"}])
    assert keys(answers) == [[found[0]], [found[0]], [found[1]]]


async def test_nothing_asked_is_nothing_sent_and_wrong_names_are_refused(
    fresh: FreshOrg, made: tuple[System, list[str]]
) -> None:
    system, _ = made
    before = await fresh.used()
    assert await target(system).find_many("Account", []) == []
    assert await fresh.used() == before
    for object_name, question in (("Account", {"x y": "1"}), ("Account", {}), ("Case", {"Name": "1"})):
        with pytest.raises(Refused):
            await target(system).find_many(object_name, [question])
