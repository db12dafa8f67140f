"""Change events of Salesforce, beside a general Avro decoder on the same bytes.

Decoding ends with the mapped fields that are there and with what the bitmaps say about each, on both sides.
A whole change has converted values, identity and version besides; it stands beside the general decoder alone.
"""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import fastavro

from adapters.salesforce.stream import avro, bitmap
from adapters.salesforce.stream.event import EventReader
from adapters.salesforce.stream.layout import Layout
from tests.benchmarks.figures import Figure, Goal, Rounds
from tests.benchmarks.running import Run
from tests.salesforce.samples import ACCOUNT, COMMIT_MS, ID, TOPIC, bits, encode, header, schema_json

#: Custom text fields beside those of a plain org's accounts.
WIDE = 200
LEAST = 2.0
KINDS = {field.name: field.type for field in ACCOUNT.fields}
_CHANGED = ("Phone", "BillingAddress.Street", "Credit_Limit__c", "LastModifiedDate")
_VALUES: dict[str, Any] = {
    "Phone": "+49 431 12345",
    "BillingAddress": {"Street": "Hafenweg 1"},
    "Credit_Limit__c": 12500.5,
    "LastModifiedDate": COMMIT_MS,
}
_WHOLE: dict[str, Any] = {
    **_VALUES,
    **dict.fromkeys(("OwnerId", "CreatedById", "LastModifiedById", "RecordTypeId"), ID),
    "Name": "Nordlicht GmbH",
    "Type": "Customer",
    "BillingAddress": {"Street": "Hafenweg 1", "City": "Kiel", "PostalCode": "24103", "Country": "Germany"},
    "ShippingAddress": {"Street": "Hafenweg 1", "City": "Kiel"},
    "AccountNumber": "C-000001",
    "Industry": "Energy",
    "AnnualRevenue": 1_250_000.0,
    "NumberOfEmployees": 120,
    "Description": "Delivered by sea; ring twice at the gate. " * 3,
    "CreatedDate": COMMIT_MS,
    "Isthmus_Id__c": "cust-000001",
    "Payment_Terms__c": "Z030",
    "Order_Block__c": False,
    "Due_Date__c": 1795392000000,
}


def decoding(run: Run) -> Iterator[Figure]:
    """An update of a few fields, one in a wide schema, and the creation of a whole record."""
    for name, kind, fillers, values in (
        ("update, 32 fields", "UPDATE", 0, _VALUES),
        (f"update, {32 + WIDE} fields", "UPDATE", WIDE, _VALUES),
        ("create, 32 fields", "CREATE", 0, _WHOLE),
    ):
        text = schema_json(fillers=fillers)
        schema = avro.parse("bench", text)
        marks = bits(*_CHANGED, text=text) if kind == "UPDATE" else []
        payload = encode({"ChangeEventHeader": header(kind, changedFields=marks), **values}, text)
        reader, layout = EventReader(ACCOUNT, TOPIC), Layout(schema, KINDS)
        assert reader.read(schema, payload).change.fields, "an event of nothing is no measure"
        works = (
            partial(decoded, schema, layout, payload),
            partial(generally, schema, payload),
            partial(reader.read, schema, payload),
            partial(general, schema, payload),
        )
        times = max(run.records // 100, 20)
        taken: list[list[float]] = [[], [], [], []]
        for _ in run.rounds(f"decoding: {name}"):
            for work, seconds in zip(works, taken, strict=True):
                seconds.append(_timed(work, times))
        rounds = Rounds(taken[0], taken[1])
        goal = Goal("decoder", f"≥ {LEAST:g} of fastavro", rounds.ratio >= LEAST, held=True)
        yield rounds.figure("decoding", name, "µs", 1e6, goal)
        yield Rounds(taken[2], taken[3]).figure("decoding", f"{name}, whole change", "µs", 1e6)


def decoded(schema: avro.EventSchema, layout: Layout, payload: bytes) -> Any:
    """Header, mapped fields and what the bitmaps say, as the adapter gets them."""
    head, rest = avro.opened(schema, payload)
    return head, layout.body(payload, rest), layout.plan(head.marks)


def generally(schema: avro.EventSchema, payload: bytes) -> Any:
    """The same by a general decoder."""
    event = general(schema, payload)
    head = event["ChangeEventHeader"]
    names = ("nulledFields", "diffFields", "changedFields")
    return event, [bitmap.decode(head[name], schema.members) for name in names]


def general(schema: avro.EventSchema, payload: bytes) -> Any:
    """The event as the general decoder gives it."""
    return fastavro.schemaless_reader(io.BytesIO(payload), schema.parsed, None)


def _timed(work: Callable[[], object], times: int) -> float:
    """Processor seconds of one call, out of many: nothing here waits."""
    began = time.process_time()
    for _ in range(times):
        work()
    return (time.process_time() - began) / times
