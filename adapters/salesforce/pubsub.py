"""Our client of the Pub/Sub API: one channel, the current session, schemas by id, errors by trailer."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

import grpc

from adapters.salesforce import avro
from adapters.salesforce import pubsub_api_pb2 as pb
from adapters.salesforce.auth import Login, Session
from adapters.salesforce.pubsub_api_pb2_grpc import PubSubStub
from adapters.salesforce.settings import Settings, loopback, split_endpoint
from adapters.salesforce.tls import grpc_roots
from agent.errors import PositionLost, Refused, RemoteError, Unreachable

#: A response is at most 3 MB; room for headers and a later, larger limit.
_MAX_MESSAGE = 16 * 1024 * 1024
_PREFIX = "sfdc.platform.eventbus.grpc."
_LOST = ("subscription.fetch.replayid.corrupted", "subscription.fetch.replayid.validation.failed")
_AUTH = ("service.auth.error", "service.auth.refresh.invalid")
_NO_SUCH_SCHEMA = (grpc.StatusCode.NOT_FOUND, grpc.StatusCode.INVALID_ARGUMENT)
#: The delivery allocation is counted over a rolling day: coming back at once only burns what is left.
_ALLOCATION_WAIT_S = 3600.0
_BUSY_WAIT_S = 300.0


class SessionEnded(Exception):
    """The access token of a call is no longer valid."""


class PubSub:
    """The Pub/Sub API of one org. To be made in the event loop that uses it.

    ``schemas`` keeps parsed schemas by id; it may outlive the channel.
    """

    def __init__(
        self,
        name: str,
        settings: Settings,
        login: Login,
        schemas: dict[str, avro.EventSchema],
        keepalive_s: float,
    ) -> None:
        self.name = name
        self._timeout = settings.request_timeout_s
        self._login = login
        self._channel = _channel(settings, keepalive_s)
        self._stub = PubSubStub(self._channel)  # type: ignore[no-untyped-call]  # generated
        self._schemas = schemas

    async def topic(self, topic: str) -> pb.TopicInfo:
        """What the org says about a topic. Raises Unreachable, Refused."""
        info: pb.TopicInfo = await self._ask(self._stub.GetTopic, pb.TopicRequest(topic_name=topic), topic)
        return info

    async def schema(self, schema_id: str, topic: str) -> avro.EventSchema:
        """The schema of an event, asked for once per id. Raises avro.Undecodable, Unreachable, Refused."""
        known = self._schemas.get(schema_id)
        if known is not None:
            return known
        if not schema_id:
            raise avro.Undecodable("the event names no schema")
        try:
            info = await self._ask(self._stub.GetSchema, pb.SchemaRequest(schema_id=schema_id), topic)
        except Refused as refused:
            cause = refused.__cause__
            if not isinstance(cause, grpc.aio.AioRpcError) or cause.code() not in _NO_SUCH_SCHEMA:
                raise
            raise avro.Undecodable(f"schema {schema_id} is not known: {refused.message}") from refused
        schema = avro.parse(schema_id, info.schema_json)
        self._schemas[schema_id] = schema
        return schema

    def subscribe(self, session: Session, first: pb.FetchRequest) -> Subscription:
        """Begin a subscription; errors show when it is read."""
        return Subscription(self._stub.Subscribe(metadata=_metadata(session)), first)

    async def session(self) -> Session:
        """The session for the next call. Raises Unreachable, Refused."""
        return await self._login.session()

    async def renew(self, stale: Session) -> Session:
        """A session newer than the given one. Raises Unreachable, Refused."""
        return await self._login.renew(stale)

    async def close(self) -> None:
        """Close the channel and whatever still runs on it."""
        await self._channel.close(None)

    def translate(self, error: grpc.aio.AioRpcError, topic: str) -> RemoteError | SessionEnded:
        """What a failed call means, by the trailer first: the status alone does not tell a lost position."""
        return translate(error, topic, self.name)

    async def _ask(self, method: Callable[..., Awaitable[Any]], request: Any, topic: str) -> Any:
        """One unary call; a session that has ended is renewed once."""
        session = await self._login.session()
        for last in (False, True):
            try:
                return await method(request, metadata=_metadata(session), timeout=self._timeout)
            except grpc.aio.AioRpcError as error:
                meant = self.translate(error, topic)
                if not isinstance(meant, SessionEnded):
                    raise meant from error
                if last:
                    raise rejected_session(self.name) from error
            session = await self._login.renew(session)
        raise AssertionError("unreachable")


class Subscription:
    """One open Subscribe call."""

    def __init__(self, call: Any, first: pb.FetchRequest) -> None:
        self._call = call
        self._first = first

    async def begin(self) -> None:
        """Send the first request, which fixes topic and position. Raises grpc.aio.AioRpcError."""
        await self._call.write(self._first)

    async def request(self, number: int) -> None:
        """Ask for more events. A call that has ended says why to the reader, so nothing is raised here."""
        with contextlib.suppress(asyncio.InvalidStateError, grpc.aio.AioRpcError):
            await self._call.write(pb.FetchRequest(topic_name=self._first.topic_name, num_requested=number))

    async def read(self) -> pb.FetchResponse | None:
        """The next response; None when the server has ended the stream. Raises grpc.aio.AioRpcError."""
        response = await self._call.read()
        return None if response is grpc.aio.EOF else response

    def cancel(self) -> None:
        """End the call here."""
        self._call.cancel()


def rejected_session(name: str) -> Refused:
    """The error for a session that was refused right after the login."""
    return Refused(
        "a new session was refused at once",
        where=name,
        remedy="give the integration user the permission 'API Enabled' and check the app's policies",
    )


def translate(error: grpc.aio.AioRpcError, topic: str, where: str) -> RemoteError | SessionEnded:
    """Map a failed call by its trailer ``error-code`` and status (Pub/Sub API guide, "Handle Errors")."""
    code = _error_code(error)
    status = error.code()
    text = f"{topic}: {error.details() or status.name}"
    if code in _LOST:
        return PositionLost(
            text, stream=topic, where=where, remedy="the stream starts at its oldest event and is reconciled"
        )
    if code in _AUTH or status is grpc.StatusCode.UNAUTHENTICATED:
        return SessionEnded(text)
    if code == "concurrent.client.limit.exceeded":
        return Unreachable(text, where=where, retry_after=_BUSY_WAIT_S, remedy="stop other subscribers")
    if code.endswith("limit.exceeded"):
        return Unreachable(
            text, where=where, retry_after=_ALLOCATION_WAIT_S, remedy="the daily event allocation is used up"
        )
    if status is grpc.StatusCode.NOT_FOUND:
        object_name = topic.removeprefix("/data/").removesuffix("ChangeEvent")
        return Refused(
            text,
            where=where,
            remedy=f"enable Change Data Capture for {object_name} in Setup, or check its name",
        )
    if status is grpc.StatusCode.PERMISSION_DENIED:
        return Refused(text, where=where, remedy="give the integration user 'View All' on the object")
    if status is grpc.StatusCode.RESOURCE_EXHAUSTED:
        return Unreachable(text, where=where, retry_after=_BUSY_WAIT_S)
    if status in (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.UNIMPLEMENTED):
        return Refused(text, where=where, remedy="the stored position is kept; check the topic's name")
    return Unreachable(text, where=where)


def _error_code(error: grpc.aio.AioRpcError) -> str:
    for key, value in error.trailing_metadata() or ():
        if key == "error-code":
            text = value.decode("ascii", "replace") if isinstance(value, bytes) else str(value)
            return text.removeprefix(_PREFIX)
    return ""


def _metadata(session: Session) -> tuple[tuple[str, str], ...]:
    return (
        ("accesstoken", session.token),
        ("instanceurl", session.instance_url),
        ("tenantid", session.tenant_id),
    )


def _channel(settings: Settings, keepalive_s: float) -> grpc.aio.Channel:
    host, _ = split_endpoint(settings.pubsub_endpoint)
    options = [
        ("grpc.keepalive_time_ms", int(keepalive_s * 1000)),
        ("grpc.keepalive_timeout_ms", int(settings.keepalive_timeout_s * 1000)),
        # Without this one a half-open link is found a minute late, or never.
        ("grpc.http2.ping_timeout_ms", int(settings.keepalive_timeout_s * 1000)),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.max_pings_without_data", 0),
        ("grpc.max_receive_message_length", _MAX_MESSAGE),
        ("grpc.enable_http_proxy", 0 if loopback(host) else 1),
        # Reconnecting is the engine's, with its own back-off.
        ("grpc.enable_retries", 0),
        # A new open must not be answered by the failure of the last one's shared connection.
        ("grpc.use_local_subchannel_pool", 1),
    ]
    if settings.pubsub_plaintext:
        return grpc.aio.insecure_channel(settings.pubsub_endpoint, options=options)
    credentials = grpc.ssl_channel_credentials(grpc_roots(settings.ca_file))
    return grpc.aio.secure_channel(settings.pubsub_endpoint, credentials, options=options)
