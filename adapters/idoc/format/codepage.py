"""Code pages by SAP's number or by name. Nothing in a flat file says which one it is in: the partner's
settings do. What a file looks like is good for a hint, never for a decision.
"""

from __future__ import annotations

import codecs

_BY_NUMBER = {
    "1100": "iso8859-1",
    "1160": "cp1252",
    "1401": "iso8859-2",
    "1404": "cp1250",
    "1500": "iso8859-5",
    "1504": "cp1251",
    "1610": "iso8859-9",
    "1614": "cp1254",
    "1700": "iso8859-7",
    "1704": "cp1253",
    "1800": "iso8859-8",
    "1804": "cp1255",
    "1904": "cp1257",
    "4102": "utf-16-be",
    "4103": "utf-16-le",
    "4110": "utf-8",
    "8000": "shift_jis",
    "8300": "big5",
    "8400": "gb2312",
    "8500": "euc_kr",
    "8600": "tis-620",
}
_NAMED = {*_BY_NUMBER.values(), "iso8859-15", "cp932", "gbk", "gb18030", "euc_jp", "ascii"}
_SINGLE_BYTE = {name for name in _NAMED if name.startswith(("iso", "cp1", "tis"))}
#: "EDI_" as mainframes write it.
_EBCDIC = b"\xc5\xc4\xc9\x6d"


def codec_of(name: str) -> str:
    """Python's codec for SAP's code page number ("1100") or a usual name ("utf-8", "latin-1").

    Raises ValueError for one that is not known, and for UTF-16 without a byte order.
    """
    if name in _BY_NUMBER:
        return _BY_NUMBER[name]
    try:
        codec = codecs.lookup(name).name
    except (LookupError, ValueError):
        codec = ""
    if codec == "utf-8-sig":
        return "utf-8"
    if codec not in _NAMED:
        known = ", ".join(sorted(_NAMED | set(_BY_NUMBER)))
        raise ValueError(f"unknown code page '{name}'; known are {known}")
    return codec


def looks_like_utf8(text: str, codec: str) -> bool:
    """Whether text read in a one-byte code page was UTF-8 in truth: read so, all later fields are shifted."""
    if text.isascii() or codec not in _SINGLE_BYTE:
        return False
    try:
        text.encode(codec).decode("utf-8")
    except UnicodeError:
        return False
    return True


def suspicion(data: bytes, codec: str) -> str:
    """What the first bytes of a file look like if not like the declared code page; "" without a suspicion."""
    if data.startswith((b"PK\x03\x04", b"\x1f\x8b")):
        return "it is compressed (zip or gzip): unpack it first"
    if data.startswith(_EBCDIC):
        return "it looks like EBCDIC: have the transfer convert it to text"
    if codec.startswith("utf-16"):
        if data[:4] == b"EDI_" or data.startswith(codecs.BOM_UTF8):
            return "it looks like UTF-8 (4110) or a one-byte code page"
        other = b"\0E\0D" if codec == "utf-16-le" else b"E\0D\0"
        return "it looks like the other byte order of UTF-16" if data.startswith(other) else ""
    if data.startswith((codecs.BOM_UTF16_LE, b"E\0D\0")):
        return "it looks like UTF-16 little endian (4103)"
    if data.startswith((codecs.BOM_UTF16_BE, b"\0E\0D")):
        return "it looks like UTF-16 big endian (4102)"
    if data.startswith(codecs.BOM_UTF8) and codec != "utf-8":
        return "it starts with a UTF-8 mark (4110)"
    return ""


def mojibake(text: str, codec: str) -> str:
    """What speaks against the code page in text that could be decoded; "" for nothing. A hint only."""
    if text.isascii():
        return ""
    if "�" in text:
        return "it holds U+FFFD: characters were lost before it was written"
    if codec in _SINGLE_BYTE and any("\x80" <= char <= "\x9f" for char in text):
        return "it holds control characters where Windows has letters: the code page may be 1160 (cp1252)"
    try:
        again = text.encode("cp1252").decode("utf-8")
    except UnicodeError:
        return ""
    return "it may have been taken for another code page and encoded twice" if again != text else ""
