"""The life of one ManagedSubscribe call: the org keeps the subscriber's place, and commits ride in
requests.

A commit rides in no first request; it names what was delivered on this call, and nothing older than what was
committed before. A refused commit ends no call (vendor: Pub/Sub API guide, "Handle Errors", and the reference
of ManagedSubscribe).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import grpc
import grpc.aio

from adapters.salesforce import pubsub_api_pb2 as pb
from adapters.sandbox.salesforce.cdc.managed import ManagedSubscription
from adapters.sandbox.salesforce.cdc.stream import UnknownReplayId
from adapters.sandbox.salesforce.org.org import Org
from adapters.sandbox.salesforce.pubsub.delivery import Batch, Delivery, Timings
from adapters.sandbox.salesforce.pubsub.refusals import BadRequest, invalid, unknown_topic


class ManagedCall:
    """State of one call. ``run`` is its whole life."""

    def __init__(self, org: Org, timings: Timings, rpc_id: str) -> None:
        self._org = org
        self._timings = timings
        self._rpc_id = rpc_id
        self._commit: pb.CommitReplayResponse | None = None

    async def run(self, requests: AsyncIterator[pb.ManagedFetchRequest]) -> AsyncIterator[bytes]:
        """Yields serialized responses."""
        first = await anext(aiter(requests), None)
        if first is None or first is grpc.aio.EOF:
            return
        subscription = self._found(first)
        topic = self._org.topic(subscription.topic)
        if topic is None:
            raise unknown_topic(self._org, subscription.topic)
        if first.HasField("commit_replay_id_request"):
            raise invalid(
                "managed.subscription.fetch.request.commit.request.restricted",
                "The first request of a managed subscription can't commit a replay ID.",
            )
        position, settles = self._start(subscription)
        delivery = Delivery(self._org, self._timings, topic, position)
        self._take(first, subscription, delivery)
        reader = asyncio.create_task(self._read(requests, subscription, delivery))
        try:
            if settles:
                await delivery.settle()
            async for batch in delivery.batches():
                if batch is not None or self._commit is not None:
                    yield self._response(batch or Batch((), delivery.latest, delivery.credit))
            if self._commit is not None:
                yield self._response(Batch((), delivery.latest, delivery.credit))
        finally:
            reader.cancel()
            await asyncio.gather(reader, return_exceptions=True)

    def _found(self, request: pb.ManagedFetchRequest) -> ManagedSubscription:
        found = self._org.managed.find(request.subscription_id, request.developer_name)
        if found is None:
            what = "subscription.id" if request.subscription_id else "developer.name"
            raise BadRequest(
                grpc.StatusCode.NOT_FOUND,
                f"managed.subscription.{what}.not.found",
                "The managed event subscription was not found.",
            )
        if not found.running:
            raise BadRequest(
                grpc.StatusCode.FAILED_PRECONDITION,
                "managed.subscription.config.stopped",
                "The managed event subscription is not in the state RUN.",
            )
        return found

    def _start(self, subscription: ManagedSubscription) -> tuple[int, bool]:
        """Position, and whether it is the tip: behind what was committed, else as the subscription says."""
        preset = subscription.start
        if subscription.committed:
            try:
                return self._org.stream.resolve(subscription.committed), False
            except UnknownReplayId:
                preset = subscription.recovery
        return (0, False) if preset == "EARLIEST" else (self._org.stream.position, True)

    async def _read(
        self,
        requests: AsyncIterator[pb.ManagedFetchRequest],
        subscription: ManagedSubscription,
        delivery: Delivery,
    ) -> None:
        try:
            async for request in requests:
                named = request.subscription_id or request.developer_name
                if (
                    named
                    and self._org.managed.find(request.subscription_id, request.developer_name)
                    is not subscription
                ):
                    raise invalid(
                        "managed.subscription.invalid", "The subscription can't change within a call."
                    )
                self._take(request, subscription, delivery)
        except BadRequest as error:
            delivery.refuse(error)
            return
        delivery.close()

    def _take(
        self, request: pb.ManagedFetchRequest, subscription: ManagedSubscription, delivery: Delivery
    ) -> None:
        commits = request.HasField("commit_replay_id_request")
        if commits:
            self._commit = self._committed(request.commit_replay_id_request, subscription, delivery)
            delivery.nudge()
        if request.num_requested or not commits:
            delivery.grant(request.num_requested)

    def _committed(
        self, request: pb.CommitReplayRequest, subscription: ManagedSubscription, delivery: Delivery
    ) -> pb.CommitReplayResponse:
        """Keeps a place; several commits may be answered by the last one's response."""
        answer = pb.CommitReplayResponse(
            commit_request_id=request.commit_request_id,
            replay_id=request.replay_id,
            process_time=int(self._org.clock.now().timestamp() * 1000),
        )
        refusal = self._refusal(request.replay_id, subscription, delivery)
        if refusal:
            answer.error.code = pb.COMMIT
            answer.error.msg = refusal
        else:
            subscription.committed = request.replay_id
        return answer

    def _refusal(self, place: bytes, subscription: ManagedSubscription, delivery: Delivery) -> str:
        """Why a place cannot be committed; "" where it can."""
        resolve = self._org.stream.resolve
        try:
            position = resolve(place)
        except UnknownReplayId:
            return "The replay ID is not valid or not within the retention window."
        if position > resolve(delivery.latest):
            return "The replay ID was not delivered on this call."
        try:
            before = resolve(subscription.committed) if subscription.committed else 0
        except UnknownReplayId:
            before = 0
        return "The replay ID is older than the committed one." if position < before else ""

    def _response(self, batch: Batch) -> bytes:
        commit, self._commit = self._commit, None
        rest = pb.ManagedFetchResponse(
            latest_replay_id=batch.latest,
            rpc_id=self._rpc_id,
            pending_num_requested=batch.credit,
            commit_response=commit,
        )
        return b"".join((*batch.frames, rest.SerializeToString()))
