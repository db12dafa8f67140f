"""Mapping: a system's fields and values to the contract and back (I13)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.core.change import RawValue
from agent.core.contract import ContractField, EntityAtSystem, EntityRules, FieldMapping, OwnerRow
from agent.core.mapping import Decoder, MappingFault, encode, is_unresolved
from agent.core.objects import FieldType
from agent.core.value import Canonical, canonical
from tests.core.samples import EVERY_TIME_THE_SAME, customer
from tests.core.test_value import RAW

STATES = {"active": "A", "blocked": "1", "true": "J", "false": "N"}
MAPPED = ("state", "text", "amount", "count", "flag", "day", "moment", "parent")
TYPES = {
    "state": FieldType.TEXT,
    "text": FieldType.TEXT,
    "amount": FieldType.DECIMAL,
    "count": FieldType.INTEGER,
    "flag": FieldType.BOOLEAN,
    "day": FieldType.DATE,
    "moment": FieldType.DATETIME,
    "parent": FieldType.REFERENCE,
}


def _rules() -> EntityRules:
    fields = {
        name: ContractField(
            name, type_, owners=(OwnerRow("cloud"),), reference="customer" if name == "parent" else None
        )
        for name, type_ in TYPES.items()
    }
    return customer(fields)


def _at_erp(rules: EntityRules) -> EntityAtSystem:
    mappings = {name: FieldMapping(name, name.upper()) for name in TYPES}
    mappings["state"] = FieldMapping("state", "STATE", STATES)
    mappings["flag"] = FieldMapping("flag", "FLAG", {"true": "J", "false": "N"})
    return replace(rules.at("erp"), fields=mappings)


def _entity_of(type_: str, system: str, key: str) -> str | None:
    return f"{type_}-{key}" if key != "nobody" else None


def _key_of(id_: str, system: str) -> str | None:
    return id_.removeprefix("customer-") if not is_unresolved(id_) else None


def _decoder(rules: EntityRules) -> Decoder:
    return Decoder(rules, _at_erp(rules), _entity_of)


def _value(name: str) -> st.SearchStrategy[Canonical]:
    if name == "state":
        return st.sampled_from(["active", "blocked", None])
    if name == "parent":
        return st.none() | st.integers(1, 99).map(lambda n: f"customer-{n}")
    type_ = TYPES[name]
    return (st.none() | RAW[type_]).map(lambda raw: canonical(raw, type_))


RECORDS: st.SearchStrategy[Mapping[str, Canonical]] = st.fixed_dictionaries(
    {}, optional={name: _value(name) for name in MAPPED}
)


@pytest.mark.invariant("I13")
@EVERY_TIME_THE_SAME
@given(RECORDS)
def test_decoding_what_was_encoded_gives_the_same_record(record: Mapping[str, Canonical]) -> None:
    rules = _rules()
    sent = encode(rules, _at_erp(rules), record, _key_of)
    decoded = _decoder(rules).decode(sent, whole=False)
    assert (dict(decoded.fields), decoded.faults) == (dict(record), ())


@EVERY_TIME_THE_SAME
@given(RECORDS)
def test_a_whole_record_says_of_every_mapped_field_what_it_is(record: Mapping[str, Canonical]) -> None:
    rules = _rules()
    decoded = _decoder(rules).decode(encode(rules, _at_erp(rules), record, _key_of), whole=True)
    assert set(decoded.fields) == set(MAPPED)
    assert {n: v for n, v in decoded.fields.items() if v is not None} == {
        n: v for n, v in record.items() if v is not None
    }


@pytest.mark.invariant("I12")
def test_one_value_that_cannot_be_mapped_stops_only_its_own_field() -> None:
    decoded = _decoder(_rules()).decode({"STATE": "Z", "TEXT": "kept", "COUNT": "many"}, whole=False)
    assert decoded.fields == {"text": "kept"}
    assert decoded.unknown == {"state", "count"}


def test_a_fault_never_repeats_the_value() -> None:
    decoded = _decoder(_rules()).decode({"STATE": "a private remark"}, whole=False)
    assert "private" not in str(decoded.faults[0])


def test_a_reference_to_a_record_nobody_knows_is_kept_as_a_placeholder() -> None:
    decoded = _decoder(_rules()).decode({"PARENT": "nobody"}, whole=False)
    assert decoded.fields == {"parent": "@erp:nobody"}
    assert is_unresolved(decoded.fields["parent"])


@pytest.mark.invariant("I18")
def test_a_reference_without_a_key_at_the_target_cannot_be_sent() -> None:
    rules = _rules()
    with pytest.raises(MappingFault, match="has no key at 'erp' yet"):
        encode(rules, _at_erp(rules), {"parent": "@erp:nobody"}, _key_of)


def test_a_value_outside_the_value_map_cannot_be_sent() -> None:
    rules = _rules()
    with pytest.raises(MappingFault, match="value map"):
        encode(rules, _at_erp(rules), {"state": "asleep"}, _key_of)


def test_a_field_that_is_absent_is_unknown_not_null() -> None:
    fields: Mapping[str, RawValue] = {"TEXT": None}
    assert _decoder(_rules()).decode(fields, whole=False).fields == {"text": None}
