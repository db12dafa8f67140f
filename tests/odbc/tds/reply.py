"""The reply to one request: tokens in order, each result ended by a DONE that says whether more follows."""

from __future__ import annotations

from tests.odbc.tds import tokens
from tests.odbc.tds.script import Failure, Notice
from tests.odbc.tds.tokens import Done, End


class Reply:
    """Gathers what is sent. The DONE of a result waits until it is known whether it is the last one."""

    def __init__(self, end: End) -> None:
        self._end = end
        self._unsent = b""
        self._open: tuple[Done, int] | None = None
        self.failed = False

    def add(self, token: bytes) -> None:
        """A token that is no end of a result."""
        self._close(Done.MORE)
        self._unsent += token

    def close_result(self, count: int | None) -> None:
        """A result ends, with the number of its rows where there is one."""
        self._close(Done.MORE)
        self._open = (Done.FINAL, 0) if count is None else (Done.COUNT, count)

    def say(self, message: Failure | Notice) -> None:
        """An error, or a piece of information."""
        self.add(tokens.message(message.number, message.text, state=message.state, severity=message.severity))

    def fail(self, failure: Failure) -> None:
        """An error, and the end of the statement that met it."""
        self.say(failure)
        self.failed = True
        self._open = (Done.ERROR, 0)

    def tell(self, token: bytes) -> None:
        """A token that goes with the open result and stands in front of its end."""
        self._unsent += token

    def take(self) -> bytes:
        """What can be sent before the reply is whole."""
        self._close(Done.MORE)
        taken, self._unsent = self._unsent, b""
        return taken

    def finish(self, outputs: bytes = b"", *, last: bool = True) -> bytes:
        """The rest. A procedure's has a status and output parameters, and is not always the last one."""
        if self._end is End.STATEMENT:
            self._open = self._open or (Done.FINAL, 0)
            self._close(Done.FINAL)
        else:
            self._close(Done.MORE)
            status = Done.ERROR if self.failed else Done.FINAL
            self._unsent += tokens.return_status(int(self.failed)) + outputs
            self._unsent += tokens.done(End.PROCEDURE, status | (Done.FINAL if last else Done.MORE))
        return self.take()

    def _close(self, more: Done) -> None:
        if self._open is not None:
            status, count = self._open
            self._unsent += tokens.done(self._end, status | more, count)
            self._open = None
