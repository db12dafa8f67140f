"""The bare reference: the same subscription, decoded by fastavro, one transaction for each response."""

from __future__ import annotations

import asyncio
import io
import sqlite3
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import fastavro
import grpc
import grpc.aio
import orjson

from adapters.salesforce import pubsub_api_pb2 as pb
from agent.store.database import connect
from tests.benchmarks.streaming.org import TOPIC, BusyOrg

CREDIT = 100
_PACKAGE = "/eventbus.v1.PubSub"


class Subscriber:
    """A plain client of the event bus."""

    def __init__(self, org: BusyOrg, endpoint: str) -> None:
        roots = Path(org.told["ca_file"]).read_bytes()
        self._metadata = org.metadata
        self._channel = grpc.aio.secure_channel(
            endpoint, grpc.ssl_channel_credentials(roots), options=[("grpc.use_local_subchannel_pool", 1)]
        )
        self._schemas: dict[str, Any] = {}

    async def close(self) -> None:
        """Hang up."""
        await self._channel.close(None)

    async def responses(self, position: bytes) -> AsyncIterator[pb.FetchResponse]:
        """What comes behind a position; credit is given back on receipt."""
        subscribe = self._channel.stream_stream(
            f"{_PACKAGE}/Subscribe", pb.FetchRequest.SerializeToString, pb.FetchResponse.FromString
        )
        call = subscribe(metadata=self._metadata)
        first = (
            {"replay_preset": pb.CUSTOM, "replay_id": position}
            if position
            else {"replay_preset": pb.EARLIEST}
        )
        try:
            await call.write(pb.FetchRequest(topic_name=TOPIC, num_requested=CREDIT, **first))
            while (response := await call.read()) is not grpc.aio.EOF:
                if response.events:
                    await call.write(pb.FetchRequest(topic_name=TOPIC, num_requested=len(response.events)))
                yield response
        finally:
            call.cancel()

    async def receive(self, position: bytes, last: bytes) -> list[tuple[pb.ConsumerEvent, float]]:
        """The events up to that one, and when each came, by the monotonic clock."""
        found: list[tuple[pb.ConsumerEvent, float]] = []
        async for response in self.responses(position):
            now = time.monotonic()
            found += [(event, now) for event in response.events]
            if response.events and response.events[-1].replay_id == last:
                break
        return found

    async def some(self, position: bytes, count: int) -> list[tuple[pb.ConsumerEvent, float]]:
        """So many events, and when each came, by the monotonic clock."""
        found: list[tuple[pb.ConsumerEvent, float]] = []
        async for response in self.responses(position):
            now = time.monotonic()
            found += [(event, now) for event in response.events]
            if len(found) >= count:
                break
        return found

    async def keep(self, position: bytes, last: bytes, mirror: Mirror) -> None:
        """The events up to that one, durable: a document for each record, and the position."""
        async for response in self.responses(position):
            if not response.events:
                continue
            mirror.keep([await self.decoded(each) for each in response.events], response.latest_replay_id)
            if response.events[-1].replay_id == last:
                break

    async def decoded(self, consumed: pb.ConsumerEvent) -> Mapping[str, Any]:
        """An event as fastavro reads it."""
        schema = self._schemas.get(consumed.event.schema_id)
        if schema is None:
            ask = self._channel.unary_unary(
                f"{_PACKAGE}/GetSchema", pb.SchemaRequest.SerializeToString, pb.SchemaInfo.FromString
            )
            told = await ask(pb.SchemaRequest(schema_id=consumed.event.schema_id), metadata=self._metadata)
            schema = fastavro.parse_schema(orjson.loads(told.schema_json))
            self._schemas[consumed.event.schema_id] = schema
        found: Mapping[str, Any] = fastavro.schemaless_reader(  # type: ignore[assignment] # a record
            io.BytesIO(consumed.event.payload), schema, None
        )
        return found


class Mirror:
    """A document for each record, and how far the stream was taken."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._connection.execute("CREATE TABLE mirror (id TEXT PRIMARY KEY, document TEXT NOT NULL)")
        self._connection.execute("CREATE TABLE place (stream TEXT PRIMARY KEY, position BLOB NOT NULL)")

    def keep(self, events: list[Mapping[str, Any]], position: bytes) -> None:
        """One transaction."""
        rows = [
            (identifier, orjson.dumps(event).decode())
            for event in events
            for identifier in event["ChangeEventHeader"]["recordIds"]
        ]
        execute = self._connection.execute
        execute("BEGIN IMMEDIATE")
        self._connection.executemany(
            "INSERT INTO mirror VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET document = excluded.document",
            rows,
        )
        execute(
            "INSERT INTO place VALUES (?, ?) ON CONFLICT (stream) DO UPDATE SET position = excluded.position",
            (TOPIC, position),
        )
        execute("COMMIT")


@asynccontextmanager
async def subscriber(org: BusyOrg, endpoint: str) -> AsyncIterator[Subscriber]:
    """A client while the block runs."""
    made = Subscriber(org, endpoint)
    try:
        yield made
    finally:
        await made.close()
        await asyncio.sleep(0)  # the channel's own tasks end


@contextmanager
def mirror(file: Path) -> Iterator[Mirror]:
    """A database with the settings of the product's own: every transaction is on the disk."""
    connection = connect(file)
    try:
        yield Mirror(connection)
    finally:
        connection.close()
