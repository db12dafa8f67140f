"""The main job, over the real wires: what people do in one system is what the two others hold, once."""

from __future__ import annotations

import json
import re
import signal
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from adapters.sandbox.erp import Line
from tests.journey.people import Customer
from tests.journey.site import Site, eventually

TODAY = date(2026, 3, 2)
ONE_LINE = [Line("PLAN-M", 2, Decimal("98.00"))]


@pytest.fixture(scope="module")
def birke(site: Site) -> Customer:
    """A customer that is everywhere."""
    return site.customer()


def test_a_fresh_site_is_healthy(site: Site) -> None:
    status = eventually(lambda: _healthy(site), "a healthy status")
    assert {system["name"] for system in status["systems"]} == {"salesforce", "erp", "sap"}
    assert status["conservation"]["balanced"] is True


def _healthy(site: Site) -> Any:
    done = site.cli("status", "--json")
    return done.data if done.code == 0 else None


def test_a_customer_born_in_salesforce_arrives_once_and_is_stamped_by_its_id(site: Site) -> None:
    born = site.customer()
    in_erp = [row for row in site.erp.rows("customer") if row["number"] == born.number]
    in_sap = site.sap.customers(born.number)
    assert (len(in_erp), len(in_sap)) == (1, 1)
    account = site.crm.account(born.account)
    for here, there, at_sap in (("Name", "name", "name1"), ("BillingCity", "city", "ort01")):
        assert account[here] == in_erp[0][there] == in_sap[0][at_sap]
    assert account["Isthmus_Id__c"] == in_erp[0]["external_ref"] == site.story(born.number).entity
    made, *stamps = site.crm.writes(born.account)
    assert (made["operation"], made["client"]) == ("create", "")
    stamped = [write for write in stamps if "Isthmus_Id__c" in write["fields"]]
    assert [(write["operation"], write["client"]) for write in stamped] == [("update", "isthmus")]


def test_what_salesforce_owns_travels_to_the_erp_and_to_sap(site: Site, birke: Customer) -> None:
    site.crm.edit("Account", birke.account, Name="Ginster Textil AG", BillingCity="Besançon")
    eventually(lambda: (site.in_erp(birke.number) or {}).get("city") == "Besançon", "the city in the ERP")
    eventually(lambda: (site.in_sap(birke.number) or {}).get("ort01") == "Besançon", "the city in SAP")
    assert (site.in_erp(birke.number) or {})["name"] == "Ginster Textil AG"
    assert (site.in_sap(birke.number) or {})["name1"] == "Ginster Textil AG"


def test_what_the_erp_owns_travels_to_salesforce_and_not_to_sap(site: Site, birke: Customer) -> None:
    eventually(lambda: site.at_rest(birke.number), "rest before")
    received = len(site.sap.received())
    site.erp.change_credit_limit(birke.customer_id, Decimal("12345.60"))
    site.erp.change_payment_terms(birke.customer_id, "Z045")
    eventually(lambda: site.crm.account(birke.account)["Payment_Terms__c"] == "NET45", "the terms")
    eventually(lambda: site.at_rest(birke.number), "rest after")
    account = site.crm.account(birke.account)
    assert Decimal(str(account["Credit_Limit__c"])) == Decimal("12345.60")
    assert len(site.sap.received()) == received


def test_what_sap_owns_travels_to_salesforce_and_to_the_erp(site: Site, birke: Customer) -> None:
    site.sap.edit(birke.kunnr, AUFSD="01")
    eventually(lambda: site.crm.account(birke.account)["Order_Block__c"] is True, "the block in Salesforce")
    eventually(lambda: (site.in_erp(birke.number) or {})["order_block"] == "X", "the block in the ERP")
    site.sap.edit(birke.kunnr, AUFSD="")
    eventually(lambda: site.crm.account(birke.account)["Order_Block__c"] is False, "no block in Salesforce")
    eventually(lambda: (site.in_erp(birke.number) or {})["order_block"] == "", "no block in the ERP")


