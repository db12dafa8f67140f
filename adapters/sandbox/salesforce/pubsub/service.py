"""The Pub/Sub API: Subscribe, GetTopic and GetSchema over the org's event stream.

Semantics follow the vendor's Pub/Sub API guide: additive credit capped at 100, the first request alone
fixes topic
and start, an empty response with an advanced replay id keeps a quiet subscription alive, a subscription
without
credit is ended, errors carry the trailers ``error-code`` and ``rpc-id``.
"""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from typing import Any, NoReturn

import grpc
import grpc.aio

from adapters.salesforce import pubsub_api_pb2 as pb
from adapters.sandbox.salesforce.cdc.stream import UnknownReplayId
from adapters.sandbox.salesforce.identity.tokens import Tokens
from adapters.sandbox.salesforce.org import ids
from adapters.sandbox.salesforce.org.org import ALL_CHANGES, Org
from adapters.sandbox.salesforce.pubsub.subscription import (
    BadRequest,
    Broken,
    Subscription,
    Timings,
    unknown_topic,
)

ERROR_PREFIX = "sfdc.platform.eventbus.grpc."
_AUTH_TEXT = "An authentication exception occurred. Provide valid authentication via metadata headers."
_BREAK_TEXT = "RST_STREAM closed stream. HTTP/2 error code: NO_ERROR"


class PubSub:
    """Handlers of the service ``eventbus.v1.PubSub``."""

    def __init__(self, org: Org, tokens: Tokens, timings: Timings) -> None:
        self._org = org
        self._tokens = tokens
        self._timings = timings

    async def subscribe(
        self, requests: AsyncIterator[pb.FetchRequest], context: Any
    ) -> AsyncIterator[pb.FetchResponse]:
        """Streams events for as long as the client grants credit."""
        rpc_id = await self._enter(context)
        subscription = Subscription(self._org, self._timings, rpc_id)
        try:
            async for response in subscription.run(requests):
                yield response
        except BadRequest as error:
            await self._abort(context, error.status, error.code, error.text, rpc_id)
        except UnknownReplayId:
            text = (
                "The replay ID validation failed. Ensure that the replay ID is valid and is within the "
                "retention window."
            )
            code = "subscription.fetch.replayid.corrupted"
            await self._abort(context, grpc.StatusCode.INVALID_ARGUMENT, code, text, rpc_id)
        except Broken:
            await context.abort(grpc.StatusCode.UNAVAILABLE, _BREAK_TEXT)

    async def get_topic(self, request: pb.TopicRequest, context: Any) -> pb.TopicInfo:
        """Describes a topic; a topic of several objects has a blank schema id."""
        rpc_id = await self._enter(context)
        names = self._org.topic_objects(request.topic_name)
        if names is None:
            error = unknown_topic(self._org, request.topic_name)
            await self._abort(context, error.status, error.code, error.text, rpc_id)
        several = request.topic_name == ALL_CHANGES
        return pb.TopicInfo(
            topic_name=request.topic_name,
            tenant_guid=f"core/prod/{self._org.id}",
            can_publish=False,
            can_subscribe=True,
            schema_id="" if several else self._org.schema_of(next(iter(names))).id,
            rpc_id=rpc_id,
        )

    async def get_schema(self, request: pb.SchemaRequest, context: Any) -> pb.SchemaInfo:
        """The Avro schema of an id, past versions included."""
        rpc_id = await self._enter(context)
        if not request.schema_id:
            text = "Schema validation failed. The schema ID can't be blank"
            code = "schema.validation.failed"
            await self._abort(context, grpc.StatusCode.INVALID_ARGUMENT, code, text, rpc_id)
        schema = self._org.schemas.get(request.schema_id)
        if schema is None:
            text = f"The schema with ID {request.schema_id} was not found"
            await self._abort(context, grpc.StatusCode.NOT_FOUND, "schema.not.found", text, rpc_id)
        return pb.SchemaInfo(schema_json=schema.json, schema_id=schema.id, rpc_id=rpc_id)

    async def _enter(self, context: Any) -> str:
        """Checks the metadata that every call must carry; returns the id of this call."""
        rpc_id = str(uuid.uuid4())
        metadata = {str(key).lower(): str(value) for key, value in context.invocation_metadata() or ()}
        user = self._tokens.user(metadata.get("accesstoken", ""))
        url_fits = metadata.get("instanceurl", "").startswith(("http://", "https://"))
        tenant = ids.full(metadata.get("tenantid", ""))
        if user is None or not url_fits or tenant != self._org.id:
            code = "service.auth.error"
            await self._abort(context, grpc.StatusCode.UNAUTHENTICATED, code, _AUTH_TEXT, rpc_id)
        return rpc_id

    async def _abort(
        self, context: Any, status: grpc.StatusCode, code: str, text: str, rpc_id: str
    ) -> NoReturn:
        trailers = (("error-code", ERROR_PREFIX + code), ("rpc-id", rpc_id))
        await context.abort(status, f"{text} rpcId: {rpc_id}", trailers)
        raise AssertionError("abort ends the call")


def handlers(service: PubSub) -> grpc.GenericRpcHandler:
    """The service as gRPC registers it. The rpcs that are not here answer UNIMPLEMENTED."""
    return grpc.method_handlers_generic_handler(
        "eventbus.v1.PubSub",
        {
            "Subscribe": grpc.stream_stream_rpc_method_handler(
                service.subscribe, pb.FetchRequest.FromString, pb.FetchResponse.SerializeToString
            ),
            "GetTopic": grpc.unary_unary_rpc_method_handler(
                service.get_topic, pb.TopicRequest.FromString, pb.TopicInfo.SerializeToString
            ),
            "GetSchema": grpc.unary_unary_rpc_method_handler(
                service.get_schema, pb.SchemaRequest.FromString, pb.SchemaInfo.SerializeToString
            ),
        },
    )
