"""Whether an object of the org can hold what is mapped to it: rights, fields, types, the external id."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from adapters.salesforce.table import Table
from agent.core.objects import FieldSpec, FieldType
from agent.ports import Check

#: Which types of a describe hold a type of the contract.
_NUMBERS = frozenset({"int", "double", "currency", "percent", "long"})
_TYPES: Mapping[FieldType, frozenset[str]] = {
    FieldType.INTEGER: _NUMBERS,
    FieldType.DECIMAL: _NUMBERS,
    FieldType.BOOLEAN: frozenset({"boolean"}),
    FieldType.DATE: frozenset({"date"}),
    FieldType.DATETIME: frozenset({"datetime"}),
    FieldType.REFERENCE: frozenset({"reference", "id", "string"}),
}

#: Holds the formula in the description of a field; a roll-up, which events tell of, has none.
_FORMULA = "calculatedFormula"


def fitness(table: Table, described: Mapping[str, Any], place: str) -> Iterator[Check]:
    """The checks of one object by its describe. ``place``: where rights of the user are given.

    Raises KeyError, TypeError where it is no describe.
    """
    fields = {str(one["name"]): one for one in described["fields"]}
    yield _object(table, described, place)
    mapped = table.fields()
    wrong = [check for check in (_field(table, spec, fields.get(spec.name)) for spec in mapped) if check]
    yield from wrong
    if not wrong:
        written = sum(1 for spec in mapped if table.spec.deliver and spec.writable)
        text = f"{len(mapped)} mapped, all readable" + (f", {written} written" if written else "")
        yield Check(f"fields {table.name}", True, text)
    if table.spec.capture:
        yield from (_formula(table, spec) for spec in mapped if fields.get(spec.name, {}).get(_FORMULA))
    if table.spec.external_id:
        yield _external(table, fields.get(table.spec.external_id))


def manager(object_name: str, more: str = "") -> str:
    """The click path to an object, or to something of it."""
    return f"Setup > Object Manager > {object_name}{f' > {more}' if more else ''}"


def _object(table: Table, described: Mapping[str, Any], place: str) -> Check:
    rights = {"read": "queryable", "create": "createable", "edit": "updateable", "delete": "deletable"}
    given = [right for right, name in rights.items() if described.get(name) is True]
    needed = ["read", *(["edit"] if table.spec.deliver else [])]
    missing = [right for right in needed if right not in given]
    remedy = f"{place} > Object Settings > {table.name} > Edit: {', '.join(needed).title()}"
    denied = ", ".join(right for right in rights if right not in given)
    text = f"may {', '.join(given) or 'nothing'}{f'; not {denied}' if denied else ''}"
    return Check(f"object {table.name}", not missing, text, remedy if missing else "")


def _field(table: Table, spec: FieldSpec, described: Mapping[str, Any] | None) -> Check | None:
    """What is wrong about a field; None where nothing is."""
    name = f"field {table.name}.{spec.name}"
    security = manager(table.name, f"Fields & Relationships > {spec.name} > Set Field-Level Security")
    if described is None:
        return Check(name, False, "missing, or not readable", f"{security}: Visible for the user")
    kind = str(described.get("type"))
    allowed = _TYPES.get(spec.type)
    if allowed is not None and kind not in allowed:
        return Check(name, False, f"is {kind}, mapped as {spec.type}", "correct the type in the mapping")
    if not table.spec.deliver or not spec.writable or spec.name == table.spec.external_id:
        return None
    if described.get("updateable") is True:
        return None
    if described.get("calculated") or described.get("autoNumber"):
        what = "a formula or roll-up" if described.get("calculated") else "an auto number"
        return Check(name, False, f"is {what}, which nobody writes", "let Salesforce own it in the mapping")
    return Check(name, False, "not editable", f"{security}: not Read-Only for the user")


def _formula(table: Table, spec: FieldSpec) -> Check:
    """A formula field, of which no fault is: what it is made of may change without a word about it (CDC
    developer guide, "Change Event Considerations")."""
    text = (
        "is a formula: a change of what it is made of need not tell of it; it is seen when the record is read"
    )
    return Check(f"field {table.name}.{spec.name}", True, text)


def _external(table: Table, described: Mapping[str, Any] | None) -> Check:
    field = table.spec.external_id
    name = f"external id {table.name}.{field}"
    if described is None:
        create = manager(table.name, "Fields & Relationships > New")
        return Check(
            name,
            False,
            "missing, or not readable",
            f"{create}: Text, Unique, External ID; visible for the user",
        )
    labels = {"externalId": "External ID", "unique": "Unique"}
    missing = [label for key, label in labels.items() if described.get(key) is not True]
    edit = manager(table.name, f"Fields & Relationships > {field} > Edit")
    if missing:
        return Check(name, False, f"is not {' and not '.join(missing)}", f"{edit}: {' and '.join(missing)}")
    if described.get("createable") is False and table.spec.deliver:
        security = manager(table.name, f"Fields & Relationships > {field} > Set Field-Level Security")
        return Check(name, False, "not editable", f"{security}: not Read-Only for the user")
    case = "case-sensitive" if described.get("caseSensitive") is True else "case-insensitive"
    return Check(name, True, f"External ID, unique, {case}")
