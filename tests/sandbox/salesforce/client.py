"""Wire client of the sandbox: REST by httpx2, Pub/Sub by the generated stub, events decoded by
fastavro.

It shares no code with the sandbox; bitmaps are read here from the schema that the server sent.
"""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import fastavro
import grpc
import grpc.aio
import httpx2

from adapters.salesforce import pubsub_api_pb2 as pb
from adapters.salesforce import pubsub_api_pb2_grpc as stubs
from adapters.sandbox.salesforce.server import Details

ACCOUNT = "/data/AccountChangeEvent"
INVOICE = "/data/Invoice__ChangeEvent"
ALL = "/data/ChangeEvents"
DEADLINE_S = 20


@dataclass(frozen=True)
class Event:
    """One decoded change event."""

    replay_id: bytes
    event_id: str
    schema: dict[str, Any]
    header: dict[str, Any]
    body: dict[str, Any]

    def names(self, bitmap: str) -> list[str]:
        """Field paths that a bitmap of the header names, read from the event's own schema."""
        fields = self.schema["fields"]
        found: list[str] = []
        for element in self.header[bitmap]:
            parent, _, digits = element.rpartition("-")
            number = int(digits, 16)
            bits = [at for at in range(number.bit_length()) if number >> at & 1]
            if not parent:
                found += [str(fields[at]["name"]) for at in bits]
                continue
            outer = fields[int(parent)]
            inner = next(
                (part for part in branches(outer) if isinstance(part, dict)), address_of(self.schema)
            )
            found += [f"{outer['name']}.{inner['fields'][at]['name']}" for at in bits]
        return found


def branches(field: dict[str, Any]) -> list[Any]:
    """Branches of a field's union."""
    return field["type"] if isinstance(field["type"], list) else []


def address_of(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema's Address record, wherever it was first written."""
    for field in schema["fields"]:
        for part in branches(field):
            if isinstance(part, dict) and part["name"] == "Address":
                return part
    raise LookupError("no Address in the schema")


class Client:
    """Signs in by client credentials on entering."""

    def __init__(self, details: Details) -> None:
        self.details = details
        self.http = httpx2.AsyncClient(base_url=details.http, trust_env=False, timeout=DEADLINE_S)
        self.channel = grpc.aio.insecure_channel(
            details.grpc_plaintext, options=[("grpc.use_local_subchannel_pool", 1)]
        )
        self.stub: Any = stubs.PubSubStub(self.channel)  # type: ignore[no-untyped-call]  # generated code is untyped
        self.token = ""
        self._schemas: dict[str, dict[str, Any]] = {}

    async def __aenter__(self) -> Client:
        await self.sign_in()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.http.aclose()
        await self.channel.close()

    def authority(self) -> bytes:
        """PEM of the certificate authority that the server printed."""
        return Path(self.details.ca_file).read_bytes()

    async def sign_in(self) -> None:
        form = {
            "grant_type": "client_credentials",
            "client_id": self.details.client_id,
            "client_secret": self.details.client_secret,
        }
        answer = await self.http.post("/services/oauth2/token", data=form)
        self.token = answer.json()["access_token"]

    def metadata(self) -> list[tuple[str, str]]:
        return [
            ("accesstoken", self.token),
            ("instanceurl", self.details.http),
            ("tenantid", self.details.org_id),
        ]

    async def call(
        self, method: str, path: str, body: object = None, headers: dict[str, str] | None = None
    ) -> httpx2.Response:
        """A call of the data API; ``path`` is below the version."""
        return await self.http.request(
            method,
            f"/services/data/v62.0/{path}",
            content=None if body is None else json.dumps(body),
            headers={"Authorization": f"Bearer {self.token}", **(headers or {})},
        )

    async def query(self, text: str, resource: str = "query") -> Any:
        answer = await self.http.get(
            f"/services/data/v62.0/{resource}",
            params={"q": text},
            headers={"Authorization": f"Bearer {self.token}"},
        )
        return answer.json()

    async def control(self, path: str, body: object, status: int = 200) -> Any:
        answer = await self.http.post(f"/_sandbox/{path}", content=json.dumps(body))
        assert answer.status_code == status, answer.text
        return answer.json()

    async def log(self) -> Any:
        return (await self.http.get("/_sandbox/log")).json()

    async def create(self, object_name: str = "Account", **fields: object) -> str:
        answer = await self.call("POST", f"sobjects/{object_name}", fields)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    async def update(self, identifier: str, client: str = "", **fields: object) -> None:
        headers = {"Sforce-Call-Options": f"client={client}"} if client else {}
        answer = await self.call("PATCH", f"sobjects/Account/{identifier}", fields, headers)
        assert answer.status_code == 204, answer.text

    async def tip(self) -> bytes:
        """A replay id behind everything so far: that of an empty response."""
        async for response in self.responses(pb.FetchRequest(topic_name=ALL, num_requested=1)):
            return bytes(response.latest_replay_id)
        raise LookupError("the subscription ended")

    async def responses(self, *requests: pb.FetchRequest) -> AsyncGenerator[Any, None]:
        """Responses to these requests; the client's side stays open. Raises the call's error."""
        call = self.stub.Subscribe(metadata=self.metadata(), timeout=DEADLINE_S)
        try:
            for request in requests:
                await call.write(request)
            while (response := await call.read()) is not grpc.aio.EOF:
                yield response
            if await call.code() is not grpc.StatusCode.OK:
                raise await failure(call)
        finally:
            call.cancel()

    async def events(self, count: int, topic: str = ALL, after: bytes | None = None) -> list[Event]:
        """The first ``count`` events behind a replay id, or from the earliest one."""
        start = pb.FetchRequest(topic_name=topic, num_requested=count, replay_preset=pb.EARLIEST)
        if after is not None:
            start.replay_preset, start.replay_id = pb.CUSTOM, after
        events: list[Event] = []
        async for response in self.responses(start):
            events += [await self.decode(each) for each in response.events]
            if len(events) >= count:
                break
        return events

    async def schema(self, identifier: str) -> dict[str, Any]:
        if identifier not in self._schemas:
            info = await self.stub.GetSchema(pb.SchemaRequest(schema_id=identifier), metadata=self.metadata())
            self._schemas[identifier] = json.loads(info.schema_json)
        return self._schemas[identifier]

    async def decode(self, event: Any) -> Event:
        schema = await self.schema(event.event.schema_id)
        raw: Any = fastavro.schemaless_reader(
            io.BytesIO(event.event.payload), fastavro.parse_schema(dict(schema)), None
        )
        header = raw.pop("ChangeEventHeader")
        body = {name: value for name, value in raw.items() if value is not None}
        return Event(bytes(event.replay_id), event.event.id, schema, header, body)


async def failure(call: Any) -> grpc.aio.AioRpcError:
    """The error that a call ended with."""
    return grpc.aio.AioRpcError(
        await call.code(), await call.initial_metadata(), await call.trailing_metadata(), await call.details()
    )


def trailer(error: grpc.aio.AioRpcError, key: str) -> str:
    """A trailer of a failed call."""
    return str(dict(error.trailing_metadata() or ()).get(key, ""))


def codes(answer: httpx2.Response) -> Sequence[str]:
    """Error codes of a refused call."""
    return [each["errorCode"] for each in answer.json()]


async def first(items: AsyncIterator[Any], count: int) -> list[Any]:
    """The first items of an async iterator."""
    async with asyncio.timeout(DEADLINE_S):
        found: list[Any] = []
        async for item in items:
            found.append(item)
            if len(found) == count:
                break
        return found
