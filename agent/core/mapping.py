"""Fields and values of one system ↔ the contract, both directions (I13: decode∘encode is the identity)."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from agent.core.change import RawValue
from agent.core.contract import ContractField, EntityAtSystem, EntityRules
from agent.core.objects import FieldType
from agent.core.record import record
from agent.core.value import Canonical, ValueFault, canonical, raw_value

#: Marks a reference whose entity is not known yet: ``@system:key`` of the record referred to.
UNRESOLVED = "@"

#: (entity type, system, key) → canonical id, or None when no live binding has that key.
FindEntity = Callable[[str, str, str], str | None]
#: (canonical id, system) → the entity's key there, or None when it has no live binding.
FindKey = Callable[[str, str], str | None]


class MappingFault(ValueError):
    """A record or command that cannot be mapped. ``field`` is the contract field; no value is repeated."""

    def __init__(self, field: str, text: str) -> None:
        super().__init__(f"field '{field}': {text}")
        self.field = field


@record(frozen=True, slots=True)
class Decoded:
    """Canonical values, and the fields whose values the contract cannot hold."""

    fields: Mapping[str, Canonical]
    faults: tuple[MappingFault, ...] = ()

    @property
    def unknown(self) -> frozenset[str]:
        """The names of the faulty fields."""
        return frozenset(fault.field for fault in self.faults)


@record(frozen=True, slots=True)
class Decoder:
    """Turns one system's fields into canonical ones. ``find_entity`` resolves references."""

    rules: EntityRules
    place: EntityAtSystem
    find_entity: FindEntity

    def decode(self, fields: Mapping[str, RawValue], *, whole: bool) -> Decoded:
        """Canonical values of the mapped fields that are present; all of them, null if absent, when whole.

        A value that the contract cannot hold is left out and named: it stops only its own field (I12).
        """
        decoded: dict[str, Canonical] = {}
        faults: list[MappingFault] = []
        for name, mapping in self.place.fields.items():
            if mapping.source in fields:
                try:
                    raw = fields[mapping.source]
                    decoded[name] = self._value(self.rules.fields[name], raw, mapping.values)
                except MappingFault as fault:
                    faults.append(fault)
            elif whole:
                decoded[name] = None
        return Decoded(decoded, tuple(faults))

    def _value(self, field: ContractField, raw: RawValue, values: Mapping[str, str]) -> Canonical:
        try:
            if values:
                return canonical(_from_map(raw, values), field.type, field.scale)
            if field.type is FieldType.REFERENCE:
                return self._reference(field, canonical(raw, field.type))
            return canonical(raw, field.type, field.scale)
        except ValueFault as fault:
            raise MappingFault(field.name, str(fault)) from None

    def _reference(self, field: ContractField, key: Canonical) -> Canonical:
        if key is None:
            return None
        found = self.find_entity(field.reference or "", self.place.system, str(key))
        return found or unresolved(self.place.system, str(key))


def unresolved(system: str, key: str) -> str:
    """The placeholder of a reference to a record that no entity is bound to yet."""
    return f"{UNRESOLVED}{system}:{key}"


def is_unresolved(value: Canonical) -> bool:
    """Whether a canonical reference still waits for its entity."""
    return isinstance(value, str) and value[:1] == UNRESOLVED


def encode(
    rules: EntityRules, place: EntityAtSystem, fields: Mapping[str, Canonical], find_key: FindKey
) -> dict[str, RawValue]:
    """The system's names and values of canonical fields.

    Raises MappingFault for a value that the system's value map does not know, or an unbound reference.
    """
    encoded: dict[str, RawValue] = {}
    for name, value in fields.items():
        mapping = place.fields[name]
        field = rules.fields[name]
        if field.type is FieldType.TEXT and not mapping.values:
            encoded[mapping.source] = value
        else:
            encoded[mapping.source] = _encode_value(field, mapping.values, value, place.system, find_key)
    return encoded


def keyless(
    rules: EntityRules, place: EntityAtSystem, fields: Mapping[str, Canonical], find_key: FindKey
) -> dict[str, str]:
    """Reference fields whose record has no key at the system: field → canonical id."""
    return {
        name: str(value)
        for name, value in fields.items()
        if rules.fields[name].reference is not None
        and value is not None
        and not place.fields[name].values
        and find_key(str(value), place.system) is None
    }


def _encode_value(
    field: ContractField, values: Mapping[str, str], value: Canonical, system: str, find_key: FindKey
) -> RawValue:
    if values:
        return _to_map(field, value, values)
    if field.type is FieldType.REFERENCE and value is not None:
        key = find_key(str(value), system)
        if key is None:
            raise MappingFault(field.name, f"refers to an entity that has no key at '{system}' yet")
        return key
    return raw_value(value, field.type)


def _from_map(raw: RawValue, values: Mapping[str, str]) -> str | None:
    text = "" if raw is None else str(raw).strip()
    for name, at_system in values.items():
        if at_system == text:
            return name
    if text == "":
        return None
    raise ValueFault("a value that the value map does not know")


def _to_map(field: ContractField, value: Canonical, values: Mapping[str, str]) -> RawValue:
    if value is None:
        return None
    name = str(value).lower() if isinstance(value, bool) else str(value)
    if name not in values:
        raise MappingFault(field.name, "a value that the value map does not know")
    return values[name]
