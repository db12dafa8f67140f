"""The transaction of one connection: which statements stay, and which are undone."""

from __future__ import annotations

import itertools

from tests.odbc.tds import tokens
from tests.odbc.tds.record import Event, Record, What
from tests.odbc.tds.request import Statement
from tests.odbc.tds.tokens import Change

_NUMBERS = itertools.count(1)


class Transactions:
    """Begins and ends transactions; each change gives the bytes that tell the client of it."""

    def __init__(self, connection: int, record: Record) -> None:
        self._connection = connection
        self._record = record
        self._effects: list[Statement] = []
        #: The number of the open transaction.
        self.open: int | None = None
        #: Whether a statement begins a transaction by itself.
        self.implicit = False

    def begin(self) -> bytes:
        """Open a transaction, unless one is open."""
        if self.open is not None:
            return b""
        self.open = next(_NUMBERS)
        self._note(What.BEGAN)
        return tokens.changed_bytes(Change.BEGAN, tokens.transaction_bytes(self.open))

    def take_effect(self, statement: Statement) -> None:
        """A statement ran: its effect stays at once, or with the open transaction."""
        self._note(What.TOOK_EFFECT, statement)
        if self.open is None:
            self._record.note_durable([statement])
        else:
            self._effects.append(statement)

    def commit(self) -> bytes:
        """Let the open transaction's effects stay."""
        effects = self._effects
        ended = self._end(Change.COMMITTED)
        self._record.note_durable(effects)
        self._note(What.COMMITTED)
        return ended

    def roll_back(self, why: str) -> bytes:
        """Undo the open transaction, if there is one."""
        if self.open is None:
            return b""
        ended = self._end(Change.ROLLED_BACK)
        self._note(What.ROLLED_BACK, detail=why)
        return ended

    def _end(self, how: Change) -> bytes:
        if self.open is None:
            return b""
        ended = tokens.changed_bytes(how, b"", tokens.transaction_bytes(self.open))
        self.open = None
        self._effects = []
        return ended

    def _note(self, what: What, statement: Statement | None = None, detail: str = "") -> None:
        self._record.note(Event(what, self._connection, statement, detail))
