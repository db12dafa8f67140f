"""The words that a field is described with in an objects file: ``picklist(Draft|Paid) restricted
default=Draft``.

One word may stand for several fields: an address, the name of a person, the audit fields.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable
from dataclasses import replace

from adapters.sandbox.salesforce.org.fields import Field, FieldType, OnDelete

T = FieldType
_SPEC = re.compile(r"(?P<word>[a-z-]+)(?:\((?P<arguments>[^)]*)\))?(?P<rest>.*)", re.DOTALL)
_FLAG = re.compile(r"([a-z-]+)(?:=(\S+))?")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


class BadObjects(ValueError):
    """An objects file that cannot be used; each line names the place and what is wrong."""


def label(name: str) -> str:
    """How people read a name: ``Credit_Limit__c`` is ``Credit Limit``, ``AccountNumber`` is ``Account
    Number``."""
    stem = re.sub(r"__\w$", "", name).replace("_", " ")
    return stem if " " in stem else _CAMEL.sub(" ", stem.removesuffix("Id") or stem)


def fields(name: str, spec: str) -> tuple[Field, ...]:
    """The fields that one entry describes. Raises BadObjects."""
    match = _SPEC.fullmatch(spec.strip())
    if match is None:
        raise BadObjects(f"{name}: '{spec}' is no field type")
    word, arguments = match["word"], (match["arguments"] or "")
    if word not in _WORDS:
        raise BadObjects(f"{name}: no field type '{word}'{nearest(word, _WORDS)}")
    try:
        made = _WORDS[word](name, arguments)
    except ValueError:
        raise BadObjects(f"{name}: '{arguments}' does not fit {word}") from None
    for flag in match["rest"].split():
        made = tuple(_flagged(each, flag) for each in made)
    return made


def nearest(word: str, valid: Iterable[str]) -> str:
    """The hint behind an unknown word."""
    found = difflib.get_close_matches(word, list(valid), n=1, cutoff=0.4)
    return f"; did you mean '{found[0]}'?" if found else f"; valid are {', '.join(sorted(valid))}"


def hidden() -> tuple[Field, ...]:
    """System fields that no change event carries."""
    return (
        Field("Id", T.ID, "Record ID", length=18, writable=False, in_events=False),
        Field("IsDeleted", T.BOOLEAN, "Deleted", writable=False, in_events=False),
        Field("MasterRecordId", T.REFERENCE, "Master Record ID", length=18, writable=False, in_events=False),
        Field("SystemModstamp", T.DATETIME, "System Modstamp", writable=False, in_events=False),
    )


def _flagged(field: Field, flag: str) -> Field:
    match = _FLAG.fullmatch(flag)
    word, value = (match[1], match[2] or "") if match else (flag, "")
    if word in {each.value for each in OnDelete}:
        return replace(field, on_delete=OnDelete(word))
    changes: dict[str, dict[str, object]] = {
        "required": {"required": True},
        "unique": {"unique": True},
        "external-id": {"external_id": True},
        "restricted": {"restricted": True},
        "read-only": {"writable": False},
        "default": {"default": value},
        "doc": {"doc": value},
        "children": {"children": value},
    }
    if word not in changes:
        raise BadObjects(f"{field.name}: no flag '{word}'{nearest(word, changes)}")
    return replace(field, **changes[word])  # type: ignore[arg-type]  # the table above fits the fields


def _text(kind: FieldType, default: int) -> Callable[[str, str], tuple[Field, ...]]:
    return lambda name, given: (Field(name, kind, label(name), length=int(given or default)),)


def _number(kind: FieldType, default: str) -> Callable[[str, str], tuple[Field, ...]]:
    def make(name: str, given: str) -> tuple[Field, ...]:
        precision, scale = (int(each) for each in (given or default).split(","))
        return (Field(name, kind, label(name), precision=precision, scale=scale),)

    return make


def _plain(kind: FieldType) -> Callable[[str, str], tuple[Field, ...]]:
    return lambda name, given: (Field(name, kind, label(name)),)


def _choice(kind: FieldType) -> Callable[[str, str], tuple[Field, ...]]:
    def make(name: str, given: str) -> tuple[Field, ...]:
        choices = tuple(each for each in given.split("|") if each)
        length = 4099 if kind is T.MULTIPICKLIST else 255
        doc = "Data:MultiEnum" if kind is T.MULTIPICKLIST else "Data:DynamicEnum"
        return (Field(name, kind, label(name), length=length, doc=doc, choices=choices),)

    return make


def _lookup(name: str, given: str) -> tuple[Field, ...]:
    doc = "Data:ForeignKey:EntityId"
    return (Field(name, T.REFERENCE, label(name), length=18, reference_to=given, doc=doc),)


def _owner(name: str, given: str) -> tuple[Field, ...]:
    return (
        replace(
            _lookup(name, given or "User")[0], label="Owner ID", doc="Owner:EntityId", on_delete=OnDelete.KEEP
        ),
    )


def _record_type(name: str, given: str) -> tuple[Field, ...]:
    return (
        replace(_lookup(name, given or "RecordType")[0], label="Record Type ID", on_delete=OnDelete.KEEP),
    )


def _auto_number(name: str, given: str) -> tuple[Field, ...]:
    return (Field(name, T.STRING, label(name), length=30, writable=False, auto_number=given or "{0000}"),)


def _address(name: str, given: str) -> tuple[Field, ...]:
    stem = name.removesuffix("Address")
    texts = (("Street", 255), ("City", 40), ("State", 80), ("PostalCode", 20), ("Country", 80))
    codes = (("StateCode", 10), ("CountryCode", 10))

    def part(component: str, kind: FieldType, length: int) -> Field:
        digits = (18, 15) if kind is T.DOUBLE else (0, 0)
        return Field(
            f"{stem}{component}",
            kind,
            f"{stem} {label(component)}",
            length=length,
            compound=name,
            component=component,
            precision=digits[0],
            scale=digits[1],
        )

    return (
        *(part(component, T.STRING, length) for component, length in (*texts, *codes)),
        part("Latitude", T.DOUBLE, 0),
        part("Longitude", T.DOUBLE, 0),
        part("GeocodeAccuracy", T.PICKLIST, 40),
    )


def _person_name(name: str, given: str) -> tuple[Field, ...]:
    def part(component: str, length: int, *, required: bool = False) -> Field:
        kind = T.PICKLIST if component == "Salutation" else T.STRING
        return Field(
            component,
            kind,
            label(component),
            length=length,
            compound=name,
            component=component,
            required=required,
        )

    whole = Field(
        name,
        T.STRING,
        "Full Name",
        length=121,
        writable=False,
        in_events=False,
        computed="{FirstName} {LastName}",
    )
    return (part("Salutation", 40), part("FirstName", 40), part("LastName", 80, required=True), whole)


def _location(name: str, given: str) -> tuple[Field, ...]:
    stem = name.removesuffix("__c")
    return tuple(
        Field(
            f"{stem}__{component}__s",
            T.DOUBLE,
            f"{label(name)} ({component})",
            precision=18,
            scale=15,
            compound=name,
            component=component,
        )
        for component in ("Latitude", "Longitude")
    )


def _audit(name: str, given: str) -> tuple[Field, ...]:
    def stamp(name: str, kind: FieldType, doc: str) -> Field:
        target = "User" if kind is T.REFERENCE else ""
        length = 18 if target else 0
        return Field(
            name,
            kind,
            label(name),
            length=length,
            writable=False,
            reference_to=target,
            doc=doc,
            on_delete=OnDelete.KEEP,
        )

    return (
        stamp("CreatedDate", T.DATETIME, "CreatedDate:DateTime"),
        stamp("CreatedById", T.REFERENCE, "CreatedBy:EntityId"),
        stamp("LastModifiedDate", T.DATETIME, "LastModifiedDate:DateTime"),
        stamp("LastModifiedById", T.REFERENCE, "LastModifiedBy:EntityId"),
    )


_WORDS: dict[str, Callable[[str, str], tuple[Field, ...]]] = {
    "string": _text(T.STRING, 255),
    "textarea": _text(T.TEXTAREA, 255),
    "phone": _text(T.PHONE, 40),
    "url": _text(T.URL, 255),
    "email": _text(T.EMAIL, 80),
    "picklist": _choice(T.PICKLIST),
    "multipicklist": _choice(T.MULTIPICKLIST),
    "boolean": _plain(T.BOOLEAN),
    "int": lambda name, given: (Field(name, T.INT, label(name), precision=int(given or 9)),),
    "double": _number(T.DOUBLE, "18,2"),
    "currency": _number(T.CURRENCY, "18,2"),
    "percent": _number(T.PERCENT, "5,2"),
    "date": _plain(T.DATE),
    "datetime": _plain(T.DATETIME),
    "time": _plain(T.TIME),
    "lookup": _lookup,
    "owner": _owner,
    "record-type": _record_type,
    "auto-number": _auto_number,
    "address": _address,
    "person-name": _person_name,
    "location": _location,
    "audit": _audit,
}
FIELD_WORDS = frozenset(_WORDS)
