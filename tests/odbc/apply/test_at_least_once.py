"""An ERP that takes no table of ours: compared and absolute values alone, told in the guarantees."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from adapters.odbc import administer
from agent.core.delivery import OutcomeKind, Reason, Resolution
from agent.core.objects import ObjectSpec
from tests.odbc.apply.watch import applied, count, creates, customers, phones, updates
from tests.odbc.site import CUSTOMER, INVOICE, Site, create, update

WITHOUT: dict[str, Any] = {
    "tables": {name: {"guarantee": "at-least-once"} for name in ("customer", "invoice", "sample")}
}


@pytest.fixture
async def bare(site: Site) -> Site:
    """An ERP with nothing of the agent in it."""
    administration = administer("erp", site.settings(), site.objects, str)
    await administration.remove()
    await administration.close()
    return site


async def test_groups_are_applied_without_any_table_of_ours(bare: Site) -> None:
    keys = customers(bare, 3, phone="1")
    batch = [*creates("a", "b"), *(update(f"u{key}", key, {"phone": "1"}, phone="2") for key in keys)]
    outcomes = await applied(bare.system(**WITHOUT), batch)
    assert {(one.kind, one.evidence) for one in outcomes} == {(OutcomeKind.ACCEPTED, "")}
    assert phones(bare) == ["2"] * 3 + [None] * 2


async def test_a_create_that_is_sent_again_finds_its_record_and_an_update_its_own_value(bare: Site) -> None:
    (key,) = customers(bare, 1, phone="1")
    system = bare.system(**WITHOUT)
    batch = [create("m1", "r1", name="A"), update("m2", key, {"phone": "1"}, phone="2")]
    first = await applied(system, batch)
    again = await applied(system, [replace(one, uncertain=True) for one in batch])
    assert (again[0].code, again[0].key) == ("exists", first[0].key)
    assert again[1].reason is Reason.PRECONDITION, "read again and planned again: it holds what was sent"
    assert count(bare, "customer") == 2


async def test_a_poison_row_costs_only_itself_without_a_ledger_too(bare: Site) -> None:
    outcomes = await applied(bare.system(**WITHOUT), creates("a", "!", "b"))
    assert [one.kind is OutcomeKind.ACCEPTED for one in outcomes] == [True, False, True]


async def test_tables_with_and_without_a_ledger_may_stand_in_one_batch(site: Site) -> None:
    keys = customers(site, 2, phone="1")
    system = site.system(tables={"sample": {"guarantee": "at-least-once"}})
    sample = replace(create("s1", ""), object="sample", key="K1", fields={"note": "x"})
    outcomes = await applied(system, [*updates(keys, phone="2"), sample, *creates("a")])
    assert {one.kind for one in outcomes} == {OutcomeKind.ACCEPTED}
    assert count(site, "isthmus_ledger") == 3


def test_what_cannot_be_told_without_a_ledger_is_declared(sqlite_site: Site) -> None:
    system = sqlite_site.system(**WITHOUT)
    customer, invoice = system.target.guarantees("customer"), system.target.guarantees("invoice")
    assert customer.compare_and_set and customer.on_uncertain_update is Resolution.REREAD
    assert customer.on_uncertain_create is Resolution.RESEND, "the external id tells that it is there"
    assert invoice.on_uncertain_create is Resolution.PERSON
    assert customer.max_request_s == sqlite_site.settings().deadline_s
    assert system.witness is None, "there is no row of ours that could hold a mark"


def test_a_ledger_for_one_table_keeps_the_mark(sqlite_site: Site) -> None:
    sqlite_site.objects = (CUSTOMER, INVOICE)
    system = sqlite_site.system(tables={"customer": {"guarantee": "at-least-once"}})
    assert system.witness is not None
    assert isinstance(sqlite_site.objects[0], ObjectSpec)


async def test_the_check_asks_for_no_ledger_where_none_is_wanted(bare: Site) -> None:
    checks = await bare.system(**WITHOUT).probe.check()
    assert "ledger" not in {check.name for check in checks}
