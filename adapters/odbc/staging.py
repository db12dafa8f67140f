"""A table of the ERP into which commands are put, and what its own program says of them there later.

The agent inserts a row per message id, once, and marks a row whose answer it has taken. The ERP's program
reads rows without a state, and sets state, key and text. Nothing else of the ERP is written.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

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


@dataclass(frozen=True, slots=True)
class Inbox:
    """Such a table. ``names``: its columns as the catalog has them; databases fold names as they like."""

    table: Table
    names: Mapping[str, str]

    @classmethod
    def of(cls, table: Table) -> Inbox:
        """The table with those of the columns that it has."""
        there = {name.lower(): name for name in table.columns}
        return cls(table, {name: there[name] for name in COLUMNS if name in there})

    @property
    def lacking(self) -> list[str]:
        """Columns that are not there."""
        return [name for name in COLUMNS if name not in self.names]

    def column(self, name: str) -> Column:
        """One of the columns."""
        return self.table.column(self.names[name])

    def quoted(self, dialect: Dialect, name: str) -> str:
        """Its name in a statement."""
        return dialect.quote(self.names[name])

    def texts(self, dialect: Dialect, names: Sequence[str]) -> str:
        """Columns as text."""
        return ", ".join(dialect.text(self.names[name], self.column(name)) for name in names)


def insert(dialect: Dialect, inbox: Inbox) -> str:
    """A command for the ERP's program."""
    columns = ", ".join(inbox.quoted(dialect, name) for name in GIVEN)
    values = ", ".join(dialect.value(inbox.column(name)) for name in GIVEN)
    return f"INSERT INTO {dialect.quote(inbox.table.name)} ({columns}) VALUES ({values})"  # noqa: S608


def given(dialect: Dialect, inbox: Inbox) -> str:
    """What is there under a message id, as it was given."""
    name = GIVEN[0]
    return (
        f"SELECT {inbox.texts(dialect, GIVEN[1:])} FROM {dialect.quote(inbox.table.name)}"  # noqa: S608
        f" WHERE {inbox.quoted(dialect, name)} = {dialect.comparand(inbox.column(name))}"
    )


def answers(dialect: Dialect, inbox: Inbox, limit: int) -> str:
    """Rows whose state stays and whose answer was not taken: number, message id, state, key, text."""
    chosen = inbox.texts(dialect, (NUMBER, GIVEN[0], STATE, KEY, TEXT))
    states = ", ".join([dialect.comparand(_TEXT)] * len(FINAL))
    return (
        f"SELECT {chosen} FROM {dialect.quote(inbox.table.name)} r"  # noqa: S608
        f" WHERE {inbox.quoted(dialect, TAKEN)} IS NULL"
        f" AND LOWER(RTRIM({inbox.quoted(dialect, STATE)})) IN ({states})"
        f" ORDER BY r.{inbox.quoted(dialect, NUMBER)}{dialect.limit.format(count=limit)}"
    )


def take(dialect: Dialect, inbox: Inbox, count: int) -> str:
    """Mark so many rows, by their numbers: their answers are durable here."""
    numbers = ", ".join([dialect.comparand(inbox.column(NUMBER))] * count)
    taken = f"{inbox.quoted(dialect, TAKEN)} = {dialect.value(inbox.column(TAKEN))}"
    return (
        f"UPDATE {dialect.quote(inbox.table.name)} SET {taken}"  # noqa: S608
        f" WHERE {inbox.quoted(dialect, NUMBER)} IN ({numbers})"
    )
