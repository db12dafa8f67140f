"""Describe: what the org tells about its objects and fields."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from adapters.sandbox.salesforce.org.fields import TEXT_TYPES, Field, FieldType, ObjectType
from adapters.sandbox.salesforce.rest.calls import Call, answer

_SOAP = {
    FieldType.ID: "tns:ID",
    FieldType.REFERENCE: "tns:ID",
    FieldType.BOOLEAN: "xsd:boolean",
    FieldType.INT: "xsd:int",
    FieldType.DOUBLE: "xsd:double",
    FieldType.CURRENCY: "xsd:double",
    FieldType.DATE: "xsd:date",
    FieldType.DATETIME: "xsd:dateTime",
}


def everything(call: Call) -> Response:
    """GET sobjects: one summary per object."""
    kinds = [_summary(kind, call) for kind in call.org.objects.values()]
    return answer({"encoding": "UTF-8", "maxBatchSize": 200, "sobjects": kinds})


def basic(call: Call) -> Response:
    """GET sobjects/X: summary and recently used records."""
    kind = call.org.table(call.param("object")).kind
    return answer({"objectDescribe": _summary(kind, call), "recentItems": []})


def full(call: Call) -> Response:
    """GET sobjects/X/describe: summary and all fields."""
    kind = call.org.table(call.param("object")).kind
    body = _summary(kind, call)
    body["fields"] = [_field(each) for each in kind.fields] + [_compound(name) for name in kind.compounds()]
    return answer({**body, "childRelationships": [], "recordTypeInfos": [], "namedLayoutInfos": []})


def _summary(kind: ObjectType, call: Call) -> dict[str, Any]:
    path = call.url(f"sobjects/{kind.name}")
    writable = any(field.writable for field in kind.fields)
    return {
        "name": kind.name,
        "label": kind.label,
        "labelPlural": kind.label_plural,
        "keyPrefix": kind.prefix,
        "custom": kind.custom,
        "createable": writable,
        "updateable": writable,
        "deletable": writable,
        "undeletable": writable,
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
        "defaultedOnCreate": field.type is FieldType.BOOLEAN or not field.writable or field.name == "OwnerId",
        "externalId": field.external_id,
        "idLookup": field.external_id or field.type is FieldType.ID,
        "unique": field.unique,
        "caseSensitive": False,
        "calculated": False,
        "autoNumber": False,
        "compoundFieldName": field.compound or None,
        "referenceTo": [field.reference_to] if field.reference_to else [],
        "relationshipName": field.relationship or None,
        "picklistValues": [],
        "filterable": True,
        "sortable": True,
        "groupable": True,
    }


def _compound(name: str) -> dict[str, Any]:
    field = Field(name, FieldType.STRING, name, writable=False)
    return {
        **_field(field),
        "type": "address",
        "soapType": "urn:address",
        "nillable": True,
        "filterable": False,
    }
