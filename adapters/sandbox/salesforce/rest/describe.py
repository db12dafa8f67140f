"""Describe: what the org tells about its objects and fields."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from adapters.sandbox.salesforce.org.access import RIGHTS
from adapters.sandbox.salesforce.org.errors import ApiError
from adapters.sandbox.salesforce.org.fields import TEXT_TYPES, Field, FieldType, ObjectType, OnDelete
from adapters.sandbox.salesforce.rest.answers import Answer
from adapters.sandbox.salesforce.rest.calls import Call
from adapters.sandbox.salesforce.soql.projection import structured

_SOAP = {
    FieldType.ID: "tns:ID",
    FieldType.REFERENCE: "tns:ID",
    FieldType.BOOLEAN: "xsd:boolean",
    FieldType.INT: "xsd:int",
    FieldType.DOUBLE: "xsd:double",
    FieldType.CURRENCY: "xsd:double",
    FieldType.PERCENT: "xsd:double",
    FieldType.TIME: "xsd:time",
    FieldType.DATE: "xsd:date",
    FieldType.DATETIME: "xsd:dateTime",
}


def everything(call: Call) -> Answer:
    """GET sobjects: one summary per object."""
    kinds = [_summary(kind, call) for kind in call.org.objects.values()]
    return Answer({"encoding": "UTF-8", "maxBatchSize": 200, "sobjects": kinds})


def basic(call: Call) -> Answer:
    """GET sobjects/X: summary and recently used records."""
    kind = call.org.table(call.param("object")).kind
    return Answer({"objectDescribe": _summary(kind, call), "recentItems": []})


def full(call: Call) -> Answer:
    """GET sobjects/X/describe: summary and all fields."""
    kind = call.org.table(call.param("object")).kind
    body = _summary(kind, call)
    grant = call.org.access.grant(kind.name)
    if grant is not None and not grant.rights["Read"]:
        raise ApiError("NOT_FOUND", "The requested resource does not exist")
    hidden, read_only = (grant.hidden, grant.read_only) if grant is not None else (set[str](), set[str]())
    body["fields"] = [
        _field(replace(each, writable=False) if each.name in read_only else each)
        for each in kind.fields
        if each.name not in hidden
    ]
    body["fields"] += [_compound(name) for name in structured(kind)]
    body["childRelationships"] = _children(kind, call)
    body["recordTypeInfos"] = _record_types(kind, call)
    return Answer({**body, "namedLayoutInfos": [], "actionOverrides": [], "supportedScopes": []})


def _children(kind: ObjectType, call: Call) -> list[dict[str, Any]]:
    return [
        {
            "childSObject": child.name,
            "field": field.name,
            "relationshipName": field.children or None,
            "cascadeDelete": field.on_delete is OnDelete.CASCADE,
            "restrictedDelete": field.on_delete is OnDelete.RESTRICT,
            "deprecatedAndHidden": False,
        }
        for child in call.org.objects.values()
        for field in child.fields
        if field.reference_to == kind.name
    ]


def _record_types(kind: ObjectType, call: Call) -> list[dict[str, Any]]:
    master = {"name": "Master", "developerName": "Master", "recordTypeId": "012000000000000AAA"}
    own = [
        {"name": name, "developerName": name, "recordTypeId": call.org.record_type(kind.name, name)}
        for name in kind.record_types
    ]
    default = (own or [master])[0]
    return [
        {
            **each,
            "active": True,
            "available": True,
            "master": each is master,
            "defaultRecordTypeMapping": each is default,
        }
        for each in [*own, master]
    ]


def _summary(kind: ObjectType, call: Call) -> dict[str, Any]:
    path = call.url(f"sobjects/{kind.name}")
    grant = call.org.access.grant(kind.name)
    may = {right: kind.writable and (grant is None or grant.rights[right]) for right in RIGHTS}
    return {
        "name": kind.name,
        "label": kind.label,
        "labelPlural": kind.label_plural,
        "keyPrefix": kind.prefix,
        "custom": kind.custom,
        "createable": may["Create"],
        "updateable": may["Edit"],
        "deletable": may["Delete"],
        "undeletable": may["Delete"],
        "queryable": True,
        "retrieveable": True,
        "replicateable": True,
        "searchable": True,
        "triggerable": True,
        "customSetting": False,
        "deprecatedAndHidden": False,
        "urls": {"sobject": path, "describe": f"{path}/describe", "rowTemplate": f"{path}/{{ID}}"},
    }


def _field(field: Field) -> dict[str, Any]:
    text = field.type in TEXT_TYPES
    defaulted = field.type is FieldType.BOOLEAN or not field.writable or field.name == "OwnerId"
    defaulted = defaulted or bool(field.default)
    return {
        "name": field.name,
        "label": field.label,
        "type": field.type.value,
        "soapType": _SOAP.get(field.type, "xsd:string"),
        "length": field.length if field.type not in (FieldType.DATE, FieldType.DATETIME) else 0,
        "byteLength": field.length * 3 if text else field.length,
        "precision": field.precision,
        "scale": field.scale,
        "digits": field.precision if field.type is FieldType.INT else 0,
        "custom": field.custom,
        "nillable": not field.required and field.type is not FieldType.BOOLEAN and field.writable,
        "createable": field.writable,
        "updateable": field.writable,
        "defaultedOnCreate": defaulted,
        "defaultValue": field.default or None,
        "externalId": field.external_id,
        "idLookup": field.external_id or field.type is FieldType.ID,
        "unique": field.unique,
        "caseSensitive": False,
        "calculated": bool(field.computed),
        "autoNumber": bool(field.auto_number),
        "compoundFieldName": field.compound or None,
        "referenceTo": [field.reference_to] if field.reference_to else [],
        "relationshipName": field.relationship or None,
        "picklistValues": [_choice(each, field) for each in field.choices],
        "restrictedPicklist": field.restricted,
        "cascadeDelete": field.on_delete is OnDelete.CASCADE,
        "nameField": field.name == "Name",
        "htmlFormatted": False,
        "encrypted": False,
        "deprecatedAndHidden": False,
        "aggregatable": field.type is not FieldType.BOOLEAN,
        "filterable": True,
        "sortable": True,
        "groupable": True,
    }


def _choice(value: str, field: Field) -> dict[str, Any]:
    default = value == field.default
    return {"value": value, "label": value, "active": True, "defaultValue": default, "validFor": None}


def _compound(name: str) -> dict[str, Any]:
    field = Field(name, FieldType.STRING, name, writable=False)
    return {
        **_field(field),
        "type": "address" if name.endswith("Address") else "location",
        "soapType": "urn:address" if name.endswith("Address") else "urn:location",
        "nillable": True,
        "filterable": False,
    }
