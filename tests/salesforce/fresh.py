"""A stand-in org that a test has for itself, in the same process, and the adapter connected to it."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2

from adapters.salesforce.settings import Settings
from adapters.salesforce.system import connect
from adapters.sandbox.salesforce.options import Options
from adapters.sandbox.salesforce.server import Details, running
from agent.core.delivery import Delivery, DeliveryKind
from agent.core.objects import FieldSpec, FieldType, ObjectSpec
from agent.ports import System

ACCOUNT = ObjectSpec(
    name="Account",
    key="Id",
    external_id="Isthmus_Id__c",
    fields=(
        *(FieldSpec(name) for name in ("Name", "Phone", "VAT_Number__c", "Tier__c", "Description")),
        FieldSpec("ParentId", FieldType.REFERENCE),
        FieldSpec("Credit_Limit__c", FieldType.DECIMAL),
    ),
)
CONTACT = ObjectSpec(
    name="Contact",
    key="Id",
    external_id="Isthmus_Id__c",
    fields=(
        *(FieldSpec(name) for name in ("FirstName", "LastName", "Email")),
        FieldSpec("AccountId", FieldType.REFERENCE),
    ),
)
_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Pending:
    """Stands in a test for the key of a record that another create of the same call makes."""

    reference: str


def command(
    kind: DeliveryKind, key: str | None = None, reference: str = "", object: str = "Account", **more: Any
) -> Delivery:
    """A delivery; ``fields`` and the rest by name."""
    number = next(_numbers)
    plain: dict[str, Any] = {
        "message_id": f"1-{number}",
        "entity_type": object.lower(),
        "object": object,
        "kind": kind,
        "key": key,
        "reference": reference or f"ref-{number}",
        "fields": {},
    }
    plain |= more
    fields: dict[str, Any] = plain["fields"]
    plain["pending"] = {n: value.reference for n, value in fields.items() if isinstance(value, Pending)}
    plain["fields"] = {n: value for n, value in fields.items() if n not in plain["pending"]}
    return Delivery(**plain)


def create(reference: str = "", object: str = "Account", **fields: Any) -> Delivery:
    """A create of a record with these fields."""
    return command(DeliveryKind.CREATE, None, reference, object, fields=fields)


def update(key: str | None, object: str = "Account", **fields: Any) -> Delivery:
    """An unconditional update."""
    return command(DeliveryKind.UPDATE, key, object=object, fields=fields)


@dataclass
class FreshOrg:
    """A running org, the systems connected to it, and its control calls."""

    details: Details
    systems: list[System] = field(default_factory=list)

    def connect(self, *objects: ObjectSpec, **changes: Any) -> System:
        settings: dict[str, Any] = {
            "login_url": self.details.http,
            "insecure_http": True,
            "auth": "client-credentials",
            "client_id": self.details.client_id,
            "client_secret": "env:SECRET",
            "pubsub_endpoint": self.details.grpc_plaintext,
            "pubsub_plaintext": True,
            "slack_s": 0,
            "bulk_rows": 0,
        }
        specs = objects or (ACCOUNT, CONTACT)
        system = connect(
            "crm", Settings(**(settings | changes)), specs, lambda reference: self.details.client_secret
        )
        self.systems.append(system)
        return system

    async def control(self, path: str, body: dict[str, Any] | None = None) -> Any:
        """A control call; POST where there is a body."""
        url = f"{self.details.http}/_sandbox/{path}"
        async with httpx2.AsyncClient(trust_env=False) as client:
            answer = await (client.get(url) if body is None else client.post(url, json=body))
            answer.raise_for_status()
            return answer.json()

    async def arm(self, kind: str, **more: Any) -> None:
        """Let something go wrong."""
        await self.control("faults", {"kind": kind, **more})

    async def clear(self) -> None:
        """Disarm what has not struck."""
        async with httpx2.AsyncClient(trust_env=False) as client:
            (await client.delete(f"{self.details.http}/_sandbox/faults")).raise_for_status()

    async def writes(self, operation: str, object: str = "Account") -> list[dict[str, Any]]:
        """What was written, in order."""
        log = await self.control("log")
        return [one for one in log["writes"] if (one["operation"], one["object"]) == (operation, object)]

    async def used(self) -> int:
        """API calls that were answered so far."""
        return int((await self.control("calls", {}))["used"])


@contextlib.asynccontextmanager
async def fresh_org(folder: Path) -> AsyncIterator[FreshOrg]:
    """An org while the block runs; ``folder`` keeps its keys."""
    async with running(Options(state_dir=folder)) as details:
        made = FreshOrg(details)
        try:
            yield made
        finally:
            for system in made.systems:
                await system.source.close()
                await system.target.close()
