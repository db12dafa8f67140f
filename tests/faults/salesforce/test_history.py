"""The judges of the fault scenarios find what they are for."""

from __future__ import annotations

from typing import Any

from tests.faults.salesforce.frames import GOAWAY, HEADERS, RST_STREAM, Frames
from tests.faults.salesforce.history import OURS, repeated


def write(operation: str, client: str = OURS, **fields: object) -> dict[str, Any]:
    return {"operation": operation, "object": "Account", "id": "001", "client": client, "fields": fields}


def test_an_update_that_says_the_same_again_is_found() -> None:
    assert list(repeated([write("update", Phone="1"), write("update", Phone="1")]))
    assert not list(repeated([write("update", Phone="1"), write("update", Phone="2")]))


def test_an_update_is_no_repetition_when_somebody_wrote_in_between() -> None:
    others = write("update", client="", Phone="2")
    assert not list(repeated([write("update", Phone="1"), others, write("update", Phone="1")]))


def test_a_create_may_be_sent_again_until_its_answer_came() -> None:
    made = write("create", Name="A", Phone="1")
    again = write("update", Name="A", Phone="1")
    assert not list(repeated([made, again, again]))
    assert list(repeated([made, write("update", Phone="2"), write("update", Phone="2")]))


def frame(kind: int, stream: int, body: bytes = b"", flags: int = 0) -> bytes:
    return len(body).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + body


def test_frames_are_handed_on_whole() -> None:
    frames, sent = Frames(), frame(HEADERS, 1, b"abc") + frame(0, 1, b"defgh")
    assert frames.whole(sent[:14]) == sent[:12]
    assert frames.whole(sent[14:]) == sent[12:]


def test_resets_are_for_open_streams_and_a_goaway_names_the_last_one() -> None:
    frames = Frames()
    frames.whole(frame(HEADERS, 1) + frame(HEADERS, 3) + frame(HEADERS, 3, flags=1))
    assert frames.resets(7) == frame(RST_STREAM, 1, (7).to_bytes(4, "big"))
    assert frames.resets(7) == b""
    assert frames.goaway(0) == frame(GOAWAY, 0, (3).to_bytes(4, "big") + bytes(4))
