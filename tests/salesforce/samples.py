"""Schemas and events as an org writes them, for tests that need exact bytes."""

from __future__ import annotations

import io
import json
from typing import Any

import fastavro

from agent.core.objects import FieldSpec, FieldType, ObjectSpec

_TEXT = ["null", "string"]
_ADDRESS: dict[str, Any] = {
    "type": "record",
    "name": "Address",
    "fields": [
        {
            "name": name,
            "type": ["null", "double" if name in ("Latitude", "Longitude") else "string"],
            "default": None,
        }
        for name in (
            "Street",
            "City",
            "State",
            "PostalCode",
            "Country",
            "StateCode",
            "CountryCode",
            "Latitude",
            "Longitude",
            "GeocodeAccuracy",
        )
    ],
}
_PERSON_NAME: dict[str, Any] = {
    "type": "record",
    "name": "Switchable_PersonName",
    "fields": [
        {"name": name, "type": _TEXT, "default": None} for name in ("Salutation", "FirstName", "LastName")
    ],
}
_LOCATION = {
    "type": "record",
    "name": "Location",
    "fields": [
        {"name": name, "type": ["null", "double"], "default": None} for name in ("Latitude", "Longitude")
    ],
}
_HEADER = {
    "name": "ChangeEventHeader",
    "type": {
        "type": "record",
        "name": "ChangeEventHeader",
        "fields": [
            {"name": "entityName", "type": "string"},
            {"name": "recordIds", "type": {"type": "array", "items": "string"}},
            {
                "name": "changeType",
                "type": {
                    "type": "enum",
                    "name": "ChangeType",
                    "symbols": [
                        "CREATE",
                        "UPDATE",
                        "DELETE",
                        "UNDELETE",
                        "GAP_CREATE",
                        "GAP_UPDATE",
                        "GAP_DELETE",
                        "GAP_UNDELETE",
                        "GAP_OVERFLOW",
                        "SNAPSHOT",
                    ],
                },
            },
            {"name": "changeOrigin", "type": "string"},
            {"name": "transactionKey", "type": "string"},
            {"name": "sequenceNumber", "type": "int"},
            {"name": "commitTimestamp", "type": "long"},
            {"name": "commitNumber", "type": "long"},
            {"name": "commitUser", "type": "string"},
            {"name": "nulledFields", "type": {"type": "array", "items": "string"}},
            {"name": "diffFields", "type": {"type": "array", "items": "string"}},
            {"name": "changedFields", "type": {"type": "array", "items": "string"}},
        ],
    },
}
#: Body fields of AccountChangeEvent in a real org, in order: position 1 is Name, 23 is LastModifiedDate.
_STANDARD: list[tuple[str, Any, str]] = [
    ("Name", ["null", "string", _PERSON_NAME], "Data:Switchable_PersonName"),
    ("Type", _TEXT, "Data:DynamicEnum"),
    ("RecordTypeId", _TEXT, "ForeignKey:EntityId"),
    ("ParentId", _TEXT, "ForeignKey:EntityId"),
    ("BillingAddress", ["null", _ADDRESS], ""),
    ("ShippingAddress", ["null", "Address"], ""),
    ("Phone", _TEXT, "Data:Phone"),
    ("Fax", _TEXT, "Data:Fax"),
    ("AccountNumber", _TEXT, "Data:Text"),
    ("Website", _TEXT, "Data:Url"),
    ("Sic", _TEXT, "Data:Text"),
    ("Industry", _TEXT, "Data:DynamicEnum"),
    ("AnnualRevenue", ["null", "double"], "Data:Currency"),
    ("NumberOfEmployees", ["null", "int"], "Data:Integer"),
    ("Ownership", _TEXT, "Data:DynamicEnum"),
    ("TickerSymbol", _TEXT, "Data:Text"),
    ("Description", _TEXT, "Data:StringPlusClob"),
    ("Rating", _TEXT, "Data:DynamicEnum"),
    ("Site", _TEXT, "Data:Text"),
    ("OwnerId", _TEXT, "ForeignKey:EntityId"),
    ("CreatedDate", ["null", "long"], "CreatedDate:DateTime"),
    ("CreatedById", _TEXT, "ForeignKey:EntityId"),
    ("LastModifiedDate", ["null", "long"], "LastModifiedDate:DateTime"),
    ("LastModifiedById", _TEXT, "ForeignKey:EntityId"),
]
_CUSTOM: list[tuple[str, Any, str]] = [
    ("Isthmus_Id__c", _TEXT, "Data:Text:00N000000000001"),
    ("Credit_Limit__c", ["null", "double"], "Data:Currency:00N000000000002"),
    ("Payment_Terms__c", _TEXT, "Data:Text:00N000000000003"),
    ("Order_Block__c", ["null", "boolean"], "Data:Boolean:00N000000000004"),
    ("Due_Date__c", ["null", "long"], "Data:DateOnly:00N000000000005"),
    ("Paid_At__c", ["null", "long"], "Data:DateTime:00N000000000006"),
    ("Opens_At__c", ["null", "long"], "Data:TimeOnly:00N000000000007"),
    ("Loc__c", ["null", _LOCATION], "Data:Location:00N000000000008"),
]

