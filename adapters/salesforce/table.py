"""One object as this adapter reads and writes it: the fields asked for, rows from answers, ids."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from adapters.salesforce.values import from_json, version_in
from agent.core.change import RawValue, Row
from agent.core.objects import FieldSpec, FieldType, ObjectSpec

_ID = re.compile(r"^[A-Za-z0-9]{15}(?:[A-Za-z0-9]{3})?$")
_NAME = re.compile(r"^[A-Za-z][A-Za-z0-9_]*$")
_CASE = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
MODIFIED = "LastModifiedDate"
MASTER = "MasterRecordId"
#: "No such column 'X' on sobject of type Y", "Field name not found : X".
_COLUMN = re.compile(r"(?:No such column '|Field name not found : )(\w+)")
#: How long a missing field is not asked for, in seconds; then it may be back.
_LOOK_AGAIN_S = 5.0
_PLAIN = frozenset({FieldType.TEXT, FieldType.REFERENCE})
#: Objects whose records can be merged; a loser names the record that took its place (Object Reference).
MERGEABLE = frozenset({"Account", "Case", "Contact", "Lead"})


def columns_named(told: str) -> list[str]:
    """Fields that a refusal says are not there for our user, of a query, a write or a bulk job."""
    return _COLUMN.findall(told)


def is_id(key: str) -> bool:
    """Whether a key has the form of a record id."""
    return _ID.match(key) is not None


def is_name(name: str) -> bool:
    """Whether a name can stand in SOQL and in a path; nothing else ever does."""
    return _NAME.match(name) is not None


def no_names(spec: ObjectSpec) -> list[str]:
    """What a mapping names that cannot be a name at Salesforce."""
    named = (spec.name, *(field.name for field in spec.fields), spec.external_id or spec.name)
    return [name for name in dict.fromkeys(named) if not is_name(name)]


def long_id(key: str) -> str:
    """The 18-character form of an id; its last three carry the case of the first fifteen."""
    if len(key) != 15:
        return key
    suffix = ""
    for start in (0, 5, 10):
        part = key[start : start + 5]
        suffix += _CASE[sum(1 << place for place, letter in enumerate(part) if "A" <= letter <= "Z")]
    return key + suffix


class Table:
    """The mapped fields of one object, with its external id and its version.

    Raises ValueError for a name that cannot be one at Salesforce.
    """

    def __init__(self, spec: ObjectSpec) -> None:
        for name in no_names(spec):
            raise ValueError(f"{name!r} is no name of an object or field")
        self.spec = spec
        self.name = spec.name
        self.kinds: dict[str, FieldType] = {field.name: field.type for field in spec.fields}
        if spec.external_id:
            self.kinds.setdefault(spec.external_id, FieldType.TEXT)
        #: Name, type, and whether text stays as it is: most cells are such, and are not looked at any closer.
        self._columns = tuple((name, kind, kind in _PLAIN) for name, kind in self.kinds.items())
        self.tells_merges = self.name in MERGEABLE
        #: Mapped fields that the object was found not to have: this table is the view without them.
        self.lacking: frozenset[str] = frozenset()
        self._missing: dict[str, float] = {}
        always = ("Id", "IsDeleted", MODIFIED, *((MASTER,) if self.tells_merges else ()))
        self.asked = (*always, *(name for name in self.kinds if name not in always))
        self.select = ", ".join(self.asked)

    def fields(self) -> tuple[FieldSpec, ...]:
        """Mapped fields without the key, and the external id."""
        external = self.spec.external_id
        known = {field.name for field in self.spec.fields}
        return self.spec.fields + ((FieldSpec(external),) if external and external not in known else ())

    def lack(self, told: str) -> bool:
        """Take from a refusal which mapped field the object does not have; False where it names no other."""
        new = {name for name in columns_named(told) if name in self.kinds} - self._now_missing()
        self._missing |= dict.fromkeys(new, time.monotonic() + _LOOK_AGAIN_S)
        return bool(new)

    def visible(self) -> Table:
        """The table without the fields that it was found not to have a moment ago; else the table itself."""
        lacking = self._now_missing()
        if not lacking:
            return self
        external = None if self.spec.external_id in lacking else self.spec.external_id
        kept = tuple(field for field in self.spec.fields if field.name not in lacking)
        view = Table(replace(self.spec, fields=kept, external_id=external))
        view.lacking = lacking
        return view

    def shown(self, view: Table) -> None:
        """A query by this view was answered: what it asked for is there."""
        for name in self._missing.keys() - view.lacking:
            del self._missing[name]

    def is_back(self, view: Table) -> bool:
        """Whether a field that this view is without was seen since."""
        return not view.lacking <= self._missing.keys()

    def _now_missing(self) -> frozenset[str]:
        now = time.monotonic()
        return frozenset(name for name, until in self._missing.items() if until > now)

    def query(self, tail: str = "") -> str:
        """A SOQL query for the mapped fields. Names were checked at construction; the tail holds literals."""
        return f"SELECT {self.select} FROM {self.name} {tail}".rstrip()  # noqa: S608 - see above

    def row(self, record: Mapping[str, Any]) -> Row:
        """One record of a query answer; a deleted one has no fields. Raises ValueError, KeyError."""
        key = str(record["Id"])
        if record.get("IsDeleted") is True:
            master = record.get(MASTER)
            return Row(key, None, merged_into=None if master is None else str(master))
        fields: dict[str, RawValue] = {}
        for name, kind, plain in self._columns:
            value = record[name]
            fields[name] = value if plain and type(value) is str else from_json(value, kind)
        return Row(key, fields, version_in(record[MODIFIED]))
