"""What the integration user may do, as far as the org lets it see that.

Rights come from the user's profile and permission sets together; each profile has a permission set of its own
behind it. Object Reference, "PermissionSetAssignment", "ObjectPermissions" (which tells of View All Data and
Modify All Data too, as rows of the objects they open).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from adapters.salesforce.connection.rest import Rest
from adapters.salesforce.values import soql
from agent.errors import Refused

#: Where a right is given while it is not known which sets the user has.
PLACE = "Setup > Users > Permission Sets > (a set of the user)"
_ASSIGNED = (
    "SELECT PermissionSetId, PermissionSet.Label, PermissionSet.IsOwnedByProfile,"
    " PermissionSet.PermissionsViewAllData, PermissionSet.PermissionsModifyAllData"
    " FROM PermissionSetAssignment WHERE AssigneeId = {user}"
)
_OBJECTS = (
    "SELECT SobjectType, PermissionsViewAllRecords, PermissionsModifyAllRecords FROM ObjectPermissions"
    " WHERE SobjectType IN ({objects}) AND ParentId IN"
    " (SELECT PermissionSetId FROM PermissionSetAssignment WHERE AssigneeId = {user})"
)


@dataclass(frozen=True, slots=True)
class Grants:
    """The sets that the user has, and the objects of which it sees every record.

    ``sets`` are labels of permission sets, without those behind a profile.
    """

    sets: tuple[str, ...]
    all_data: bool
    view_all: frozenset[str]

    def sees_all(self, object_name: str) -> bool:
        """Whether every record of the object may be seen, whoever owns it."""
        return self.all_data or object_name in self.view_all

    @property
    def place(self) -> str:
        """Where a right is added, for people."""
        return f"Setup > Users > Permission Sets > {self.sets[0]}" if self.sets else PLACE


async def granted(rest: Rest, user_id: str, objects: Collection[str]) -> Grants | None:
    """What the user may do; None where it may not see that. Raises Unreachable."""
    user = soql(user_id)
    names = ", ".join(soql(name) for name in sorted(objects))
    try:
        assigned = (await rest.get("/query", {"q": _ASSIGNED.format(user=user)})).body["records"]
        opened = (await rest.get("/query", {"q": _OBJECTS.format(user=user, objects=names)})).body["records"]
        sets = [one["PermissionSet"] for one in assigned]
        return Grants(
            tuple(sorted(str(one["Label"]) for one in sets if one["IsOwnedByProfile"] is False)),
            any(one[f"Permissions{right}AllData"] is True for one in sets for right in ("View", "Modify")),
            frozenset(
                str(one["SobjectType"])
                for one in opened
                if one["PermissionsViewAllRecords"] is True or one["PermissionsModifyAllRecords"] is True
            ),
        )
    except (Refused, KeyError, TypeError):
        # The rows of permissions are not for everybody to read, and not every edition has them.
        return None
