"""A table of the ERP into which commands are put, and what its own program says of them there later.

The agent inserts a row per message id, once, and marks a row whose answer it has taken. The ERP's program
reads rows without a state, and sets state, key and text. Nothing else of the ERP is written.
"""

from __future__ import annotations

from adapters.odbc.catalog import Column, Table
from adapters.odbc.dialect import Dialect

#: What the agent writes: message id, kind (create, update, delete), key, and two JSON texts.
GIVEN = ("message_id", "kind", "record_key", "field_values", "seen_values")
#: What the ERP's program writes, and at last the agent's mark that it has the answer.
NUMBER, STATE, KEY, TEXT, TAKEN = "seq", "state", "answer_key", "answer_text", "taken"
COLUMNS = (NUMBER, *GIVEN, STATE, KEY, TEXT, TAKEN)
#: States that stay, and what they mean for the command; while another one stands there, it is not decided.
FINAL = {"accepted": "accepted", "refused": "rejected", "changed": "rejected", "gone": "rejected"}
_TEXT = Column("", "varchar")


def insert(dialect: Dialect, table: Table) -> str:
    """A command for the ERP's program."""
    columns = ", ".join(dialect.quote(name) for name in GIVEN)
    values = ", ".join(dialect.value(table.column(name)) for name in GIVEN)
    return f"INSERT INTO {dialect.quote(table.name)} ({columns}) VALUES ({values})"  # noqa: S608


def given(dialect: Dialect, table: Table) -> str:
    """What is there under a message id, as it was given."""
    columns = ", ".join(dialect.text(name, table.column(name)) for name in GIVEN[1:])
    name = GIVEN[0]
    return (
        f"SELECT {columns} FROM {dialect.quote(table.name)}"  # noqa: S608
        f" WHERE {dialect.quote(name)} = {dialect.comparand(table.column(name))}"
    )


def answers(dialect: Dialect, table: Table, limit: int) -> str:
    """Rows whose state stays and whose answer was not taken: number, message id, state, key, text."""
    chosen = (NUMBER, GIVEN[0], STATE, KEY, TEXT)
    columns = ", ".join(dialect.text(name, table.column(name)) for name in chosen)
    states = ", ".join([dialect.comparand(_TEXT)] * len(FINAL))
    return (
        f"SELECT {columns} FROM {dialect.quote(table.name)} r WHERE {dialect.quote(TAKEN)} IS NULL"  # noqa: S608
        f" AND LOWER(RTRIM({dialect.quote(STATE)})) IN ({states})"
        f" ORDER BY r.{dialect.quote(NUMBER)}{dialect.limit.format(count=limit)}"
    )


def take(dialect: Dialect, table: Table, count: int) -> str:
    """Mark so many rows, by their numbers: their answers are durable here."""
    numbers = ", ".join([dialect.comparand(table.column(NUMBER))] * count)
    taken = f"{dialect.quote(TAKEN)} = {dialect.value(table.column(TAKEN))}"
    return (
        f"UPDATE {dialect.quote(table.name)} SET {taken}"  # noqa: S608
        f" WHERE {dialect.quote(NUMBER)} IN ({numbers})"
    )
