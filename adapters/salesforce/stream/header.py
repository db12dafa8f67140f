"""The header of a change event: who changed which records, when, and which fields.

All change event schemas of an org have the same header, so it is read by hand; a header that came to look
otherwise is read by the functions that are made for its schema.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from adapters.salesforce.stream.decoder import Odd, Unsupported, Writer, length, number
from adapters.salesforce.values import moment

NAME = "ChangeEventHeader"
_STRINGS = {"type": "array", "items": "string"}
_FORM: tuple[tuple[str, Any], ...] = (
    ("entityName", "string"),
    ("recordIds", _STRINGS),
    ("changeType", "enum"),
    ("changeOrigin", "string"),
    ("transactionKey", "string"),
    ("sequenceNumber", "int"),
    ("commitTimestamp", "long"),
    ("commitNumber", "long"),
    ("commitUser", "string"),
    ("nulledFields", _STRINGS),
    ("diffFields", _STRINGS),
    ("changedFields", _STRINGS),
)
#: Seconds of commits that are remembered as moments.
_MOMENTS = 1024

#: The three bitmap arrays, nulled, diff and changed: as they are on the wire, or as lists.
Marks = bytes | tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]


class Header(NamedTuple):
    """What a header says; ``marks`` stands for the three bitmap arrays, see ``listed``."""

    entity: str
    keys: tuple[str, ...]
    change_type: str
    origin: str
    transaction: str
    sequence: int
    at: datetime
    number: int
    marks: Marks


Reader = Callable[[bytes], tuple[Header, int]]


def reader(entity: str, declared: Any) -> Reader:
    """A function that reads the header at the beginning of an event: the header, and the place behind it.

    ``declared``: its type; ``entity``: the object whose events they probably are. Raises Unsupported; the
    function raises anything where the bytes are of another form.
    """
    if not isinstance(declared, dict) or declared.get("type") != "record":
        raise Unsupported("a header that is no record")
    if tuple((one["name"], _form(one["type"])) for one in declared["fields"]) == _FORM:
        return _by_hand(entity, tuple(declared["fields"][2]["type"]["symbols"]))
    return _by_schema(declared)


def from_fields(fields: Mapping[str, Any]) -> Header:
    """A header that was decoded in another way. Raises KeyError, TypeError or OverflowError."""
    marks = tuple(tuple(fields[name]) for name in ("nulledFields", "diffFields", "changedFields"))
    return Header(
        fields["entityName"],
        tuple(fields["recordIds"]),
        str(fields["changeType"]),
        fields["changeOrigin"],
        fields["transactionKey"],
        fields["sequenceNumber"],
        moment(fields["commitTimestamp"]),
        fields["commitNumber"],
        marks,  # type: ignore[arg-type]  # three of them
    )


def listed(marks: Marks) -> Sequence[Sequence[str]]:
    """The elements of nulledFields, diffFields and changedFields."""
    if isinstance(marks, tuple):
        return marks
    nulled, p = _strings(marks, 0)
    diffs, p = _strings(marks, p)
    changed, p = _strings(marks, p)
    return nulled, diffs, changed


def _form(declared: Any) -> Any:
    if isinstance(declared, dict):
        return "enum" if declared.get("type") == "enum" else {k: declared.get(k) for k in ("type", "items")}
    return declared


def _by_schema(declared: Any) -> Reader:
    read = Writer(declared).reader(declared)

    def one(b: bytes) -> tuple[Header, int]:
        fields, p = read(b, 0)
        return from_fields(fields), p

    return one


def _by_hand(entity: str, kinds: tuple[str, ...]) -> Reader:
    """The known form. Names and ids are short; whatever is not takes the general way on the spot."""
    encoded = entity.encode()
    prefix = bytes([2 * len(encoded)]) + encoded if len(encoded) < 64 else b"\xff"
    behind, moments = len(prefix), dict[bytes, datetime]()
    make = tuple.__new__

    def one(b: bytes) -> tuple[Header, int]:
        keys: tuple[str, ...]
        name, p = (entity, behind) if b.startswith(prefix) else _string(b, 0)
        if b[p] == 2 and b[p + 1] == 36 and not b[p + 20]:  # one id of 18 characters
            keys, p = (b[p + 2 : p + 20].decode(),), p + 21
        else:
            keys, p = _strings(b, p)
        kind = b[p]
        if kind & 129:
            raise Odd
        n = b[p + 1]
        n, p = length(b, p + 1) if n & 129 else (n >> 1, p + 2)
        origin, p = b[p : p + n].decode(), p + n
        n = b[p]
        n, p = length(b, p) if n & 129 else (n >> 1, p + 1)
        transaction, p = b[p : p + n].decode(), p + n
        sequence, p = number(b, p)
        raw = b[p : p + 6]  # a time of these decades takes six bytes
        at = moments.get(raw)
        if at is None:
            at, p = _moment(moments, b, p)
        else:
            p += 6
        commit, p = number(b, p)
        n = b[p]
        n, p = length(b, p) if n & 129 else (n >> 1, p + 1)
        p = start = p + n
        for _ in (0, 1, 2):
            p = _passed(b, p) if b[p] else p + 1
        return make(
            Header,
            (
                name,
                keys,
                kinds[kind >> 1],
                origin,
                transaction,
                (sequence >> 1) ^ -(sequence & 1),
                at,
                (commit >> 1) ^ -(commit & 1),
                b[start:p],
            ),
        ), p

    return one


def _moment(moments: dict[bytes, datetime], b: bytes, p: int) -> tuple[datetime, int]:
    n, q = number(b, p)
    at = moment((n >> 1) ^ -(n & 1))
    if q == p + 6:
        if len(moments) >= _MOMENTS:
            moments.clear()
        moments[b[p:q]] = at
    return at, q


def _string(b: bytes, p: int) -> tuple[str, int]:
    n, p = length(b, p)
    return b[p : p + n].decode(), p + n


def _strings(b: bytes, p: int) -> tuple[tuple[str, ...], int]:
    """An array of texts, in blocks; a negative count stands before the block's size in bytes."""
    found: list[str] = []
    while True:
        n, p = number(b, p)
        count = (n >> 1) ^ -(n & 1)
        if not count:
            return tuple(found), p
        if count < 0:
            count = -count
            _, p = number(b, p)
        for _ in range(count):
            text, p = _string(b, p)
            found.append(text)


def _passed(b: bytes, p: int) -> int:
    """The place behind an array of texts."""
    while n := b[p]:
        if n & 129:
            return _strings(b, p)[1]
        p += 1
        for _ in range(n >> 1):
            size = b[p]
            if size & 129:
                size, p = length(b, p)
                p += size
            else:
                p += 1 + (size >> 1)
    return p + 1
