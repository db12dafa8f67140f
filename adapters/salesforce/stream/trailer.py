"""What a failed call of the Pub/Sub API means: its trailer ``error-code`` tells, the status alone does not.

(Pub/Sub API guide, "Handle Errors" and "Retry Long-Lived RPC Calls After an Error Occurs".)
"""

from __future__ import annotations

import re
from collections.abc import Collection

import grpc

from agent.errors import PositionLost, Refused, RemoteError, Unreachable

_CALL = re.compile(r"\s*\brpcId: ?\S+")
_PREFIX = "sfdc.platform.eventbus.grpc."
_LOST = ("subscription.fetch.replayid.corrupted", "subscription.fetch.replayid.validation.failed")
_AUTH = ("service.auth.error", "service.auth.refresh.invalid", "service.auth.headers.invalid")
#: The delivery allocation is counted over a rolling day: coming back at once only burns what is left.
ALLOCATION_WAIT_S = 3600.0
BUSY_WAIT_S = 300.0
#: Passing troubles, whatever the status: tried again with the engine's own back-off.
_PASSING = (
    "service.unavailable",
    "topic.api.unavailable",
    "schema.api.unavailable",
    "subscription.internal.error",
    "subscription.fetch.replay.repeated",
    "subscription.fetch.overflow",
)
#: What is left to a person where the other side is in trouble.
RETRIED = "it is tried again; if it stays so, check the network and status.salesforce.com"
#: To be tried again, but not soon.
_BUSY = {
    "concurrent.client.limit.exceeded": "stop other subscribers",
    "service.protection.triggered": "fewer programs should talk to the Pub/Sub API at once",
    "service.protection.stream.limit.triggered": "fewer programs should talk to the Pub/Sub API at once",
    "managed.subscription.already.active": "stop the other program that uses this managed subscription",
}
_VIEW_ALL = "give the integration user 'View All' on the object"
_REFUSED = {
    "service.tenant.license": "have the Pub/Sub API enabled for this org",
    "subscription.topic.cannot.subscribe": _VIEW_ALL,
    "topic.meta.permission": _VIEW_ALL,
    "schema.meta.permission": _VIEW_ALL,
    "managed.subscription.config.stopped": "set the state of the managed subscription to RUN",
}
_MANAGED = "check the name of the managed subscription in the settings, and that it exists in the org"


class SessionEnded(Exception):
    """The access token of a call is no longer valid."""


def translate(
    error: grpc.aio.AioRpcError, topic: str, where: str, objects: Collection[str] | None = None
) -> RemoteError | SessionEnded:
    """Map a failed call about a topic, whose stream tells of ``objects``."""
    code = error_code(error)
    # The number of a call is another one each time, and would make old news look new.
    text = f"{topic}: {_CALL.sub('', error.details() or '') or error.code().name}"
    if code in _LOST:
        remedy = "the stream starts at its oldest event and is reconciled"
        return PositionLost(text, stream=topic, objects=objects, where=where, remedy=remedy)
    if code in _AUTH:
        return SessionEnded(text)
    if code in _PASSING:
        return Unreachable(text, where=where, remedy=RETRIED)
    if code in _BUSY:
        return Unreachable(text, where=where, retry_after=BUSY_WAIT_S, remedy=_BUSY[code])
    if code.endswith("limit.exceeded"):
        remedy = "the daily event allocation is used up: it is tried again each hour; follow fewer objects, "
        remedy += "or ask Salesforce for more"
        return Unreachable(text, where=where, retry_after=ALLOCATION_WAIT_S, remedy=remedy)
    if code in _REFUSED:
        return Refused(text, where=where, remedy=_REFUSED[code])
    if code.startswith("managed."):
        return Refused(text, where=where, remedy=_MANAGED)
    return _by_status(error.code(), text, topic, where)


def _by_status(status: grpc.StatusCode, text: str, topic: str, where: str) -> RemoteError | SessionEnded:
    """What is left to judge by: infrastructure in between sends no trailer."""
    if status is grpc.StatusCode.UNAUTHENTICATED:
        return SessionEnded(text)
    if status is grpc.StatusCode.NOT_FOUND:
        return Refused(text, where=where, remedy=_enable(topic))
    if status is grpc.StatusCode.PERMISSION_DENIED:
        return Refused(text, where=where, remedy=_VIEW_ALL)
    if status is grpc.StatusCode.RESOURCE_EXHAUSTED:
        return Unreachable(text, where=where, retry_after=BUSY_WAIT_S, remedy=RETRIED)
    if status in (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.UNIMPLEMENTED):
        return Refused(text, where=where, remedy="the stored position is kept; check the topic's name")
    return Unreachable(text, where=where, remedy=RETRIED)


def error_code(error: grpc.aio.AioRpcError) -> str:
    """The trailer ``error-code`` without its prefix; "" where there is none."""
    return _trailer(error, "error-code").removeprefix(_PREFIX)


def call_id(error: grpc.aio.AioRpcError) -> str:
    """The number of a failed call, by which the vendor's support finds it; "" where there is none."""
    return _trailer(error, "rpc-id")


def _trailer(error: grpc.aio.AioRpcError, name: str) -> str:
    for key, value in error.trailing_metadata() or ():
        if key == name:
            return value.decode("ascii", "replace") if isinstance(value, bytes) else str(value)
    return ""


def _enable(topic: str) -> str:
    name = topic.removeprefix("/data/")
    if name.endswith("__chn"):
        return f"create the channel {name} in the org, or check its name"
    return f"enable Change Data Capture for {name.removesuffix('ChangeEvent')} in Setup, or check its name"
