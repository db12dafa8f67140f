"""Our client of the Pub/Sub API: one channel, the current session, schemas by id, errors by trailer."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Awaitable, Callable, Collection
from typing import Any

import grpc
import structlog

from adapters.salesforce import pubsub_api_pb2 as pb
from adapters.salesforce.connection.auth import Login, Session
from adapters.salesforce.connection.proxy import NoWay, Proxy, Ways, proxy_refusal
from adapters.salesforce.connection.tls import grpc_roots, untrusted
from adapters.salesforce.pubsub_api_pb2_grpc import PubSubStub
from adapters.salesforce.settings import Settings, split_endpoint
from adapters.salesforce.stream import avro
from adapters.salesforce.stream.trailer import SessionEnded, call_id, error_code, translate
from agent.errors import Refused, RemoteError, Unreachable

_log = structlog.get_logger(__name__)

#: A response is at most 3 MB; room for headers and a later, larger limit.
_MAX_MESSAGE = 16 * 1024 * 1024
_NO_SUCH_SCHEMA = (grpc.StatusCode.NOT_FOUND, grpc.StatusCode.INVALID_ARGUMENT)
#: A method of the bus may refuse a session that the others accept: each is a door of its own.
_SUBSCRIBE = "Subscribe"
_PROXY_SAID = re.compile(r"HTTP proxy returned response code (\d{3})")


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
        ways: Ways,
    ) -> None:
        self.name = name
        self._timeout = settings.request_timeout_s
        self._login = login
        self._endpoint = settings.pubsub_endpoint
        self._ways = ways
        self._proxy = _way(name, settings, ways)
        self._channel = _channel(settings, keepalive_s, self._proxy)
        self._stub = PubSubStub(self._channel)  # type: ignore[no-untyped-call]  # generated
        self._schemas = schemas

    async def topic(self, topic: str) -> pb.TopicInfo:
        """What the org says about a topic. Raises Unreachable, Refused."""
        info: pb.TopicInfo = await self._ask("GetTopic", pb.TopicRequest(topic_name=topic), topic)
        return info

    def known(self, schema_id: str) -> avro.EventSchema | None:
        """The schema of an event, if it was asked for before."""
        return self._schemas.get(schema_id)

    async def schema(self, schema_id: str, topic: str) -> avro.EventSchema:
        """The schema of an event, asked for once per id. Raises avro.Undecodable, Unreachable, Refused."""
        known = self._schemas.get(schema_id)
        if known is not None:
            return known
        if not schema_id:
            raise avro.Undecodable("the event names no schema")
        try:
            info = await self._ask("GetSchema", pb.SchemaRequest(schema_id=schema_id), topic)
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

    def managed(self, session: Session) -> Any:
        """Begin a call of ManagedSubscribe; errors show when it is read."""
        return self._stub.ManagedSubscribe(metadata=_metadata(session))

    async def session(self) -> Session:
        """The session for the next call. Raises Unreachable, Refused."""
        return await self._login.session()

    async def renew(self, stale: Session, door: str = _SUBSCRIBE) -> Session:
        """A session newer than the given one, which this method refused. Raises Unreachable, Refused."""
        return await self._login.renew(stale, door)

    def accepted(self, door: str = _SUBSCRIBE) -> None:
        """This method let the current session in."""
        self._login.accepted(door)
        if self._proxy is not None:
            self._ways.passed()

    def rejected(self, ended: SessionEnded, door: str = _SUBSCRIBE) -> Refused:
        """The error for a session that was refused right after its login."""
        return self._login.rejected(door, str(ended))

    async def close(self) -> None:
        """Close the channel and whatever still runs on it."""
        await self._channel.close(None)

    def translate(
        self, error: grpc.aio.AioRpcError, topic: str, objects: Collection[str] | None = None
    ) -> RemoteError | SessionEnded:
        """What a failed call means, by the trailer first: the status alone does not tell a lost position."""
        _log.info(
            "call failed",
            action="salesforce.bus.failed",
            topic=topic,
            status=error.code().name,
            code=error_code(error),
            rpc=call_id(error),
        )
        return self._no_connection(error) or translate(error, topic, self.name, objects)

    def _no_connection(self, error: grpc.aio.AioRpcError) -> Unreachable | None:
        """What is told of a connection that was not made; None where the call reached the server."""
        text = error.details() or ""
        if error.code() is not grpc.StatusCode.UNAVAILABLE or error_code(error):
            return None
        said = _PROXY_SAID.search(text)
        if said is not None and self._proxy is not None:
            if said[1] == "407":
                refused = self._ways.refused(self._proxy)
                return Unreachable(f"events: {refused}", where=self.name, remedy=refused.remedy)
            what, remedy = proxy_refusal(self._proxy, said[1])
            return Unreachable(f"events: {self._endpoint}: {what}", where=self.name, remedy=remedy)
        if "handshake failed" in text or "verification check failed" in text.lower():
            fault = untrusted(text)
            if fault is not None:
                return Unreachable(f"{self._endpoint}: {fault}", where=self.name, remedy=fault.remedy)
        if "failed to connect" in text or "errors resolving" in text:
            by = f" (by the proxy {self._proxy})" if self._proxy is not None else ""
            remedy = "check name resolution, proxy and firewall for it"
            return Unreachable(f"{self._endpoint} can't be reached{by}", where=self.name, remedy=remedy)
        return None

    async def _ask(self, door: str, request: Any, topic: str) -> Any:
        """One unary call of that name; a session that has ended is renewed once."""
        method: Callable[..., Awaitable[Any]] = getattr(self._stub, door)
        session = await self._login.session()
        for last in (False, True):
            try:
                answer = await method(request, metadata=_metadata(session), timeout=self._timeout)
            except grpc.aio.AioRpcError as error:
                meant = self.translate(error, topic)
                if not isinstance(meant, SessionEnded):
                    raise meant from error
                if last:
                    raise self.rejected(meant, door) from error
            else:
                self.accepted(door)
                return answer
            session = await self.renew(session, door)
        raise AssertionError("unreachable")


class Subscription:
    """One open Subscribe call."""

    def __init__(self, call: Any, first: pb.FetchRequest) -> None:
        self._call = call
        self._first = first

    async def begin(self) -> None:
        """Send the first request, which fixes topic and position. Raises grpc.aio.AioRpcError."""
        await self._call.wait_for_connection()
        await self.send(self._first)

    async def request(self, number: int) -> None:
        """Ask for more events."""
        await self.send(pb.FetchRequest(topic_name=self._first.topic_name, num_requested=number))

    async def send(self, message: Any) -> None:
        """Send a request. A call that has ended says why to the reader, so nothing is raised here.

        The library's own ``write`` puts an error of its own in the place of the reason that is about to
        arrive (grpcio 1.85, measured: in 589 of 600 calls that ended while a request was on its way). So the
        call's core is used, where it is there.
        """
        core = getattr(self._call, "_cython_call", None)
        with contextlib.suppress(Exception):
            if core is None:
                await self._call.write(message)
            else:
                await core.send_serialized_message(message.SerializeToString())

    async def read(self) -> pb.FetchResponse | None:
        """The next response; None when the server has ended the stream. Raises grpc.aio.AioRpcError."""
        response = await self._call.read()
        return None if response is grpc.aio.EOF else response

    def cancel(self) -> None:
        """End the call here."""
        self._call.cancel()


def _metadata(session: Session) -> tuple[tuple[str, str], ...]:
    return (
        ("accesstoken", session.token),
        ("instanceurl", session.instance_url),
        ("tenantid", session.tenant_id),
    )


def _way(name: str, settings: Settings, ways: Ways) -> Proxy | None:
    """The proxy for the event bus. Raises Unreachable where it can't be used."""
    host, _ = split_endpoint(settings.pubsub_endpoint)
    try:
        return ways.to(host)
    except NoWay as error:
        raise Unreachable(f"events: {error}", where=name, remedy=error.remedy) from error


