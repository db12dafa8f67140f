"""What an administrator configured on the org: validation rules, duplicate rules, and flows that change a
further field."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from adapters.sandbox.salesforce.org.actor import Actor
from adapters.sandbox.salesforce.org.errors import ApiError
from adapters.sandbox.salesforce.org.fields import ObjectType
from adapters.sandbox.salesforce.org.record import Record, Table
from adapters.sandbox.salesforce.org.values import Value, coerce, to_json

_PLACE = re.compile(r"\{(\w+)\}")
Test = Callable[[Mapping[str, Value]], bool]


@dataclass(frozen=True, slots=True)
class Validation:
    """A record for which ``condition`` (text and test) holds is refused with ``message`` at ``field``."""

    object_name: str
    condition: str
    message: str
    field: str
    test: Test


@dataclass(frozen=True, slots=True)
class Flow:
    """When ``when_field`` changes, ``set_field`` takes the text of ``value_template`` in the same
    transaction. ``{FieldName}`` in the template stands for the record's value.
    """

    object_name: str
    when_field: str
    set_field: str
    value_template: str

    def text(self, values: Mapping[str, Value]) -> str:
        """The template filled from the record."""
        return filled(self.value_template, values)


@dataclass(frozen=True, slots=True)
class DuplicateRule:
    """Live records that agree in all ``match`` fields (none of them null) are duplicates.

    ``block`` refuses them for good; else a caller may save them with ``allowSave=true``.
    """

    object_name: str
    name: str
    match: tuple[str, ...]
    block: bool


def filled(template: str, values: Mapping[str, Value]) -> str:
    """A template with the values of the fields that it names in braces."""
    return _PLACE.sub(lambda place: _plain(values.get(place.group(1))), template).strip()


def _plain(value: Value) -> str:
    if value is None:
        return ""
    return format(value, "f") if isinstance(value, Decimal) else str(to_json(value))


class Rules:
    """The rules in force, applied to a record's new values before they are stored."""

    def __init__(self) -> None:
        self.validations: list[Validation] = []
        self.flows: list[Flow] = []
        self.duplicates: list[DuplicateRule] = []

    def flow_values(
        self, kind: ObjectType, changed: set[str], values: Mapping[str, Value]
    ) -> dict[str, Value]:
        """What the flows of the object set, given the names of the changed fields and all new values."""
        result: dict[str, Value] = {}
        for flow in self.flows:
            target = kind.find(flow.set_field)
            if flow.object_name == kind.name and flow.when_field in changed and target is not None:
                result[target.name] = coerce(target, flow.text({**values, **result}))
        return result

    def check(self, kind: ObjectType, values: Mapping[str, Value]) -> None:
        """Raises ApiError FIELD_CUSTOM_VALIDATION_EXCEPTION for the first rule that refuses the record."""
        for rule in self.validations:
            if rule.object_name == kind.name and rule.test(values):
                raise ApiError(
                    "FIELD_CUSTOM_VALIDATION_EXCEPTION",
                    rule.message,
                    (rule.field,) if rule.field else (),
                )

    def check_duplicates(
        self, table: Table, identifier: str, values: Mapping[str, Value], actor: Actor
    ) -> None:
        """Raises ApiError DUPLICATES_DETECTED for the first rule under which the record has a twin."""
        for rule in self.duplicates:
            if rule.object_name != table.kind.name or (actor.saves_duplicates and not rule.block):
                continue
            if any(values.get(name) is None for name in rule.match):
                continue
            twins = [
                twin
                for each in table.matching(rule.match[0], values[rule.match[0]])
                if each != identifier and (twin := table.get(each)) is not None
                if all(_same(twin.values[name], values[name]) for name in rule.match)
            ]
            if twins:
                raise _detected(rule, twins)


def _same(one: Value, other: Value) -> bool:
    return one is not None and str(one).lower() == str(other).lower()


def _detected(rule: DuplicateRule, twins: list[Record]) -> ApiError:
    message = "Use one of these records?"
    matches: list[dict[str, Any]] = [
        {
            "additionalInformation": [],
            "fieldDiffs": [],
            "matchConfidence": 100.0,
            "record": {"attributes": {"type": twin.object_name}, "Id": twin.id},
        }
        for twin in twins
    ]
    result = {
        "allowSave": not rule.block,
        "duplicateRule": rule.name,
        "duplicateRuleEntityType": rule.object_name,
        "errorMessage": message,
        "matchResults": [
            {
                "entityType": rule.object_name,
                "errors": [],
                "matchEngine": "ExactMatchEngine",
                "matchRecords": matches,
                "rule": rule.name,
                "size": len(matches),
                "success": True,
            }
        ],
    }
    return ApiError("DUPLICATES_DETECTED", message, more={"duplicateResult": result})
