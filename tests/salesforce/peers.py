"""Peers on loopback that do what no simulator should: scripted streams, lost answers, a dead link."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Any

import grpc

from adapters.salesforce import pubsub_api_pb2 as pb
from adapters.salesforce.pubsub_api_pb2_grpc import PubSubServicer, add_PubSubServicer_to_server
from tests.salesforce.authority import Leaf
from tests.salesforce.samples import TOPIC, schema_json

CODES = "sfdc.platform.eventbus.grpc."


@dataclass(frozen=True)
class Asked:
    """One HTTP request as it arrived."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


#: Status, JSON body, extra headers. None means: read the request and hang up without an answer.
Answer = tuple[int, Any, Mapping[str, str]] | None


class HttpPeer:
    """An org's HTTP side: OAuth by itself, the rest by ``answer``. Keeps what was asked."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.logins = 0
        self.login_answer: Callable[[Asked], Answer] | None = None
        self.slow_login: Callable[[Asked], Awaitable[Answer]] | None = None
        self.answer: Callable[[Asked], Answer | Awaitable[Answer]] = lambda asked: (200, {}, {})
        self._server: asyncio.Server | None = None
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            asked = await _request(reader)
            answer = await self._answer(asked)
            if answer is not None:
                writer.write(_response(answer))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    async def _answer(self, asked: Asked) -> Answer:
        if asked.path == "/services/oauth2/token":
            if self.slow_login is not None:
                return await self.slow_login(asked)
            if self.login_answer is not None:
                return self.login_answer(asked)
            self.logins += 1
            token = f"00D000000000001!{self.logins}"
            identity = f"{self.url}/id/00D000000000001EAA/005000000000001AAA"
            return 200, {"access_token": token, "instance_url": self.url, "id": identity}, {}
        self.asked.append(asked)
        answer = self.answer(asked)
        return await answer if isinstance(answer, Awaitable) else answer


async def _request(reader: asyncio.StreamReader) -> Asked:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("ascii").split("\r\n")
    method, path, _ = head[0].split(" ")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:]) if name}
    if headers.get("transfer-encoding") == "chunked":
        body = await _chunked(reader)
    else:
        body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Asked(method, path, headers, body)


async def _chunked(reader: asyncio.StreamReader) -> bytes:
    body = b""
    while size := int(await reader.readline(), 16):
        body += (await reader.readexactly(size + 2))[:-2]
    await reader.readline()
    return body


def _response(answer: tuple[int, Any, Mapping[str, str]]) -> bytes:
    status, body, extra = answer
    content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    headers = {"Date": formatdate(usegmt=True), "Content-Type": "application/json", **extra}
    lines = [f"HTTP/1.1 {status} X", *(f"{name}: {value}" for name, value in headers.items())]
    lines += [f"Content-Length: {len(content)}", "Connection: close", "", ""]
    return "\r\n".join(lines).encode() + content


@dataclass
class Stream:
    """One Subscribe call on the server: what the client asked for, and ways to answer."""

    first: pb.FetchRequest
    token: str
    context: Any
    requests: asyncio.Queue[pb.FetchRequest] = field(default_factory=asyncio.Queue)

    async def send(self, *events: pb.ConsumerEvent, latest: bytes = b"") -> None:
        await self.context.write(pb.FetchResponse(events=events, latest_replay_id=latest))

    async def send_managed(self, *events: pb.ConsumerEvent, latest: bytes = b"") -> None:
        await self.context.write(pb.ManagedFetchResponse(events=events, latest_replay_id=latest))

    async def fail(self, status: grpc.StatusCode, code: str = "", text: str = "failed") -> None:
        if code:
            self.context.set_trailing_metadata((("error-code", CODES + code), ("rpc-id", "r-1")))
        await self.context.abort(status, text)

    async def wait_cancelled(self) -> None:
        await asyncio.Event().wait()


Script = Callable[[Stream], Awaitable[None]]


class PubSubPeer(PubSubServicer):
    """An org's event bus: each Subscribe runs the next script, the last one again and again."""

    def __init__(self) -> None:
        self.scripts: list[Script] = []
        self.managed: Script = Stream.wait_cancelled
        self.streams: list[Stream] = []
        self.schemas = {"account-1": schema_json()}
        self.schema_calls: list[str] = []
        self.topics = {TOPIC}
        self.can_subscribe = True
        self.revoked: set[str] = set()
        self.refused_methods: set[str] = set()
        self.calls = 0
        self.metadata: list[dict[str, str]] = []
        self.schema_asked = asyncio.Event()
        self.schema_gate: asyncio.Event | None = None
        self._server: grpc.aio.Server | None = None
        self.port = 0

    @property
    def endpoint(self) -> str:
        return f"127.0.0.1:{self.port}"

    async def start(self, patient: bool = True, leaf: Leaf | None = None) -> None:
        """Listen; an impatient server hangs up on clients that ping more than every five minutes.

        With a certificate it speaks TLS.
        """
        free = [("grpc.http2.min_ping_interval_without_data_ms", 1), ("grpc.http2.max_ping_strikes", 0)]
        self._server = grpc.aio.server(options=free if patient else [])
        add_PubSubServicer_to_server(self, self._server)  # type: ignore[no-untyped-call]  # generated
        if leaf is None:
            self.port = self._server.add_insecure_port("127.0.0.1:0")
        else:
            pair = (leaf.key.read_bytes(), leaf.certificate.read_bytes())
            self.port = self._server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials([pair]))
        await self._server.start()

    async def stop(self) -> None:
        if self._server is not None:
            await self._server.stop(None)

    async def GetTopic(self, request: Any, context: Any) -> Any:
        await self._authorize(context, "GetTopic")
        if request.topic_name not in self.topics:
            text = f"The topic information for org CORE/prod/00D and topic {request.topic_name} not found"
            await context.abort(grpc.StatusCode.NOT_FOUND, text)
        return pb.TopicInfo(topic_name=request.topic_name, can_subscribe=self.can_subscribe)

    async def GetSchema(self, request: Any, context: Any) -> Any:
        await self._authorize(context, "GetSchema")
        self.schema_calls.append(request.schema_id)
        self.schema_asked.set()
        if self.schema_gate is not None:
            await self.schema_gate.wait()
        if request.schema_id not in self.schemas:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "Schema validation failed.")
        return pb.SchemaInfo(schema_id=request.schema_id, schema_json=self.schemas[request.schema_id])

    async def Subscribe(self, request_iterator: AsyncIterator[Any], context: Any) -> None:
        await self._authorize(context, "Subscribe")
        first = await anext(request_iterator)
        script = self.scripts[min(len(self.streams), len(self.scripts) - 1)]
        stream = Stream(first, _token(context), context)
        self.streams.append(stream)
        reading = asyncio.create_task(_forward(request_iterator, stream.requests))
        try:
            await script(stream)
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)

    async def ManagedSubscribe(self, request_iterator: AsyncIterator[Any], context: Any) -> None:
        await self._authorize(context, "ManagedSubscribe")
        stream = Stream(await anext(request_iterator), _token(context), context)
        reading = asyncio.create_task(_forward(request_iterator, stream.requests))
        try:
            await self.managed(stream)
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)

    async def _authorize(self, context: Any, method: str) -> None:
        self.calls += 1
        told = context.invocation_metadata()
        self.metadata.append({"method": method, **{str(key): str(value) for key, value in told}})
        if _token(context) in self.revoked or method in self.refused_methods:
            context.set_trailing_metadata((("error-code", CODES + "service.auth.error"),))
            await context.abort(grpc.StatusCode.UNAUTHENTICATED, "An authentication exception occurred.")


def _token(context: Any) -> str:
    return str(dict(context.invocation_metadata())["accesstoken"])


async def _forward(requests: AsyncIterator[Any], queue: asyncio.Queue[pb.FetchRequest]) -> None:
    async for request in requests:
        queue.put_nowait(request)


class BlackholeProxy:
    """Forwards TCP until ``swallow``; then takes everything and passes nothing on, and nobody is told."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._open = asyncio.Event()
        self._open.set()
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.port = 0

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    def swallow(self) -> None:
        self._open.clear()

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", self._target)
        for source, sink in ((reader, back), (there, writer)):
            task = asyncio.create_task(self._pass(source, sink))
            self._tasks.add(task)

    async def _pass(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        try:
            while data := await source.read(65536):
                if self._open.is_set():
                    sink.write(data)
                    await sink.drain()
        except ConnectionError:
            return
        finally:
            sink.close()
            with contextlib.suppress(ConnectionError, asyncio.CancelledError):
                await sink.wait_closed()