def _channel(settings: Settings, keepalive_s: float, proxy: Proxy | None) -> grpc.aio.Channel:
    options: list[tuple[str, int | str]] = [
        ("grpc.keepalive_time_ms", int(keepalive_s * 1000)),
        ("grpc.keepalive_timeout_ms", int(settings.keepalive_timeout_s * 1000)),
        # Without this one a half-open link is found a minute late, or never.
        ("grpc.http2.ping_timeout_ms", int(settings.keepalive_timeout_s * 1000)),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.max_pings_without_data", 0),
        ("grpc.max_receive_message_length", _MAX_MESSAGE),
        # The way is chosen here, as for HTTP: gRPC's own choice knows other variables of the environment.
        ("grpc.enable_http_proxy", 0),
        # Reconnecting is the engine's, with its own back-off.
        ("grpc.enable_retries", 0),
        # A new open must not be answered by the failure of the last one's shared connection.
        ("grpc.use_local_subchannel_pool", 1),
    ]
    target = settings.pubsub_endpoint
    if proxy is not None:
        # Connect to the proxy and tunnel; TLS then verifies the name of the endpoint.
        options += [("grpc.http_connect_server", target), ("grpc.default_authority", target)]
        if proxy.authorization:
            options.append(("grpc.http_connect_headers", f"Proxy-Authorization:{proxy.authorization}"))
        target = str(proxy)
    if settings.pubsub_plaintext:
        return grpc.aio.insecure_channel(target, options=options)
    credentials = grpc.ssl_channel_credentials(grpc_roots(settings.ca_file))
    return grpc.aio.secure_channel(target, credentials, options=options)
