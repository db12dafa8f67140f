"""One connection: lets the client in, answers its requests, and listens for attention meanwhile."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from tests.odbc.tds import login, tokens
from tests.odbc.tds.channel import Channel, Closed
from tests.odbc.tds.player import Player
from tests.odbc.tds.protocol import FIRST_SIZE, Kind, Message
from tests.odbc.tds.record import Event, Record, What
from tests.odbc.tds.reply import Reply
from tests.odbc.tds.request import (
    Call,
    Procedure,
    Statement,
    TransactionRequest,
    Verb,
    Via,
    read_batch,
    read_calls,
    read_transaction,
)
from tests.odbc.tds.script import Failure, Moment, Script
from tests.odbc.tds.tokens import Done, End
from tests.odbc.tds.transactions import Transactions
from tests.odbc.tds.wire import Malformed

#: The number under which a client hears that the script has no answer.
UNSCRIPTED = 90000
_TRANSACTION = re.compile(
    r"^\s*(?P<guard>IF\s+@@TRANCOUNT\s*>\s*0\s+)?(?P<verb>BEGIN|COMMIT|ROLLBACK)"
    r"(?:\s+TRAN(?:SACTION)?)?\s*;?\s*$",
    re.IGNORECASE,
)
_IMPLICIT = re.compile(r"SET\s+IMPLICIT_TRANSACTIONS\s+(?P<state>ON|OFF)", re.IGNORECASE)
_NO_TRANSACTION = {
    Verb.COMMIT: Failure(3902, "The COMMIT TRANSACTION request has no corresponding BEGIN TRANSACTION."),
    Verb.ROLLBACK: Failure(3903, "The ROLLBACK TRANSACTION request has no corresponding BEGIN TRANSACTION."),
}


@dataclass(frozen=True, slots=True)
class _Prepared:
    sql: str
    declaration: str


class Session:
    """One client, from its first byte to its last."""

    def __init__(self, number: int, script: Script, record: Record, channel: Channel) -> None:
        self._number = number
        self._script = script
        self._record = record
        self._channel = channel
        self._transactions = Transactions(number, record)
        self._player = Player(channel, self._transactions)
        self._prepared: dict[int, _Prepared] = {}
        self._handles = 0
        #: The statement that is being answered.
        self._current: Statement | None = None

    async def run(self) -> None:
        """Serve until either side closes. Raises Malformed for what a client should not have sent."""
        self._note(What.CONNECTED)
        filling = asyncio.create_task(self._channel.fill())
        try:
            await self._let_in()
            while True:
                await self._answer_unless_interrupted(await self._channel.take())
        except (Closed, ConnectionError):
            pass  # both are ends of a connection that scripts and clients may choose
        finally:
            self._transactions.roll_back("the connection ended")
            self._note(What.CLOSED)
            self._channel.close()
            filling.cancel()
            (fault,) = await asyncio.gather(filling, return_exceptions=True)
            if isinstance(fault, Malformed):
                raise fault

    def _note(self, what: What, statement: Statement | None = None, detail: str = "") -> None:
        self._record.note(Event(what, self._number, statement, detail))

    async def _let_in(self) -> None:
        await self._play(Moment.CONNECT, Reply(End.STATEMENT), lambda: None)
        login.read_prelogin(await self._expect(Kind.PRELOGIN))
        await self._channel.send(login.prelogin_reply())
        asked = login.read_login7(await self._expect(Kind.LOGIN7))
        self._record.note_login(asked)
        reply = Reply(End.STATEMENT)
        size = asked.packet_size or FIRST_SIZE

        def let_in() -> None:
            self._note(What.LOGGED_IN)
            reply.add(tokens.login_accepted(asked.database or "master", size, extended=asked.extended))

        await self._play(Moment.LOGIN, reply, let_in)
        await self._channel.send(reply.finish())
        if reply.failed:
            raise Closed
        self._channel.packet_size = size

    async def _expect(self, kind: Kind) -> bytes:
        message = await self._channel.take()
        if message.kind is not kind:
            raise Malformed(f"{message.kind!r} came where {kind!r} was expected")
        return message.payload

    async def _answer_unless_interrupted(self, message: Message) -> None:
        """Answer; a client that sends attention, or leaves, ends the work on its request."""
        if message.kind is Kind.ATTENTION:
            await self._attend()
            return
        working = asyncio.create_task(self._answer(message))
        listening = asyncio.create_task(self._channel.see())
        try:
            await asyncio.wait({working, listening}, return_when=asyncio.FIRST_COMPLETED)
            # a client may ask anew as soon as it has read the reply, a little before the work here is over
            if not working.done() and _interrupts(listening.result()):
                return
            await working
            self._current = None
        finally:
            working.cancel()
            listening.cancel()
            await asyncio.wait({working, listening})

    async def _attend(self) -> None:
        self._note(What.ATTENTION, self._current)
        self._current = None
        await self._play(Moment.ATTENTION, Reply(End.STATEMENT), lambda: None)
        await self._channel.send(tokens.done(End.STATEMENT, Done.ATTENTION))

    async def _answer(self, message: Message) -> None:
        if message.kind is Kind.SQL_BATCH:
            await self._answer_batch(read_batch(message.payload))
        elif message.kind is Kind.RPC:
            calls = list(read_calls(message.payload))
            for position, call in enumerate(calls, 1):
                await self._answer_call(call, last=position == len(calls))
        elif message.kind is Kind.TRANSACTION:
            reply = Reply(End.STATEMENT)
            await self._transact(read_transaction(message.payload), reply)
            await self._channel.send(reply.finish())
        else:
            raise Malformed(f"{message.kind!r} came where a request was expected")

    async def _answer_batch(self, sql: str) -> None:
        reply = Reply(End.STATEMENT)
        found = _TRANSACTION.match(sql)
        if found is None:
            switched = _IMPLICIT.search(sql)
            if switched is not None:
                self._transactions.implicit = switched["state"].upper() == "ON"
            await self._run(Statement(sql, Via.BATCH), reply)
        elif self._transactions.open is not None or not found["guard"]:
            await self._transact(TransactionRequest(Verb[found["verb"].upper()]), reply)
        await self._channel.send(reply.finish())

    async def _answer_call(self, call: Call, *, last: bool) -> None:
        reply = Reply(End.IN_PROCEDURE)
        outputs = await self._call(call, reply)
        await self._channel.send(reply.finish(outputs, last=last), ends=last)

    async def _call(self, call: Call, reply: Reply) -> bytes:
        """Do what is called; the result is the output parameters."""
        if call.procedure in (Procedure.PREPARE, Procedure.PREPARE_AND_EXECUTE):
            handle = self._prepare(_Prepared(sql=call.text(2), declaration=call.text(1)))
            if call.procedure is Procedure.PREPARE_AND_EXECUTE:
                await self._execute(handle, call, 3, reply)
            return tokens.return_integer(0, call.parameters[0].name, handle)
        if call.procedure is Procedure.EXECUTE:
            await self._execute(call.number(0), call, 1, reply)
        elif call.procedure is Procedure.UNPREPARE:
            self._unprepare(call.number(0), reply)
        elif call.procedure is Procedure.EXECUTE_SQL:
            declared = call.text(1) if len(call.parameters) > 1 else ""
            await self._run(Statement(call.text(0), Via.EXECUTE_SQL, call.parameters[2:], declared), reply)
        else:
            await self._run(Statement(call.procedure, Via.PROCEDURE, call.parameters), reply)
        return b""

    def _prepare(self, prepared: _Prepared) -> int:
        self._handles += 1
        self._prepared[self._handles] = prepared
        self._note(What.PREPARED, Statement(prepared.sql, Via.PREPARED, declaration=prepared.declaration))
        return self._handles

    def _known(self, handle: int, reply: Reply) -> _Prepared | None:
        prepared = self._prepared.get(handle)
        if prepared is None:
            reply.fail(Failure(8179, f"Could not find prepared statement with handle {handle}."))
        return prepared

    def _unprepare(self, handle: int, reply: Reply) -> None:
        prepared = self._known(handle, reply)
        if prepared is not None:
            del self._prepared[handle]
            self._note(What.UNPREPARED, Statement(prepared.sql, Via.PREPARED))

    async def _execute(self, handle: int, call: Call, first: int, reply: Reply) -> None:
        prepared = self._known(handle, reply)
        if prepared is not None:
            given = call.parameters[first:]
            await self._run(Statement(prepared.sql, Via.PREPARED, given, prepared.declaration), reply)

    async def _run(self, statement: Statement, reply: Reply) -> None:
        if self._transactions.implicit and not statement.sql.upper().startswith("SET "):
            reply.add(self._transactions.begin())
        statement = replace(statement, connection=self._number, transaction=self._transactions.open)
        self._current = statement
        self._note(What.ASKED, statement)
        steps = self._script.answer(statement)
        if steps is None:
            self._record.note_problem(f"no rule answers: {statement.sql}")
            reply.fail(Failure(UNSCRIPTED, f"The script has no answer for: {statement.sql}"))
            return
        await self._player.play(steps, reply, lambda: self._transactions.take_effect(statement))

    async def _transact(self, request: TransactionRequest, reply: Reply) -> None:
        if request.verb in _NO_TRANSACTION and self._transactions.open is None:
            reply.fail(_NO_TRANSACTION[request.verb])
            return
        if request.verb is Verb.SAVE:
            self._note(What.SAVED, detail=request.name)
            return

        def change() -> None:
            if request.verb is Verb.BEGIN:
                reply.add(self._transactions.begin())
            elif request.verb is Verb.COMMIT:
                reply.add(self._transactions.commit())
            else:
                reply.add(self._transactions.roll_back("asked for"))
            if request.begins:
                reply.add(self._transactions.begin())

        await self._play(Moment(request.verb.name.lower()), reply, change)

    async def _play(self, moment: Moment, reply: Reply, effect: Callable[[], None]) -> None:
        about = Statement(moment, Via.BATCH, connection=self._number, transaction=self._transactions.open)
        await self._player.play(self._script.steps(moment, about), reply, effect)


def _interrupts(heard: Message | None) -> bool:
    return heard is None or heard.kind is Kind.ATTENTION
