"""From configuration to the core's rules, checked against what the targets can do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from agent.config import objects, rules
from agent.core.contract import (
    IDENTITY,
    EntityRules,
    LanePolicy,
    OwnerRow,
    Part,
    Survivorship,
    SurvivorshipKind,
    Transfer,
)
from agent.core.delivery import Guarantees, Resolution
from agent.core.objects import FieldSpec, FieldType
from agent.errors import ConfigError
from tests.config.sample import SAMPLE, changed, loaded, section

CRM = Guarantees(True, True, True, False, Resolution.REREAD, Resolution.RESEND, 120.0, 200)
ERP = Guarantees(True, True, True, False, Resolution.RESEND, Resolution.RESEND, 30.0, 100)
SAP = Guarantees(False, False, False, True, Resolution.RESEND, Resolution.RESEND)

Ask = Callable[[str], Guarantees]


def asked(crm: Guarantees = CRM, erp: Guarantees = ERP, sap: Guarantees = SAP) -> dict[str, Ask]:
    """What each target of the sample says of every object."""
    return {"crm": lambda _: crm, "erp": lambda _: erp, "sap": lambda _: sap}


def built(folder: Path, text: str = SAMPLE) -> dict[str, EntityRules]:
    """The sample's rules."""
    return rules(loaded(folder, text), asked())


def refused(folder: Path, guarantees: dict[str, Ask], text: str = SAMPLE) -> list[tuple[str, str]]:
    """What is told about targets that cannot honour the sample's rules."""
    with pytest.raises(ConfigError) as caught:
        rules(loaded(folder, text), guarantees)
    return [(problem.key, problem.text) for problem in caught.value.problems]


def test_contract_and_roles_reach_the_core(tmp_path: Path) -> None:
    invoice = built(tmp_path)["invoice"]
    assert (invoice.type, invoice.transfer, invoice.births) == ("invoice", Transfer.EVENT, ("erp",))
    assert (invoice.key, invoice.lane, invoice.lane_policy) == ("number", "customer", LanePolicy.BLOCK)
    assert (invoice.amount, invoice.currency) == ("gross", "currency")
    field = invoice.fields["customer"]
    assert (field.type, field.reference, field.part) == (FieldType.REFERENCE, "customer", Part.BODY)
    assert (invoice.fields["gross"].type, invoice.fields["gross"].scale) == (FieldType.DECIMAL, 2)


def test_owners_and_survivorship_reach_the_core(tmp_path: Path) -> None:
    rows = 'owners = [{ owner = "crm" }, { owner = "erp", valid_from = 2027-01-01, legal_entity = "2000" }]'
    text = section("entities.customer.fields.number", ('owner = "crm"', rows))
    text = section("entities.customer", ("births", 'legal_entity = "limit"\nbirths'), text=text)
    customer = built(tmp_path, text)["customer"]
    assert customer.fields["number"].owners == (
        OwnerRow("crm"),
        OwnerRow("erp", legal_entity="2000", valid_from=date(2027, 1, 1)),
    )
    assert customer.fields["limit"].owners == (OwnerRow("erp"),)
    assert customer.fields["phone"].survivorship == Survivorship(SurvivorshipKind.PREFER, "crm")


def test_value_maps_and_creation_reach_the_core(tmp_path: Path) -> None:
    customer = built(tmp_path)["customer"]
    assert customer.at("erp").fields["blocked"].values == {"true": "X", "false": ""}
    assert [customer.at(name).create for name in ("crm", "erp", "sap")] == [False, True, True]
    assert customer.at("sap").blind
    assert not customer.at("erp").blind


def test_our_own_writes_are_known_by_the_name_that_the_system_is_told(tmp_path: Path) -> None:
    """Said once, at the system; only Salesforce tells of it, and an IDoc ``client`` is something else."""
    customer = built(tmp_path)["customer"]
    assert [customer.at(name).client for name in ("crm", "erp", "sap")] == ["isthmus", None, None]
    text = section("systems.crm", ('client_id = "app"', 'client_id = "app"\nclient = "agent-7"'))
    found = built(tmp_path, text)
    assert {entity.at("crm").client for entity in found.values()} == {"agent-7"}
    text = section(
        "entities.invoice.systems.crm", ("create = true", 'create = true\nclient = "x"'), text=text
    )
    found = built(tmp_path, text)
    assert [found[name].at("crm").client for name in ("customer", "invoice")] == ["agent-7", "x"]


def test_each_rule_set_has_the_version_of_its_section(tmp_path: Path) -> None:
    config = loaded(tmp_path)
    assert {name: one.version for name, one in rules(config, asked()).items()} == config.versions
    assert all(len(version) == 12 for version in config.versions.values())


def test_the_canonical_id_is_a_field_where_a_system_keeps_it(tmp_path: Path) -> None:
    customer = built(tmp_path)["customer"]
    assert customer.at("crm").fields[IDENTITY].source == "Isthmus_Id__c"
    assert IDENTITY not in customer.at("erp").fields


def test_confirm_after_is_the_agents_unless_the_entity_says_otherwise(tmp_path: Path) -> None:
    text = changed(
        ("[agent]\n", "[agent]\nconfirm_after_s = 5\n"),
        ('births = ["erp"]', 'births = ["erp"]\nconfirm_after_s = 2.5'),
    )
    found = built(tmp_path, text)
    assert (found["customer"].confirm_after_s, found["invoice"].confirm_after_s) == (5.0, 2.5)


