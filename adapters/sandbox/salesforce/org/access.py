"""What the integration user may see and do, and of which objects the org tells changes.

The rights stand in one permission set of the user, as rows that callers may query. What follows from them
here: describe leaves out hidden fields and says what may be written; the topic of one object refuses a user
without View All Records, and a channel of several withholds such objects without a word (CDC developer guide,
"Required Permissions for Change Event Subscribers"). Queries and writes are not narrowed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from adapters.sandbox.salesforce.org.actor import User
from adapters.sandbox.salesforce.org.ids import IdMaker
from adapters.sandbox.salesforce.org.record import Record, Row, Table
from adapters.sandbox.salesforce.org.values import Value

LICENCE, PROFILE, SET = (
    "Salesforce Integration",
    "Minimum Access - API Only Integrations",
    "Isthmus Integration",
)
RIGHTS = ("Read", "Create", "Edit", "Delete", "ViewAllRecords", "ModifyAllRecords")


@dataclass(slots=True)
class Grant:
    """The rights on one object: each of ``RIGHTS``, hidden fields, and fields that may only be read."""

    rights: dict[str, bool]
    hidden: set[str] = field(default_factory=set)
    read_only: set[str] = field(default_factory=set)


class Access:
    """The rights of the user, by object; and the objects that are selected for Change Data Capture."""

    def __init__(self, tables: Mapping[str, Table], ids: IdMaker, user: User, at: datetime) -> None:
        self._tables = tables
        self._ids = ids
        self._system: dict[str, Value] = {
            "IsDeleted": False,
            **dict.fromkeys(("CreatedDate", "LastModifiedDate", "SystemModstamp"), at),
            **dict.fromkeys(("CreatedById", "LastModifiedById"), user.id),
        }
        self.unselected: set[str] = set()
        self._set = self._hire(user)
        kinds = [table.kind for table in tables.values()]
        names = [kind.name for kind in kinds if kind.writable]
        self._grants = {name: Grant(dict.fromkeys(RIGHTS, True)) for name in names}
        self._rows = {name: self._ids.make("110") for name in names}
        for name in names:
            self._write(name)

    def grant(self, object_name: str) -> Grant | None:
        """The rights on an object; None for the org's own, which everybody may read."""
        return self._grants.get(object_name)

    def sees_all(self, object_name: str) -> bool:
        """Whether events of every record of the object may be had."""
        found = self._grants.get(object_name)
        return found is None or found.rights["ViewAllRecords"] or found.rights["ModifyAllRecords"]

    def change(
        self, object_name: str, rights: Mapping[str, bool], hidden: Iterable[str], read_only: Iterable[str]
    ) -> None:
        """An administrator's change of the permission set."""
        found = self._grants[object_name]
        found.rights |= rights
        found.hidden, found.read_only = set(hidden), set(read_only)
        self._write(object_name)

    def _hire(self, user: User) -> str:
        """Licence, profile and permission set of the user; the id of the set."""
        licence = self._put("UserLicense", {"Name": LICENCE, "LicenseDefinitionKey": "PID_INTEGRATION"})
        profile = self._put("Profile", {"Name": PROFILE, "UserLicenseId": licence})
        known = self._tables["User"].get(user.id)
        if known is not None:
            self._tables["User"].put(Record("User", user.id, Row({**known.values, "ProfileId": profile})))
        data = dict.fromkeys(("PermissionsViewAllData", "PermissionsModifyAllData"), False)
        api = {"PermissionsApiEnabled": True, "PermissionsViewSetup": True}
        sets: list[dict[str, Value]] = [
            {"Name": "X00e", "Label": PROFILE, "IsOwnedByProfile": True, "ProfileId": profile},
            {"Name": SET.replace(" ", "_"), "Label": SET, "IsOwnedByProfile": False},
        ]
        made = [self._put("PermissionSet", {**one, **api, **data}) for one in sets]
        for one in made:
            self._put("PermissionSetAssignment", {"AssigneeId": user.id, "PermissionSetId": one})
        return made[1]

    def _write(self, object_name: str) -> None:
        rights = {f"Permissions{name}": given for name, given in self._grants[object_name].rights.items()}
        values: dict[str, Value] = {"ParentId": self._set, "SobjectType": object_name, **rights}
        self._put("ObjectPermissions", values, self._rows[object_name])

    def _put(self, object_name: str, values: Mapping[str, Value], identifier: str = "") -> str:
        table = self._tables[object_name]
        identifier = identifier or self._ids.make(table.kind.prefix)
        row = Row({**self._system, **values, "Id": identifier})
        table.put(Record(object_name, identifier, row))
        return identifier
