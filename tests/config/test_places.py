"""An entity at its systems: objects, mappings, value maps, births and creation."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.config.sample import SAMPLE, changed, loaded, problems, section, told

CRM = "entities.customer.systems.crm"
ERP = "entities.customer.systems.erp"
SAP = "entities.customer.systems.sap"


def test_an_unknown_system_is_told_with_the_nearest(tmp_path: Path) -> None:
    text = SAMPLE.replace("[entities.customer.systems.sap", "[entities.customer.systems.sapp")
    found = {problem.key: problem for problem in problems(tmp_path, text)}
    assert found["entities.customer.systems.sapp"].nearest == "sap"


def test_an_unknown_field_is_told_with_the_nearest(tmp_path: Path) -> None:
    text = section(f"{CRM}.fields", ('phone = "Phone"', 'phone = "Phone"\nphoen = "Fax"'))
    (problem,) = problems(tmp_path, text)
    assert (problem.key, problem.nearest) == (f"{CRM}.fields.phoen", "phone")


def test_an_owner_that_does_not_map_the_field_is_refused(tmp_path: Path) -> None:
    ((key, text),) = told(tmp_path, section(f"{ERP}.fields", ('limit = "credit_limit"\n', "")))
    assert key == "entities.customer.fields.limit.owner"
    assert text == "'erp' does not map this field"


def test_a_preferred_system_that_does_not_map_the_field_is_refused(tmp_path: Path) -> None:
    ((key, _),) = told(tmp_path, changed(('prefer = "crm"', 'prefer = "sap"')))
    assert key == "entities.customer.fields.phone.survivorship.prefer"


def test_a_field_that_nobody_would_receive_is_refused(tmp_path: Path) -> None:
    ((key, text),) = told(tmp_path, section(f"{CRM}.fields", ('limit = "Limit__c"\n', "")))
    assert key == "entities.customer.fields.limit"
    assert text == "nobody would receive it: beside 'erp' no system takes it"


def test_a_field_whose_only_other_system_takes_nothing_is_refused(tmp_path: Path) -> None:
    found = told(tmp_path, section(CRM, ('object = "Account"', 'object = "Account"\ndeliver = false')))
    assert (
        "entities.customer.fields.limit",
        "nobody would receive it: beside 'erp' no system takes it",
    ) in found


def test_a_field_that_a_rule_needs_may_be_mapped_once(tmp_path: Path) -> None:
    text = section("entities.customer", ("births", 'lifecycle_state = "limit"\nbirths'))
    loaded(tmp_path, section(f"{CRM}.fields", ('limit = "Limit__c"\n', ""), text=text))


def test_a_field_that_no_system_maps_is_refused(tmp_path: Path) -> None:
    text = section(f"{CRM}.fields", ('limit = "Limit__c"\n', ""))
    found = told(tmp_path, section(f"{ERP}.fields", ('limit = "credit_limit"\n', ""), text=text))
    assert ("entities.customer.fields.limit", "no system maps this field") in found


def test_two_contract_fields_on_one_source_field_are_refused(tmp_path: Path) -> None:
    found = told(tmp_path, section(f"{CRM}.fields", ('phone = "Phone"', 'phone = "AccountNumber"')))
    assert found == [(f"{CRM}.fields.phone", "'AccountNumber' is mapped to 'number' already")]


def test_the_field_of_the_canonical_id_is_not_mapped(tmp_path: Path) -> None:
    found = told(tmp_path, section(f"{CRM}.fields", ('phone = "Phone"', 'phone = "Isthmus_Id__c"')))
    assert found == [(f"{CRM}.fields.phone", "'Isthmus_Id__c' holds the canonical id (external_id)")]


def test_the_canonical_id_is_not_kept_in_the_systems_key(tmp_path: Path) -> None:
    ((key, _),) = told(tmp_path, section(CRM, ('"Isthmus_Id__c"', '"Id"')))
    assert key == f"{CRM}.external_id"


def test_the_same_object_in_two_entities_is_refused(tmp_path: Path) -> None:
    found = told(tmp_path, changed(('object = "Invoice__c"', 'object = "Account"')))
    assert found == [
        ("entities.invoice.systems.crm.object", "'Account' at 'crm' is entity 'customer' already")
    ]


@pytest.mark.invariant("I13")
def test_a_value_map_that_is_not_injective_is_refused(tmp_path: Path) -> None:
    ((key, text),) = told(tmp_path, changed(('false = ""', 'false = "X"')))
    assert key == f"{ERP}.fields.blocked.values.false"
    assert text == "maps to the same value as 'true'; it could not be read back"


@pytest.mark.invariant("I13")
def test_values_that_differ_only_in_blanks_are_not_different(tmp_path: Path) -> None:
    found = told(tmp_path, changed(('false = ""', 'false = "X "')))
    assert (
        f"{ERP}.fields.blocked.values.false",
        "has blanks at an end, which no system is known to keep",
    ) in found
    assert any("maps to the same value" in text for _, text in found)


def test_a_boolean_value_map_has_both_values(tmp_path: Path) -> None:
    found = told(tmp_path, changed(('{ true = "X", false = "" }', '{ true = "X" }')))
    assert found == [(f"{ERP}.fields.blocked.values", 'a boolean needs both "true" and "false"')]


def test_a_value_map_speaks_canonical_values(tmp_path: Path) -> None:
    found = told(tmp_path, changed(('{ true = "X", false = "" }', '{ true = "X", false = "", yes = "Y" }')))
    assert found == [(f"{ERP}.fields.blocked.values.yes", "is no boolean value in its canonical form")]


def test_a_value_map_of_a_decimal_uses_its_scale(tmp_path: Path) -> None:
    limit = '{ source = "Limit__c", values = { "1.00" = "one", "2" = "two" } }'
    found = told(tmp_path, section(f"{CRM}.fields", ('"Limit__c"', limit)))
    assert found == [(f"{CRM}.fields.limit.values.2", "is no decimal value in its canonical form")]


def test_a_reference_has_no_value_map(tmp_path: Path) -> None:
    mapping = '{ source = "Account__c", values = { a = "b" } }'
    ((key, _),) = told(tmp_path, changed(('"Account__c"', mapping)))
    assert key == "entities.invoice.systems.crm.fields.customer.values"


def test_a_reference_is_mapped_only_where_its_entity_is_stored(tmp_path: Path) -> None:
    place = (
        '\n[entities.invoice.systems.sap]\nobject = "INVOIC"\nkey = "E1EDK01.BELNR"\ncreate = "blind"\n'
        '[entities.invoice.systems.sap.fields]\ncustomer = "E1EDKA1.PARTN"\n'
    )
    start, end = SAMPLE.index("\n[entities.customer.systems.sap]"), SAMPLE.index("\n[entities.invoice]")
    without = SAMPLE[:start] + SAMPLE[end:]
    text = section("entities.customer.fields.blocked", ('"sap"', '"erp"'), text=without) + place
    assert told(tmp_path, text) == [
        (
            "entities.invoice.systems.sap.fields.customer",
            "refers to 'customer', which is not stored in 'sap'",
        )
    ]


def test_births_must_name_a_system(tmp_path: Path) -> None:
    found = told(tmp_path, changed(('births = ["crm"]', "births = []")))
    assert found == [
        ("entities.customer.births", "names no system; then no record could ever come into being")
    ]


def test_births_in_an_unknown_system_is_told_with_the_nearest(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, changed(('births = ["crm"]', 'births = ["cmr"]')))
    assert (problem.key, problem.nearest) == ("entities.customer.births[0]", "crm")


def test_births_where_the_entity_is_not_stored_is_refused(tmp_path: Path) -> None:
    found = told(tmp_path, changed(('births = ["erp"]', 'births = ["erp", "sap"]')))
    assert found == [("entities.invoice.births[1]", "the entity is not stored in 'sap'")]


def test_births_named_twice_is_refused(tmp_path: Path) -> None:
    found = told(tmp_path, changed(('births = ["crm"]', 'births = ["crm", "crm"]')))
    assert found == [("entities.customer.births[1]", "'crm' is named twice")]


def test_births_that_would_never_be_seen_are_refused(tmp_path: Path) -> None:
    found = dict(told(tmp_path, section(CRM, ('key = "Id"', 'key = "Id"\ncapture = false'))))
    assert (
        found["entities.customer.births[0]"] == "new records in 'crm' would never be seen (capture = false)"
    )


def test_an_owner_that_is_never_listened_to_is_refused(tmp_path: Path) -> None:
    found = told(tmp_path, section(SAP, ('create = "blind"', 'create = "blind"\ncapture = false')))
    assert found == [
        ("entities.customer.fields.blocked.owner", "changes in 'sap' would never be seen (capture = false)")
    ]


def test_a_retired_owner_is_refused(tmp_path: Path) -> None:
    text = section(SAP, ('create = "blind"', 'role = "retired"\ndeliver = false'))
    assert told(tmp_path, text) == [("entities.customer.fields.blocked.owner", "'sap' is retired")]


def test_a_shared_field_that_is_listened_to_in_one_system_is_refused(tmp_path: Path) -> None:
    text = section(ERP, ("create = true", "create = true\ncapture = false"))
    found = dict(told(tmp_path, text))
    assert found["entities.customer.fields.phone"].startswith("is shared, but changes are captured in fewer")


def test_create_where_all_records_are_born_is_refused(tmp_path: Path) -> None:
    found = told(tmp_path, section(CRM, ('key = "Id"', 'key = "Id"\ncreate = true')))
    assert found == [
        (f"{CRM}.create", "records are born in 'crm' only; there is nothing to create there"),
    ]


def test_create_where_nothing_is_delivered_is_refused(tmp_path: Path) -> None:
    found = told(tmp_path, section(ERP, ("create = true", "create = true\ndeliver = false")))
    assert (f"{ERP}.create", "nothing is delivered to this system (deliver = false)") in found


@pytest.mark.invariant("I20")
def test_create_without_a_business_key_is_refused(tmp_path: Path) -> None:
    text = section("entities.customer", ('key = "number"\n', ""))
    assert told(tmp_path, text) == [
        ("entities.customer.key", "missing key: before a create in 'erp' duplicates are looked up by it")
    ]


@pytest.mark.invariant("I20")
def test_create_where_the_business_key_is_not_mapped_is_refused(tmp_path: Path) -> None:
    ((key, _),) = told(tmp_path, section(f"{ERP}.fields", ('number = "number"\n', "")))
    assert key == f"{ERP}.create"


@pytest.mark.parametrize("role", ["read-only", "retired"])
def test_a_role_that_takes_nothing_delivers_nothing(tmp_path: Path, role: str) -> None:
    found = told(tmp_path, section(ERP, ("create = true", f'role = "{role}"')))
    assert (f"{ERP}.deliver", f"must be false: the role is {role}") in found


def test_a_system_that_neither_captures_nor_delivers_is_refused(tmp_path: Path) -> None:
    found = told(tmp_path, section(SAP, ('create = "blind"', "capture = false\ndeliver = false")))
    assert (SAP, "neither captures nor delivers; leave the system out") in found


def test_an_entity_in_one_system_is_refused(tmp_path: Path) -> None:
    start = SAMPLE.index("\n[entities.invoice.systems.crm]")
    assert told(tmp_path, SAMPLE[:start]) == [
        (
            "entities.invoice.systems",
            "an entity is stored in at least two systems; nothing would be synchronised",
        )
    ]


def test_a_system_that_maps_no_field_is_refused(tmp_path: Path) -> None:
    text = section("entities.customer.fields.blocked", ('"sap"', '"erp"'))
    start, end = text.index('number = "E1KNA1M.SORTL"'), text.index("\n[entities.invoice]")
    assert told(tmp_path, text[:start] + text[end:]) == [(f"{SAP}.fields", "maps no field")]
