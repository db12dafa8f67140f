"""The Pub/Sub API: the six rpcs over the org's event bus.

Semantics follow the vendor's Pub/Sub API guide: additive credit capped at 100, the first request alone fixes
topic and start, an empty response with an advanced replay id keeps a quiet subscription alive, a subscription
without credit is ended, errors carry the trailers ``error-code`` and ``rpc-id``.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable
from typing import Any, NoReturn, TypeVar

import grpc
import grpc.aio
from google.protobuf.message import DecodeError

from adapters.salesforce import pubsub_api_pb2 as pb
from adapters.sandbox.salesforce.identity.tokens import Tokens
from adapters.sandbox.salesforce.org import ids
from adapters.sandbox.salesforce.org.org import Org
from adapters.sandbox.salesforce.pubsub import publishing, subscription
from adapters.sandbox.salesforce.pubsub.delivery import Timings
from adapters.sandbox.salesforce.pubsub.managed import ManagedCall
from adapters.sandbox.salesforce.pubsub.refusals import (
    DROPPED,
    ERROR_PREFIX,
    UNAUTHENTICATED,
    BadRequest,
    Broken,
    Damaged,
    damaged,
    invalid,
    subscribable,
    unknown_topic,
)

M = TypeVar("M")


class PubSub:
    """Handlers of the service ``eventbus.v1.PubSub``."""

    def __init__(self, org: Org, tokens: Tokens, timings: Timings) -> None:
        self.org = self._org = org
        self._tokens = tokens
        self._timings = timings

    async def subscribe(self, requests: AsyncIterator[pb.FetchRequest], context: Any) -> AsyncIterator[bytes]:
        """Streams events for as long as the client grants credit."""
        rpc_id = await self._enter(context)
        responses = subscription.subscribe(self._org, self._timings, _sound(requests), rpc_id)
        async for response in self._guarded(responses, context, rpc_id):
            yield response

    async def managed_subscribe(
        self, requests: AsyncIterator[pb.ManagedFetchRequest], context: Any
    ) -> AsyncIterator[bytes]:
        """Streams events from the place that the org keeps for the subscriber."""
        rpc_id = await self._enter(context)
        responses = ManagedCall(self._org, self._timings, rpc_id).run(_sound(requests))
        async for response in self._guarded(responses, context, rpc_id):
            yield response

    async def _guarded(
        self, responses: AsyncIterator[bytes], context: Any, rpc_id: str
    ) -> AsyncIterator[bytes]:
        try:
            async for response in responses:
                yield response
        except BadRequest as error:
            await self._abort(context, error, rpc_id)
        except Broken:
            await context.abort(grpc.StatusCode.UNAVAILABLE, DROPPED)

    async def publish(self, request: pb.PublishRequest, context: Any) -> pb.PublishResponse:
        """Publishes platform events."""
        rpc_id = await self._enter(context)
        if isinstance(request, Damaged):
            await self._abort(context, damaged(), rpc_id)
        try:
            return publishing.publish(self._org, request, rpc_id)
        except BadRequest as error:
            await self._abort(context, error, rpc_id)

    async def publish_stream(
        self, requests: AsyncIterator[pb.PublishRequest], context: Any
    ) -> AsyncIterator[pb.PublishResponse]:
        """Publishes request by request; the first one fixes the topic, idleness ends the stream."""
        rpc_id = await self._enter(context)
        topic = ""
        incoming = aiter(_sound(requests))
        while True:
            try:
                async with asyncio.timeout(self._timings.publish_timeout):
                    request = await anext(incoming, None)
            except TimeoutError:
                return
            except BadRequest as error:
                await self._abort(context, error, rpc_id)
            if request is None or request is grpc.aio.EOF:
                return
            try:
                if topic and request.topic_name not in ("", topic):
                    raise invalid("publish.topic.name.invalid", "The topic can't change within a stream.")
                topic = topic or request.topic_name
                request.topic_name = topic
                response = publishing.publish(self._org, request, rpc_id)
            except BadRequest as error:
                await self._abort(context, error, rpc_id)
            yield response

    async def get_topic(self, request: pb.TopicRequest, context: Any) -> pb.TopicInfo:
        """Describes a topic; a topic of several objects has a blank schema id."""
        rpc_id = await self._enter(context)
        if isinstance(request, Damaged):
            await self._abort(context, damaged(), rpc_id)
        topic = self._org.topic(request.topic_name)
        if topic is None:
            await self._abort(context, unknown_topic(self._org, request.topic_name), rpc_id)
        return pb.TopicInfo(
            topic_name=request.topic_name,
            tenant_guid=f"core/prod/{self._org.id}",
            can_publish=topic.publishable,
            can_subscribe=subscribable(self._org, topic),
            schema_id=self._org.schema_of(next(iter(topic.members))).id if topic.single else "",
            rpc_id=rpc_id,
        )

    async def get_schema(self, request: pb.SchemaRequest, context: Any) -> pb.SchemaInfo:
        """The Avro schema of an id, past versions included."""
        rpc_id = await self._enter(context)
        if isinstance(request, Damaged):
            await self._abort(context, damaged(), rpc_id)
        if not request.schema_id:
            text = "Schema validation failed. The schema ID can't be blank"
            await self._abort(context, invalid("schema.validation.failed", text), rpc_id)
        schema = self._org.schemas.get(request.schema_id)
        if schema is None:
            text = f"The schema with ID {request.schema_id} was not found"
            error = BadRequest(grpc.StatusCode.NOT_FOUND, "schema.not.found", text)
            await self._abort(context, error, rpc_id)
        return pb.SchemaInfo(schema_json=schema.json, schema_id=schema.id, rpc_id=rpc_id)

    async def _enter(self, context: Any) -> str:
        """Checks the metadata that every call must carry; returns the id of this call."""
        rpc_id = str(uuid.uuid4())
        metadata = {str(key).lower(): str(value) for key, value in context.invocation_metadata() or ()}
        user = self._tokens.user(metadata.get("accesstoken", ""))
        url_fits = metadata.get("instanceurl", "").startswith(("http://", "https://"))
        tenant = ids.full(metadata.get("tenantid", ""))
        if user is None or not url_fits or tenant != self._org.id:
            status = grpc.StatusCode.UNAUTHENTICATED
            await self._abort(context, BadRequest(status, "service.auth.error", UNAUTHENTICATED), rpc_id)
        return rpc_id

    async def _abort(self, context: Any, error: BadRequest, rpc_id: str) -> NoReturn:
        trailers = (("error-code", ERROR_PREFIX + error.code), ("rpc-id", rpc_id))
        await context.abort(error.status, f"{error.text} rpcId: {rpc_id}", trailers)
        raise AssertionError("abort ends the call")


async def _sound(requests: AsyncIterator[M]) -> AsyncIterator[M]:
    """The requests, up to one that cannot be decoded. Raises BadRequest for that one."""
    async for request in requests:
        if isinstance(request, Damaged):
            raise damaged()
        yield request


def _reading(kind: Any) -> Callable[[bytes], Any]:
    """Decodes a message, or tells that it cannot."""

    def read(data: bytes) -> Any:
        try:
            return kind.FromString(data)
        except DecodeError:
            return Damaged()

    return read


def handlers(service: PubSub) -> grpc.GenericRpcHandler:
    """The service as gRPC registers it. Subscriptions hand out responses that are serialized already."""
    return grpc.method_handlers_generic_handler(
        "eventbus.v1.PubSub",
        {
            "Subscribe": grpc.stream_stream_rpc_method_handler(
                service.subscribe, _reading(pb.FetchRequest), bytes
            ),
            "ManagedSubscribe": grpc.stream_stream_rpc_method_handler(
                service.managed_subscribe, _reading(pb.ManagedFetchRequest), bytes
            ),
            "Publish": grpc.unary_unary_rpc_method_handler(
                service.publish, _reading(pb.PublishRequest), pb.PublishResponse.SerializeToString
            ),
            "PublishStream": grpc.stream_stream_rpc_method_handler(
                service.publish_stream, _reading(pb.PublishRequest), pb.PublishResponse.SerializeToString
            ),
            "GetTopic": grpc.unary_unary_rpc_method_handler(
                service.get_topic, _reading(pb.TopicRequest), pb.TopicInfo.SerializeToString
            ),
            "GetSchema": grpc.unary_unary_rpc_method_handler(
                service.get_schema, _reading(pb.SchemaRequest), pb.SchemaInfo.SerializeToString
            ),
        },
    )
