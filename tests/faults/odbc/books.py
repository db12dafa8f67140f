"""The ERP's own books of what was done to its customers, by whom: kept by its triggers, read by the judge."""

from __future__ import annotations

from tests.faults.odbc.server import AGENT, Server

_TABLE = {
    "postgresql": "CREATE TABLE books (id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,"
    " who VARCHAR(80) NOT NULL, customer_id INTEGER NOT NULL)",
    "mariadb": "CREATE TABLE books (id BIGINT AUTO_INCREMENT PRIMARY KEY,"
    " who VARCHAR(80) NOT NULL, customer_id INTEGER NOT NULL) ENGINE = InnoDB",
}
_TRIGGERS = {
    "postgresql": [
        "CREATE FUNCTION keep_books() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $books$ BEGIN"
        " INSERT INTO books (who, customer_id) VALUES (session_user, NEW.customer_id); RETURN NULL; END"
        " $books$",
        "CREATE TRIGGER keep_books AFTER INSERT OR UPDATE ON customer"
        " FOR EACH ROW EXECUTE FUNCTION keep_books()",
    ],
    "mariadb": [
        f"CREATE TRIGGER keep_books_{event.lower()} AFTER {event} ON customer FOR EACH ROW"
        " INSERT INTO books (who, customer_id) VALUES (USER(), NEW.customer_id)"
        for event in ("INSERT", "UPDATE")
    ],
}
_TEXT = {"postgresql": "TEXT", "mariadb": "CHAR"}


def open_books(server: Server) -> None:
    """From now on every write to a customer stands in them."""
    name = server.dialect.name
    server.run([_TABLE[name], *_TRIGGERS[name]])


def uneven(server: Server) -> list[str]:
    """Customers to whom the agent did another number of things than it says in the ERP that it did.

    More: something was done twice. Fewer: something was told and not done.
    """
    done = dict(
        server.sql(
            f"SELECT CAST(customer_id AS {_TEXT[server.dialect.name]}), count(*) FROM books"
            f" WHERE who LIKE '{AGENT}%' GROUP BY customer_id"
        )
    )
    key = server.dialect.own("key")
    told = dict(
        server.sql(f"SELECT {key}, count(*) FROM isthmus_ledger WHERE object = 'customer' GROUP BY {key}")
    )
    return [
        f"customer {one}: {done.get(one, 0)} writes by the agent, {told.get(one, 0)} in its ledger"
        for one in sorted({*done, *told}, key=str)
        if done.get(one, 0) != told.get(one, 0)
    ]


def writes_by_agent(server: Server) -> int:
    """How many there were in all."""
    return server.one("SELECT count(*) FROM books WHERE who LIKE ?", f"{AGENT}%")
