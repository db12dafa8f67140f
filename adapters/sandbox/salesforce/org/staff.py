"""The people of the org, and the org's own user."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from adapters.sandbox.salesforce.org.actor import User
from adapters.sandbox.salesforce.org.ids import IdMaker
from adapters.sandbox.salesforce.org.record import Record, Row, Table
from adapters.sandbox.salesforce.org.values import Value


@dataclass(frozen=True, slots=True)
class Staff:
    """The users of the org: the agent's, two people, and the org's own."""

    integration: User
    sales: User
    finance: User
    automated: User

    def find(self, username: str) -> User | None:
        """The user with that username or its part before the ``@``."""
        wanted = username.lower()
        for user in (self.integration, self.sales, self.finance, self.automated):
            if wanted in (user.username, user.username.partition("@")[0]):
                return user
        return None


def hire(table: Table, ids: IdMaker, at: datetime) -> Staff:
    """Makes the users and their records."""

    def one(username: str, name: str) -> User:
        user = User(ids.make("005"), f"{username}@isthmus.example", name)
        values: dict[str, Value] = {
            "Id": user.id,
            "Username": user.username,
            "Email": user.username,
            "Name": name,
            "IsActive": True,
            "IsDeleted": False,
            **dict.fromkeys(("CreatedDate", "LastModifiedDate", "SystemModstamp"), at),
            **dict.fromkeys(("CreatedById", "LastModifiedById"), user.id),
        }
        table.put(Record("User", user.id, Row(values)))
        return user

    return Staff(
        one("integration", "Integration User"),
        one("sales", "Sofia Lindqvist"),
        one("finance", "Tomasz Wójcik"),
        one("automated", "Automated Process"),
    )