def test_a_clash_of_phones_ends_with_one_value_and_a_recorded_loser(site: Site) -> None:
    here = site.customer()
    eventually(lambda: site.crm.settled(here.account), "a later second than the record's last")
    with site.nobody_looking():
        site.crm.edit("Account", here.account, Phone="+49 221 1111")
        site.erp.change_phone(here.customer_id, "+49 221 2222")
    eventually(lambda: (site.in_erp(here.number) or {})["phone"] == "+49 221 1111", "the preferred phone")
    eventually(lambda: site.at_rest(here.number), "rest")
    assert site.crm.account(here.account)["Phone"] == "+49 221 1111"
    (conflict,) = site.story(here.number).conflicts
    assert (conflict.field, conflict.winner_system, conflict.loser_system) == ("phone", "salesforce", "erp")
    assert conflict.state == "decided"
    losers = site.losers(here.number)
    assert losers == ["+49 221 2222"]


def test_an_invoice_arrives_in_salesforce_once_and_is_paid_later(site: Site, birke: Customer) -> None:
    lines = [Line("PLAN-S", 3, Decimal("59.70")), Line("USAGE-GB", 7, Decimal("0.84"))]
    terms = (site.in_erp(birke.number) or {})["payment_terms"]
    number = site.erp.create_invoice(birke.customer_id, lines, invoice_date=TODAY)
    found = eventually(lambda: site.invoice(number), f"invoice {number} in Salesforce")
    amounts = {
        name: Decimal(str(found[name])) for name in ("Net_Amount__c", "Tax_Amount__c", "Gross_Amount__c")
    }
    assert amounts == {
        "Net_Amount__c": Decimal("60.54"),
        "Tax_Amount__c": Decimal("11.50"),
        "Gross_Amount__c": Decimal("72.04"),
    }
    assert (found["Account__c"], found["Currency__c"], found["Status__c"]) == (birke.account, "EUR", "open")
    assert date.fromisoformat(found["Invoice_Date__c"]) == TODAY
    assert date.fromisoformat(found["Due_Date__c"]) == TODAY + timedelta(days=int(terms[1:]))
    site.erp.pay(number, datetime(2026, 3, 20, 9, 30, tzinfo=UTC))
    eventually(lambda: (site.invoice(number) or {})["Status__c"] == "paid", f"invoice {number} paid")
    assert len(site.invoices(f"Invoice_Number__c = '{number}'")) == 1
    writes = site.crm.writes(found["Id"])
    assert [write["operation"] for write in writes] == ["create", "update"]
    assert set(writes[1]["fields"]) == {"Status__c"}


def test_the_invoices_of_a_customer_arrive_in_their_order(site: Site, birke: Customer) -> None:
    with site.nobody_looking():
        billed = [site.erp.create_invoice(birke.customer_id, ONE_LINE, invoice_date=TODAY) for _ in range(8)]
    eventually(lambda: site.invoice(billed[-1]), f"invoice {billed[-1]} in Salesforce")
    listed = ", ".join(f"'{number}'" for number in billed)
    records = site.invoices(f"Invoice_Number__c IN ({listed})")
    created = {
        record["Invoice_Number__c"]: min(write["n"] for write in site.crm.writes(record["Id"]))
        for record in records
    }
    assert sorted(created, key=lambda number: created[number]) == billed


def test_a_gap_in_the_stream_is_closed_by_reading(site: Site, birke: Customer) -> None:
    eventually(lambda: site.at_rest(birke.number), "rest before")
    site.crm.arm("gap", "Account")
    site.crm.edit("Account", birke.account, BillingStreet="Königsallee 7")
    eventually(lambda: not site.crm.armed(), "the gap")
    eventually(
        lambda: (site.in_erp(birke.number) or {})["street"] == "Königsallee 7", "the street in the ERP"
    )
    eventually(lambda: (site.in_sap(birke.number) or {})["stras"] == "Königsallee 7", "the street in SAP")
    assert "gap" in {seen.kind for seen in site.story(birke.number).observations}


