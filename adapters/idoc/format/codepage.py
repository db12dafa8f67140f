"""Code pages by SAP's number or by name. Nothing in a flat file says which one it is in: the partner's
settings do. What a file looks like is good for a hint, never for a decision.
"""

from __future__ import annotations

import codecs
import re
from enum import IntEnum

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
#: Without a number of SAP's that is certain.
_BY_NAME = "ascii iso8859-4 iso8859-6 iso8859-15 cp850 cp852 cp874 cp932 cp949 cp950 cp1256 koi8-r"
#: Every codec that is known.
NAMED = {*_BY_NUMBER.values(), *_BY_NAME.split(), "gbk", "gb18030", "euc_jp"}
_WIDE = {"utf-8", "utf-16-le", "utf-16-be", "shift_jis", "big5", "gb2312", "euc_kr"}
_WIDE |= {"cp932", "cp949", "cp950", "gbk", "gb18030", "euc_jp", "ascii"}
_SINGLE_BYTE = NAMED - _WIDE
#: National code pages in which a character may take several bytes.
_MANY_BYTES = _WIDE - {"utf-8", "utf-16-le", "utf-16-be", "ascii"}
#: What Windows makes of a national standard: more characters in the same places.
_WIDER = {"shift_jis": "cp932", "gb2312": "gbk", "euc_kr": "cp949", "big5": "cp950", "tis-620": "cp874"}
#: Names that the register of character sets (IANA) has and Python says otherwise.
_REGISTERED = {
    "ascii": "US-ASCII",
    "cp850": "IBM850",
    "cp852": "IBM852",
    "cp932": "Windows-31J",
    "shift_jis": "Shift_JIS",
    "utf-16-be": "UTF-16",
    "utf-16-le": "UTF-16",
}
_REGISTERED_ONLY = {"windows-31j": "cp932", "windows-874": "cp874"}
_PAIR = re.compile("(?=[^\x00-\x7f]{2})")
#: A letter with an accent within a word of small ones, which no text of a national code page has.
_LATIN_WORD = re.compile("[A-Za-z][\u00c0-\u017f][a-z]")
#: Behind capitals, a small letter or a sign: in UTF-8 as unlikely as a sign behind them in a one-byte page.
_ODD = re.compile("(?<=[A-Z]{2})([\u00a0-\u00bf\u00df-\u00ff])")
#: Words of another alphabet: two such letters are a word of Chinese ("小学" in 8400), more are not.
_SCRIPT_WORD = re.compile("[\u0370-\u06ff]{5}")
#: A word of another alphabet: Greek, Cyrillic, Hebrew, Arabic.
_SCRIPT = re.compile("[\u0370-\u06ff]{2}")
#: Of three bytes and more: a sign of typography, or a word. One letter alone ("café »") is chance.
_FAR = re.compile("[\u1e00-\u2bff\U00010000-\U0010ffff]|[\u0800-\uffff]{2}")
#: Of two bytes, and in no alphabet that business is done in: phonetic signs, rare letters, dead scripts.
_UNUSUAL = re.compile("[\x80-\x9f\u0180-\u0217\u021c-\u036f\u0530-\u058f\u0700-\u07ff]")
#: "EDI_" as mainframes write it.
_EBCDIC = b"\xc5\xc4\xc9\x6d"


def codec_of(name: str) -> str:
    """Python's codec for SAP's code page number ("1100") or a usual name ("utf-8", "latin-1").

    Raises ValueError for one that is not known, and for UTF-16 without a byte order.
    """
    if name in _BY_NUMBER:
        return _BY_NUMBER[name]
    name = _REGISTERED_ONLY.get(name.lower(), name)
    try:
        codec = codecs.lookup(name).name
    except (LookupError, ValueError):
        codec = ""
    if codec == "utf-8-sig":
        return "utf-8"
    if codec in ("utf-16", "utf-32"):
        raise ValueError(f"'{name}' does not tell the byte order: say 4103 (little endian) or 4102 (big)")
    if codec not in NAMED:
        known = ", ".join(sorted(NAMED | set(_BY_NUMBER)))
        raise ValueError(f"unknown code page '{name}'; known are {known}")
    return codec


def instead(data: bytes, codec: str) -> str:
    """What to try where bytes are not quite in a code page; "" for nothing."""
    if codec != "utf-8" and not data.isascii() and _is_utf8(data):
        return "it looks like UTF-8 (4110)"
    other = _WIDER.get(codec, "")
    return f"Windows writes more characters in these places: try {other}" if other else ""


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def registered(codec: str) -> str:
    """The name of a code page that every XML parser knows."""
    if codec.startswith("iso8859"):
        return f"ISO-8859{codec[7:]}"
    if codec.startswith("cp125"):
        return codec.replace("cp", "windows-")
    return _REGISTERED.get(codec) or codec.replace("_", "-").upper()


