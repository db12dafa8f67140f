"""The statement shapes of this adapter. Identifiers come from the catalog, values only as parameters.

A bare name in ORDER BY would mean the selected text where a database names CAST(x AS TEXT) "x": 10 before 9.
Hence the alias ``r``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from adapters.odbc.catalog import Column, Table
from adapters.odbc.dialect import Dialect, OwnTables, Tracking, literal

_BIGINT = Column("", "bigint")
_NUMERIC = Column("", "numeric")


def _key_and(dialect: Dialect, table: Table, key: str, names: Sequence[str]) -> str:
    return ", ".join(dialect.text(name, table.column(name)) for name in (key, *names))


def _equals(dialect: Dialect, table: Table, name: str) -> str:
    return f"{dialect.quote(name)} = {dialect.comparand(table.column(name))}"


def select_by_keys(dialect: Dialect, table: Table, key: str, names: Sequence[str], count: int) -> str:
    """Key (as text) and columns of up to ``count`` records."""
    return _by_keys(dialect, table, key, names, count, dialect.quote(table.name))


def _by_keys(dialect: Dialect, table: Table, key: str, names: Sequence[str], count: int, source: str) -> str:
    comparand = dialect.comparand(table.column(key))
    return (
        f"SELECT {_key_and(dialect, table, key, names)} FROM {source}"  # noqa: S608
        f" WHERE {dialect.quote(key)} IN ({', '.join([comparand] * count)})"
    )


def select_locked(dialect: Dialect, table: Table, key: str, names: Sequence[str]) -> str:
    """One record, locked until the transaction ends."""
    lock = dialect.row_lock
    source = dialect.quote(table.name) + lock.hint
    return _by_keys(dialect, table, key, names, 1, source) + lock.suffix


def select_page(
    dialect: Dialect, table: Table, key: str, names: Sequence[str], *, size: int, first: bool
) -> str:
    """The next ``size`` records in key order, behind a key unless it is the ``first`` page.

    A row without a key is no record yet.
    """
    behind = "IS NOT NULL" if first else f"> {dialect.comparand(table.column(key))}"
    return (
        f"SELECT {_key_and(dialect, table, key, names)} FROM {dialect.quote(table.name)} r"  # noqa: S608
        f" WHERE {dialect.quote(key)} {behind}"
        f" ORDER BY r.{dialect.quote(key)}{dialect.limit.format(count=size)}"
    )


def select_where(
    dialect: Dialect, table: Table, key: str, names: Sequence[str], given: Sequence[tuple[str, bool]]
) -> str:
    """Records whose columns equal given values; each entry is (column, is the value null)."""
    tests = [
        f"{dialect.quote(name)} IS NULL" if null else _equals(dialect, table, name) for name, null in given
    ]
    return (
        f"SELECT {_key_and(dialect, table, key, names)} FROM {dialect.quote(table.name)} r"  # noqa: S608
        f" WHERE {' AND '.join(tests)} ORDER BY r.{dialect.quote(key)}{dialect.limit.format(count=100)}"
    )


def insert(dialect: Dialect, table: Table, key: str, names: Sequence[str], context: str = "") -> str:
    """A new record; answers with its key where the dialect can. ``context`` stands in front of the verb."""
    return dialect.insert.format(
        context=context,
        table=dialect.quote(table.name),
        columns=", ".join(dialect.quote(name) for name in names),
        values=", ".join(dialect.value(table.column(name)) for name in names),
        key=dialect.text(key, table.column(key)),
        inserted=dialect.as_text(f"INSERTED.{dialect.quote(key)}", table.column(key)),
    )


def inserted_key(dialect: Dialect, table: Table, key: str) -> str:
    """The key of the record just inserted, where INSERT cannot return it."""
    column = dialect.text(key, table.column(key))
    where = dialect.last_row.format(key=dialect.quote(key))
    return f"SELECT {column} FROM {dialect.quote(table.name)} WHERE {where}"  # noqa: S608


def update(dialect: Dialect, table: Table, key: str, names: Sequence[str]) -> str:
    """Set columns of one record by key."""
    setters = ", ".join(f"{dialect.quote(name)} = {dialect.value(table.column(name))}" for name in names)
    return f"UPDATE {dialect.quote(table.name)} SET {setters} WHERE {_equals(dialect, table, key)}"  # noqa: S608


def delete(dialect: Dialect, table: Table, key: str) -> str:
    """Delete one record by key."""
    return f"DELETE FROM {dialect.quote(table.name)} WHERE {_equals(dialect, table, key)}"  # noqa: S608


def procedure(dialect: Dialect, name: str, count: int) -> str:
    """The call of a stored procedure; the driver turns it into what its server understands."""
    return f"{{CALL {dialect.quote(name)}({', '.join(['?'] * count)})}}"


def _number(dialect: Dialect, name: str) -> str:
    """A whole number of our own tables as text."""
    return dialect.as_text(dialect.own(name), _BIGINT)


def journal_read(dialect: Dialect, journal: str, limit: int, others: int = 0) -> str:
    """The oldest journal rows: seq, object, key, operation, marker; but not those of so many ``others``."""
    ours = f" WHERE object NOT IN ({', '.join('?' * others)})" if others else ""
    return (
        f"SELECT {_number(dialect, 'seq')}, object, {dialect.own('key')}, op, message_id"  # noqa: S608
        f" FROM {dialect.quote(journal)} r{dialect.journal.past.hint}{ours}"
        f" ORDER BY r.seq{dialect.limit.format(count=limit)}{dialect.journal.past.suffix}"
    )


def journal_ack(dialect: Dialect, journal: str, count: int) -> str:
    """Release journal rows by their exact numbers: holes and late commits below them lose nothing."""
    return dialect.release(dialect.quote(journal), count)


def journal_instance(dialect: Dialect, own: OwnTables) -> str:
    """The name of this installation of the journal."""
    life = dialect.journal.life.format(quoted=literal(dialect.quote(own.journal)))
    return f"SELECT {life} FROM {dialect.quote(own.meta)}"  # noqa: S608


def ledger_insert(dialect: Dialect, ledger: str) -> str:
    """Claim a message id; no row, or the error of a duplicate, when it is there already (``dialect.claim``).

    Waits for another transaction that claims it. Where the dialect carries a marker of our writes, the id
    becomes this transaction's marker on the way.
    """
    return (
        f"{dialect.claiming}INSERT INTO {dialect.quote(ledger)}"  # noqa: S608
        f" (message_id, payload_hash, epoch, object, {dialect.own('key')}, outcome, applied_at)"
        f" VALUES ({dialect.mark}, ?, {dialect.value(_BIGINT)}, ?, ?, 'accepted', {dialect.now})"
        f"{dialect.claim.value}"
    )


def ledger_key(dialect: Dialect, ledger: str) -> str:
    """Note the key of a created record in its ledger row."""
    return f"UPDATE {dialect.quote(ledger)} SET {dialect.own('key')} = ? WHERE message_id = ?"  # noqa: S608


def ledger_read(dialect: Dialect, ledger: str) -> str:
    """Payload hash and key under a message id."""
    key = dialect.own("key")
    return f"SELECT payload_hash, {key} FROM {dialect.quote(ledger)} WHERE message_id = ?"  # noqa: S608


def epoch_check(dialect: Dialect, epoch: str) -> str:
    """Epoch and life that may write; locked so that no other life takes over before our transaction ends."""
    lock = dialect.share_lock
    return (
        f"SELECT {_number(dialect, 'epoch')}, life FROM {dialect.quote(epoch)}{lock.hint}"  # noqa: S608
        f" WHERE id = 1{lock.suffix}"
    )


def mark_read(dialect: Dialect, epoch: str) -> str:
    """The life that wrote last, its epoch, how far its store was, its host, and the mark's stamp."""
    return (
        f"SELECT life, {_number(dialect, 'epoch')}, {_number(dialect, 'token')}, host, stamp"  # noqa: S608
        f" FROM {dialect.quote(epoch)} WHERE id = 1"
    )