ACCOUNT = ObjectSpec(
    name="Account",
    key="Id",
    external_id="Isthmus_Id__c",
    fields=(
        FieldSpec("Name"),
        FieldSpec("AccountNumber"),
        FieldSpec("Phone"),
        FieldSpec("BillingStreet"),
        FieldSpec("BillingCity"),
        FieldSpec("Description"),
        FieldSpec("Credit_Limit__c", FieldType.DECIMAL),
        FieldSpec("Order_Block__c", FieldType.BOOLEAN),
        FieldSpec("Due_Date__c", FieldType.DATE),
        FieldSpec("Paid_At__c", FieldType.DATETIME),
    ),
)
TOPIC = "/data/AccountChangeEvent"
ID = "001000000000001AAA"
#: 2026-11-23T01:45:32Z in milliseconds.
COMMIT_MS = 1795398332000


def schema_json(
    schema_id: str = "account-1",
    without: tuple[str, ...] = (),
    fillers: int = 0,
    **form: Any,
) -> str:
    """The schema of AccountChangeEvent as GetSchema serves it; ``fillers`` text fields end it.

    form: address_without and address_extra (children), retyped (name → type and doc), middle (names have
    MiddleName and Suffix), person (a contact's name: always a record)
    """
    body = [*_STANDARD, *_CUSTOM, *((f"Filler_{number}__c", _TEXT, "Data:Text") for number in range(fillers))]
    retyped = form.get("retyped", {})
    fields = []
    for name, declared, doc in body:
        if name not in without:
            kind, said = retyped.get(name, (None, doc))
            shape = ["null", kind] if kind else _formed(declared, form)
            fields.append({"name": name, "type": shape, "doc": said, "default": None})
    document = {
        "type": "record",
        "name": "ContactChangeEvent" if form.get("person") else "AccountChangeEvent",
        "namespace": "com.sforce.eventbus",
        "fields": [_HEADER, *fields],
        "uuid": schema_id,
    }
    return json.dumps(document, separators=(",", ":"))


def _formed(declared: Any, form: dict[str, Any]) -> Any:
    """A field's type in an org of another form."""
    record = declared[-1]
    if record is _PERSON_NAME and form.get("middle"):
        names = ("MiddleName", "Suffix")
        more = [{"name": name, "type": _TEXT, "default": None} for name in names]
        record = {**_PERSON_NAME, "fields": [*_PERSON_NAME["fields"], *more]}
    if record is _ADDRESS:
        kept = [one for one in _ADDRESS["fields"] if one["name"] not in form.get("address_without", ())]
        more = [{"name": name, "type": _TEXT, "default": None} for name in form.get("address_extra", ())]
        record = {**_ADDRESS, "fields": [*kept[:-1], *more, kept[-1]]}
    first = ["null"] if isinstance(record, dict) and form.get("person") else declared[:-1]
    return [*first, record]


def header(change_type: str = "UPDATE", **changes: Any) -> dict[str, Any]:
    """A header as an org writes it for a change over REST by client ``erp``."""
    plain: dict[str, Any] = {
        "entityName": "Account",
        "recordIds": [ID],
        "changeType": change_type,
        "changeOrigin": "com/salesforce/api/rest/62.0;client=erp",
        "transactionKey": "0002ab34-0000-0000-0000-000000000001",
        "sequenceNumber": 1,
        "commitTimestamp": COMMIT_MS,
        "commitNumber": 11_000_000_001,
        "commitUser": "005000000000001AAA",
        "nulledFields": [],
        "diffFields": [],
        "changedFields": [],
    }
    return plain | changes


def bits(*names: str, text: str | None = None) -> list[str]:
    """Bitmaps that name these fields (``Phone``, ``BillingAddress.Street``), as an org writes them."""
    fields = json.loads(text or schema_json())["fields"]
    order = [field["name"] for field in fields]
    branches = [one for field in fields for one in field["type"] if isinstance(one, dict)]
    records = {one["name"]: one for one in branches if "name" in one}
    top, nested = 0, dict[int, int]()
    for name in names:
        parent, _, child = name.partition(".")
        position = order.index(parent)
        if not child:
            top |= 1 << position
            continue
        branch = fields[position]["type"][-1]
        record = branch if isinstance(branch, dict) else records[branch]
        inner = [field["name"] for field in record["fields"]].index(child)
        nested[position] = nested.get(position, 0) | 1 << inner
    found = [f"0x{_even(top)}"] if top else []
    return found + [f"{position}-0x{_even(value)}" for position, value in sorted(nested.items())]


def encode(event: dict[str, Any], text: str | None = None) -> bytes:
    """One event as raw Avro binary."""
    stream = io.BytesIO()
    schema = fastavro.parse_schema(json.loads(text or schema_json()), named_schemas={})
    fastavro.schemaless_writer(stream, schema, event)
    return stream.getvalue()


def _even(value: int) -> str:
    digits = f"{value:X}"
    return digits if len(digits) % 2 == 0 else f"0{digits}"
