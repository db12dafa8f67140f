"""Damages texts and bytes by a seed: what a broken client or a hostile one might send."""

from __future__ import annotations

import random

_TOKENS = (
    *(
        b"\x00",
        b"\xff",
        b"\xed\xa0\x80",
        b"'",
        b'"',
        b"\\",
        b"%",
        b"}{",
        b"[[[[",
        b"]]",
        b"<",
        b"<!--",
        b"&#0;",
    ),
    *(b"\r\n", b"null", b"NaN", b"1e999", b"-1", b"99999999999999999999", b"9999-99-99", b"\\ud800"),
    *(b"SELECT", b" AND ", b"(", b"@{a.b}", b"../..", b"#N/A", b",,,,", b"\xf0\x9f\x92\xa9"),
)


def damaged(data: bytes, rng: random.Random) -> bytes:
    """The data after one to three accidents."""
    for _ in range(rng.randrange(1, 4)):
        at = rng.randrange(len(data) + 1)
        end = min(len(data), at + rng.randrange(1, 12))
        kind = rng.randrange(6)
        if kind == 0:
            data = data[:at] + rng.choice(_TOKENS) + data[at:]
        elif kind == 1:
            data = data[:at] + data[end:]
        elif kind == 2:
            data = data[:end] + data[at:end] * rng.randrange(1, 30) + data[end:]
        elif kind == 3 and data:
            flipped = data[at % len(data)] ^ (1 << rng.randrange(8))
            data = data[: at % len(data)] + bytes((flipped,)) + data[at % len(data) + 1 :]
        elif kind == 4:
            data = data[:at] + rng.choice(_TOKENS) + data[end:]
        else:
            data = data[:at]
    return data