def mark_write(dialect: Dialect, epoch: str) -> str:
    """Another mark, if exactly the expected one stands there."""

    def parts(number: str, text: str = "{column} = {value}") -> list[str]:
        texts = {name: text.format(column=name, value="?") for name in ("life", "host", "stamp")}
        return [texts["life"], f"epoch = {number}", f"token = {number}", texts["host"], texts["stamp"]]

    return (
        f"UPDATE {dialect.quote(epoch)} SET {', '.join(parts(dialect.value(_BIGINT)))}"  # noqa: S608
        f" WHERE id = 1 AND {' AND '.join(parts(dialect.comparand(_BIGINT), dialect.equal))}"
    )


def _between(dialect: Dialect, table: Table, key: str, bounds: tuple[bool, bool]) -> str:
    """Rows behind a key and up to another, where those bounds are there."""
    column, mark = f"r.{dialect.quote(key)}", dialect.comparand(table.column(key))
    lower, upper = bounds
    tests = [f"{column} > {mark}" if lower else f"{column} IS NOT NULL"]
    if upper:
        tests.append(f"{column} <= {mark}")
    return f" FROM {dialect.quote(table.name)} r WHERE {' AND '.join(tests)}"


def _row_hash(dialect: Dialect, table: Table, names: Sequence[str]) -> str:
    if dialect.digest is None:
        raise ValueError(f"{dialect.name} does not hash rows")
    return dialect.digest.row(
        [(dialect.text(name, table.column(name)), table.column(name)) for name in names]
    )


