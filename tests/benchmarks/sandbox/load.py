"""Load from one process: requests over kept connections, and subscribers that count what they are sent."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import grpc.aio

from adapters.salesforce import pubsub_api_pb2 as pb

CONNECTIONS = 8
CREDIT = 100
Metadata = list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Wanted:
    """How many events each of so many subscribers waits for; a multiple of a hundred."""

    count: int
    subscribers: int


async def requests_per_second(port: int, make: Callable[[int], bytes], seconds: float) -> float:
    """How many requests a server answers over eight connections, one at a time on each."""
    deadline = time.monotonic() + seconds
    started = time.monotonic()
    counts = await asyncio.gather(*(_caller(port, make, at, deadline) for at in range(CONNECTIONS)))
    return sum(counts) / (time.monotonic() - started)


async def _caller(port: int, make: Callable[[int], bytes], first: int, deadline: float) -> int:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    done = 0
    try:
        while time.monotonic() < deadline:
            writer.write(make(first + done * CONNECTIONS))
            await writer.drain()
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            status = int(head.split(b" ", 2)[1])
            if status >= 400:
                raise RuntimeError(f"a request was answered {status}")
            mark = head.find(b"content-length:")
            length = int(head[mark + 15 :].split(b"\r\n", 1)[0]) if mark >= 0 else 0
            await reader.readexactly(length)
            done += 1
    finally:
        writer.close()
        await writer.wait_closed()
    return done


def request(method: str, path: str, token: str, body: bytes = b"") -> bytes:
    """One HTTP request."""
    return (
        f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    ).encode() + body


async def drained(target: str, metadata: Metadata, topic: str, count: int, subscribers: int) -> float:
    """Events a second, over all subscribers, until each has been sent ``count`` from the earliest one on."""
    async with grpc.aio.insecure_channel(target) as channel:
        started = time.monotonic()
        await asyncio.gather(*(_subscriber(channel, metadata, topic, count) for _ in range(subscribers)))
        return count * subscribers / (time.monotonic() - started)


async def published(
    target: str, metadata: Metadata, topic: str, event: pb.ProducerEvent, wanted: Wanted
) -> float:
    """Events a second, over all subscribers, from the first publish until each has been sent all of them."""
    async with grpc.aio.insecure_channel(target) as channel:
        publish = channel.unary_unary(
            "/eventbus.v1.PubSub/Publish",
            pb.PublishRequest.SerializeToString,
            pb.PublishResponse.FromString,
        )
        marker = await publish(pb.PublishRequest(topic_name=topic, events=[event]), metadata=metadata)
        tip = marker.results[0].replay_id
        waiting = [
            asyncio.ensure_future(_subscriber(channel, metadata, topic, wanted.count, tip))
            for _ in range(wanted.subscribers)
        ]
        request = pb.PublishRequest(topic_name=topic, events=[event] * CREDIT)
        started = time.monotonic()
        for _ in range(wanted.count // CREDIT):
            await publish(request, metadata=metadata)
        await asyncio.gather(*waiting)
        return wanted.count * wanted.subscribers / (time.monotonic() - started)


async def _subscriber(channel: Any, metadata: Metadata, topic: str, count: int, after: bytes = b"") -> None:
    more: asyncio.Queue[int] = asyncio.Queue()
    more.put_nowait(CREDIT)

    async def asking() -> AsyncIterator[pb.FetchRequest]:
        while granted := await more.get():
            preset = pb.CUSTOM if after else pb.EARLIEST
            yield pb.FetchRequest(
                topic_name=topic, num_requested=granted, replay_preset=preset, replay_id=after
            )

    subscribe = channel.stream_stream(
        "/eventbus.v1.PubSub/Subscribe", pb.FetchRequest.SerializeToString, pb.FetchResponse.FromString
    )
    call = subscribe(asking(), metadata=metadata)
    seen = 0
    async for response in call:
        seen += len(response.events)
        if seen >= count:
            break
        if response.events:
            more.put_nowait(len(response.events))
    more.put_nowait(0)
    call.cancel()
