"""What MariaDB and its driver do otherwise than the rest, each met and told."""

from __future__ import annotations

from decimal import Decimal

import pytest

from adapters.odbc import sql
from adapters.odbc.session import Session, SqlFault
from agent.core.change import Operation
from agent.core.delivery import OutcomeKind, Reason
from tests.odbc.site import Site, apply_one, batch_of, changes_until, create, update


@pytest.fixture
def site(mariadb_site: Site) -> Site:
    """A MariaDB ERP."""
    return mariadb_site


def _session(site: Site) -> Session:
    site.system()
    return Session(site.link().erp, autocommit=False)


_MARK = "SELECT @isthmus_message_id"


@pytest.mark.parametrize("end", ["commit", "rollback", "error"])
async def test_the_mark_of_a_write_does_not_outlive_its_transaction(site: Site, end: str) -> None:
    """It belongs to the session: the next write on it would pass for ours."""
    session = _session(site)
    try:
        session.run("INSERT INTO customer (name) VALUES (@isthmus_message_id := ?)", ("m1",))
        assert session.rows(_MARK) == [("m1",)]
        if end == "error":
            with pytest.raises(SqlFault):
                session.run("INSERT INTO customer (name) VALUES ('!')")
        if end == "commit":
            session.commit()
        else:
            session.rollback()
        assert session.rows(_MARK) == [(None,)]
    finally:
        session.close()


async def test_a_key_that_changes_only_its_case_is_a_delete_and_an_insert(site: Site) -> None:
    """The column's collation takes both for one, the mirror does not."""
    users = site.user()
    users.execute("INSERT INTO sample (code) VALUES ('ab')")
    users.execute("UPDATE sample SET code = 'AB'")
    system = site.system()
    await system.source.open({})
    batch = await batch_of(system)
    assert [(change.keys, change.operation) for change in batch.changes[1:]] == [
        (("ab",), Operation.DELETE),
        (("AB",), Operation.CREATE),
    ]


async def test_message_ids_are_told_apart_by_case_and_blanks(site: Site) -> None:
    system = site.system()
    for number, message_id in enumerate(("m1", "M1", "m1 ")):
        outcome = await apply_one(system, create(message_id, f"r{number}", name="A"))
        assert (outcome.kind, outcome.code) == (OutcomeKind.ACCEPTED, "")
    assert site.one("SELECT count(*) FROM customer") == 3


async def test_a_message_id_that_the_ledger_cannot_hold_is_not_cut(site: Site) -> None:
    """INSERT IGNORE would cut it, and another id with the same beginning would pass for applied."""
    outcome = await apply_one(site.system(), create("m" * 256, "r1", name="A"))
    assert outcome.kind is OutcomeKind.RETRY and outcome.code == "1406"
    assert site.one("SELECT count(*) FROM customer") == 0


async def test_decimals_in_a_list_meet_only_their_equals(site: Site) -> None:
    """Texts in a list are compared with decimals in binary floating point."""
    users = site.user()
    users.execute("CREATE TABLE price (price_id DECIMAL(20,4) PRIMARY KEY, name VARCHAR(10))")
    users.execute("INSERT INTO price VALUES (12345678901234.5678, 'a'), (12345678901234.5679, 'b')")
    session = _session(site)
    try:
        table = session.table("price")
        statement = sql.select_by_keys(session.dialect, table, "price_id", ("name",), 2)
        found = session.rows(statement, ("12345678901234.5678", "2"))
    finally:
        session.close()
    assert found == [("12345678901234.5678", "a")]


async def test_a_fraction_for_a_whole_number_is_refused_not_rounded(site: Site) -> None:
    users = site.user()
    users.execute("ALTER TABLE customer MODIFY credit_limit INTEGER NOT NULL DEFAULT 0")
    key = str(site.business.create_customer("Adler"))
    outcome = await apply_one(site.system(), update("m1", key, credit_limit=Decimal("1.5")))
    assert (outcome.reason, outcome.code) == (Reason.INVALID, "scale")


async def test_a_table_of_the_same_name_in_another_database_is_not_ours(site: Site) -> None:
    users = site.user()
    name = site.one("SELECT DATABASE()")
    users.execute(f"CREATE DATABASE other_{name}")
    users.execute(f"CREATE TABLE other_{name}.customer (foreign_id INT PRIMARY KEY)")
    session = _session(site)
    try:
        assert session.table("customer").primary_key == ("customer_id",)
        assert session.table(f"other_{name}.customer").primary_key == ("foreign_id",)
    finally:
        session.close()
        users.execute(f"DROP DATABASE other_{name}")


async def test_a_user_without_rights_on_the_journal_can_still_write(site: Site) -> None:
    users = site.user()
    clerk = f"clerk_{site.one('SELECT DATABASE()')}"
    users.execute(f"CREATE USER '{clerk}'@'127.0.0.1'")
    users.execute(f"GRANT INSERT, SELECT ON customer TO '{clerk}'@'127.0.0.1'")
    connection = site.odbc.connect(site.connection.replace("Uid=erp", f"Uid={clerk}"), autocommit=True)
    connection.execute("INSERT INTO customer (name) VALUES ('by a clerk')")
    connection.close()
    users.execute(f"DROP USER '{clerk}'@'127.0.0.1'")
    system = site.system()
    await system.source.open({})
    (change,) = await changes_until(system, 1)
    assert change.fields["name"] == "by a clerk"
