"""HTTP/2 frames on their way to a client, and frames that the server never sent between them (RFC 9113)."""

from __future__ import annotations

HEAD = 9
HEADERS, RST_STREAM, GOAWAY = 1, 3, 7
END_STREAM = 1
NO_ERROR, INTERNAL_ERROR, REFUSED_STREAM, ENHANCE_YOUR_CALM = 0, 2, 7, 11


class Frames:
    """Hands on whole frames only, so that others fit between; knows which streams are open."""

    def __init__(self) -> None:
        self._rest = b""
        self._streams: set[int] = set()
        self._last = 0

    def whole(self, data: bytes) -> bytes:
        """As much of what has come as makes whole frames."""
        self._rest += data
        end = 0
        while len(self._rest) >= end + HEAD:
            size = int.from_bytes(self._rest[end : end + 3], "big")
            if len(self._rest) < end + HEAD + size:
                break
            self._note(self._rest[end : end + HEAD])
            end += HEAD + size
        ready, self._rest = self._rest[:end], self._rest[end:]
        return ready

    def resets(self, code: int) -> bytes:
        """RST_STREAM for every open stream."""
        streams, self._streams = sorted(self._streams), set()
        return b"".join(_frame(RST_STREAM, each, code.to_bytes(4, "big")) for each in streams)

    def goaway(self, code: int) -> bytes:
        """GOAWAY: the streams up to now may end, no new ones are taken."""
        return _frame(GOAWAY, 0, self._last.to_bytes(4, "big") + code.to_bytes(4, "big"))

    def _note(self, head: bytes) -> None:
        kind, flags, stream = head[3], head[4], int.from_bytes(head[5:9], "big") & 0x7FFFFFFF
        if not stream:
            return
        self._last = max(self._last, stream)
        if kind == HEADERS:
            self._streams.add(stream)
        if kind == RST_STREAM or (kind in (0, HEADERS) and flags & END_STREAM):
            self._streams.discard(stream)


def _frame(kind: int, stream: int, body: bytes) -> bytes:
    return len(body).to_bytes(3, "big") + bytes((kind, 0)) + stream.to_bytes(4, "big") + body
