"""Functions made for a schema read what a general decoder reads, and nothing that it refuses."""

from __future__ import annotations

import io
import json
from typing import Any

import fastavro
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.salesforce.stream import avro, header
from adapters.salesforce.stream.decoder import Odd, Unsupported, Writer, number
from adapters.salesforce.stream.event import EventReader
from tests.salesforce.samples import ACCOUNT, COMMIT_MS, ID, bits, encode, schema_json
from tests.salesforce.samples import header as head_of
from tests.salesforce.schemas import cases
from tests.salesforce.schemas import encode as encoded

Case = tuple[list[dict[str, Any]], dict[str, Any], set[str]]
SCHEMA = avro.parse("account-1", schema_json(fillers=90))
TEXTS = st.text(max_size=70)


def record(fields: list[dict[str, Any]]) -> Any:
    return fastavro.parse_schema({"type": "record", "name": "Root", "fields": fields}, named_schemas={})


def oracle(schema: Any, payload: bytes) -> dict[str, Any]:
    stream = io.BytesIO(payload)
    value = fastavro.schemaless_reader(stream, schema, None)
    assert stream.tell() == len(payload) and isinstance(value, dict)
    return value


@settings(max_examples=60, deadline=None)
@given(cases())
def test_every_construct_is_read_as_the_general_decoder_reads_it(case: Case) -> None:
    fields, values, wanted = case
    schema = record(fields)
    payload = encoded(schema, values)
    expected = oracle(schema, payload)
    writer = Writer(schema)
    everything = {name: value for name, value in expected.items() if value is not None}
    assert writer.body(schema["fields"], expected.keys())(payload, 0) == everything
    some = {name: value for name, value in everything.items() if name in wanted}
    assert writer.body(schema["fields"], wanted)(payload, 0) == some
    assert Writer(schema).reader(schema)(payload, 0) == (expected, len(payload))
    assert Writer(schema).skipper(schema)(payload, 0) == len(payload)