def test_an_event_that_cannot_be_decoded_costs_nothing_but_a_read(site: Site, birke: Customer) -> None:
    eventually(lambda: site.at_rest(birke.number), "rest before")
    site.crm.arm("undecodable", "Account")
    site.crm.edit("Account", birke.account, BillingStreet="Mill Lane 12")
    eventually(lambda: (site.in_erp(birke.number) or {})["street"] == "Mill Lane 12", "the street in the ERP")
    (exception,) = eventually(lambda: site.exceptions("undecodable"), "an exception")
    assert (exception.system, exception.owner) == ("salesforce", "operations")
    assert exception.cause
    closed = site.cli("exceptions", "close", str(exception.id), "--reason", "the record was read again")
    assert closed.code == 0, closed.err
    assert not site.exceptions("undecodable")
    assert site.exceptions("undecodable", "closed")[0].resolution == "the record was read again"


def test_a_write_whose_answer_was_lost_is_read_and_not_repeated(site: Site, birke: Customer) -> None:
    eventually(lambda: site.at_rest(birke.number), "rest before")
    site.crm.arm("answer-lost", "Account", method="PATCH")
    site.erp.change_credit_limit(birke.customer_id, Decimal("777.50"))
    eventually(lambda: not site.crm.armed(), "the lost answer")
    command = eventually(lambda: _accepted(site, birke.number, "777.50"), "the command accepted")
    lines = [line for line in site.story(birke.number).lines if line.ref == f"command {command}"]
    assert [line.what for line in lines] == ["ready", "sent", "uncertain", "accepted"]
    assert lines[-1].text == "a read shows every value that was sent"
    eventually(lambda: site.at_rest(birke.number), "rest after")
    written = [
        write for write in site.crm.writes(birke.account) if write["fields"].get("Credit_Limit__c") == 777.5
    ]
    assert len(written) == 1


def _accepted(site: Site, number: str, limit: str) -> int | None:
    return next(
        (
            command.number
            for command in site.story(number).commands
            if command.state == "accepted" and command.fields.get("credit_limit") == limit
        ),
        None,
    )


def test_a_broken_file_is_kept_apart_and_the_rest_goes_on(site: Site, birke: Customer) -> None:
    name = site.sap.send_broken_file()
    quarantine = site.stage.folder / "sap" / "quarantine"
    kept = eventually(lambda: next(quarantine.glob(f"{name}*"), None), "the file in quarantine")
    assert kept.stat().st_size > 0
    (exception,) = eventually(lambda: site.exceptions("undecodable"), "an exception")
    assert exception.system == "sap"
    assert re.search(r"\b(offset|byte|position)\b.*\d", exception.cause), exception.cause
    site.sap.edit(birke.kunnr, AUFSD="01")
    eventually(lambda: site.crm.account(birke.account)["Order_Block__c"] is True, "the rest going on")
    site.sap.edit(birke.kunnr, AUFSD="")
    eventually(lambda: site.crm.account(birke.account)["Order_Block__c"] is False, "the rest going on")
    assert site.cli("exceptions", "close", str(exception.id), "--reason", "sent again").code == 0


