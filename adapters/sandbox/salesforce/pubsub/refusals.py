"""How a call ends when it ends badly."""

from __future__ import annotations

import grpc

from adapters.sandbox.salesforce.cdc.channels import Topic
from adapters.sandbox.salesforce.org.org import Org

ERROR_PREFIX = "sfdc.platform.eventbus.grpc."
UNAUTHENTICATED = "An authentication exception occurred. Provide valid authentication via metadata headers."
DROPPED = "RST_STREAM closed stream. HTTP/2 error code: NO_ERROR"


class BadRequest(Exception):
    """A request that ends the call; ``code`` is the trailer's error code without its prefix."""

    def __init__(self, status: grpc.StatusCode, code: str, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.code = code
        self.text = text


class Broken(Exception):
    """The server side dropped the stream."""


def unknown_topic(org: Org, topic: str) -> BadRequest:
    """The refusal of a topic that the org does not have."""
    text = (
        f"The topic information for org CORE/prod/{org.id} and topic {topic} not found. "
        "Verify that the topic exists and that change data capture is enabled for it."
    )
    return BadRequest(grpc.StatusCode.NOT_FOUND, "topic.not.found", text)


def subscribable(org: Org, topic: Topic) -> bool:
    """Whether the user may subscribe: a topic of one object wants View All Records, a channel does not."""
    return not topic.single or all(org.access.sees_all(each) for each in topic.members)


def forbidden(topic: str) -> BadRequest:
    """The refusal of a topic whose records the user may not all see (Pub/Sub API guide, "Handle Errors"; the
    status is not documented)."""
    return BadRequest(
        grpc.StatusCode.PERMISSION_DENIED,
        "subscription.topic.cannot.subscribe",
        f"The user doesn't have the permission to subscribe to {topic}.",
    )


class Damaged:
    """Stands for a message that could not be decoded."""


def damaged() -> BadRequest:
    """A message that is none of the service's definitions."""
    return BadRequest(
        grpc.StatusCode.INTERNAL, "request.decoding.failed", "The request is no valid protobuf byte sequence."
    )


def invalid(code: str, text: str) -> BadRequest:
    """A request that makes no sense."""
    return BadRequest(grpc.StatusCode.INVALID_ARGUMENT, code, text)


def corrupted() -> BadRequest:
    """A replay id that the bus does not know: never handed out, past retention, or of an earlier stream."""
    return invalid(
        "subscription.fetch.replayid.corrupted",
        "The replay ID validation failed. Ensure that the replay ID is valid and is within the retention "
        "window.",
    )


def exhausted() -> BadRequest:
    """The allocation of delivered events of the day is used up."""
    return BadRequest(
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        "subscription.limit.exceeded",
        "The 24-hour event delivery allocation of the org is used up.",
    )