@settings(max_examples=60, deadline=None)
@given(cases(), st.data())
def test_damaged_bytes_are_refused_or_read_as_the_general_decoder_reads_them(
    case: Case, data: st.DataObject
) -> None:
    fields, values, _ = case
    schema = record(fields)
    payload = bytearray(encoded(schema, values))
    for _ in range(data.draw(st.integers(1, 3)) if payload else 0):
        payload[data.draw(st.integers(0, len(payload) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(payload[: data.draw(st.integers(0, len(payload)))])
    for damaged in (bytes(payload), cut):
        try:
            got = Writer(schema).body(schema["fields"], [one["name"] for one in fields])(damaged, 0)
        except Exception:  # whatever it makes of bad bytes is one answer: the general decoder is asked
            continue
        expected = {name: value for name, value in oracle(schema, damaged).items() if value is not None}
        assert repr(got) == repr(expected)


@given(
    st.fixed_dictionaries(
        {
            "entityName": st.sampled_from(["Account", "Contact"]) | TEXTS,
            "recordIds": st.lists(st.just(ID) | TEXTS, max_size=4),
            "changeType": st.sampled_from(["CREATE", "UPDATE", "GAP_OVERFLOW", "SNAPSHOT"]),
            "changeOrigin": TEXTS,
            "transactionKey": TEXTS,
            "sequenceNumber": st.integers(-5, 2**31 - 1),
            "commitTimestamp": st.sampled_from([COMMIT_MS, COMMIT_MS + 1000, 0, -1]),
            "commitNumber": st.integers(-(2**63), 2**63 - 1),
            "commitUser": TEXTS,
            "nulledFields": st.lists(TEXTS, max_size=3),
            "diffFields": st.lists(TEXTS, max_size=3),
            "changedFields": st.lists(TEXTS, max_size=3),
        }
    )
)
def test_header_is_read_as_the_general_decoder_reads_it(fields: dict[str, Any]) -> None:
    payload = encode({"ChangeEventHeader": fields}, schema_json(fillers=90))
    got, place = SCHEMA.read_header(payload)
    expected = header.from_fields(avro.decode(SCHEMA, payload)["ChangeEventHeader"])
    assert got._replace(marks=header.listed(got.marks)) == expected  # type: ignore[arg-type]  # as lists
    assert avro.decode_header(SCHEMA, payload) == expected
    assert Writer(SCHEMA.parsed).body(SCHEMA.body, ["Name"])(payload, place) == {}


def test_header_of_another_form_is_read_too() -> None:
    document = json.loads(schema_json())
    document["fields"][0]["type"]["fields"].insert(3, {"name": "batchId", "type": ["null", "string"]})
    text = json.dumps(document)
    schema = avro.parse("later", text)
    head = {**head_of(changedFields=bits("Phone")), "batchId": "b-1"}
    payload = encode({"ChangeEventHeader": head, "Phone": "1"}, text)
    got, place = schema.read_header(payload)
    assert (got.keys, got.entity) == ((ID,), "Account")
    assert Writer(schema.parsed).body(schema.body, ["Phone"])(payload, place) == {"Phone": "1"}


def test_schema_with_an_unknown_construct_goes_the_general_way() -> None:
    document = json.loads(schema_json())
    at = {"name": "At__c", "type": ["null", {"type": "long", "logicalType": "timestamp-millis"}]}
    document["fields"].append(at)
    text = json.dumps(document)
    schema = avro.parse("logical", text)
    with pytest.raises(Unsupported):
        Writer(schema.parsed)
    head = head_of(changedFields=bits("Phone", text=text))
    payload = encode({"ChangeEventHeader": head, "Phone": "1"}, text)
    assert EventReader(ACCOUNT, "s").read(schema, payload).change.fields == {"Phone": "1"}


def test_types_that_hold_themselves_are_read() -> None:
    tree = {
        "type": "record",
        "name": "Tree",
        "fields": [{"name": "text", "type": "string"}, {"name": "left", "type": ["null", "Tree"]}],
    }
    schema = record([{"name": "root", "type": ["null", tree]}])
    value = {"root": {"text": "a", "left": {"text": "b", "left": None}}}
    assert Writer(schema).body(schema["fields"], ["root"])(encoded(schema, value), 0) == value


def test_nothing_of_a_schemas_text_gets_into_the_source() -> None:
    nasty = 'x"]=1;raise SystemExit#'
    field = {"name": nasty, "type": ["null", {"type": "enum", "name": "E", "symbols": [nasty]}]}
    assert Writer({"type": "record", "name": "R", "fields": [field]}).body([field], [nasty])(b"\2\0", 0) == {
        nasty: nasty
    }


@pytest.mark.parametrize("wanted", [True, False])
@pytest.mark.parametrize(
    ("declared", "payload"),
    [
        ("string", b"\2\3a"),  # a negative length
        ("bytes", b"\2\x83\x01" + b"a" * 65),
        ("string", b"\2\4a"),  # cut
        ("string", b"\4\2a"),  # no such type of the union
        ("string", b"\2\2a\0"),  # left over
        ({"type": "enum", "name": "E", "symbols": ["A"]}, b"\2\1"),
        ({"type": "enum", "name": "E", "symbols": ["A"]}, b"\2\2"),
        ({"type": "array", "items": "string"}, b"\2\2\2"),
    ],
)
def test_bytes_of_another_form_are_refused_whether_the_field_is_wanted_or_not(
    declared: Any, payload: bytes, wanted: bool
) -> None:
    fields = [{"name": "f", "type": ["null", declared]}]
    body = Writer({"type": "record", "name": "R", "fields": fields}).body(fields, ["f"] if wanted else [])
    with pytest.raises((Odd, IndexError, ValueError)):
        body(payload, 0)


def test_number_beyond_64_bits_is_refused() -> None:
    assert number(b"\xff" * 9 + b"\1", 0) == (2**64 - 1, 10)
    for beyond in (b"\xff" * 9 + b"\2", b"\xff" * 10 + b"\1"):
        with pytest.raises(Odd):
            number(beyond, 0)


@pytest.mark.parametrize("size", [1, 2, 3, 8, 9, 64, 65, 200, 513])
def test_runs_of_nulls_are_passed_over_wherever_a_value_stands(size: int) -> None:
    fields: list[dict[str, Any]] = [{"name": f"f{n}", "type": ["null", "string"]} for n in range(size)]
    schema = record(fields)
    body = Writer(schema).body(schema["fields"], [one["name"] for one in fields])
    assert body(bytes(size), 0) == {}
    for place in {0, 1, size // 2, size - 1} & set(range(size)):
        values = {one["name"]: None for one in fields} | {f"f{place}": "v" * 70}
        assert body(encoded(schema, values), 0) == {f"f{place}": "v" * 70}
