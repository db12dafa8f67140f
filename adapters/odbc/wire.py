"""Frames between the agent and its worker process: a length and a pickle, over pipes that only they hold."""

from __future__ import annotations

import pickle
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

_HEADER = struct.Struct(">I")


class Lane(StrEnum):
    """Which connection of the worker serves a request: a long apply must not hold up capture."""

    READ = "read"
    APPLY = "apply"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Request:
    """One call: the verb's name and its arguments."""

    number: int
    lane: Lane
    verb: str
    arguments: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer, or one of several before the ``last``. An error travels as its parts."""

    number: int
    value: Any = None
    last: bool = True
    error: str = ""
    message: str = ""
    remedy: str = field(default="")


def pack(frame: object) -> bytes:
    """One frame as bytes."""
    body = pickle.dumps(frame, protocol=pickle.HIGHEST_PROTOCOL)
    return _HEADER.pack(len(body)) + body


def length(header: bytes) -> int:
    """The body's length that a header tells."""
    size: int = _HEADER.unpack(header)[0]
    return size


HEADER_SIZE = _HEADER.size


def unpack(body: bytes) -> Any:
    """The frame in a body. Both ends are this program: nobody else can write into these pipes."""
    return pickle.loads(body)  # noqa: S301


def read_frame(read: Callable[[int], bytes]) -> Any | None:
    """The next frame of a blocking stream, None at its end."""
    header = read(HEADER_SIZE)
    if len(header) < HEADER_SIZE:
        return None
    body = read(length(header))
    return unpack(body) if body else None
