"""What the judge makes of what it found, case by case."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from adapters.sandbox.oracle.command import judge
from adapters.sandbox.oracle.findings import Verdict
from adapters.sandbox.oracle.journal import read_edits, read_losers
from adapters.sandbox.oracle.mapping import CUSTOMER, INVOICE, Meaning, meanings
from adapters.sandbox.oracle.report import as_json, as_table
from adapters.sandbox.oracle.world import Holding, InputError, World

SALESFORCE: Mapping[str, object] = {
    "AccountNumber": "C-1",
    "Name": "Adler GmbH",
    "BillingStreet": "Hauptstraße 1",
    "BillingCity": "Köln",
    "BillingPostalCode": "50667",
    "BillingCountry": "DE",
    "Phone": "A",
    "Credit_Limit__c": 100,
    "Payment_Terms__c": "NET14",
    "Order_Block__c": True,
}
ERP: Mapping[str, object] = {
    "number": "C-1",
    "name": "Adler GmbH",
    "street": "Hauptstraße 1",
    "city": "Köln",
    "postal_code": "50667 ",
    "country": "DE",
    "phone": "A",
    "credit_limit": "100.00",
    "payment_terms": "Z014",
    "order_block": "X",
}
SAP: Mapping[str, object] = {
    "sortl": "C-1",
    "name1": "Adler GmbH",
    "stras": "Hauptstraße 1",
    "ort01": "Köln",
    "pstlz": "50667",
    "land1": "DE",
    "aufsd": "01",
}
ROWS = {"salesforce": SALESFORCE, "erp": ERP, "sap": SAP}


def world(
    changes: Mapping[str, Mapping[str, object] | None] | None = None,
    writes: Sequence[Mapping[str, Any]] = (),
    posted_twice: Sequence[str] = (),
) -> World:
    """One customer in three systems. ``changes``: by system, fields that differ there; None for no record."""
    customers: dict[str, list[Holding]] = {}
    for system, row in ROWS.items():
        change = (changes or {}).get(system, {})
        fields = None if change is None else meanings("customer", system, {**row, **change})
        customers[system] = [] if fields is None else [Holding("1", fields)]
    return World({"customer": customers, "invoice": {"salesforce": [], "erp": []}}, writes, posted_twice)


def edit(system: str, field: str, value: object, **more: object) -> dict[str, object]:
    """A journal line."""
    return {"system": system, "object": "customer", "key": "C-1", "field": field, "value": value, **more}


def verdict(
    tmp_path: Path,
    found: World,
    edits: Sequence[Mapping[str, object]] = (),
    losers: Sequence[Mapping[str, object]] = (),
) -> Verdict:
    """The judgement, with both files on disk."""
    journal, conflicts = tmp_path / "edits.jsonl", tmp_path / "conflicts.json"
    journal.write_text("".join(json.dumps(line) + "\n" for line in edits))
    conflicts.write_text(json.dumps(list(losers)))
    return judge(found, read_edits(journal), read_losers(conflicts))


def test_one_meaning_in_three_spellings_is_equal(tmp_path: Path) -> None:
    found = verdict(tmp_path, world())
    assert found.equal
    assert (found.entities_compared, found.fields_compared) == (1, 17)


def test_nothing_compared_proves_nothing(tmp_path: Path) -> None:
    assert not verdict(tmp_path, world(dict.fromkeys(ROWS))).equal


@pytest.mark.parametrize("field", [each for each in CUSTOMER if each.name != "number"], ids=lambda f: f.name)
def test_each_field_that_differs_in_any_system_is_found(field: Any, tmp_path: Path) -> None:
    odd = {"Order_Block__c": False, "order_block": "", "aufsd": "02", "Credit_Limit__c": 100.001}
    odd |= {"credit_limit": "100.01", "payment_terms": "Z999"}
    for system, (name, _) in field.places.items():
        found = verdict(tmp_path, world({system: {name: odd.get(name, "other")}}))
        assert [row.field for row in found.different] == [field.name], (system, name)
        assert not found.equal


def test_a_record_that_a_system_lacks_is_missing_there(tmp_path: Path) -> None:
    for system in ROWS:
        missing = verdict(tmp_path, world({system: None})).missing
        assert [(row.key, row.system) for row in missing] == [("C-1", system)]


def test_a_record_without_a_number_is_not_passed_over(tmp_path: Path) -> None:
    missing = verdict(tmp_path, world({"sap": {"sortl": ""}})).missing
    assert {(row.key, row.system) for row in missing} == {("", "sap"), ("C-1", "sap")}


def test_a_number_that_a_system_holds_twice_is_doubled(tmp_path: Path) -> None:
    found = world()
    customers = dict(found.holdings["customer"])
    customers["sap"] = [*customers["sap"], Holding("2", customers["sap"][0].fields)]
    twice = World({**found.holdings, "customer": customers})
    doubled = verdict(tmp_path, twice).doubled
    assert [(row.key, row.system, row.count) for row in doubled] == [("C-1", "sap", 2)]


def test_a_message_that_sap_posted_twice_is_doubled(tmp_path: Path) -> None:
    doubled = verdict(tmp_path, world(posted_twice=["1-7"])).doubled
    assert [(row.object, row.key) for row in doubled] == [("idoc", "1-7")]


def test_an_edit_of_the_owner_that_its_own_system_does_not_hold_is_lost(tmp_path: Path) -> None:
    edits = [edit("erp", "credit_limit", "200"), edit("erp", "credit_limit", "300.00")]
    lost = verdict(tmp_path, world(), edits).lost
    assert [(row.field, row.value) for row in lost] == [("credit_limit", "300.00")]
    assert verdict(tmp_path, world(), [*edits, edit("erp", "credit_limit", 100)]).equal


def test_an_owners_edit_of_unknown_outcome_may_hold_or_not(tmp_path: Path) -> None:
    before, after = edit("sap", "AUFSD", "01"), edit("sap", "AUFSD", "", outcome="unknown")
    assert verdict(tmp_path, world(), [before, after]).equal
    clear = world({"salesforce": {"Order_Block__c": False}, "erp": {"order_block": ""}, "sap": {"aufsd": ""}})
    assert verdict(tmp_path, clear, [before, after]).equal
    assert verdict(tmp_path, clear, [after, before]).lost


def test_an_edit_of_a_record_that_is_gone_from_its_owner_is_lost(tmp_path: Path) -> None:
    assert verdict(tmp_path, world({"sap": None}), [edit("sap", "AUFSD", "01")]).lost


def test_a_shared_value_that_nobody_saw_go_is_lost(tmp_path: Path) -> None:
    edits = [edit("salesforce", "Phone", "A", seen=None), edit("erp", "phone", "B", seen=None)]
    assert [row.system for row in verdict(tmp_path, world(), edits).lost] == ["erp"]


def test_a_shared_value_is_accounted_for_by_a_recorded_conflict(tmp_path: Path) -> None:
    edits = [edit("salesforce", "Phone", "A", seen=None), edit("erp", "phone", "B", seen=None)]
    assert verdict(tmp_path, world(), edits, [{"entity": "C-1", "field": "phone", "loser": "B"}]).equal
    assert verdict(tmp_path, world(), edits, [{"entity": "C-2", "field": "phone", "loser": "B"}]).lost


def test_a_shared_value_may_be_overwritten_by_who_saw_it_in_any_system(tmp_path: Path) -> None:
    edits = [edit("erp", "phone", "B", seen=None), edit("salesforce", "Phone", "A", seen="B")]
    assert verdict(tmp_path, world(), edits).equal


def test_the_next_edit_of_the_same_system_excuses_only_if_it_saw_the_value(tmp_path: Path) -> None:
    blind = [edit("erp", "phone", "B", seen=None), edit("erp", "phone", "A", seen="C")]
    assert [row.value for row in verdict(tmp_path, world(), blind).lost]
    untold = [edit("erp", "phone", "B"), edit("erp", "phone", "A")]
    assert verdict(tmp_path, world(), untold).equal


def test_a_loss_within_salesforces_second_is_told_apart(tmp_path: Path) -> None:
    edits = [edit("salesforce", "Phone", "B", seen=None), edit("erp", "phone", "A", seen=None)]
    times = ("10:00:00", "10:00:00", "10:00:04")
    values: Sequence[Mapping[str, object]] = ({"Isthmus_Id__c": "x"}, {"Phone": "B"}, {"Phone": "A"})
    writes = [
        {"operation": "update", "object": "Account", "id": "001", "time": time, "fields": value}
        for time, value in zip(times, values, strict=True)
    ]
    found = verdict(tmp_path, world(writes=writes), edits)
    assert (len(found.lost), len(found.within_limit)) == (0, 1)
    writes[0]["time"] = "09:59:59"
    assert len(verdict(tmp_path, world(writes=writes), edits).lost) == 1


def test_private_values_are_masked_and_the_others_shown(tmp_path: Path) -> None:
    edits = [edit("salesforce", "Name", "Secret Name"), edit("salesforce", "BillingCity", "Bonn")]
    found = verdict(tmp_path, world({"erp": {"phone": "+49 555"}}), edits)
    for text in (as_json(found), as_table(found)):
        assert "Secret" not in text
        assert "555" not in text
        assert "Bonn" in text
        assert "characters" in text


@pytest.mark.parametrize(
    "line",
    [
        "no json",
        "[]",
        json.dumps(edit("erp", "shoe_size", "44")),
        json.dumps(edit("sap", "TELF1", "1")),
        json.dumps(edit("erp", "phone", "1", outcome="maybe")),
    ],
)
def test_a_line_that_means_nothing_is_refused_with_its_number(line: str, tmp_path: Path) -> None:
    journal = tmp_path / "edits.jsonl"
    journal.write_text(json.dumps(edit("erp", "phone", "1")) + "\n" + line + "\n")
    with pytest.raises(InputError, match="line 2"):
        read_edits(journal)


def test_invoices_are_compared_by_their_own_words() -> None:
    salesforce: dict[str, object] = {
        "Invoice_Number__c": "90000001",
        "customer": "C-1",
        "Invoice_Date__c": "2026-11-02",
        "Due_Date__c": "2026-12-02",
        "Currency__c": "EUR",
        "Net_Amount__c": 10,
        "Tax_Amount__c": 1.9,
        "Gross_Amount__c": 11.9,
        "Status__c": "paid",
    }
    erp: dict[str, object] = {
        "invoice_no": "90000001",
        "customer": "C-1",
        "invoice_date": "2026-11-02 00:00:00",
        "due_date": "2026-12-02",
        "currency": "EUR",
        "net_amount": "10.00",
        "tax_amount": "1.90",
        "gross_amount": "11.90",
        "status": "P",
    }
    one: dict[str, Meaning] = meanings("invoice", "salesforce", salesforce)
    assert one == meanings("invoice", "erp", erp)
    assert len(one) == len(INVOICE)