def test_what_sap_refuses_for_now_is_never_sent_again_and_closes_when_sap_posts_it(site: Site) -> None:
    number, account = site.account(Name="REJECT for now GmbH")
    exception = eventually(lambda: next(iter(site.exceptions("pending")), None), "the exception")
    assert (exception.system, exception.business_key, exception.code) == ("sap", number, "51")
    assert site.cli("status").code == 1
    site.crm.edit("Account", account, BillingCity="Leeds")
    eventually(lambda: (site.in_erp(number) or {}).get("city") == "Leeds", "the ERP is not held up")
    refused = site.cli("exceptions", "retry", str(exception.id), "--reason", "impatience")
    assert "processed again" in refused.out
    (command,) = [one for one in site.story(number).commands if one.target == "sap"]
    assert (command.state, len(site.sap.received(command.handle))) == ("stored", 1)
    site.sap.switch(reject=False)
    try:
        site.sap.reprocess(str(site.sap.received(command.handle)[0]["docnum"]))
        eventually(lambda: not site.exceptions("pending"), "the exception closed")
        eventually(lambda: (site.in_sap(number) or {}).get("ort01") == "Leeds", "what changed meanwhile")
    finally:
        site.sap.switch(reject=True)
    assert len(site.sap.customers(number)) == 1
    assert len(site.sap.received(command.handle)) == 1


def test_what_the_erp_refused_goes_through_by_retry_once_its_rule_is_mended(
    site: Site, birke: Customer
) -> None:
    rule = (
        "CREATE TRIGGER no_such_town BEFORE UPDATE ON customer WHEN NEW.city = 'Nirgendwo'"
        " BEGIN SELECT RAISE(ABORT, 'no such town'); END"
    )
    with site.erp.database.transaction() as database:
        database.run(rule)
    site.crm.edit("Account", birke.account, BillingCity="Nirgendwo")
    exception = eventually(lambda: next(iter(site.exceptions("rejected")), None), "the exception")
    listed = site.cli("exceptions", "list")
    assert (exception.system, exception.business_key) == ("erp", birke.number)
    assert listed.code == 0
    assert f"{exception.id}" in listed.out
    eventually(lambda: (site.in_sap(birke.number) or {})["ort01"] == "Nirgendwo", "SAP is not held up")
    with site.erp.database.transaction() as database:
        database.run("DROP TRIGGER no_such_town")
    retried = site.cli("exceptions", "retry", str(exception.id), "--reason", "the rule was mended")
    assert retried.code == 0, retried.err
    eventually(lambda: (site.in_erp(birke.number) or {})["city"] == "Nirgendwo", "the city in the ERP")
    eventually(lambda: not site.exceptions("rejected"), "the exception closed")


def test_trace_tells_the_story_by_any_name(site: Site, birke: Customer) -> None:
    eventually(lambda: site.at_rest(birke.number), "rest")
    record = site.story(birke.number)
    docnum = next(command.handle for command in record.commands if command.target == "sap")
    for key in (birke.number, record.entity, birke.kunnr, birke.account, docnum):
        told = site.cli("trace", key)
        assert told.code == 0, told.err
        for word in (record.entity, birke.number, birke.kunnr, birke.account, "seen", "accepted", "stored"):
            assert word in told.out, (key, word)
        assert "55" + birke.number[2:] not in told.out


def test_a_key_that_nobody_knows_says_so(site: Site) -> None:
    assert "nothing is known" in site.cli("trace", "C-999999").out


def test_the_log_holds_no_personal_data_and_no_secret(site: Site) -> None:
    org = site.stage.org
    private = {str(org["client_secret"]), str(org["password"]), "REJECT for now", "no such town"}
    for row in site.erp.rows("customer"):
        private |= {str(row[name]) for name in ("name", "street", "phone") if row[name]}
    log = site.log
    assert log
    assert not {value for value in private if value in log}


def test_the_log_is_one_json_record_a_line_and_each_has_its_action(site: Site) -> None:
    records = [json.loads(line) for line in site.log.splitlines()]
    assert records
    assert not [record for record in records if "action" not in record]


def test_a_stopped_agent_is_critical_and_what_it_knew_can_still_be_asked(site: Site, birke: Customer) -> None:
    agent = site.stage.agent
    assert agent is not None
    agent.send_signal(signal.SIGTERM)
    assert agent.wait(20) == 0
    status = site.cli("status", "--json")
    assert status.code == 2
    assert status.data["service"] == "down"
    assert birke.account in site.cli("trace", birke.number).out
