"""The stand-in org as a process of its own, steered by its control endpoints, and systems connected to it."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2

from adapters.salesforce.settings import Settings
from adapters.salesforce.system import connect
from agent.core.change import ReadResult
from agent.core.objects import FieldSpec, FieldType, ObjectSpec
from agent.ports import Reader, System

ACCOUNT = ObjectSpec(
    name="Account",
    key="Id",
    external_id="Isthmus_Id__c",
    fields=(
        *(FieldSpec(name) for name in ("Name", "AccountNumber", "Phone", "BillingStreet", "BillingCity")),
        FieldSpec("Credit_Limit__c", FieldType.DECIMAL),
        FieldSpec("Order_Block__c", FieldType.BOOLEAN),
    ),
)
PRODUCT = ObjectSpec("Product2", "Id", (FieldSpec("Name"), FieldSpec("IsActive", FieldType.BOOLEAN)))


@dataclass
class Org:
    """A running stand-in org, in a process of its own. ``info`` is what it printed."""

    info: dict[str, Any]
    systems: list[System] = field(default_factory=list)

    def settings(self, **changes: Any) -> Settings:
        """How it is reached: TLS with its own root, and a JWT."""
        plain: dict[str, Any] = {
            "login_url": self.info["https"],
            "auth": "jwt",
            "client_id": self.info["client_id"],
            "username": self.info["username"],
            "key": "file:key",
            "pubsub_endpoint": self.info["grpc"],
            "ca_file": self.info["ca_file"],
            "slack_s": 0,
            "request_timeout_s": 10,
        }
        return Settings(**(plain | changes))

    def secret(self, reference: str) -> str:
        """The key of the JWT."""
        return Path(self.info["jwt_key_file"]).read_text(encoding="ascii")

    def connect(self, *objects: ObjectSpec, **changes: Any) -> System:
        """A system of its own."""
        system = connect("crm", self.settings(**changes), objects or (ACCOUNT, PRODUCT), self.secret)
        self.systems.append(system)
        return system

    def reader(self, *objects: ObjectSpec, **changes: Any) -> Reader:
        """The reader of a system of its own."""
        reader = self.connect(*objects, **changes).reader
        assert reader is not None
        return reader

    async def control(self, method: str, path: str, /, **body: Any) -> Any:
        """One call of the control endpoints."""
        # A large org that works on a job answers nobody else for a while.
        async with httpx2.AsyncClient(trust_env=False, timeout=120) as client:
            answer = await client.request(method, f"{self.info['http']}/_sandbox/{path}", json=body or None)
            answer.raise_for_status()
            return answer.json()

    async def arm(self, kind: str, /, **more: Any) -> None:
        """Arm a fault."""
        await self.control("POST", "faults", kind=kind, **more)

    async def write(self, *writes: dict[str, Any]) -> list[str]:
        """Writes of another user, in one transaction; returns the ids."""
        done = await self.control("POST", "transaction", writes=list(writes))
        return [str(one) for one in done["ids"]]

    async def create(self, object_name: str, *records: dict[str, Any]) -> list[str]:
        """New records of another user."""
        return await self.write(*({"op": "create", "object": object_name, "fields": one} for one in records))

    async def close(self) -> None:
        """Close the systems, disarm the faults, let the clock run."""
        for system in self.systems:
            await system.source.close()
            await system.target.close()
        await self.control("DELETE", "faults")


@contextlib.contextmanager
def process(*arguments: str) -> Iterator[dict[str, Any]]:
    """An org on free ports while the block runs; what it prints says where it listens."""
    ports = ("--http-port", "--https-port", "--grpc-port", "--plaintext-grpc-port")
    command = [sys.executable, "-m", "adapters.sandbox.salesforce"]
    command += [word for port in ports for word in (port, "0")]
    with subprocess.Popen(
        [*command, *arguments], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as running:
        assert running.stdout is not None
        try:
            yield json.loads(running.stdout.readline())
        finally:
            running.terminate()


async def taken(pages: AsyncIterator[ReadResult]) -> list[ReadResult]:
    """All pages."""
    return [page async for page in pages]


def keys_of(pages: Sequence[ReadResult]) -> list[str]:
    """The keys of all rows, in order."""
    return [row.key for page in pages for row in page.rows]
