"""What is measured: requests, events and memory."""

from __future__ import annotations

import asyncio
import json
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import grpc

from adapters.salesforce import pubsub_api_pb2 as pb
from tests.benchmarks.sandbox.load import Wanted, drained, published, request, requests_per_second
from tests.benchmarks.sandbox.processes import Caller, Served, sandbox, served

TOPIC = "/data/AccountChangeEvent"
NOTICE = "/event/Erp_Notice__e"
#: A notice in Avro: created at 0 by "x", document "D", the rest null.
PAYLOAD = b"\x00\x02x\x02\x02D\x00\x00"
DATA = "/services/data/v62.0/sobjects/Account"


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure. ``ratio`` is ours to the reference's; more is better but for bytes."""

    name: str
    unit: str
    ours: float
    reference: float
    what: str

    @property
    def ratio(self) -> float:
        return self.ours / self.reference


def traffic(events: int, seconds: float) -> Iterator[Figure]:
    """Requests and events a second, beside a bare handler and a bare stream of the same bytes."""
    with sandbox() as ours, tempfile.TemporaryDirectory() as folder:
        caller = Caller(ours.told)
        try:
            caller.create(events)
            record = caller.get("query?q=SELECT+Id+FROM+Account+LIMIT+1")["records"][0]["Id"]
            body = json.dumps(caller.get(f"sobjects/Account/{record}")).encode()
            files = [Path(folder) / "body", Path(folder) / "frames"]
            files[0].write_bytes(body)
            frame = _frame(ours, caller)
            files[1].write_text("\n".join([frame.hex()] * events))
            with served("tests.benchmarks.sandbox.bare", *map(str, files)) as bare:
                yield from _requests(ours, bare, caller.token, record, seconds)
                yield from _events(ours, bare, caller, events)
                yield from _live(ours, bare, caller, events)
        finally:
            caller.close()


def _requests(ours: Served, bare: Served, token: str, record: str, seconds: float) -> Iterator[Figure]:
    port = int(ours.told["http"].rpartition(":")[2])

    def rate(at: int, make: Callable[[int], bytes]) -> float:
        return asyncio.run(requests_per_second(at, make, seconds))

    read = request("GET", f"{DATA}/{record}", token)
    bare_read = rate(bare.told["http"], lambda _: request("GET", "/record", token))
    yield Figure("read", "requests/s", rate(port, lambda _: read), bare_read, "bare handler, same body")
    number = iter(range(10**9))

    def creating(_: int) -> bytes:
        return request("POST", DATA, token, json.dumps({"Name": f"New {next(number)}"}).encode())

    bare_write = rate(bare.told["http"], lambda _: request("POST", "/record", token, b'{"Name": "New 1"}'))
    yield Figure("create", "requests/s", rate(port, creating), bare_write, "bare handler that reads JSON")

    def updating(_: int) -> bytes:
        return request("PATCH", f"{DATA}/{record}", token, json.dumps({"Phone": str(next(number))}).encode())

    yield Figure("update", "requests/s", rate(port, updating), bare_write, "bare handler that reads JSON")


def _events(ours: Served, bare: Served, caller: Caller, events: int) -> Iterator[Figure]:
    for subscribers in (1, 10):
        count = events // subscribers
        mine = asyncio.run(drained(ours.told["grpc_plaintext"], caller.metadata, TOPIC, count, subscribers))
        theirs = asyncio.run(drained(bare.told["grpc"], caller.metadata, TOPIC, count, subscribers))
        what = "bare stream of the same frames"
        yield Figure(f"events to {subscribers}", "events/s", mine, theirs, what)


def _live(ours: Served, bare: Served, caller: Caller, events: int) -> Iterator[Figure]:
    """Events that are published while the subscribers wait for them."""
    target, metadata = ours.told["grpc_plaintext"], caller.metadata
    with grpc.insecure_channel(target) as channel:
        describe = channel.unary_unary(
            "/eventbus.v1.PubSub/GetTopic", pb.TopicRequest.SerializeToString, pb.TopicInfo.FromString
        )
        schema = describe(pb.TopicRequest(topic_name=NOTICE), metadata=metadata).schema_id
    for subscribers in (1, 10):
        count = max(100, events // subscribers // 100 * 100)
        event = pb.ProducerEvent(schema_id=schema, payload=PAYLOAD)
        wanted = Wanted(count, subscribers)
        mine = asyncio.run(published(target, metadata, NOTICE, event, wanted))
        theirs = asyncio.run(drained(bare.told["grpc"], metadata, TOPIC, count, subscribers))
        what = "bare stream of ready frames"
        yield Figure(f"published to {subscribers}", "events/s", mine, theirs, what)


def _frame(ours: Served, caller: Caller) -> bytes:
    """One event as it is sent, for the bare stream."""
    with grpc.insecure_channel(ours.told["grpc_plaintext"]) as channel:
        subscribe = channel.stream_stream(
            "/eventbus.v1.PubSub/Subscribe", pb.FetchRequest.SerializeToString, pb.FetchResponse.FromString
        )
        first = pb.FetchRequest(topic_name=TOPIC, num_requested=1, replay_preset=pb.EARLIEST)
        call = subscribe(iter([first]), metadata=caller.metadata)
        response = next(call)
        call.cancel()
    data: bytes = pb.FetchResponse(events=response.events).SerializeToString()
    return data


def memory(most: int) -> Iterator[Figure]:
    """Resident bytes a record at 10⁴, 10⁵, … records, beside the record's JSON text without nulls."""
    with sandbox() as empty:
        base = empty.memory()
    count = 10_000
    while count <= most:
        started = time.monotonic()
        with sandbox("--accounts", str(count), "--history-hours", "100") as ours:
            seconds = time.monotonic() - started
            caller = Caller(ours.told)
            try:
                held = (ours.memory() - base) / count
                text = _text(caller)
                yield Figure(f"memory at {count}", "bytes a record", held, text, "JSON text without nulls")
                bare = count / seconds
                yield Figure(f"start with {count}", "records/s", bare, bare, "itself")
            finally:
                caller.close()
        count *= 10


def _text(caller: Caller) -> float:
    record = caller.get("query?q=SELECT+Id+FROM+Account+LIMIT+1")["records"][0]["Id"]
    body = caller.get(f"sobjects/Account/{record}")
    kept = {name: value for name, value in body.items() if value is not None and name != "attributes"}
    return float(len(json.dumps(kept, ensure_ascii=False).encode()))
