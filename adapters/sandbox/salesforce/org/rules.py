"""What an administrator configured on the org: validation rules, and flows that change a further field."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from adapters.sandbox.salesforce.org.errors import ApiError
from adapters.sandbox.salesforce.org.fields import ObjectType
from adapters.sandbox.salesforce.org.values import Value, coerce, to_json
from adapters.sandbox.salesforce.soql.conditions import Test

_PLACE = re.compile(r"\{(\w+)\}")


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
    transaction.

    ``{FieldName}`` in the template stands for the record's value.
    """

    object_name: str
    when_field: str
    set_field: str
    value_template: str

    def text(self, values: Mapping[str, Value]) -> str:
        """The template filled from the record."""
        return _PLACE.sub(lambda place: _plain(values.get(place.group(1))), self.value_template)


def _plain(value: Value) -> str:
    if value is None:
        return ""
    return format(value, "f") if isinstance(value, Decimal) else str(to_json(value))


class Rules:
    """The rules in force, applied to a record's new values before they are stored."""

    def __init__(self) -> None:
        self.validations: list[Validation] = []
        self.flows: list[Flow] = []

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