def segment_sums(
    dialect: Dialect, table: Table, key: str, names: Sequence[str], bounds: tuple[bool, bool]
) -> str:
    """How many rows there are between two keys, and the sums of both halves of their hashes.

    Two sums: a row that comes twice doubles them, where an exclusive or would cancel it out.
    """
    if dialect.digest is None:
        raise ValueError(f"{dialect.name} does not hash rows")
    first, second = dialect.digest.halves("h")
    sums = ", ".join(dialect.as_text(f"COALESCE(SUM({half}), 0)", _NUMERIC) for half in (first, second))
    rows = f"SELECT {_row_hash(dialect, table, (key, *names))} AS h{_between(dialect, table, key, bounds)}"
    return f"SELECT {dialect.as_text('COUNT(*)', _BIGINT)}, {sums} FROM ({rows}) q"  # noqa: S608


def segment_rows(
    dialect: Dialect, table: Table, key: str, names: Sequence[str], bounds: tuple[bool, bool], count: int
) -> str:
    """The first rows between two keys, in order: the key, and the row's hash or else its columns."""
    if dialect.digest is None:
        chosen = _key_and(dialect, table, key, names)
    else:
        chosen = f"{dialect.text(key, table.column(key))}, {_row_hash(dialect, table, (key, *names))}"
    return (
        f"SELECT {chosen}{_between(dialect, table, key, bounds)}"
        f" ORDER BY r.{dialect.quote(key)}{dialect.limit.format(count=count)}"
    )


def segment_keys(dialect: Dialect, table: Table, key: str, bounds: tuple[bool, bool], count: int) -> str:
    """The first keys between two keys, in order."""
    return (
        f"SELECT {_key_and(dialect, table, key, ())}{_between(dialect, table, key, bounds)}"
        f" ORDER BY r.{dialect.quote(key)}{dialect.limit.format(count=count)}"
    )


_TIME = re.compile(r"date|time")


def is_time(column: Column) -> bool:
    """Whether a column holds points in time."""
    return _TIME.search(column.type_name) is not None


