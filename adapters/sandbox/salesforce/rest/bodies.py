"""Reading request bodies: bounded, inflated when they came compressed, JSON with every digit."""

from __future__ import annotations

import json
import zlib
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

from starlette.requests import Request

from adapters.sandbox.salesforce.org.errors import ApiError

MOST_BYTES = 50 * 1024 * 1024


async def stream_body(request: Request, most: int = MOST_BYTES) -> AsyncIterator[bytes]:
    """The body in pieces, inflated when it came compressed. Raises ApiError when it is too long or
    damaged."""
    inflate = zlib.decompressobj(31) if request.headers.get("content-encoding") == "gzip" else None
    size = 0
    async for piece in request.stream():
        try:
            plain = inflate.decompress(piece, most + 1) if inflate else piece
        except zlib.error:
            raise ApiError("INVALID_CONTENT", "the body is no valid gzip") from None
        size += len(plain)
        if size > most:
            raise ApiError("REQUEST_TOO_LARGE", f"the body is longer than {most} bytes")
        if plain:
            yield plain
    if inflate is not None and not inflate.eof:
        raise ApiError("INVALID_CONTENT", "the compressed body ends too early")


async def read_body(request: Request, most: int = MOST_BYTES) -> bytes:
    """The whole body."""
    return b"".join([piece async for piece in stream_body(request, most)])


def parse_json(raw: bytes) -> Any:
    """JSON with decimals kept exactly; None for an empty body. Raises ApiError JSON_PARSER_ERROR."""
    if not raw.strip():
        return None
    try:
        return json.loads(raw.decode("utf-8-sig"), parse_float=Decimal, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise ApiError("JSON_PARSER_ERROR", f"The request body is no valid JSON: {error}") from None


def _no_number(name: str) -> None:
    raise ValueError(f"{name} is no JSON number")
