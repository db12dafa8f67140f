"""Code pages by SAP's number or by name. Nothing in a file says which one it is in: the partner's
settings do.
"""

from __future__ import annotations

import codecs

_BY_NUMBER = {
    "1100": "iso8859-1",
    "1160": "cp1252",
    "1401": "iso8859-2",
    "1404": "cp1250",
    "4102": "utf-16-be",
    "4103": "utf-16-le",
    "4110": "utf-8",
    "8000": "shift_jis",
}
_NAMED = {
    *_BY_NUMBER.values(),
    "iso8859-15",
    "cp1251",
    "cp932",
}
_SINGLE_BYTE = {"iso8859-1", "iso8859-2", "iso8859-15", "cp1250", "cp1251", "cp1252"}


def codec_of(name: str) -> str:
    """Python's codec for SAP's code page number ("1100") or a usual name ("utf-8", "latin-1").

    Raises ValueError for one that is not known, and for UTF-16 without a byte order.
    """
    if name in _BY_NUMBER:
        return _BY_NUMBER[name]
    try:
        codec = codecs.lookup(name).name
    except LookupError:
        codec = ""
    if codec == "utf-8-sig":
        return "utf-8"
    if codec not in _NAMED:
        known = ", ".join(sorted(_NAMED | set(_BY_NUMBER)))
        raise ValueError(f"unknown code page '{name}'; known are {known}")
    return codec


def looks_like_utf8(text: str, codec: str) -> bool:
    """Whether text read in a one-byte code page was UTF-8 in truth: read so, all later fields are shifted."""
    if codec not in _SINGLE_BYTE or text.isascii():
        return False
    try:
        text.encode(codec).decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
