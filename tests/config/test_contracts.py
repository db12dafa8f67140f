"""One entity's contract: names, types, ownership, event entities, money."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.config.contracts import NAME_RULE
from tests.config.sample import SAMPLE, changed, loaded, problems, section, told

NUMBER = "entities.customer.fields.number"
CRM_OWNER = 'owner = "crm"'


@pytest.mark.invariant("I5")
def test_a_field_without_owner_and_survivorship_is_refused(tmp_path: Path) -> None:
    text = section(NUMBER, (CRM_OWNER, ""))
    assert told(tmp_path, text) == [(NUMBER, "has neither an owner nor a survivorship rule")]


@pytest.mark.invariant("I5")
def test_a_field_with_owner_and_survivorship_is_refused(tmp_path: Path) -> None:
    text = section(NUMBER, (CRM_OWNER, 'owner = "crm"\nsurvivorship = { rule = "manual" }'))
    assert told(tmp_path, text) == [(NUMBER, "has both an owner and a survivorship rule")]


@pytest.mark.invariant("I5")
def test_a_field_with_owner_and_owners_is_refused(tmp_path: Path) -> None:
    text = section(NUMBER, (CRM_OWNER, 'owner = "crm"\nowners = [{ owner = "erp" }]'))
    assert told(tmp_path, text) == [(NUMBER, "has both owner and owners; keep one of them")]


@pytest.mark.invariant("I5")
def test_an_ownership_table_without_a_row_that_always_holds_is_refused(tmp_path: Path) -> None:
    text = section(NUMBER, (CRM_OWNER, 'owners = [{ owner = "crm", valid_from = 2027-01-01 }]'))
    ((key, text),) = told(tmp_path, text)
    assert key == NUMBER
    assert "no row that holds everywhere and from the start" in text


@pytest.mark.invariant("I5")
def test_an_ambiguous_ownership_table_is_refused(tmp_path: Path) -> None:
    rows = 'owners = [{ owner = "crm" }, { owner = "erp" }]'
    ((key, text),) = told(tmp_path, section(NUMBER, (CRM_OWNER, rows)))
    assert key == NUMBER
    assert text == "two rows of equal weight name 'crm' and 'erp'"


def test_an_ownership_table_by_context_and_date_is_taken(tmp_path: Path) -> None:
    rows = (
        'owners = [{ owner = "crm" }, { owner = "erp", valid_from = 2027-01-01 }, '
        '{ owner = "sap", legal_entity = "2000", valid_from = 2027-01-01 }]'
    )
    named = section("entities.customer", ("births", 'legal_entity = "limit"\nbirths'))
    config = loaded(tmp_path, section(NUMBER, (CRM_OWNER, rows), text=named))
    assert [row.owner for row in config.entities["customer"].fields["number"].owners] == ["crm", "erp", "sap"]


def test_an_ownership_row_of_an_unknown_wave_is_refused(tmp_path: Path) -> None:
    rows = 'owners = [{ owner = "crm" }, { owner = "erp", wave = "emea" }]'
    found = told(tmp_path, section(NUMBER, (CRM_OWNER, rows)))
    assert found == [(f"{NUMBER}.owners[1].wave", "there is no wave 'emea'")]


@pytest.mark.parametrize("column", ["legal_entity", "lifecycle_state"])
def test_an_ownership_row_that_could_never_hold_is_refused(tmp_path: Path, column: str) -> None:
    rows = f'owners = [{{ owner = "crm" }}, {{ owner = "erp", {column} = "x" }}]'
    ((key, text),) = told(tmp_path, section(NUMBER, (CRM_OWNER, rows)))
    assert key == f"{NUMBER}.owners[1].{column}"
    assert text.startswith("this row never holds")
    named = section("entities.customer", ("births", f'{column} = "limit"\nbirths'))
    loaded(tmp_path, section(NUMBER, (CRM_OWNER, rows), text=named))


def test_an_unknown_owner_is_told_with_the_nearest_system(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, section(NUMBER, (CRM_OWNER, 'owner = "cmr"')))
    assert (problem.key, problem.text, problem.nearest) == (
        f"{NUMBER}.owner",
        "there is no system 'cmr'",
        "crm",
    )


def test_the_rule_prefer_names_a_system(tmp_path: Path) -> None:
    text = changed(('{ rule = "prefer", prefer = "crm" }', '{ rule = "prefer" }'))
    assert told(tmp_path, text) == [
        (
            "entities.customer.fields.phone.survivorship.prefer",
            "missing key: the rule prefer names a system",
        )
    ]


def test_the_rule_manual_prefers_nobody(tmp_path: Path) -> None:
    text = changed(('rule = "prefer"', 'rule = "manual"'))
    assert told(tmp_path, text) == [
        ("entities.customer.fields.phone.survivorship.prefer", "has no meaning for the rule manual")
    ]


def test_a_decimal_without_scale_is_refused(tmp_path: Path) -> None:
    ((key, text),) = told(tmp_path, changed(("scale = 2\n", "")))
    assert key == "entities.customer.fields.limit.scale"
    assert text.startswith("missing key: a decimal says how many decimal places")


def test_a_scale_without_a_decimal_is_refused(tmp_path: Path) -> None:
    ((key, _),) = told(tmp_path, section(NUMBER, (CRM_OWNER, 'owner = "crm"\nscale = 2')))
    assert key == f"{NUMBER}.scale"


def test_a_reference_to_an_unknown_entity_is_told_with_the_nearest(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, changed(('reference = "customer"', 'reference = "custmer"')))
    assert problem.key == "entities.invoice.fields.customer.reference"
    assert problem.nearest == "customer"


def test_a_reference_without_entity_is_refused(tmp_path: Path) -> None:
    ((key, _),) = told(tmp_path, changed(('reference = "customer"\n', "")))
    assert key == "entities.invoice.fields.customer.reference"


def test_only_a_reference_refers_to_an_entity(tmp_path: Path) -> None:
    ((key, _),) = told(tmp_path, section(NUMBER, (CRM_OWNER, 'owner = "crm"\nreference = "invoice"')))
    assert key == f"{NUMBER}.reference"


def test_entities_may_refer_to_each_other_where_one_can_be_completed_later(
    tmp_path: Path,
) -> None:
    field = (
        '\n[entities.customer.fields.last_invoice]\nowner = "erp"\ntype = "reference"\n'
        + 'reference = "invoice"\n'
    )
    text = changed(
        ("\n[entities.customer.systems.crm]\n", field + "\n[entities.customer.systems.crm]\n"),
        ('number = "AccountNumber"', 'number = "AccountNumber"\nlast_invoice = "Last__c"'),
        ('limit = "credit_limit"', 'limit = "credit_limit"\nlast_invoice = "last_invoice"'),
    )
    assert set(loaded(tmp_path, text).entities) == {"customer", "invoice"}


def test_documents_whose_bodies_refer_to_each_other_are_refused(tmp_path: Path) -> None:
    field = (
        '\n[entities.invoice.fields.corrects]\nowner = "erp"\ntype = "reference"\n'
        + 'reference = "invoice"\npart = "body"\n'
    )
    text = changed(
        ("\n[entities.invoice.systems.crm]\n", field + "\n[entities.invoice.systems.crm]\n"),
    )
    found = dict(told(tmp_path, text))
    assert found["entities.invoice.fields.corrects.reference"] == (
        "records would wait for each other: invoice → invoice"
    )


@pytest.mark.parametrize("line", ['lane = "number"', 'lane_policy = "skip"'])
def test_a_lane_without_event_transfer_is_refused(tmp_path: Path, line: str) -> None:
    ((key, _),) = told(tmp_path, section("entities.customer", ("births", f"{line}\nbirths")))
    assert key == "entities.customer." + line.split(" ")[0]


def test_an_event_entity_without_lane_is_refused(tmp_path: Path) -> None:
    ((key, _),) = told(tmp_path, changed(('lane = "customer"\n', "")))
    assert key == "entities.invoice.lane"


def test_a_lane_that_may_change_is_refused(tmp_path: Path) -> None:
    ((key, _),) = told(tmp_path, changed(('lane = "customer"', 'lane = "status"')))
    assert key == "entities.invoice.lane"


def test_an_event_entity_without_body_is_refused(tmp_path: Path) -> None:
    text = SAMPLE.replace('part = "body"', 'part = "status"').replace('lane = "customer"', 'lane = "status"')
    found = told(tmp_path, text)
    assert ("entities.invoice.fields", 'an event entity needs at least one field with part = "body"') in found


def test_a_field_of_an_event_entity_says_which_part_it_is(tmp_path: Path) -> None:
    ((key, _),) = told(tmp_path, changed(('part = "status"\n', "")))
    assert key == "entities.invoice.fields.status.part"


def test_a_field_of_a_state_entity_has_no_part(tmp_path: Path) -> None:
    ((key, _),) = told(tmp_path, section(NUMBER, (CRM_OWNER, 'owner = "crm"\npart = "status"')))
    assert key == f"{NUMBER}.part"


def test_a_body_field_is_owned_where_the_record_is_born(tmp_path: Path) -> None:
    text = section("entities.invoice.fields.gross", ('owner = "erp"', 'owner = "crm"'))
    ((key, _),) = told(tmp_path, text)
    assert key == "entities.invoice.fields.gross.owner"


def test_a_body_field_has_no_survivorship(tmp_path: Path) -> None:
    text = section("entities.invoice.fields.gross", ('owner = "erp"', 'survivorship = { rule = "manual" }'))
    ((key, _),) = told(tmp_path, text)
    assert key == "entities.invoice.fields.gross.survivorship"


def test_an_amount_without_currency_is_refused(tmp_path: Path) -> None:
    ((key, _),) = told(tmp_path, changed(('currency = "currency"\n', "")))
    assert key == "entities.invoice.currency"


def test_a_currency_without_amount_is_refused(tmp_path: Path) -> None:
    ((key, _),) = told(tmp_path, changed(('amount = "gross"\n', "")))
    assert key == "entities.invoice.amount"


def test_an_amount_that_is_no_decimal_is_refused(tmp_path: Path) -> None:
    ((key, _),) = told(tmp_path, changed(('amount = "gross"', 'amount = "status"')))
    assert key == "entities.invoice.amount"


@pytest.mark.parametrize("role", ["key", "lane", "amount", "currency", "legal_entity", "lifecycle_state"])
def test_a_role_of_an_unknown_field_is_told_with_the_nearest(tmp_path: Path, role: str) -> None:
    cleared = "\n".join(line for line in SAMPLE.split("\n") if not line.startswith(f"{role} = ")) + "\n"
    kept = SAMPLE if role in ("legal_entity", "lifecycle_state") else cleared
    if role == "key":
        kept = SAMPLE.replace('key = "number"\nlane', "lane", 1)
    text = section("entities.invoice", ('births = ["erp"]', f'births = ["erp"]\n{role} = "numbr"'), text=kept)
    found = {problem.key: problem for problem in problems(tmp_path, text)}
    assert found[f"entities.invoice.{role}"].nearest == "number"


@pytest.mark.parametrize("name", ["isthmus_id", "two words", "", "_hidden", "a" * 61])
def test_a_field_name_that_cannot_be_used_is_refused(tmp_path: Path, name: str) -> None:
    text = SAMPLE + f'\n[entities.invoice.fields."{name}"]\npart = "status"\nowner = "erp"\n'
    found = [what for key, what in told(tmp_path, text) if key == f"entities.invoice.fields.{name}"]
    assert any(what == NAME_RULE or what.startswith("is the agent's own name") for what in found)
