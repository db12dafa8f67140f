"""Field bitmaps of change event headers.

Bit i of the number stands for position i of the schema, position 0 being the header itself. Parts of a
compound field stand in an element of their own, ``<position>-0x<HEX>``, and do not set the bit of the
compound.
"""

from __future__ import annotations

from collections.abc import Iterable


def encode(positions: Iterable[int], nested: dict[int, set[int]]) -> list[str]:
    """Bitmap elements: the top level first and only when it has a bit, then one per compound field."""
    top = _number(positions)
    elements = [f"0x{_hex(top)}"] if top else []
    return elements + [f"{parent}-0x{_hex(_number(bits))}" for parent, bits in sorted(nested.items()) if bits]


def _number(positions: Iterable[int]) -> int:
    number = 0
    for position in positions:
        number |= 1 << position
    return number


def _hex(number: int) -> str:
    """Big-endian bytes without leading zero bytes, upper case: always an even number of digits."""
    return number.to_bytes((number.bit_length() + 7) // 8, "big").hex().upper()
