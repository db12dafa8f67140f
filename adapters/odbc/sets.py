"""Statements that touch many records at once. Their rows arrive as one JSON parameter, so that the text of a
statement depends on its columns alone and is prepared once.

A row's values are the ``c0``, ``c1``, … of ``j``, all text; the table is ``r``. Every value is converted as
in the statement for one record: the same expression, with ``j.c1`` in the place of the parameter.
"""

from __future__ import annotations

from collections.abc import Sequence

from adapters.odbc.catalog import Column, Table
from adapters.odbc.dialect import Dialect
from adapters.odbc.forms import Sets

#: Records of one search for many at most.
FOUND = 1_000
_BIGINT = Column("", "bigint")


def _value(dialect: Dialect, column: Column, place: int) -> str:
    return dialect.value(column).replace("?", f"j.c{place}")


def lock(dialect: Dialect, sets: Sets, table: Table, key: str, names: Sequence[str]) -> str:
    """Records by key, locked until the transaction ends: key as asked, key as it is, columns."""
    quoted = dialect.quote(key)
    texts = [dialect.as_text(f"r.{dialect.quote(name)}", table.column(name)) for name in (key, *names)]
    return (
        f"SELECT j.c0, {', '.join(texts)} FROM {sets.rows(1)} {sets.join} {dialect.quote(table.name)} r"  # noqa: S608
        f" ON r.{quoted} = {sets.match('j.c0', table.column(key))}{sets.lock.format(key=f'r.{quoted}')}"
    )


def find(dialect: Dialect, sets: Sets, table: Table, key: str, by: str, names: Sequence[str]) -> str:
    """Records by a text, at most ``FOUND``: the text as asked, key, columns."""
    texts = [dialect.as_text(f"r.{dialect.quote(name)}", table.column(name)) for name in (key, *names)]
    match = sets.match("j.c0", table.column(by)) + dialect.limit.format(count=FOUND)
    return (
        f"SELECT j.c0, {', '.join(texts)} FROM {sets.rows(1)} {sets.join} {dialect.quote(table.name)} r"  # noqa: S608
        f" ON r.{dialect.quote(by)} = {match}"
    )


def insert(dialect: Dialect, sets: Sets, table: Table, names: Sequence[str], answers: Sequence[str]) -> str:
    """New records; the statement answers with columns of each as text."""
    values = ", ".join(_value(dialect, table.column(name), place) for place, name in enumerate(names))
    texts = ", ".join(dialect.text(name, table.column(name)) for name in answers)
    columns = ", ".join(dialect.quote(name) for name in names)
    return (
        f"INSERT INTO {dialect.quote(table.name)} ({columns})"  # noqa: S608
        f" SELECT {values} FROM {sets.rows(len(names))} RETURNING {texts}"
    )


def update(dialect: Dialect, sets: Sets, table: Table, key: str, names: Sequence[str]) -> str:
    """Set columns of records by key: the key is the first of a row."""
    setters = [
        sets.setter.format(name=dialect.quote(name), value=_value(dialect, table.column(name), place))
        for place, name in enumerate(names, start=1)
    ]
    return sets.update.format(
        table=dialect.quote(table.name),
        rows=sets.rows(1 + len(names)),
        match=f"r.{dialect.quote(key)} = {sets.match('j.c0', table.column(key))}",
        setters=", ".join(setters),
    )


def delete(dialect: Dialect, sets: Sets, table: Table, key: str) -> str:
    """Delete records by key."""
    return sets.delete.format(
        table=dialect.quote(table.name),
        rows=sets.rows(1),
        key=dialect.quote(key),
        match=sets.match("j.c0", table.column(key)),
    )


def ledger_insert(dialect: Dialect, sets: Sets, ledger: str) -> str:
    """Claim message ids: message id, payload hash, epoch, object and key of each.

    Fewer rows, or the error of a duplicate, when some are there already (``dialect.claim``).
    """
    return (
        f"INSERT INTO {dialect.quote(ledger)}"  # noqa: S608
        f" (message_id, payload_hash, epoch, object, {dialect.own('key')}, outcome, applied_at)"
        f" SELECT j.c0, j.c1, {_value(dialect, _BIGINT, 2)}, j.c3, j.c4, 'accepted', {dialect.now}"
        f" FROM {sets.rows(5)} WHERE 1 = 1{dialect.claim.value}"
    )


def ledger_read(dialect: Dialect, sets: Sets, ledger: str) -> str:
    """Message id, payload hash and key of those that are there."""
    return (
        f"SELECT r.message_id, r.payload_hash, r.{dialect.own('key')} FROM {sets.rows(1)} {sets.join}"  # noqa: S608
        f" {dialect.quote(ledger)} r ON r.message_id = {sets.match('j.c0', sets.own_text)}"
    )


def ledger_keys(dialect: Dialect, sets: Sets, ledger: str) -> str:
    """Note the keys of created records: message id and key of each."""
    return sets.update.format(
        table=dialect.quote(ledger),
        rows=sets.rows(2),
        match=f"r.message_id = {sets.match('j.c0', sets.own_text)}",
        setters=sets.setter.format(name=dialect.own("key"), value="j.c1"),
    )
