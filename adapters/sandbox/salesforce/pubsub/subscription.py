"""The life of one Subscribe call."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import grpc.aio

from adapters.salesforce import pubsub_api_pb2 as pb
from adapters.sandbox.salesforce.cdc.channels import Topic
from adapters.sandbox.salesforce.cdc.stream import Subscribed, UnknownReplayId
from adapters.sandbox.salesforce.org.org import Org
from adapters.sandbox.salesforce.pubsub.delivery import Batch, Delivery, Timings
from adapters.sandbox.salesforce.pubsub.refusals import (
    BadRequest,
    corrupted,
    forbidden,
    invalid,
    subscribable,
    unknown_topic,
)


async def subscribe(
    org: Org, timings: Timings, requests: AsyncIterator[pb.FetchRequest], rpc_id: str
) -> AsyncIterator[bytes]:
    """Yields serialized responses until the client is done, does wrong, or lets its credit lapse."""
    first = await anext(aiter(requests), None)
    if first is None or first is grpc.aio.EOF:
        return
    topic = org.topic(first.topic_name)
    if topic is None:
        raise unknown_topic(org, first.topic_name)
    if not subscribable(org, topic):
        raise forbidden(topic.name)
    begun = Subscribed(topic.name, pb.ReplayPreset.Name(first.replay_preset), first.replay_id.hex())
    org.subscriptions.append(begun)
    if fault := org.faults.strike("refuse-stream", topic.members):
        code, _, text = (fault.detail or "subscription.fetch.request.invalid").partition(":")
        raise invalid(code.strip(), text.strip() or "The request is invalid.")
    delivery = Delivery(org, timings, topic, _start(org, first), begun)
    delivery.grant(first.num_requested)
    begun.open = True
    reader = asyncio.create_task(_read(requests, topic, delivery))
    try:
        if first.replay_preset == pb.LATEST:
            await delivery.settle()
        async for batch in delivery.batches():
            if batch is not None:
                yield _response(batch, rpc_id)
    finally:
        begun.open = False
        reader.cancel()
        await asyncio.gather(reader, return_exceptions=True)


def _start(org: Org, request: pb.FetchRequest) -> int:
    """The position that the first request names."""
    if request.replay_preset == pb.CUSTOM:
        if not request.replay_id:
            raise invalid(
                "subscription.fetch.replayid.validation.failed",
                "A valid replay ID is required with the replay preset CUSTOM.",
            )
        try:
            return org.stream.resolve(request.replay_id)
        except UnknownReplayId:
            raise corrupted() from None
    return org.stream.position if request.replay_preset == pb.LATEST else 0


async def _read(requests: AsyncIterator[pb.FetchRequest], topic: Topic, delivery: Delivery) -> None:
    """Takes further requests: only their credit counts, presets and replay ids are ignored."""
    try:
        async for request in requests:
            if request.topic_name not in ("", topic.name):
                raise invalid(
                    "subscription.fetch.topic.name.invalid",
                    "The topic name can't change within a subscription.",
                )
            delivery.grant(request.num_requested)
    except BadRequest as error:
        delivery.refuse(error)
        return
    delivery.close()


def _response(batch: Batch, rpc_id: str) -> bytes:
    rest = pb.FetchResponse(latest_replay_id=batch.latest, rpc_id=rpc_id, pending_num_requested=batch.credit)
    return b"".join((*batch.frames, rest.SerializeToString()))
