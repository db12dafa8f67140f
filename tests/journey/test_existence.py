"""Deleted, taken back, merged: on the wires, from Salesforce to the ERP and by a person's ruling back."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from decimal import Decimal

import pytest

from adapters.sandbox.erp import Line
from tests.journey.site import Site, eventually

ONE_LINE = [Line("PLAN-M", 2, Decimal("98.00"))]
TODAY = date(2026, 11, 23)

pytestmark = pytest.mark.invariant("I21")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A site at which deletions follow into the ERP."""
    opened = Site(tmp_path_factory.mktemp("existence"))
    try:
        config = opened.stage.config
        text = config.read_text()
        for old, new in (
            ('# deletes = "ask"', 'deletes = "follow"'),
            ("[entities.customer.systems.erp]", "[entities.customer.systems.erp]\ndelete = true"),
            (
                "[entities.customer.systems.salesforce]",
                "[entities.customer.systems.salesforce]\ndelete = true",
            ),
        ):
            assert old in text, old
            text = text.replace(old, new, 1)
        config.write_text(text)
        opened.start()
        yield opened
    finally:
        opened.close()


def test_deleted_in_salesforce_and_taken_back(site: Site) -> None:
    here = site.customer()
    site.crm.delete("Account", here.account)
    eventually(lambda: site.in_erp(here.number) is None, "the deletion in the ERP")
    assert site.in_sap(here.number) is not None, "nothing may be deleted in SAP"
    eventually(lambda: site.at_rest(here.number), "rest")
    site.crm.undelete(here.account)
    again = eventually(lambda: site.in_erp(here.number), "the customer in the ERP again")
    assert again["customer_id"] != here.customer_id
    eventually(lambda: site.at_rest(here.number), "rest")
    site.crm.edit("Account", here.account, Phone="+49 221 909")
    eventually(lambda: (site.in_erp(here.number) or {})["phone"] == "+49 221 909", "the new phone")
    assert not site.exceptions("deleted")


@pytest.mark.parametrize("fate", ["recreate", "leave", "delete"])
def test_deleted_in_the_erp_a_person_rules(site: Site, fate: str) -> None:
    here = site.customer()
    site.erp.delete_customer(here.customer_id)
    [asked] = eventually(
        lambda: [one for one in site.exceptions("deleted") if one.business_key == here.number] or None,
        "the exception",
    )
    assert site.crm.exists("Account", here.account)
    ruled = site.cli("exceptions", "resolve", str(asked.id), "--fate", fate, "--reason", "asked the customer")
    assert ruled.code == 0, ruled.err
    match fate:
        case "recreate":
            eventually(lambda: site.in_erp(here.number), "the customer in the ERP again")
        case "leave":
            site.crm.edit("Account", here.account, BillingCity="Bonn")
            eventually(lambda: (site.in_sap(here.number) or {})["ort01"] == "Bonn", "the city in SAP")
            assert site.in_erp(here.number) is None
        case _:
            eventually(lambda: not site.crm.exists("Account", here.account), "the deletion in Salesforce")
    eventually(lambda: site.at_rest(here.number), "rest")
    assert not site.exceptions("deleted")
    assert site.cli("status", "--json").data["conservation"]["balanced"]


def test_merged_in_salesforce_documents_of_both_belong_to_the_one_that_is_left(site: Site) -> None:
    loser, winner = site.customer(), site.customer()
    first = site.erp.create_invoice(loser.customer_id, ONE_LINE, invoice_date=TODAY)
    eventually(lambda: site.invoice(first), "the first invoice")
    site.crm.merge("Account", loser.account, winner.account)
    asked = eventually(lambda: [e.system for e in site.exceptions("merged")] or None, "who has to merge too")
    second = site.erp.create_invoice(loser.customer_id, ONE_LINE, invoice_date=TODAY)
    found = eventually(lambda: site.invoice(second), "an invoice booked to the merged customer")
    assert found["Account__c"] == winner.account
    eventually(lambda: (site.invoice(first) or {})["Account__c"] == winner.account, "the first one, moved")
    assert set(asked) <= {"erp", "sap"}
    assert site.in_erp(loser.number) is not None
    eventually(lambda: site.at_rest(winner.number), "rest")
    assert not site.exceptions("immutable")
    assert site.cli("status", "--json").data["conservation"]["balanced"]
