"""Takes the steps of a script on one connection."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tests.odbc.tds import tokens
from tests.odbc.tds.channel import Channel, Closed
from tests.odbc.tds.reply import Reply
from tests.odbc.tds.script import (
    FATAL,
    Close,
    Count,
    Effect,
    Failure,
    Flush,
    Hold,
    Notice,
    OpenRows,
    Rows,
    Step,
)
from tests.odbc.tds.transactions import Transactions

_EFFECTS = (Rows, OpenRows, Count, Effect)


class Player:
    """Writes what the steps say into a reply; what they are steps of takes effect once, at its place."""

    def __init__(self, channel: Channel, transactions: Transactions) -> None:
        self._channel = channel
        self._transactions = transactions

    async def play(self, steps: Sequence[Step], reply: Reply, effect: Callable[[], None]) -> None:
        """Take the steps in order. Raises Closed when one of them ends the connection."""
        pending = True
        for step in steps:
            if pending and isinstance(step, _EFFECTS):
                effect()
                pending = False
            await self._take(step, reply)
            pending = pending and not isinstance(step, Failure)
        if pending:
            effect()

    async def _take(self, step: Step, reply: Reply) -> None:
        if isinstance(step, Rows | OpenRows):
            reply.add(tokens.columns(step.columns))
            for values in step.rows:
                reply.add(tokens.row(step.columns, values))
            if isinstance(step, Rows):
                reply.close_result(len(step.rows))
        elif isinstance(step, Count):
            reply.close_result(step.rows)
        elif isinstance(step, Notice):
            reply.say(step)
        elif isinstance(step, Failure):
            await self._fail(step, reply)
        elif isinstance(step, Hold):
            await step.passed()
        elif isinstance(step, Flush):
            await self._channel.send(reply.take(), ends=False)
        elif isinstance(step, Close):
            if step.reset:
                self._channel.reset()
            raise Closed

    async def _fail(self, failure: Failure, reply: Reply) -> None:
        reply.fail(failure)
        if failure.rolls_back:
            reply.tell(self._transactions.roll_back(f"error {failure.number}"))
        if failure.severity >= FATAL:
            await self._channel.send(reply.finish())
            raise Closed
