"""What a server was asked, and what became of it: the ground on which a test judges."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from tests.odbc.tds.login import Login
from tests.odbc.tds.request import Statement
from tests.odbc.tds.script import PATIENCE_S, NeverCame


class What(StrEnum):
    """What may happen on a connection."""

    CONNECTED = "connected"
    LOGGED_IN = "logged in"
    PREPARED = "prepared"
    UNPREPARED = "unprepared"
    ASKED = "asked"
    TOOK_EFFECT = "took effect"
    BEGAN = "began"
    SAVED = "saved"
    COMMITTED = "committed"
    ROLLED_BACK = "rolled back"
    ATTENTION = "attention"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened, and the statement that it happened to."""

    what: What
    connection: int
    statement: Statement | None = None
    detail: str = ""


class Record:
    """Everything in the order in which it happened. Written by the server's thread, read by the test's."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._events: list[Event] = []
        self._durable: list[Statement] = []
        self._logins: list[Login] = []
        self._problems: list[str] = []

    def note(self, event: Event) -> None:
        """Add an event."""
        with self._changed:
            self._events.append(event)
            self._changed.notify_all()

    def note_login(self, login: Login) -> None:
        """Add a login, let in or not."""
        with self._changed:
            self._logins.append(login)
            self._changed.notify_all()

    def note_problem(self, text: str) -> None:
        """Add something that the server could not make sense of, or that no rule answers."""
        with self._changed:
            self._problems.append(text)
            self._changed.notify_all()

    def note_durable(self, statements: list[Statement]) -> None:
        """Statements whose effect stays from now on."""
        with self._changed:
            self._durable += statements
            self._changed.notify_all()

    @property
    def problems(self) -> list[str]:
        """What fails the test as the server ends."""
        with self._changed:
            return list(self._problems)

    def forgive(self) -> list[str]:
        """The problems that a test has caused on purpose: waits for the first, and fails nothing any more."""
        self.wait_until(lambda: bool(self._problems), "nothing went wrong")
        with self._changed:
            problems, self._problems = self._problems, []
        return problems

    @property
    def events(self) -> list[Event]:
        """Everything so far."""
        with self._changed:
            return list(self._events)

    @property
    def logins(self) -> list[Login]:
        """Everybody who wanted in."""
        with self._changed:
            return list(self._logins)

    @property
    def asked(self) -> list[Statement]:
        """The statements, the failed ones too; the driver's own questions about types are left out."""
        asked = (event.statement for event in self.events if event.what is What.ASKED)
        return [item for item in asked if item and not item.own]

    @property
    def interrupted(self) -> list[Statement]:
        """The statements that attention cut off; what drivers break off as they connect is left out."""
        cut = (event.statement for event in self.events if event.what is What.ATTENTION)
        return [item for item in cut if item and not item.own]

    @property
    def durable(self) -> list[Statement]:
        """The statements whose effect stays: committed, or run outside of any transaction."""
        with self._changed:
            return [item for item in self._durable if not item.own]

    def count(self, what: What) -> int:
        """How often that happened so far."""
        return sum(event.what is what for event in self.events)

    def wait_for(self, what: What, times: int = 1) -> None:
        """Block until that has happened so often. Raises NeverCame."""
        self.wait_until(lambda: self.count(what) >= times, f"{what} never came {times} times")

    def wait_until(self, condition: Callable[[], bool], otherwise: str) -> None:
        """Block until a condition on this record holds. Raises NeverCame."""
        with self._changed:
            if not self._changed.wait_for(condition, PATIENCE_S):
                raise NeverCame(otherwise)
