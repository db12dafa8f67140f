"""The scripted server itself: packets, procedures that no driver at hand calls, rules, and its end."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import pytest

from tests.odbc.tds import tokens
from tests.odbc.tds.client import Client, number, procedure, text
from tests.odbc.tds.datatypes import DECIMAL, INT, NVARCHAR, value_bytes
from tests.odbc.tds.protocol import FIRST_SIZE, Kind, packets
from tests.odbc.tds.record import What
from tests.odbc.tds.request import Procedure, Statement, Via
from tests.odbc.tds.script import Count, Effect, Failure, Hold, Moment, Rows, Script, Step
from tests.odbc.tds.server import ScriptMismatch, Server
from tests.odbc.tds.tokens import Column, Done, End

NUMBERS = [Column("n", INT)]


@pytest.fixture
def client(server: Server) -> Iterator[Client]:
    """A client that is in."""
    with Client(server.port) as entered:
        yield entered


def test_a_request_in_many_packets_is_one_request(client: Client, script: Script, server: Server) -> None:
    script.on("SELECT", Rows(NUMBERS, [(7,)]))
    sql = "SELECT n FROM t /* " + "ü" * 1000 + " */"
    client.send(Kind.SQL_BATCH, (4).to_bytes(4, "little") + sql.encode("utf-16-le"), size=64)
    rows = tokens.columns(NUMBERS) + tokens.row(NUMBERS, [7])
    assert client.reply() == rows + tokens.done(End.STATEMENT, Done.COUNT, 1)
    assert [statement.sql for statement in server.record.asked] == [sql]


def test_a_request_that_the_client_gives_up_half_way_is_not_run(
    client: Client, script: Script, server: Server
) -> None:
    script.on("SELECT", Rows(NUMBERS, [(7,)]))
    given_up = bytearray(next(packets(b"half of it", FIRST_SIZE, kind=Kind.SQL_BATCH)))
    given_up[1] |= 0x02
    client.send_raw(bytes(given_up))
    client.ask("SELECT n FROM t")
    assert [statement.sql for statement in server.record.asked] == ["SELECT n FROM t"]


def test_the_last_of_several_results_says_that_nothing_follows(client: Client, script: Script) -> None:
    script.on("EXEC", Count(5), Count(1))
    first, last = client.ask("EXEC p")[:13], client.ask("EXEC p")[13:]
    assert first == tokens.done(End.STATEMENT, Done.MORE | Done.COUNT, 5)
    assert last == tokens.done(End.STATEMENT, Done.COUNT, 1)


def test_a_statement_prepared_once_is_executed_often(client: Client, script: Script, server: Server) -> None:
    script.on("UPDATE", Count(1))
    declared, sql = text("@P1 int"), text("UPDATE t SET a = @P1")
    client.call(procedure(Procedure.PREPARE, number(None, output=True), declared, sql, number(1)))
    for value in (5, 6):
        client.call(procedure(Procedure.EXECUTE, number(1), number(value)))
    client.call(procedure(Procedure.UNPREPARE, number(1)))
    assert [(asked.via, asked.values) for asked in server.record.asked] == [
        (Via.PREPARED, (5,)),
        (Via.PREPARED, (6,)),
    ]
    assert server.record.count(What.UNPREPARED) == 1


def test_a_handle_is_gone_once_it_is_unprepared(client: Client) -> None:
    reply = client.call(procedure(Procedure.EXECUTE, number(9)))
    told = tokens.message(8179, "Could not find prepared statement with handle 9.", state=1, severity=16)
    assert reply.startswith(told)


def test_many_calls_in_one_message_are_answered_one_by_one(
    client: Client, script: Script, server: Server
) -> None:
    script.on("INSERT", Count(1))
    insert = (text("INSERT t VALUES (@P1)"), text("@P1 int"))
    client.call(*(procedure(Procedure.EXECUTE_SQL, *insert, number(value)) for value in (1, 2, 3)))
    assert [(asked.via, asked.values) for asked in server.record.durable] == [
        (Via.EXECUTE_SQL, (1,)),
        (Via.EXECUTE_SQL, (2,)),
        (Via.EXECUTE_SQL, (3,)),
    ]


def test_attention_without_a_request_is_answered(client: Client, script: Script) -> None:
    script.on("SELECT", Rows(NUMBERS, [(7,)]))
    client.send(Kind.ATTENTION, b"")
    assert client.reply() == tokens.done(End.STATEMENT, Done.ATTENTION)
    assert client.ask("SELECT n FROM t").endswith(tokens.done(End.STATEMENT, Done.COUNT, 1))


def test_a_client_that_leaves_ends_the_work_on_its_request(
    client: Client, script: Script, server: Server
) -> None:
    hold = Hold()
    script.on("UPDATE", hold, Count(1))
    client.send(Kind.SQL_BATCH, (4).to_bytes(4, "little") + "UPDATE t".encode("utf-16-le"))
    hold.wait()
    client.close()
    server.record.wait_for(What.CLOSED)
    assert server.record.durable == []


def test_implicit_transactions_begin_with_the_first_statement(
    client: Client, script: Script, server: Server
) -> None:
    script.on("INSERT", Count(1))
    client.ask("SET IMPLICIT_TRANSACTIONS ON")
    assert server.record.count(What.BEGAN) == 0
    client.ask("INSERT 1")
    assert server.record.durable[1:] == []
    client.ask("IF @@TRANCOUNT > 0 COMMIT TRAN")
    assert [statement.sql for statement in server.record.durable][1:] == ["INSERT 1"]


def test_the_rule_added_last_answers_until_it_is_used_up(client: Client, script: Script) -> None:
    script.on("UPDATE", Count(1))
    script.on(r"update t set", Count(2), times=1)
    counts = [client.ask("UPDATE\n  t SET a = 1") for _ in range(2)]
    assert counts == [tokens.done(End.STATEMENT, Done.COUNT, count) for count in (2, 1)]


def test_a_rule_may_be_a_function_of_the_statement(client: Client, script: Script) -> None:
    def counted(statement: Statement) -> list[Step]:
        return [Count(len(statement.sql))]

    script.on("UPDATE", counted)
    assert client.ask("UPDATE t") == tokens.done(End.STATEMENT, Done.COUNT, 8)


def test_an_answer_is_steps_or_a_function_and_not_both(script: Script) -> None:
    with pytest.raises(ValueError, match="either steps or one function"):
        script.on("UPDATE", Count(1), lambda statement: [])


def test_a_moment_without_steps_just_happens(script: Script) -> None:
    assert script.steps(Moment.COMMIT, Statement("commit", Via.BATCH)) == [Effect()]


def test_a_statement_without_a_rule_fails_the_test(client: Client, server: Server) -> None:
    assert "has no answer for: DROP TABLE t".encode("utf-16-le") in client.ask("DROP TABLE t")
    with pytest.raises(ScriptMismatch, match="no rule answers: DROP TABLE t"):
        server.judge()
    server.record.forgive()


def test_bytes_that_are_no_message_fail_the_test(client: Client, server: Server) -> None:
    client.send_raw(b"GET / HTTP/1.1\r\n\r\n")
    assert client.reply() == b""
    assert server.record.forgive() == [
        "connection 1: Malformed: messages of kind 71 are not known here",
    ]


def test_the_server_ends_while_a_client_waits(script: Script) -> None:
    hold = Hold()
    script.on("UPDATE", hold)
    with Server(script) as server:
        client = Client(server.port)
        client.send(Kind.SQL_BATCH, (4).to_bytes(4, "little") + "UPDATE t".encode("utf-16-le"))
        hold.wait()
    with client:
        assert client.reply() == b""


def test_a_fatal_error_is_told_before_the_connection_ends(client: Client, script: Script) -> None:
    script.on("UPDATE", Failure(596, "kill state", 21))
    assert client.ask("UPDATE t").startswith(tokens.message(596, "kill state", state=1, severity=21))
    assert client.reply() == b""


@pytest.mark.parametrize(
    ("of", "value"),
    [(DECIMAL(5, 2), Decimal("1000.00")), (DECIMAL(5, 2), Decimal("1.005")), (NVARCHAR(1), "ab")],
)
def test_a_value_that_its_type_cannot_hold_is_a_mistake_of_the_script(of: object, value: object) -> None:
    with pytest.raises(ValueError, match="fit"):
        value_bytes(of, value)  # type: ignore[arg-type]  # parametrize knows objects only