@dataclass(frozen=True, slots=True)
class Window:
    """What a reading in the order of a column takes, and how many rows.

    earlier_s  not before a given value less so many seconds; None without such a bound
    behind     behind a given value and key
    upto       up to a given value and key
    """

    earlier_s: float | None
    behind: bool
    upto: bool
    count: int


def _settled(dialect: Dialect, column: Column, place: str) -> tuple[str, list[str]]:
    """What stands in front of a query, and which of its rows are those of transactions that are over."""
    settled = dialect.settled(column)
    if settled is None:
        return "", [f"{place} IS NOT NULL"]
    return settled.before, [f"{place} IS NOT NULL", f"{place} < {settled.below}"]


def high_rows(dialect: Dialect, table: Table, key: str, names: Sequence[str], window: Window) -> str:
    """Rows in the order of the first of ``names`` and the key: key, its value, and the hash or the others.

    Behind a place by value and key together: rows of equal value are not skipped at the edge of a page.
    """
    by, *others = names
    column, place = table.column(by), f"r.{dialect.quote(by)}"
    before, tests = _settled(dialect, column, place)
    if window.earlier_s is not None and dialect.earlier is not None:
        tests.append(f"{place} >= {dialect.earlier(column, window.earlier_s)}")
    value, mark = dialect.comparand(column), dialect.comparand(table.column(key))
    second = f"r.{dialect.quote(key)}"
    tests.append(f"{second} IS NOT NULL")
    if window.behind:
        tests.append(f"{place} >= {value} AND ({place} > {value} OR {second} > {mark})")
    if window.upto:
        tests.append(f"{place} <= {value} AND ({place} < {value} OR {second} <= {mark})")
    if dialect.digest is None:
        chosen = _key_and(dialect, table, key, names)
    else:
        chosen = f"{_key_and(dialect, table, key, (by,))}, {_row_hash(dialect, table, (key, *others))}"
    return (
        f"{before}SELECT {chosen} FROM {dialect.quote(table.name)} r WHERE {' AND '.join(tests)}"  # noqa: S608
        f" ORDER BY {place}, r.{dialect.quote(key)}{dialect.limit.format(count=window.count)}"
    )


@dataclass(frozen=True, slots=True)
class Named:
    """A table's name as the statements of ``Tracking`` take it."""

    table: str
    name: str

    @classmethod
    def of(cls, dialect: Dialect, name: str) -> Named:
        """In quotes, and the same inside a literal."""
        quoted = dialect.quote(name)
        return cls(quoted, quoted.replace("'", "''"))

    def within(self, statement: str) -> str:
        """The statement about this table."""
        return statement.format(table=self.table, name=self.name)


def tracked_changes(
    dialect: Dialect, tracking: Tracking, table: Table, key: str, limit: int, *, behind: bool
) -> str:
    """The next changes of a table that the database tracks: version, operation, key and mark.

    Bound are a version behind which they lie and the last one; with ``behind`` a version and a key, too.
    """
    column, place = table.column(key), f"c.{dialect.quote(key)}"
    return tracking.changes.format(
        table=dialect.quote(table.name),
        key=dialect.as_text(place, column),
        place=place,
        behind=tracking.behind.format(place=place, mark=dialect.comparand(column)) if behind else "",
        limit=dialect.limit.format(count=limit),
    )


def high_place(dialect: Dialect, table: Table, key: str, by: str, count: int) -> str:
    """Value and key of the highest rows in the order of a column and the key, the highest first."""
    place = f"r.{dialect.quote(by)}"
    before, tests = _settled(dialect, table.column(by), place)
    tests.append(f"r.{dialect.quote(key)} IS NOT NULL")
    return (
        f"{before}SELECT {dialect.text(by, table.column(by))}, {dialect.text(key, table.column(key))}"  # noqa: S608
        f" FROM {dialect.quote(table.name)} r WHERE {' AND '.join(tests)}"
        f" ORDER BY {place} DESC, r.{dialect.quote(key)} DESC{dialect.limit.format(count=count)}"
    )
