"""Parser for SOQL as clients write it: fields, functions, aggregates and child queries; WHERE, GROUP BY,
HAVING, ORDER BY, LIMIT and OFFSET. What has no effect here (USING SCOPE, WITH, FOR) is read and left."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import TypeVar

from adapters.sandbox.salesforce.org.errors import ApiError
from adapters.sandbox.salesforce.org.values import parse_datetime
from adapters.sandbox.salesforce.soql.tokens import Token, malformed, tokens, unescaped

T = TypeVar("T")
AGGREGATES = frozenset({"COUNT", "COUNT_DISTINCT", "SUM", "AVG", "MIN", "MAX"})
MOST_DEPTH = 50


@dataclass(frozen=True, slots=True)
class Relative:
    """A date literal such as ``LAST_N_DAYS:3``; ``count`` is 0 where it takes none."""

    name: str
    count: int


Literal = str | bool | Decimal | date | datetime | Relative | None


@dataclass(frozen=True, slots=True)
class Column:
    """A field path, or a function of one (``SUM``, ``CALENDAR_YEAR``, ``toLabel``), with its alias."""

    path: str
    function: str = ""
    alias: str = ""

    @property
    def aggregate(self) -> bool:
        return self.function in AGGREGATES


@dataclass(frozen=True, slots=True)
class Comparison:
    """One test of a column against literals; ``operator`` is upper case. IN, INCLUDES and the like have many
    values, others one; ``query`` is the inner query of a semi-join."""

    column: Column
    operator: str
    values: tuple[Literal, ...]
    query: Query | None = None


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

    column: Column
    descending: bool
    nulls_last: bool


@dataclass(frozen=True, slots=True)
class Query:
    """A parsed query. ``columns`` is empty for COUNT(); ``FIELDS(ALL)`` and its kin stand as a column with
    that function; ``children`` are the queries on child relationships, whose ``source`` names the
    relationship.
    """

    columns: tuple[Column, ...]
    children: tuple[Query, ...]
    source: str
    alias: str
    where: Condition | None
    group: tuple[Column, ...]
    having: Condition | None
    order: tuple[Order, ...]
    limit: int | None
    offset: int

    @property
    def grouped(self) -> bool:
        """Whether it answers groups and not records."""
        return bool(self.group) or any(column.aggregate for column in self.columns)


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = tokens(text)
        self._next = 0
        self._depth = 0

    @property
    def _token(self) -> Token:
        return self._tokens[self._next]

    def _fail(self) -> ApiError:
        return malformed(self._text, self._token.at)

    def _take(self, kind: str) -> str:
        token = self._token
        if token.kind != kind:
            raise self._fail()
        self._next += 1
        return token.text

    def _ahead(self, *words: str) -> bool:
        ahead = self._tokens[self._next : self._next + len(words)]
        if [token.text.upper() for token in ahead] != list(words):
            return False
        return all(token.kind in ("word", "mark") for token in ahead)

    def _accept(self, *words: str) -> bool:
        """Consumes these words or marks in a row when they come next."""
        if not self._ahead(*words):
            return False
        self._next += len(words)
        return True

    def _expect(self, word: str) -> None:
        if not self._accept(word):
            raise self._fail()

    def query(self, *, inner: bool = False) -> Query:
        self._deeper()
        self._expect("SELECT")
        columns: list[Column] = []
        children: list[Query] = []
        if not self._accept("COUNT", "(", ")"):
            for selected in self._listed(lambda: self._selected(inner)):
                (children if isinstance(selected, Query) else columns).append(selected)  # type: ignore[arg-type]  # told apart by the test
        self._expect("FROM")
        source = self._take("word")
        alias = self._alias()
        if self._accept("USING", "SCOPE"):
            self._take("word")
        where = self.condition() if self._accept("WHERE") else None
        if self._accept("WITH"):
            self._take("word")
        group = self._listed(self._column) if self._accept("GROUP", "BY") else []
        having = self.condition() if self._accept("HAVING") else None
        order = self._listed(self._order) if self._accept("ORDER", "BY") else []
        limit = self._whole() if self._accept("LIMIT") else None
        offset = self._whole() if self._accept("OFFSET") else 0
        while self._accept("FOR"):
            self._take("word")
        if not inner:
            self.finish()
        self._depth -= 1
        return Query(
            tuple(columns),
            tuple(children),
            source,
            alias,
            where,
            tuple(group),
            having,
            tuple(order),
            limit,
            offset,
        )

    def finish(self) -> None:
        if self._token.kind != "end":
            raise self._fail()

    def _deeper(self) -> None:
        self._depth += 1
        if self._depth > MOST_DEPTH:
            raise self._fail()

    def _alias(self) -> str:
        self._accept("AS")
        clauses = {
            "WHERE", "GROUP", "HAVING", "ORDER", "LIMIT", "OFFSET", "USING", "WITH", "FOR", "FROM",
        }  # fmt: skip
        if self._token.kind == "word" and self._token.text.upper() not in clauses:
            return self._take("word")
        return ""

    def _selected(self, inner: bool) -> Column | Query:
        if not inner and self._accept("("):
            child = self.query(inner=True)
            self._expect(")")
            return child
        column = self._column()
        return Column(column.path, column.function, self._alias()) if column.function else column

    def _column(self) -> Column:
        name = self._take("word")
        if not self._accept("("):
            return Column(name)
        self._deeper()
        inner = Column("") if self._ahead(")") else self._column()
        self._expect(")")
        self._depth -= 1
        return Column(inner.path, name.upper())

    def _whole(self) -> int:
        text = self._take("number")
        if not text.isdigit() or len(text) > 9:
            self._next -= 1
            raise self._fail()
        return int(text)

    def condition(self) -> Condition:
        self._deeper()
        parts = [self._term()]
        every = self._token.text.upper() == "AND"
        word = "AND" if every else "OR"
        while self._accept(word):
            parts.append(self._term())
        if self._token.kind == "word" and self._token.text.upper() in ("AND", "OR"):
            raise self._fail()
        self._depth -= 1
        return parts[0] if len(parts) == 1 else Both(every, tuple(parts))

    def _term(self) -> Condition:
        if self._accept("NOT"):
            self._deeper()
            part = self._term()
            self._depth -= 1
            return Negation(part)
        if self._accept("("):
            inner = self.condition()
            self._expect(")")
            return inner
        return self._comparison()

    def _comparison(self) -> Comparison:
        column = self._column()
        for operator in ("IN", "NOT IN", "INCLUDES", "EXCLUDES"):
            if self._accept(*operator.split(), "("):
                if operator.endswith("IN") and self._ahead("SELECT"):
                    found = Comparison(column, operator, (), self.query(inner=True))
                else:
                    found = Comparison(column, operator, tuple(self._listed(self._literal)))
                self._expect(")")
                return found
        if self._accept("LIKE"):
            return Comparison(column, "LIKE", (self._literal(),))
        mark = self._take("mark")
        if mark not in ("=", "!=", "<>", "<", ">", "<=", ">="):
            self._next -= 1
            raise self._fail()
        return Comparison(column, "!=" if mark == "<>" else mark, (self._literal(),))

    def _literal(self) -> Literal:
        token = self._token
        self._next += 1
        if token.kind == "string":
            return unescaped(token.text)
        if token.kind == "number":
            return Decimal(token.text)
        if token.kind == "time":
            moment = parse_datetime(token.text)
            if moment is not None:
                return moment if "T" in token.text else moment.date()
        if token.kind == "relative":
            name, _, count = token.text.partition(":")
            return Relative(name.upper(), int(count))
        if token.kind == "word":
            constants: dict[str, Literal] = {"true": True, "false": False, "null": None}
            return constants.get(token.text.lower(), Relative(token.text.upper(), 0))
        self._next -= 1
        raise self._fail()

    def _order(self) -> Order:
        column = self._column()
        descending = self._accept("DESC")
        if not descending:
            self._accept("ASC")
        nulls_last = self._accept("NULLS", "LAST")
        if not nulls_last:
            self._accept("NULLS", "FIRST")
        return Order(column, descending, nulls_last)

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
