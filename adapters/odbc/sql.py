"""The statement shapes of this adapter. Identifiers come from the catalog, values only as parameters.

A bare name in ORDER BY would mean the selected text where a database names CAST(x AS TEXT) "x": 10 before 9.
Hence the alias ``r``.
"""

from __future__ import annotations

from collections.abc import Sequence

from adapters.odbc.catalog import Table
from adapters.odbc.dialect import Dialect


def _columns(dialect: Dialect, table: Table, names: Sequence[str]) -> str:
    return ", ".join(dialect.as_text(dialect.quote(name), table.column(name).type_name) for name in names)


def _key_equals(dialect: Dialect, table: Table, key: str) -> str:
    return f"{dialect.quote(key)} = {dialect.parameter(table.column(key).type_name)}"


def select_by_keys(dialect: Dialect, table: Table, key: str, names: Sequence[str], count: int) -> str:
    """Key (as text) and columns of up to ``count`` records."""
    parameter = dialect.parameter(table.column(key).type_name)
    return (
        f"SELECT {dialect.as_text(dialect.quote(key), table.column(key).type_name)}"  # noqa: S608
        f"{_more(dialect, table, names)} FROM {dialect.quote(table.name)}"
        f" WHERE {dialect.quote(key)} IN ({', '.join([parameter] * count)})"
    )


def _more(dialect: Dialect, table: Table, names: Sequence[str]) -> str:
    return f", {_columns(dialect, table, names)}" if names else ""


def select_locked(dialect: Dialect, table: Table, key: str, names: Sequence[str]) -> str:
    """One record, locked until the transaction ends."""
    return select_by_keys(dialect, table, key, names, 1) + dialect.row_lock


def select_page(
    dialect: Dialect, table: Table, key: str, names: Sequence[str], *, size: int, first: bool
) -> str:
    """The next ``size`` records in key order, behind a key unless it is the ``first`` page."""
    behind = (
        "" if first else f" WHERE {dialect.quote(key)} > {dialect.parameter(table.column(key).type_name)}"
    )
    return (
        f"SELECT {dialect.as_text(dialect.quote(key), table.column(key).type_name)}"  # noqa: S608
        f"{_more(dialect, table, names)} FROM {dialect.quote(table.name)} AS r{behind}"
        f" ORDER BY r.{dialect.quote(key)} LIMIT {size}"
    )


def select_where(
    dialect: Dialect, table: Table, key: str, names: Sequence[str], given: Sequence[tuple[str, bool]]
) -> str:
    """Records whose columns equal given values; each entry is (column, is the value null)."""
    tests = [
        f"{dialect.quote(name)} IS NULL" if null else _key_equals(dialect, table, name)
        for name, null in given
    ]
    return (
        f"SELECT {dialect.as_text(dialect.quote(key), table.column(key).type_name)}"  # noqa: S608
        f"{_more(dialect, table, names)} FROM {dialect.quote(table.name)} AS r"
        f" WHERE {' AND '.join(tests)} ORDER BY r.{dialect.quote(key)} LIMIT 100"
    )


def insert(dialect: Dialect, table: Table, key: str, names: Sequence[str]) -> str:
    """A new record; with RETURNING of its key where the dialect can."""
    columns = ", ".join(dialect.quote(name) for name in names)
    values = ", ".join(dialect.parameter(table.column(name).type_name) for name in names)
    returning = ""
    if dialect.returning:
        returning = f" RETURNING {dialect.as_text(dialect.quote(key), table.column(key).type_name)}"
    return f"INSERT INTO {dialect.quote(table.name)} ({columns}) VALUES ({values}){returning}"  # noqa: S608


def inserted_key(dialect: Dialect, table: Table, key: str) -> str:
    """The key of the record just inserted, where INSERT cannot return it."""
    column = dialect.as_text(dialect.quote(key), table.column(key).type_name)
    return f"SELECT {column} FROM {dialect.quote(table.name)} WHERE {dialect.last_row}"  # noqa: S608


