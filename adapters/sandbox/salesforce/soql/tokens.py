"""The words of SOQL text."""

from __future__ import annotations

import re
from dataclasses import dataclass

from adapters.sandbox.salesforce.org.errors import ApiError

MOST_CHARACTERS = 100_000
_TOKEN = re.compile(
    r"\s*(?:(?P<string>'(?:\\.|[^'\\])*')"
    r"|(?P<time>\d{4}-\d\d-\d\d(?:T\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d))?)"
    r"|(?P<number>[+-]?\d+(?:\.\d+)?)"
    r"|(?P<relative>[A-Za-z_]+:\d{1,5})"
    r"|(?P<word>[A-Za-z_][\w.]*)"
    r"|(?P<mark><=|>=|!=|<>|[=<>(),]))",
    re.ASCII | re.DOTALL,
)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_ESCAPED = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f"}


@dataclass(frozen=True, slots=True)
class Token:
    """A word of the text. ``kind`` is string, time, number, relative, word, mark or end."""

    kind: str
    text: str
    at: int


def tokens(text: str) -> list[Token]:
    """The words, an ``end`` behind them. Raises ApiError MALFORMED_QUERY with the column."""
    if len(text) > MOST_CHARACTERS:
        raise ApiError(
            "QUERY_TOO_LONG", f"SOQL statements cannot be longer than {MOST_CHARACTERS} characters."
        )
    found: list[Token] = []
    at, end = 0, len(text.rstrip())
    while at < end:
        match = _TOKEN.match(text, at)
        if match is None or match.lastgroup is None:
            raise malformed(text, at)
        found.append(Token(match.lastgroup, match.group(match.lastgroup), match.start(match.lastgroup)))
        at = match.end()
    return [*found, Token("end", "", len(text))]


def malformed(text: str, at: int) -> ApiError:
    """The refusal of text that is no SOQL from this place on."""
    near = text[max(0, at - 20) : at + 20].strip()
    return ApiError(
        "MALFORMED_QUERY", f"{near}\nERROR at Row:1:Column:{at + 1}\nunexpected token: '{text[at : at + 20]}'"
    )


def unescaped(quoted: str) -> str:
    """The text of a quoted literal."""
    return _ESCAPE.sub(lambda found: _ESCAPED.get(found.group(1), found.group(1)), quoted[1:-1])
