"""A mapped field that an administrator removes: reads go on without it, and say so."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest

from adapters.salesforce import table
from adapters.salesforce.read import snapshot
from agent.errors import Refused, Unreachable
from agent.ports import Reader, System
from tests.salesforce.fresh import FreshOrg, create


async def change(fresh: FreshOrg, method: str, **more: Any) -> None:
    """An administrator adds or removes Account.Tier__c."""
    async with httpx2.AsyncClient(trust_env=False) as client:
        body = {"object": "Account", "name": "Tier__c", **more}
        answer = await client.request(method, f"{fresh.details.http}/_sandbox/fields", json=body)
        answer.raise_for_status()


def reading(system: System) -> Reader:
    """The system's reader, which it has."""
    assert system.reader is not None
    return system.reader


async def test_a_removed_field_stops_only_itself(fresh: FreshOrg) -> None:
    """The records are read without it, and it says so; the removed field is not a null."""
    system = fresh.connect()
    (made,) = await system.target.apply([create(Name="Kunde 1", Tier__c="gold", Phone="1")])
    await change(fresh, "DELETE")
    for _ in range(2):
        result = await reading(system).read("Account", [made.key or ""])
        assert result.lacking == {"Tier__c"}
        fields = result.rows[0].fields
        assert fields is not None and fields["Phone"] == "1" and "Tier__c" not in fields
    assert [one.key for one in await system.target.find("Account", {"Name": "Kunde 1"})] == [made.key]
    pages = [page async for page in reading(system).page("Account")]
    assert {page.lacking for page in pages} == {frozenset({"Tier__c"})}


async def test_what_a_question_is_about_cannot_be_left_out(fresh: FreshOrg) -> None:
    system = fresh.connect()
    await change(fresh, "DELETE")
    for _ in range(2):
        with pytest.raises(Refused, match="Tier__c"):
            await system.target.find("Account", {"Tier__c": "gold"})


async def test_a_removed_field_is_asked_for_again_after_a_while(
    fresh: FreshOrg, monkeypatch: pytest.MonkeyPatch
) -> None:
    system = fresh.connect()
    (made,) = await system.target.apply([create(Name="Kunde 1", Phone="1")])
    await change(fresh, "DELETE")
    assert (await reading(system).read("Account", [made.key or ""])).lacking == {"Tier__c"}
    await change(fresh, "POST", type="string")
    monkeypatch.setattr(table, "_LOOK_AGAIN_S", 0.0)
    system = fresh.connect()
    assert (await reading(system).read("Account", [made.key or ""])).lacking == frozenset()


async def test_a_reading_without_a_field_ends_when_another_read_has_seen_it(
    fresh: FreshOrg, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the field would go and come with every page, and everything be read anew each time."""
    monkeypatch.setattr(table, "_LOOK_AGAIN_S", 0.5)
    system = fresh.connect()
    made = await system.target.apply([create(Name=f"Kunde {number}", Phone="1") for number in range(4)])
    await change(fresh, "DELETE")
    keys = [one.key or "" for one in made]
    assert (await reading(system).read("Account", keys)).lacking == {"Tier__c"}
    monkeypatch.setattr(snapshot, "PAGE", 1)
    pages = reading(system).page("Account")
    assert (await anext(pages)).lacking == {"Tier__c"}
    await change(fresh, "POST", type="string")
    while (await reading(system).read("Account", keys)).lacking:
        pass  # it is not asked for again at once
    with pytest.raises(Unreachable, match="there again"):
        await anext(pages)
    assert {page.lacking async for page in reading(system).page("Account")} == {frozenset()}
