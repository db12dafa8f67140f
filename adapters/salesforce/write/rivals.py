"""Which other records stand in the way of a write, and by which rule: for whoever has to decide.

A duplicate rule tells its matches in ``duplicateResult`` (REST API developer guide, "duplicateResult"); a
unique field and an ambiguous external id name the others in their texts only, or, for a single record, in a
list of addresses.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from adapters.salesforce.connection.rest import Fault
from adapters.salesforce.table import is_id, long_id

_RECORD = re.compile(r"record with id: ([A-Za-z0-9]{15,18})")
_UNIQUE_FIELD = re.compile(r"duplicate value found: (\w+) duplicates")
_LISTED = re.compile(r"\[([^\]]*)\]")
#: So many are named; the others are counted.
_NAMED = 5


@dataclass(frozen=True, slots=True)
class Rivals:
    """The records in the way; ``rule`` is a duplicate rule, ``field`` a unique field, where one was named."""

    keys: tuple[str, ...] = ()
    rule: str = ""
    field: str = ""

    def text(self) -> str:
        """For people: behind what is wrong."""
        more = len(self.keys) - _NAMED
        named = ", ".join(self.keys[:_NAMED]) + (f" and {more} more" if more > 0 else "")
        by = f" (rule {self.rule})" if self.rule else f" ({self.field})" if self.field else ""
        return f"{f': {named}' if named else ''}{by}"

    def evidence(self) -> str:
        """For programs: ``rivals=ID,ID rule=NAME``; "" where nothing is known."""
        parts = {"rivals": ",".join(self.keys[:_NAMED]), "rule": self.rule, "field": self.field}
        return " ".join(f"{name}={value}" for name, value in parts.items() if value)


def of_fault(fault: Fault) -> Rivals:
    """What a refusal as a duplicate tells."""
    if fault.code == "DUPLICATES_DETECTED":
        result = fault.more.get("duplicateResult")
        if not isinstance(result, Mapping):
            return Rivals()
        return Rivals(_unique(_matched(result)), str(result.get("duplicateRule") or ""))
    if fault.code == "DUPLICATE_VALUE":
        field = _UNIQUE_FIELD.search(fault.text)
        return Rivals(_unique(_RECORD.findall(fault.text)), field=field[1] if field else "")
    if fault.code == "DUPLICATE_EXTERNAL_ID":
        return Rivals(_unique(key for part in _LISTED.findall(fault.text) for key in part.split(", ")))
    return Rivals()


def of_addresses(body: object) -> Rivals:
    """The records of an answer 300: a list of their addresses."""
    found = body if isinstance(body, list) else []
    return Rivals(_unique(str(one).rpartition("/")[2] for one in found))


def _matched(result: Mapping[str, Any]) -> Iterable[str]:
    for match in _dicts(result.get("matchResults")):
        for found in _dicts(match.get("matchRecords")):
            record = found.get("record")
            if isinstance(record, Mapping):
                yield str(record.get("Id") or record.get("id") or "")


def _dicts(value: object) -> list[Mapping[str, Any]]:
    return [one for one in value if isinstance(one, Mapping)] if isinstance(value, list) else []


def _unique(keys: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(long_id(key) for key in keys if is_id(key)))
