"""What a field and an object of the org are: the only description that REST, SOQL, describe and the change
event schemas read."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum


class FieldType(StrEnum):
    """Field types with the names that describe uses."""

    ID = "id"
    STRING = "string"
    TEXTAREA = "textarea"
    PHONE = "phone"
    URL = "url"
    EMAIL = "email"
    PICKLIST = "picklist"
    MULTIPICKLIST = "multipicklist"
    REFERENCE = "reference"
    BOOLEAN = "boolean"
    INT = "int"
    DOUBLE = "double"
    CURRENCY = "currency"
    PERCENT = "percent"
    DATE = "date"
    DATETIME = "datetime"
    TIME = "time"


TEXT_TYPES = frozenset(
    {
        FieldType.STRING,
        FieldType.TEXTAREA,
        FieldType.PHONE,
        FieldType.URL,
        FieldType.EMAIL,
        FieldType.PICKLIST,
        FieldType.MULTIPICKLIST,
    }
)
NUMBER_TYPES = frozenset({FieldType.INT, FieldType.DOUBLE, FieldType.CURRENCY, FieldType.PERCENT})


class OnDelete(StrEnum):
    """What becomes of a record when the one that it refers to is deleted."""

    CLEAR = "clear"
    CASCADE = "cascade"
    RESTRICT = "restrict"
    KEEP = "keep"


@dataclass(frozen=True, slots=True)
class Field:
    """One field. ``length`` counts characters; ``precision`` and ``scale`` count decimal digits.

    ``compound`` and ``component`` place a part inside its compound field: REST knows ``name``
    (``BillingStreet``), change events know ``compound.component`` (``BillingAddress.Street``).
    ``computed`` is a template over other fields, ``auto_number`` a format like ``O-{0000}``; ``children``
    names the way from the parent back to these records.
    """

    name: str
    type: FieldType
    label: str
    length: int = 0
    precision: int = 0
    scale: int = 0
    required: bool = False
    external_id: bool = False
    unique: bool = False
    writable: bool = True
    in_events: bool = True
    reference_to: str = ""
    compound: str = ""
    component: str = ""
    doc: str = ""
    choices: tuple[str, ...] = ()
    restricted: bool = False
    default: str = ""
    auto_number: str = ""
    computed: str = ""
    children: str = ""
    on_delete: OnDelete = OnDelete.CLEAR

    @property
    def custom(self) -> bool:
        return self.name.endswith(("__c", "__s"))

    @property
    def filled(self) -> bool:
        """Whether a new record has a value there without the caller."""
        return self.type is FieldType.BOOLEAN or bool(self.auto_number or self.default)

    @property
    def relationship(self) -> str:
        """Name under which SOQL reaches the parent: ``Account__r`` or ``Owner``."""
        if not self.reference_to:
            return ""
        return f"{self.name[:-3]}__r" if self.custom else self.name.removesuffix("Id")


@dataclass(frozen=True, slots=True)
class ObjectType:
    """One object of the org with its fields in schema order. ``prefix`` starts every record id.

    ``required``, ``unique``, ``computed``, ``filled`` (at creation) and ``placed`` (parts of an address that
    a person writes) are the fields of that kind, found once: every write asks for them.
    """

    name: str
    label: str
    label_plural: str
    prefix: str
    fields: tuple[Field, ...]
    conditional_etag: bool = False
    change_events: bool = True
    writable: bool = True
    record_types: tuple[str, ...] = ()
    required: tuple[str, ...] = field(init=False, repr=False, compare=False, hash=False)
    unique: tuple[str, ...] = field(init=False, repr=False, compare=False, hash=False)
    computed: tuple[Field, ...] = field(init=False, repr=False, compare=False, hash=False)
    filled: tuple[Field, ...] = field(init=False, repr=False, compare=False, hash=False)
    placed: tuple[Field, ...] = field(init=False, repr=False, compare=False, hash=False)
    _by_name: dict[str, Field] = field(init=False, repr=False, compare=False, hash=False)

    def __post_init__(self) -> None:
        def keep(name: str, value: object) -> None:
            object.__setattr__(self, name, value)

        keep("_by_name", {each.name.lower(): each for each in self.fields})
        keep("required", tuple(each.name for each in self.fields if each.required))
        keep("unique", tuple(each.name for each in self.fields if each.unique))
        keep("computed", tuple(each for each in self.fields if each.computed))
        keep("filled", tuple(each for each in self.fields if each.filled))
        geocoded = ("Latitude", "Longitude", "GeocodeAccuracy")
        address = (each for each in self.fields if each.compound.endswith("Address"))
        keep("placed", tuple(each for each in address if each.component not in geocoded))

    @property
    def custom(self) -> bool:
        return self.name.endswith("__c")

    @property
    def event_name(self) -> str:
        """``AccountChangeEvent``; a custom ``X__c`` loses its ``c``: ``X__ChangeEvent``."""
        return f"{self.name.removesuffix('c')}ChangeEvent" if self.custom else f"{self.name}ChangeEvent"

    @property
    def topic(self) -> str:
        return f"/data/{self.event_name}"

    def find(self, name: str) -> Field | None:
        """The field of that name; names are case-insensitive as in the real API."""
        return self._by_name.get(name.lower())

    def compounds(self) -> tuple[str, ...]:
        """Names of the compound fields, in order of their first part."""
        return tuple(dict.fromkeys(each.compound for each in self.fields if each.compound))

    def parts(self, compound: str) -> tuple[Field, ...]:
        """The parts of a compound field, in order."""
        return tuple(each for each in self.fields if each.compound == compound)

    def with_field(self, added: Field) -> ObjectType:
        """The same object after an administrator added a field at the end."""
        return replace(self, fields=(*self.fields, added))

    def without_field(self, name: str) -> ObjectType:
        """The same object after an administrator removed a field."""
        return replace(self, fields=tuple(each for each in self.fields if each.name != name))
