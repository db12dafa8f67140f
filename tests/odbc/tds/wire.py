"""Little-endian bytes as TDS writes them: read one after the other, and counted text."""

from __future__ import annotations

import struct


class Malformed(Exception):
    """A client sent something that this server cannot read; the text says what and where."""


class Bytes:
    """Reads a payload from its front. Raises Malformed when it ends too early."""

    def __init__(self, data: bytes, at: int = 0) -> None:
        self._data = data
        self.at = at

    @property
    def left(self) -> int:
        """How many bytes are still unread."""
        return len(self._data) - self.at

    def take(self, count: int) -> bytes:
        """The next bytes."""
        if count < 0 or count > self.left:
            raise Malformed(f"{count} bytes wanted at offset {self.at}, {self.left} are left")
        self.at += count
        return self._data[self.at - count : self.at]

    def _number(self, form: str) -> int:
        (value,) = struct.unpack(form, self.take(struct.calcsize(form)))
        return int(value)

    def u8(self) -> int:
        """One byte."""
        return self._number("<B")

    def u16(self) -> int:
        """Two bytes."""
        return self._number("<H")

    def i32(self) -> int:
        """Four bytes with a sign."""
        return self._number("<i")

    def u32(self) -> int:
        """Four bytes."""
        return self._number("<I")

    def u64(self) -> int:
        """Eight bytes."""
        return self._number("<Q")

    def short_text(self) -> str:
        """B_VARCHAR: one byte counts the UTF-16 units."""
        return self.take(2 * self.u8()).decode("utf-16-le")


def short_text(text: str) -> bytes:
    """B_VARCHAR: one byte counts the UTF-16 units."""
    data = text.encode("utf-16-le")
    return struct.pack("<B", len(data) // 2) + data


def long_text(text: str) -> bytes:
    """US_VARCHAR: two bytes count the UTF-16 units."""
    data = text.encode("utf-16-le")
    return struct.pack("<H", len(data) // 2) + data
