"""The ERP tells what was done from what the agent says that it did; the wire knows commits and who writes."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest

from adapters.sandbox.erp import Business
from tests.faults.odbc.books import open_books, uneven
from tests.faults.odbc.place import SERVERS
from tests.faults.odbc.server import AGENT, Server
from tests.faults.odbc.wire import Lane, Moment, Way, Wire

LEDGER = (
    "CREATE TABLE isthmus_ledger (message_id VARCHAR(40) PRIMARY KEY, object VARCHAR(40), {key} VARCHAR(40))"
)


@pytest.fixture(params=sorted(SERVERS))
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """A server with the sample ERP, its books, and a ledger to which anybody may write."""
    made = SERVERS[request.param]()
    made.begin()
    try:
        with contextlib.closing(Business(made.connection())) as business:
            business.install()
            business.create_customer("Adler")
        open_books(made)
        made.run([LEDGER.format(key=made.dialect.own("key"))])
        made.password("word")
        host = AGENT if made.dialect.name == "postgresql" else f"'{AGENT}'@'%'"
        for table in ("isthmus_ledger", "customer"):
            made.run([f"GRANT SELECT, INSERT, UPDATE ON {table} TO {host}"])
        yield made
    finally:
        made.close()


def _write(server: Server, port: int, *, told: int) -> None:
    """The agent writes to the customer once, and notes that so many times."""
    text = server.connection(account=AGENT, word="word", port=port) + server.options
    connection = server.odbc.connect(text, autocommit=False)
    try:
        for number in range(told):
            connection.execute("INSERT INTO isthmus_ledger VALUES (?, 'customer', '1')", f"m{number}")
        connection.execute("UPDATE customer SET phone = '1' WHERE customer_id = 1")
        connection.commit()
    finally:
        connection.close()


def test_what_was_done_and_not_told_or_told_and_not_done_is_found(server: Server) -> None:
    _write(server, server.port, told=0)
    assert uneven(server) == ["customer 1: 1 writes by the agent, 0 in its ledger"]
    server.sql("INSERT INTO isthmus_ledger VALUES ('m1', 'customer', '1')")
    assert uneven(server) == []
    server.sql("INSERT INTO isthmus_ledger VALUES ('m2', 'customer', '1')")
    assert uneven(server) == ["customer 1: 1 writes by the agent, 2 in its ledger"]


@pytest.mark.parametrize(("moment", "stored"), [(Moment.BEFORE, 0), (Moment.BEHIND, 1)])
def test_a_commit_is_struck_before_it_arrives_or_when_it_is_done(
    server: Server, moment: Moment, stored: int
) -> None:
    with Wire(server.port) as wire:
        wire.cut(moment, Way.RESET)
        with pytest.raises(server.error):
            _write(server, wire.port, told=1)
        assert (wire.cuts, wire.commits) == (1, 1)
        _write(server, wire.port, told=0)  # the next one passes
    assert server.one("SELECT count(*) FROM isthmus_ledger") == stored
    assert server.one("SELECT count(*) FROM books WHERE who LIKE ?", f"{AGENT}%") == stored + 1


def test_the_wire_tells_by_which_port_the_server_knows_who_writes(server: Server) -> None:
    with Wire(server.port) as wire:
        text = server.connection(account=AGENT, word="word", port=wire.port) + server.options
        connection = server.odbc.connect(text, autocommit=False)
        assert not wire.ports(Lane.APPLY)
        connection.execute("SELECT count(*) FROM isthmus_ledger").fetchone()
        assert wire.ports(Lane.APPLY) == set(server.sessions())
        connection.close()
