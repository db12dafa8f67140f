"""Bitmaps of change events, with vectors captured from real orgs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.salesforce.stream import avro
from adapters.salesforce.stream.bitmap import Member, decode
from tests.salesforce.samples import bits, schema_json

REAL = avro.parse("real", schema_json()).members
WIDE = avro.parse("wide", schema_json(fillers=40)).members
DOC_ORG = avro.parse("doc", schema_json(without=("RecordTypeId",))).members


@pytest.mark.parametrize(
    ("elements", "names"),
    [
        (["0x800000", "6-0x01"], ("ShippingAddress.Street", "LastModifiedDate")),
        (["6-0x0180"], ("ShippingAddress.Latitude", "ShippingAddress.Longitude")),
        (["0x0180"], ("Phone", "Fax")),
        (["1-0x02"], ("Name.FirstName",)),
    ],
)
def test_vectors_of_a_real_org(elements: list[str], names: tuple[str, ...]) -> None:
    assert decode(elements, REAL).names == names


def test_vector_with_a_field_beyond_64() -> None:
    decoded = decode(["0x100000000000800000"], WIDE)
    assert decoded.names == ("LastModifiedDate", WIDE[68].name)
    assert not decoded.beyond


@pytest.mark.parametrize(
    ("elements", "names"),
    [
        (["0x400000", "4-0x01"], ("BillingAddress.Street", "LastModifiedDate")),
        (["0x400800"], ("Industry", "LastModifiedDate")),
        (["0x400080"], ("Fax", "LastModifiedDate")),
    ],
)
def test_positions_follow_the_schema_of_the_event(elements: list[str], names: tuple[str, ...]) -> None:
    assert decode(elements, DOC_ORG).names == names


def test_nested_only_has_no_top_level_element() -> None:
    assert decode(["5-0x01"], REAL).names == ("BillingAddress.Street",)


def test_a_second_use_of_a_record_type_is_resolved() -> None:
    assert REAL[6].children == REAL[5].children


def test_plain_names_are_accepted() -> None:
    assert decode(["Phone", "BillingAddress.Street"], REAL).names == ("Phone", "BillingAddress.Street")


@pytest.mark.parametrize("elements", [["0x01" + "00" * 20], ["6-0x0800"], ["90-0x01"]])
def test_bits_beyond_the_schema_are_ignored_and_flagged(elements: list[str]) -> None:
    decoded = decode([*elements, "0x80"], REAL)
    assert decoded.names == ("Phone",)
    assert decoded.beyond


def test_nested_bits_of_a_plain_field_are_refused() -> None:
    with pytest.raises(ValueError, match="Phone"):
        decode(["7-0x01"], REAL)


@given(st.sets(st.sampled_from([member.name for member in REAL[1:]]), min_size=1))
def test_decoding_reverses_encoding(names: set[str]) -> None:
    assert set(decode(bits(*names), REAL).names) == names


@given(st.lists(st.text(alphabet="0123456789ABCDEFabcdefx-", max_size=12)))
def test_any_text_is_decoded_or_refused(elements: list[str]) -> None:
    try:
        decoded = decode(elements, (Member("H"), Member("A"), Member("B", ("X", "Y"))))
    except ValueError:
        return
    assert len(decoded.names) <= 6 * max(1, len(elements))
