"""A stretch of a table as it was told last: its bounds, its keys in order, and a hash per row.

Segments follow each other: one ends where the next begins. So the order is rebuilt from positions without
comparing keys, which only the database can. One that nothing leads to is a left-over: its number is free.
"""

from __future__ import annotations

import hashlib
import json
import struct
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

#: version, life's number, life's tag, shape of the rows, generation, bytes of bounds and of packed keys
_HEAD = struct.Struct(">BI4s8sQII")
_VERSION = 1
#: Bytes that are kept of a row's hash.
HASH = 8
_MASK = (1 << 64) - 1

Sums = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Life:
    """One building of a table's segments; whatever differs in shape begins another."""

    number: int
    tag: bytes
    shape: bytes


@dataclass(frozen=True, slots=True)
class Segment:
    """Rows behind ``lower`` up to and with ``upper``; None where there is no bound.

    sums   of both halves of the rows' hashes, modulo 2^64; None while the rows are not all told
    """

    number: int
    lower: str | None
    upper: str | None
    count: int
    sums: Sums | None
    keys_packed: bytes
    hashes: bytes

    @classmethod
    def of(
        cls,
        number: int,
        bounds: tuple[str | None, str | None],
        rows: Mapping[str, bytes],
        sums: Sums | None,
    ) -> Segment:
        """A segment of these rows: key to hash, in the table's order."""
        packed = zlib.compress(json.dumps(list(rows), ensure_ascii=False).encode("utf-8", "surrogatepass"))
        hashes = b"".join(digest[:HASH] for digest in rows.values())
        return cls(number, *bounds, len(rows), sums, packed, hashes)

    def rows(self) -> dict[str, bytes]:
        """Key to hash, in the table's order."""
        keys = json.loads(zlib.decompress(self.keys_packed).decode("utf-8", "surrogatepass"))
        return {
            key: self.hashes[at : at + HASH]
            for key, at in zip(keys, range(0, len(self.hashes), HASH), strict=True)
        }

    def encode(self, life: Life, generation: int) -> bytes:
        """As a position. ``generation`` grows with every position of a life."""
        bounds = json.dumps([self.lower, self.upper, self.sums]).encode()
        head = _HEAD.pack(
            _VERSION, life.number, life.tag, life.shape, generation, len(bounds), len(self.keys_packed)
        )
        return head + bounds + self.keys_packed + self.hashes


def decode(number: int, position: bytes) -> tuple[Life, int, Segment] | None:
    """Life, generation and segment of a position; None for one that this program cannot read."""
    try:
        version, life, tag, shape, generation, first, second = _HEAD.unpack_from(position)
        if version != _VERSION:
            return None
        start, middle = _HEAD.size, _HEAD.size + first
        lower, upper, sums = json.loads(position[start:middle])
        packed, hashes = position[middle : middle + second], position[middle + second :]
    except (struct.error, ValueError):
        return None
    told = None if sums is None else (int(sums[0]), int(sums[1]))
    segment = Segment(number, lower, upper, len(hashes) // HASH, told, packed, hashes)
    return Life(life, tag, shape), generation, segment


def chain(segments: Iterable[tuple[int, Segment]]) -> list[Segment]:
    """Segments with their generations, in order from the first, as far as they follow each other.

    Left-overs are not among them; of two that begin at the same key the younger one holds.
    """
    following = {segment.lower: segment for _, segment in sorted(segments, key=lambda one: one[0])}
    found: list[Segment] = []
    bound: str | None = None
    while (segment := following.pop(bound, None)) is not None:
        found.append(segment)
        bound = segment.upper
        if bound is None:
            break
    return found


def sums_of(digests: Iterable[bytes]) -> Sums:
    """Both sums over whole hashes of sixteen bytes."""
    first = second = 0
    for digest in digests:
        first += int.from_bytes(digest[:HASH])
        second += int.from_bytes(digest[HASH:])
    return first & _MASK, second & _MASK


def folded(first: object, second: object) -> Sums:
    """Sums as the database tells them, signed or not."""
    return int(str(first)) & _MASK, int(str(second)) & _MASK


def added(one: Sums | None, other: Sums | None) -> Sums | None:
    """The sums of both together."""
    if one is None or other is None:
        return None
    return (one[0] + other[0]) & _MASK, (one[1] + other[1]) & _MASK


def hashed(row: Sequence[object]) -> bytes:
    """A row's hash where the database makes none: NULL, '' and separators inside a value differ."""
    digest = hashlib.blake2b(digest_size=16)
    for value in row:
        data = b"" if value is None else str(value).encode("utf-8", "surrogatepass")
        digest.update(b"-" if value is None else b"%d:" % len(data))
        digest.update(data)
    return digest.digest()