def update(dialect: Dialect, table: Table, key: str, names: Sequence[str]) -> str:
    """Set columns of one record by key."""
    setters = ", ".join(
        f"{dialect.quote(name)} = {dialect.parameter(table.column(name).type_name)}" for name in names
    )
    return f"UPDATE {dialect.quote(table.name)} SET {setters} WHERE {_key_equals(dialect, table, key)}"  # noqa: S608


def delete(dialect: Dialect, table: Table, key: str) -> str:
    """Delete one record by key."""
    return f"DELETE FROM {dialect.quote(table.name)} WHERE {_key_equals(dialect, table, key)}"  # noqa: S608


def journal_read(dialect: Dialect, journal: str, limit: int) -> str:
    """The oldest journal rows: seq, object, key, operation, marker."""
    return (
        f"SELECT CAST(seq AS TEXT), object, key, op, message_id FROM {dialect.quote(journal)} AS r"  # noqa: S608
        f" ORDER BY r.seq LIMIT {limit}"
    )


def journal_ack(dialect: Dialect, journal: str, count: int) -> str:
    """Release journal rows by their exact numbers: holes and late commits below them lose nothing."""
    parameters = ", ".join([dialect.parameter("bigint")] * count)
    return f"DELETE FROM {dialect.quote(journal)} WHERE seq IN ({parameters})"  # noqa: S608


def journal_instance(dialect: Dialect, meta: str) -> str:
    """The name of this installation of the journal."""
    return f"SELECT instance FROM {dialect.quote(meta)}"  # noqa: S608


def ledger_insert(dialect: Dialect, ledger: str) -> str:
    """Claim a message id; no row when it is there already. Waits for another transaction that claims it.

    Where the dialect carries a marker of our writes, the id becomes this transaction's marker on the way.
    """
    message_id = "set_config('isthmus.message_id', ?, true)" if dialect.marks_writes else "?"
    return (
        f"INSERT INTO {dialect.quote(ledger)}"  # noqa: S608
        " (message_id, payload_hash, epoch, object, key, outcome, applied_at)"
        f" VALUES ({message_id}, ?, {dialect.parameter('bigint')}, ?, ?, 'accepted', CURRENT_TIMESTAMP)"
        " ON CONFLICT (message_id) DO NOTHING"
    )


def ledger_key(dialect: Dialect, ledger: str) -> str:
    """Note the key of a created record in its ledger row."""
    return f"UPDATE {dialect.quote(ledger)} SET key = ? WHERE message_id = ?"  # noqa: S608


def ledger_read(dialect: Dialect, ledger: str) -> str:
    """Payload hash and key under a message id."""
    return f"SELECT payload_hash, key FROM {dialect.quote(ledger)} WHERE message_id = ?"  # noqa: S608


def epoch_check(dialect: Dialect, epoch: str) -> str:
    """Epoch and life that may write; locked so that no other life takes over before our transaction ends."""
    return (
        f"SELECT CAST(epoch AS TEXT), life FROM {dialect.quote(epoch)}"  # noqa: S608
        f" WHERE id = 1{dialect.share_lock}"
    )


def mark_read(dialect: Dialect, epoch: str) -> str:
    """The life that wrote last, its epoch, how far its store was, its host, and the mark's stamp."""
    return (
        f"SELECT life, CAST(epoch AS TEXT), CAST(token AS TEXT), host, stamp"  # noqa: S608
        f" FROM {dialect.quote(epoch)} WHERE id = 1"
    )


def mark_write(dialect: Dialect, epoch: str) -> str:
    """Another mark, if exactly the expected one stands there."""
    number = dialect.parameter("bigint")
    parts = ["life = ?", f"epoch = {number}", f"token = {number}", "host = ?", "stamp = ?"]
    return (
        f"UPDATE {dialect.quote(epoch)} SET {', '.join(parts)}"  # noqa: S608
        f" WHERE id = 1 AND {' AND '.join(parts)}"
    )
