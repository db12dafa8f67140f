"""Parser for the part of SOQL that the sandbox answers: SELECT fields or COUNT(), FROM one object, WHERE
with AND,
OR, NOT, =, !=, <, >, <=, >=, IN, NOT IN and LIKE, ORDER BY, LIMIT and OFFSET."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import TypeVar

from adapters.sandbox.salesforce.org.errors import ApiError
from adapters.sandbox.salesforce.org.values import parse_datetime

T = TypeVar("T")
Literal = str | bool | Decimal | date | datetime | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """One test of a field path against literals; ``operator`` is upper case. IN has many values, others
    one."""

    path: str
    operator: str
    values: tuple[Literal, ...]


@dataclass(frozen=True, slots=True)
class Both:
    """AND (``every``) or OR of conditions."""

    every: bool
    parts: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Negation:
    """NOT of a condition."""

    part: Condition


Condition = Comparison | Both | Negation


@dataclass(frozen=True, slots=True)
class Order:
    """One ORDER BY term."""

    path: str
    descending: bool
    nulls_last: bool


@dataclass(frozen=True, slots=True)
class Query:
    """A parsed query. ``columns`` is empty for COUNT()."""

    columns: tuple[str, ...]
    object_name: str
    where: Condition | None
    order: tuple[Order, ...]
    limit: int | None
    offset: int


_TOKEN = re.compile(
    r"\s*(?:(?P<string>'(?:\\.|[^'\\])*')"
    r"|(?P<time>\d{4}-\d\d-\d\d(?:T\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d))?)"
    r"|(?P<number>[+-]?\d+(?:\.\d+)?)"
    r"|(?P<word>[A-Za-z_][\w.]*)"
    r"|(?P<mark><=|>=|!=|<>|[=<>(),]))"
)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_ESCAPED = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f"}


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    at: int


def _tokens(text: str) -> list[_Token]:
    tokens: list[_Token] = []
    at, end = 0, len(text.rstrip())
    while at < end:
        match = _TOKEN.match(text, at)
        if match is None or match.lastgroup is None:
            raise _malformed(text, at)
        tokens.append(_Token(match.lastgroup, match.group(match.lastgroup), match.start(match.lastgroup)))
        at = match.end()
    return [*tokens, _Token("end", "", len(text))]


def _malformed(text: str, at: int) -> ApiError:
    near = text[max(0, at - 20) : at + 20].strip()
    return ApiError(
        "MALFORMED_QUERY", f"{near}\nERROR at Row:1:Column:{at + 1}\nunexpected token: '{text[at : at + 20]}'"
    )


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = _tokens(text)
        self._next = 0

    @property
    def _token(self) -> _Token:
        return self._tokens[self._next]

    def _fail(self) -> ApiError:
        return _malformed(self._text, self._token.at)

    def _take(self, kind: str) -> str:
        token = self._token
        if token.kind != kind:
            raise self._fail()
        self._next += 1
        return token.text

    def _accept(self, *words: str) -> bool:
        """Consumes these words or marks in a row when they come next."""
        ahead = self._tokens[self._next : self._next + len(words)]
        if [token.text.upper() for token in ahead] != list(words):
            return False
        if any(token.kind not in ("word", "mark") for token in ahead):
            return False
        self._next += len(words)
        return True

    def _expect(self, word: str) -> None:
        if not self._accept(word):
            raise self._fail()

    def query(self) -> Query:
        self._expect("SELECT")
        columns: list[str] = []
        if self._accept("COUNT", "(", ")"):
            pass
        elif self._accept("FIELDS", "(", "ALL", ")"):
            columns = ["*"]
        else:
            columns = self._listed(lambda: self._take("word"))
        self._expect("FROM")
        object_name = self._take("word")
        where = self.condition() if self._accept("WHERE") else None
        order = self._listed(self._order) if self._accept("ORDER", "BY") else []
        limit = int(self._take("number")) if self._accept("LIMIT") else None
        offset = int(self._take("number")) if self._accept("OFFSET") else 0
        self.finish()
        return Query(tuple(columns), object_name, where, tuple(order), limit, offset)

    def finish(self) -> None:
        if self._token.kind != "end":
            raise self._fail()

    def condition(self) -> Condition:
        parts = [self._term()]
        every = self._token.text.upper() == "AND"
        word = "AND" if every else "OR"
        while self._accept(word):
            parts.append(self._term())
        if self._token.text.upper() in ("AND", "OR"):
            raise self._fail()
        return parts[0] if len(parts) == 1 else Both(every, tuple(parts))

    def _term(self) -> Condition:
        if self._accept("NOT"):
            return Negation(self._term())
        if self._accept("("):
            inner = self.condition()
            self._expect(")")
            return inner
        return self._comparison()

    def _comparison(self) -> Comparison:
        path = self._take("word")
        for operator in ("IN", "NOT IN"):
            if self._accept(*operator.split()):
                self._expect("(")
                values = self._listed(self._literal)
                self._expect(")")
                return Comparison(path, operator, tuple(values))
        if self._accept("LIKE"):
            return Comparison(path, "LIKE", (self._literal(),))
        mark = self._take("mark")
        if mark not in ("=", "!=", "<>", "<", ">", "<=", ">="):
            self._next -= 1
            raise self._fail()
        return Comparison(path, "!=" if mark == "<>" else mark, (self._literal(),))

    def _literal(self) -> Literal:
        token = self._token
        self._next += 1
        if token.kind == "string":
            return _ESCAPE.sub(lambda found: _ESCAPED.get(found.group(1), found.group(1)), token.text[1:-1])
        if token.kind == "number":
            return Decimal(token.text)
        if token.kind == "time":
            return parse_datetime(token.text) if "T" in token.text else date.fromisoformat(token.text)
        if token.kind == "word" and token.text.lower() in ("true", "false", "null"):
            return {"true": True, "false": False, "null": None}[token.text.lower()]
        self._next -= 1
        raise self._fail()

    def _order(self) -> Order:
        path = self._take("word")
        descending = self._accept("DESC")
        if not descending:
            self._accept("ASC")
        nulls_last = self._accept("NULLS", "LAST")
        if not nulls_last:
            self._accept("NULLS", "FIRST")
        return Order(path, descending, nulls_last)

    def _listed(self, item: Callable[[], T]) -> list[T]:
        items = [item()]
        while self._accept(","):
            items.append(item())
        return items


def parse(text: str) -> Query:
    """Parses a query. Raises ApiError MALFORMED_QUERY with the column."""
    return _Parser(text).query()


def parse_condition(text: str) -> Condition:
    """Parses what may stand behind WHERE."""
    parser = _Parser(text)
    condition = parser.condition()
    parser.finish()
    return condition