def test_objects_are_what_a_system_stores(tmp_path: Path) -> None:
    customer, invoice = objects(loaded(tmp_path), "erp")
    assert (customer.name, customer.key, customer.external_id) == ("customer", "customer_id", None)
    assert (invoice.name, invoice.key) == ("invoice", "invoice_no")
    assert customer.fields == (
        FieldSpec("number", FieldType.TEXT, True),
        FieldSpec("credit_limit", FieldType.DECIMAL, writable=False, seed=True),
        FieldSpec("phone", FieldType.TEXT, True),
        FieldSpec("order_block", FieldType.TEXT, True),
    )


def test_a_field_with_a_value_map_is_text_at_the_system(tmp_path: Path) -> None:
    (customer, _) = objects(loaded(tmp_path), "crm")
    assert {spec.name: spec.type for spec in customer.fields}["Blocked__c"] is FieldType.BOOLEAN
    (debmas,) = objects(loaded(tmp_path), "sap")
    assert {spec.name: spec.type for spec in debmas.fields}["E1KNA1M.AUFSD"] is FieldType.TEXT


@pytest.mark.invariant("I6")
def test_a_field_is_not_writable_at_its_only_owner(tmp_path: Path) -> None:
    (debmas,) = objects(loaded(tmp_path), "sap")
    assert {spec.name: spec.writable for spec in debmas.fields} == {
        "E1KNA1M.SORTL": True,
        "E1KNA1M.AUFSD": False,
    }


def test_a_field_mapped_to_the_systems_key_is_read_with_the_record(tmp_path: Path) -> None:
    (_, invoice) = objects(loaded(tmp_path), "erp")
    assert "invoice_no" in {spec.name for spec in invoice.fields}


@pytest.mark.invariant("I5")
@pytest.mark.parametrize("lacking", ["compare_and_set", "read_back"])
def test_a_shared_field_at_a_target_without_compare_and_set_or_read_back_is_refused(
    tmp_path: Path, lacking: str
) -> None:
    crippled = {
        "compare_and_set": replace(ERP, compare_and_set=False),
        "read_back": replace(ERP, read_back=False),
    }
    found = dict(refused(tmp_path, asked(erp=crippled[lacking])))
    text = found["entities.customer.fields.phone.survivorship"]
    assert text.startswith("is shared, but 'erp' cannot")


def test_a_shared_field_that_a_weak_target_only_tells_is_taken(tmp_path: Path) -> None:
    weak = replace(CRM, compare_and_set=False)
    text = section("entities.customer.systems.crm", ('key = "Id"', 'key = "Id"\ndeliver = false'))
    text = section("entities.customer.fields.limit", ('owner = "erp"', 'owner = "crm"'), text=text)
    text = section("entities.customer.fields.blocked", ('owner = "sap"', 'owner = "crm"'), text=text)
    text = text.replace(
        'survivorship = { rule = "prefer", prefer = "crm" }', 'survivorship = { rule = "manual" }'
    )
    assert rules(loaded(tmp_path, text), asked(crm=weak))["customer"].fields["phone"].shared


def test_create_at_a_blind_target_must_be_acknowledged(tmp_path: Path) -> None:
    text = section("entities.customer.systems.sap", ('create = "blind"', "create = true"))
    ((key, found),) = refused(tmp_path, asked(), text)
    assert key == "entities.customer.systems.sap.create"
    assert 'create = "blind"' in found


def test_blind_creation_at_a_target_that_can_be_read_is_refused(tmp_path: Path) -> None:
    text = section("entities.customer.systems.erp", ("create = true", 'create = "blind"'))
    ((key, found),) = refused(tmp_path, asked(), text)
    assert key == "entities.customer.systems.erp.create"
    assert "write create = true" in found


@pytest.mark.invariant("I16")
def test_a_create_whose_lost_answer_only_a_person_could_resolve_is_refused(tmp_path: Path) -> None:
    ((key, text),) = refused(tmp_path, asked(erp=replace(ERP, on_uncertain_create=Resolution.PERSON)))
    assert key == "entities.customer.systems.erp.create"
    assert text.endswith("set external_id")


def test_a_blind_target_whose_creates_only_a_person_can_resolve_was_acknowledged(tmp_path: Path) -> None:
    person = replace(SAP, on_uncertain_create=Resolution.PERSON)
    assert rules(loaded(tmp_path), asked(sap=person))["customer"].at("sap").create


@pytest.mark.invariant("I16")
@pytest.mark.parametrize("which", ["on_uncertain_update", "on_uncertain_create"])
def test_a_target_without_an_answer_to_a_lost_reply_is_refused(tmp_path: Path, which: str) -> None:
    reread = {
        "on_uncertain_update": replace(SAP, on_uncertain_update=Resolution.REREAD),
        "on_uncertain_create": replace(SAP, on_uncertain_create=Resolution.REREAD),
    }
    ((key, text),) = refused(tmp_path, asked(sap=reread[which]))
    assert key == "entities.customer.systems.sap.deliver"
    assert "cannot be read again" in text


def test_everything_that_targets_cannot_honour_is_told_at_once(tmp_path: Path) -> None:
    weak = replace(ERP, compare_and_set=False, on_uncertain_create=Resolution.PERSON)
    text = section("entities.customer.systems.sap", ('create = "blind"', "create = true"))
    assert [key for key, _ in refused(tmp_path, asked(erp=weak), text)] == [
        "entities.customer.fields.phone.survivorship",
        "entities.customer.systems.erp.create",
        "entities.customer.systems.sap.create",
    ]
