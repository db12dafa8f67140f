"""A small sound configuration and the means to break it in one place at a time."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapters.registry import settings_model
from agent.config import Config, load
from agent.errors import ConfigError, Problem

SAMPLE = """
[agent]
state_dir = "state"

[systems.crm]
kind = "salesforce"
client_id = "app"
username = "integration@example.com"
key = "credential:crm-key"

[systems.erp]
kind = "odbc"
connection = "env:ERP"

[systems.sap]
kind = "idoc"
outbound_dir = "sap/out"
inbound_dir = "sap/in"
archive_dir = "sap/done"
quarantine_dir = "sap/bad"
client = "100"
receiver_partner = "S4H"
receiver_port = "SAPS4H"

[entities.customer]
births = ["crm"]
key = "number"

[entities.customer.fields.number]
owner = "crm"

[entities.customer.fields.limit]
type = "decimal"
scale = 2
owner = "erp"

[entities.customer.fields.phone]
survivorship = { rule = "prefer", prefer = "crm" }

[entities.customer.fields.blocked]
type = "boolean"
owner = "sap"

[entities.customer.systems.crm]
object = "Account"
key = "Id"
external_id = "Isthmus_Id__c"

[entities.customer.systems.crm.fields]
number = "AccountNumber"
limit = "Limit__c"
phone = "Phone"
blocked = "Blocked__c"

[entities.customer.systems.erp]
object = "customer"
key = "customer_id"
create = true

[entities.customer.systems.erp.fields]
number = "number"
limit = "credit_limit"
phone = "phone"
blocked = { source = "order_block", values = { true = "X", false = "" } }

[entities.customer.systems.sap]
object = "DEBMAS"
key = "E1KNA1M.KUNNR"
create = "blind"

[entities.customer.systems.sap.fields]
number = "E1KNA1M.SORTL"
blocked = { source = "E1KNA1M.AUFSD", values = { true = "01", false = "" } }

[entities.invoice]
transfer = "event"
births = ["erp"]
key = "number"
lane = "customer"
amount = "gross"
currency = "currency"

[entities.invoice.fields.number]
part = "body"
owner = "erp"

[entities.invoice.fields.customer]
type = "reference"
reference = "customer"
part = "body"
owner = "erp"

[entities.invoice.fields.gross]
type = "decimal"
scale = 2
part = "body"
owner = "erp"

[entities.invoice.fields.currency]
part = "body"
owner = "erp"

[entities.invoice.fields.status]
part = "status"
owner = "erp"

[entities.invoice.systems.erp]
object = "invoice"
key = "invoice_no"

[entities.invoice.systems.erp.fields]
number = "invoice_no"
customer = "customer_id"
gross = "gross_amount"
currency = "currency"
status = { source = "status", values = { open = "O", paid = "P" } }

[entities.invoice.systems.crm]
object = "Invoice__c"
key = "Id"
external_id = "Isthmus_Id__c"
create = true

[entities.invoice.systems.crm.fields]
number = "Invoice_Number__c"
customer = "Account__c"
gross = "Gross__c"
currency = "Currency__c"
status = "Status__c"
"""


def changed(*edits: tuple[str, str], text: str = SAMPLE) -> str:
    """The sample with texts replaced, each of which must be there; the first occurrence only."""
    for old, new in edits:
        assert old in text, f"the sample has no {old!r}"
        text = text.replace(old, new, 1)
    return text


def section(header: str, *edits: tuple[str, str], text: str = SAMPLE) -> str:
    """The sample with texts replaced below one table header, for keys that occur in many tables."""
    before, found, after = text.partition(f"\n[{header}]\n")
    assert found, f"the sample has no [{header}]"
    body, following, rest = after.partition("\n[")
    return before + found + changed(*edits, text=body + "\n") + following + rest


def loaded(folder: Path, text: str = SAMPLE) -> Config:
    """Load a text as a configuration file."""
    path = folder / "isthmus.toml"
    path.write_text(text, encoding="utf-8")
    return load(path, settings_model)


def problems(folder: Path, text: str) -> list[Problem]:
    """Everything wrong with a text."""
    with pytest.raises(ConfigError) as caught:
        loaded(folder, text)
    assert caught.value.exit_code == 2
    return caught.value.problems


def told(folder: Path, text: str) -> list[tuple[str, str]]:
    """Everything wrong with a text as (key, what)."""
    return [(problem.key, problem.text) for problem in problems(folder, text)]
