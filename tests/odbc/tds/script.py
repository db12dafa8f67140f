"""What the server does: for each statement, and at each moment of a connection, a list of steps."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from enum import StrEnum

from tests.odbc.tds.request import Statement
from tests.odbc.tds.tokens import Column

#: Seconds after which a condition that never comes fails a test.
PATIENCE_S = 20.0
#: From this severity on a server ends the connection after it has told the error.
FATAL = 20


class NeverCame(Exception):
    """What a test waited for did not happen in time; the text says what that was."""


class Moment(StrEnum):
    """Moments besides statements that a script may have steps for."""

    CONNECT = "connect"
    LOGIN = "login"
    BEGIN = "begin"
    COMMIT = "commit"
    ROLLBACK = "rollback"
    ATTENTION = "attention"


@dataclass(frozen=True, slots=True)
class Rows:
    """The statement runs and gives rows."""

    columns: Sequence[Column]
    rows: Sequence[Sequence[object]] = ()


@dataclass(frozen=True, slots=True)
class OpenRows:
    """The statement runs and gives rows, and the step after this one comes in the midst of them."""

    columns: Sequence[Column]
    rows: Sequence[Sequence[object]] = ()


@dataclass(frozen=True, slots=True)
class Count:
    """The statement runs and touches that many rows."""

    rows: int


@dataclass(frozen=True, slots=True)
class Effect:
    """The statement, or the commit, takes effect here. Rows and counts are effects by themselves.

    Where the steps name no effect and no failure, it comes after the last of them.
    """


@dataclass(frozen=True, slots=True)
class Failure:
    """An error of the server. ``rolls_back`` ends the transaction too; from FATAL on the connection ends."""

    number: int
    text: str
    severity: int = 16
    state: int = 1
    rolls_back: bool = False


@dataclass(frozen=True, slots=True)
class Notice:
    """An informational message, such as that of PRINT."""

    number: int
    text: str
    severity: int = 0
    state: int = 1


@dataclass(frozen=True, slots=True)
class Close:
    """The socket closes; what was not flushed is never sent. ``reset`` closes it the hard way."""

    reset: bool = False


@dataclass(frozen=True, slots=True)
class Flush:
    """What there is of the reply is sent now."""


@dataclass(eq=False)
class Hold:
    """The server waits here until it is released, or until the client cancels or leaves."""

    _arrived: threading.Event = field(default_factory=threading.Event)
    _released: Future[None] = field(default_factory=Future)

    def release(self) -> None:
        """Let everybody pass, from now on."""
        if not self._released.done():
            self._released.set_result(None)

    def wait(self) -> None:
        """Block until the server has come to this step. Raises NeverCame."""
        if not self._arrived.wait(PATIENCE_S):
            raise NeverCame("the server never came to the hold")

    async def passed(self) -> None:
        """The server's side."""
        self._arrived.set()
        await asyncio.shield(asyncio.wrap_future(self._released))


Step = Rows | OpenRows | Count | Effect | Failure | Notice | Close | Flush | Hold
Answer = Callable[[Statement], Iterable[Step]]


@dataclass(slots=True)
class _Rule:
    pattern: re.Pattern[str]
    answer: Answer
    times: int | None

    def take(self, text: str) -> bool:
        """Whether this rule answers, once less often from now on."""
        if self.times == 0 or not self.pattern.search(text):
            return False
        if self.times is not None:
            self.times -= 1
        return True


class Script:
    """The rules of one server. Of those that fit, the one added last answers; ``times`` uses a rule up."""

    def __init__(self) -> None:
        self._rules: list[_Rule] = []
        self._moments: dict[Moment, list[_Rule]] = {moment: [] for moment in Moment}
        self._lock = threading.Lock()
        self.on(r"^SET ", Effect())

    def on(self, pattern: str, *answer: Step | Answer, times: int | None = None) -> None:
        """Answer statements in which that pattern is found, case aside and each white space one blank.

        The answer is steps, or one function from the statement to steps.
        """
        self._add(self._rules, _Rule(re.compile(pattern, re.IGNORECASE), _as_function(answer), times))

    def at(self, moment: Moment, *steps: Step, times: int | None = None) -> None:
        """Do these steps at a moment. ``Effect`` is the moment itself: the commit, the login let in."""
        self._add(self._moments[moment], _Rule(re.compile(""), _as_function(steps), times))

    def _add(self, rules: list[_Rule], rule: _Rule) -> None:
        with self._lock:
            rules.insert(0, rule)

    def answer(self, statement: Statement) -> list[Step] | None:
        """The steps for a statement; None when no rule fits."""
        text = " ".join(statement.sql.split())
        with self._lock:
            rule = next((rule for rule in self._rules if rule.take(text)), None)
        return None if rule is None else list(rule.answer(statement))

    def steps(self, moment: Moment, statement: Statement) -> list[Step]:
        """The steps of a moment; the effect alone where nothing else was told."""
        with self._lock:
            rule = next((rule for rule in self._moments[moment] if rule.take("")), None)
        return [Effect()] if rule is None else list(rule.answer(statement))


def _as_function(answer: Sequence[Step | Answer]) -> Answer:
    functions = [step for step in answer if callable(step)]
    steps = [step for step in answer if not callable(step)]
    if functions and (steps or len(functions) > 1):
        raise ValueError("an answer is either steps or one function")
    return functions[0] if functions else lambda statement: steps