class Evidence(IntEnum):
    """How much speaks for it that a text is UTF-8 although it was read in another code page."""

    NONE = 0
    WEAK = 1
    STRONG = 2


def looks_like_utf8(text: str, codec: str) -> bool:
    """Whether text read in another code page was UTF-8 in truth, beyond reasonable doubt."""
    return utf8_evidence(text, codec) is Evidence.STRONG


def utf8_evidence(text: str, codec: str) -> Evidence:
    """What speaks for UTF-8 in text that was read in another code page: read so, all later fields shift.

    That its bytes could be UTF-8 is not enough: capital letters behind each other ("SPÓŁKA" in 1401) are so
    by chance, and so is a sign behind a capital ("NESCAFÉ®", "Ø½"). What no word has tells, if what it would
    be in UTF-8 is something that people write.
    """
    if text.isascii() or codec not in _SINGLE_BYTE | _MANY_BYTES:
        return Evidence.NONE
    try:
        truth = text.encode(codec).decode("utf-8")
    except UnicodeError:
        return Evidence.NONE
    if codec in _MANY_BYTES:
        told = _LATIN_WORD.search(truth) or _FAR.search(truth) or _SCRIPT_WORD.search(truth)
        return Evidence.STRONG if told else Evidence.NONE
    if not any(_by_accident(text, found.start()) for found in _PAIR.finditer(text)):
        return Evidence.NONE
    return _plausible(truth)


def _plausible(truth: str) -> Evidence:
    """Whether a text, were it UTF-8, is one that people write. One rare letter, or an odd place, is weak."""
    beyond = {char for char in truth if char > "\x7f"}
    if any(_UNUSUAL.fullmatch(char) for char in beyond):
        return Evidence.NONE
    if _FAR.search(truth) or _SCRIPT.search(truth):
        return Evidence.STRONG
    accents = {char for char in beyond if char < "\u0250"}
    odd = {found[1] for found in _ODD.finditer(truth)}
    if len(accents) > 1 or any(char < "\u0100" for char in accents - odd):
        return Evidence.STRONG
    return Evidence.WEAK if accents else Evidence.NONE


def _by_accident(text: str, at: int) -> bool:
    """Whether two characters behind each other are bytes of UTF-8 rather than letters of a word."""
    first, second = text[at], text[at + 1]
    if not (first.isalpha() and second.isalpha()) or second in "\u00aa\u00b5\u00ba":
        return True
    return first.isupper() and second.islower() and text[at - 1 : at].isalpha()


def suspicion(data: bytes, codec: str) -> str:
    """What the first bytes of a file look like if not like the declared code page; "" without a suspicion."""
    if data.startswith((b"PK\x03\x04", b"\x1f\x8b")):
        return "it is compressed (zip or gzip): unpack it first"
    if data.startswith(_EBCDIC):
        return "it looks like EBCDIC: have the transfer convert it to text"
    if codec.startswith("utf-16"):
        if data[:4] == b"EDI_" or data.startswith(codecs.BOM_UTF8):
            return "it looks like UTF-8 (4110) or a one-byte code page"
        other = (b"\0E\0D", codecs.BOM_UTF16_BE)
        if codec == "utf-16-be":
            other = (b"E\0D\0", codecs.BOM_UTF16_LE)
        return "it looks like the other byte order of UTF-16" if data.startswith(other) else ""
    if data.startswith((codecs.BOM_UTF16_LE, b"E\0D\0")):
        return "it looks like UTF-16 little endian (4103)"
    if data.startswith((codecs.BOM_UTF16_BE, b"\0E\0D")):
        return "it looks like UTF-16 big endian (4102)"
    if data.startswith(codecs.BOM_UTF8) and codec != "utf-8":
        return "it starts with a UTF-8 mark (4110)"
    return ""


def mojibake(text: str, codec: str, *, told: bool = False) -> str:
    """What speaks against the code page in text that could be decoded; "" for nothing. A hint only. ``told``
    says that U+FFFD may stand for bytes that were told of.
    """
    if text.isascii():
        return ""
    if "�" in text:
        return "" if told else "it holds U+FFFD: characters were lost before it was written"
    if codec in _SINGLE_BYTE and any("\x80" <= char <= "\x9f" for char in text):
        return "it holds control characters where Windows has letters: the code page may be 1160 (cp1252)"
    if codec in _SINGLE_BYTE | _MANY_BYTES:
        return ""
    twice = any(looks_like_utf8(text, other) for other in ("cp1252", "iso8859-1"))
    return "it may have been taken for another code page and encoded twice" if twice else ""
