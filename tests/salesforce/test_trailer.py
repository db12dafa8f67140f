"""What a failed call means is told by its trailer; the status alone decides only where there is none."""

from __future__ import annotations

import grpc
import pytest

from adapters.salesforce.stream.trailer import SessionEnded, translate
from agent.errors import PositionLost, Refused, Unreachable
from tests.salesforce.samples import TOPIC

PREFIX = "sfdc.platform.eventbus.grpc."
STATUSES = (
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.UNAUTHENTICATED,
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.UNKNOWN,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
)
HOUR, BUSY = 3600.0, 300.0


def failure(status: grpc.StatusCode, code: str | bytes = "", text: str = "failed") -> grpc.aio.AioRpcError:
    value = PREFIX.encode() + code if isinstance(code, bytes) else PREFIX + code
    trailers = grpc.aio.Metadata(("rpc-id", "r-1"), *([("error-code", value)] if code else []))
    return grpc.aio.AioRpcError(status, grpc.aio.Metadata(), trailers, text)


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize(
    ("code", "kind", "wait"),
    [
        ("subscription.fetch.replayid.corrupted", PositionLost, None),
        ("subscription.fetch.replayid.validation.failed", PositionLost, None),
        ("service.auth.error", SessionEnded, None),
        ("service.auth.refresh.invalid", SessionEnded, None),
        ("service.unavailable", Unreachable, None),
        ("subscription.internal.error", Unreachable, None),
        ("topic.api.unavailable", Unreachable, None),
        ("schema.api.unavailable", Unreachable, None),
        ("subscription.limit.exceeded", Unreachable, HOUR),
        ("concurrent.client.limit.exceeded", Unreachable, BUSY),
        ("service.protection.triggered", Unreachable, BUSY),
        ("managed.subscription.already.active", Unreachable, BUSY),
        ("managed.subscription.developer.name.not.found", Refused, None),
        ("managed.subscription.config.stopped", Refused, None),
        ("subscription.topic.cannot.subscribe", Refused, None),
        ("service.tenant.license", Refused, None),
    ],
)
def test_trailer_decides_whatever_the_status(
    status: grpc.StatusCode, code: str, kind: type[Exception], wait: float | None
) -> None:
    meant = translate(failure(status, code), TOPIC, "crm", ("Account",))
    assert type(meant) is kind
    assert isinstance(meant, SessionEnded) or meant.remedy
    if isinstance(meant, Unreachable):
        assert meant.retry_after == wait


@pytest.mark.parametrize(
    "code",
    ["subscription.fetch.requested.events.invalid", "schema.validation.failed", "topic.validation.empty", ""],
)
def test_other_invalid_arguments_never_give_a_position_up(code: str) -> None:
    meant = translate(failure(grpc.StatusCode.INVALID_ARGUMENT, code), TOPIC, "crm")
    assert type(meant) is Refused
    assert "the stored position is kept" in str(meant)


def test_text_that_speaks_of_replay_ids_without_the_trailer_gives_no_position_up() -> None:
    text = "The replay ID validation failed."
    assert type(translate(failure(grpc.StatusCode.INVALID_ARGUMENT, "", text), TOPIC, "crm")) is Refused


def test_the_same_failure_reads_the_same_each_time() -> None:
    """The number of the call would make each try look like news to whoever watches."""
    status = grpc.StatusCode.UNAVAILABLE
    told = {
        str(translate(failure(status, text=f"Try again. rpcId: {number}"), TOPIC, "crm"))
        for number in ("1f9a-0", "77-b")
    }
    assert len(told) == 1
    assert "Try again." in told.pop()


def test_trailer_may_be_bytes() -> None:
    meant = translate(failure(grpc.StatusCode.UNKNOWN, b"service.auth.error"), TOPIC, "crm")
    assert isinstance(meant, SessionEnded)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (grpc.StatusCode.UNAUTHENTICATED, SessionEnded),
        (grpc.StatusCode.NOT_FOUND, Refused),
        (grpc.StatusCode.PERMISSION_DENIED, Refused),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, Unreachable),
        (grpc.StatusCode.UNAVAILABLE, Unreachable),
        (grpc.StatusCode.INTERNAL, Unreachable),
        (grpc.StatusCode.DEADLINE_EXCEEDED, Unreachable),
    ],
)
def test_status_decides_where_infrastructure_sends_no_trailer(
    status: grpc.StatusCode, kind: type[Exception]
) -> None:
    meant = translate(failure(status), TOPIC, "crm")
    assert type(meant) is kind
    assert isinstance(meant, SessionEnded) or meant.remedy


def test_lost_position_names_the_objects_of_its_stream_and_no_others() -> None:
    code = "subscription.fetch.replayid.corrupted"
    meant = translate(failure(grpc.StatusCode.INVALID_ARGUMENT, code), TOPIC, "crm", ("Account", "Contact"))
    assert isinstance(meant, PositionLost)
    assert (meant.stream, meant.objects) == (TOPIC, ("Account", "Contact"))


def test_channel_that_is_not_there_is_told_as_a_channel() -> None:
    meant = translate(failure(grpc.StatusCode.NOT_FOUND), "/data/Sales__chn", "crm")
    assert "create the channel Sales__chn" in str(meant)
