"""A stand-in org that runs for a test module, steered by its control endpoints."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx2

from adapters.salesforce.settings import Settings
from adapters.salesforce.system import connect
from agent.core.objects import FieldSpec, ObjectSpec
from agent.ports import System

ACCOUNT = ObjectSpec("Account", "Id", (FieldSpec("Name"), FieldSpec("Phone")), external_id="Isthmus_Id__c")


@contextlib.contextmanager
def running(*arguments: str) -> Iterator[dict[str, Any]]:
    """The org on free ports while the block runs; what it printed says where."""
    command = [sys.executable, "-m", "adapters.sandbox.salesforce", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        try:
            yield json.loads(process.stdout.readline())
        finally:
            process.terminate()


class Place:
    """A running org, and systems connected to it by TLS and a JWT."""

    def __init__(self, info: dict[str, Any]) -> None:
        self.info = info
        self.systems: list[System] = []

    def settings(self, **changes: Any) -> Settings:
        plain: dict[str, Any] = {
            "login_url": self.info["https"],
            "client_id": self.info["client_id"],
            "username": self.info["username"],
            "key": "file:key",
            "pubsub_endpoint": self.info["grpc"],
            "ca_file": self.info["ca_file"],
        }
        return Settings(**(plain | changes))

    def secret(self, reference: str) -> str:
        """The JWT's key."""
        return Path(self.info["jwt_key_file"]).read_text(encoding="ascii")

    def connect(self, objects: Sequence[ObjectSpec] = (ACCOUNT,), **changes: Any) -> System:
        system = connect("crm", self.settings(**changes), objects, self.secret)
        self.systems.append(system)
        return system

    async def control(self, method: str, path: str, **body: Any) -> Any:
        """One call of the org's control endpoints."""
        async with httpx2.AsyncClient(trust_env=False) as client:
            answer = await client.request(method, f"{self.info['http']}/_sandbox/{path}", json=body or None)
            assert answer.is_success, answer.text
            return answer.json()

    async def tooling(self, kind: str, name: str, **metadata: Any) -> None:
        """Make a set-up record by the Tooling API, as an administrator does."""
        async with httpx2.AsyncClient(trust_env=False, base_url=self.info["http"]) as client:
            form = {
                "grant_type": "client_credentials",
                "client_id": self.info["client_id"],
                "client_secret": self.info["client_secret"],
            }
            token = (await client.post("/services/oauth2/token", data=form)).json()["access_token"]
            answer = await client.post(
                f"/services/data/v62.0/tooling/sobjects/{kind}",
                json={"FullName": name, "Metadata": metadata},
                headers={"Authorization": f"Bearer {token}"},
            )
            assert answer.is_success, answer.text

    async def arm(self, kind: str, **more: Any) -> None:
        await self.control("POST", "faults", kind=kind, **more)

    async def logins(self) -> list[str]:
        """The error of every sign-in so far; "" for those that were granted."""
        return [each["error"] for each in (await self.control("GET", "logins"))["logins"]]

    async def close(self) -> None:
        for system in self.systems:
            await system.source.close()
            await system.target.close()
        await self.control("DELETE", "faults")
