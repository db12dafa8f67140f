"""``isthmus check`` on what makes a server or a connection unfit, each with the way out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from adapters.odbc import Settings
from adapters.odbc.dialects import MARIADB, POSTGRESQL
from adapters.odbc.driver import find_driver, unloadable
from adapters.odbc.inspection import server
from adapters.odbc.inspection.connection import lint
from adapters.odbc.session import Session
from adapters.odbc.settings import resolve
from agent.core.delivery import DeliveryKind, OutcomeKind
from agent.core.objects import FieldSpec, ObjectSpec
from agent.ports import Check
from tests.odbc.site import Site, apply_one, create, read_one

_THING = ObjectSpec("thing", "code", (FieldSpec("n"),))


async def _checks(site: Site) -> dict[str, Check]:
    return {check.name: check for check in await site.system().probe.check()}


@pytest.mark.parametrize("engine", ["MyISAM", "Aria", "MEMORY"])
async def test_an_engine_that_cannot_roll_back_is_refused_before_anything_is_written(
    mariadb_site: Site, engine: str
) -> None:
    """A write there would stand without its ledger row, and be made again."""
    site = mariadb_site
    site.user().execute(f"CREATE TABLE thing (code VARCHAR(9) PRIMARY KEY, n VARCHAR(9)) ENGINE = {engine}")
    site.user().execute("INSERT INTO thing VALUES ('a', 'read')")
    site.objects = (_THING,)
    check = (await _checks(site))["engine of thing"]
    assert not check.ok and "ENGINE = InnoDB" in check.remedy
    system = site.system()
    written = replace(create("m1", "", n="x"), object="thing", key="a", kind=DeliveryKind.UPDATE)
    outcome = await apply_one(system, written)
    assert outcome.kind is OutcomeKind.RETRY and "cannot take back" in outcome.text
    assert (await read_one(system, "thing", "a")).fields == {"n": "read"}


async def test_the_servers_product_and_version_are_told(site: Site) -> None:
    check = (await _checks(site))["server version"]
    assert check.ok and "or later" in check.detail


@pytest.mark.parametrize(
    ("minimum", "detail", "remedy"),
    [
        (("PostgreSQL", (99, 1)), "PostgreSQL 15", "99.1 or later"),
        (("DB2", (7,)), "written for DB2", "dialect"),
    ],
)
async def test_a_server_that_is_too_old_or_another_one_is_named(
    postgresql_site: Site, minimum: tuple[str, tuple[int, ...]], detail: str, remedy: str
) -> None:
    postgresql_site.system()
    session = Session(postgresql_site.link().erp, autocommit=True)
    try:
        session.dialect = replace(session.dialect, minimum=minimum)
        check = server.inspect(session)[0]
    finally:
        session.close()
    assert not check.ok and detail in check.detail and remedy in check.remedy


async def test_a_trigger_whose_definer_is_gone_is_named(mariadb_site: Site) -> None:
    """Every write to its table fails, the ERP's own too."""
    owner = mariadb_site.user()
    database = mariadb_site.one("SELECT DATABASE()")
    owner.execute(f"CREATE USER 'past_{database}'@'%'")
    owner.execute(
        f"CREATE DEFINER = 'past_{database}'@'%' TRIGGER old AFTER DELETE ON sample FOR EACH ROW SET @x = 1"
    )
    owner.execute(f"DROP USER 'past_{database}'@'%'")
    check = (await _checks(mariadb_site))["definer of trigger old"]
    assert not check.ok and f"past_{database}@%" in check.detail


async def test_a_key_longer_than_the_journal_keeps_is_reported(server_site: Site) -> None:
    """PostgreSQL's journal keeps keys of any length, MariaDB's as long as an index there may be."""
    mariadb = server_site.dialect.name == "mariadb"
    letters = " CHARACTER SET latin1 COLLATE latin1_bin" if mariadb else ""
    server_site.user().execute(f"CREATE TABLE thing (code VARCHAR(800){letters} PRIMARY KEY, n VARCHAR(9))")
    server_site.objects = (_THING,)
    check = (await _checks(server_site)).get("key of thing")
    if not mariadb:
        assert check is None
        return
    assert check is not None
    assert not check.ok and "800" in check.detail and "768" in check.detail and "shorter" in check.remedy


async def test_a_collation_that_takes_two_keys_for_one_is_told(server_site: Site) -> None:
    site, collate = server_site, ""
    if site.dialect.name == "postgresql":
        site.user().execute(
            "CREATE COLLATION blind (provider = icu, locale = 'und-u-ks-level1', deterministic = false)"
        )
        collate = " COLLATE blind"
    site.user().execute(f"CREATE TABLE thing (code VARCHAR(9){collate} PRIMARY KEY, n VARCHAR(9))")
    site.objects = (_THING,)
    assert "takes keys for one" in (await _checks(site))["key of thing"].detail


async def test_a_collation_that_tells_keys_apart_is_not_mentioned(server_site: Site) -> None:
    collate = " COLLATE utf8mb4_bin" if server_site.dialect.name == "mariadb" else ""
    server_site.user().execute(f"CREATE TABLE thing (code VARCHAR(9){collate} PRIMARY KEY, n VARCHAR(9))")
    server_site.objects = (_THING,)
    assert "key of thing" not in await _checks(server_site)


async def test_a_lock_limit_beyond_half_the_deadline_is_reported(sqlite_site: Site) -> None:
    system = sqlite_site.system(lock_timeout_s=15, deadline_s=20)
    (check,) = [check for check in await system.probe.check() if check.name == "time limits"]
    assert not check.ok and "3 and 30 are recommended" in check.remedy


@pytest.mark.parametrize(
    ("connection", "found"),
    [
        ("Driver=psqlodbcw.so;Server=erp.example", "clear"),
        ("Driver=psqlodbcw.so;Servername=erp.example;SSLmode=prefer", "NOT encrypted, as the string says"),
        ("Driver=psqlodbcw.so;Server=erp.example;sslmode=verify-full", "the connection is encrypted"),
        ("Driver=psqlodbcw.so;Server=127.0.0.1", None),
        ("Driver=psqlodbcw.so;Server=localhost", None),
        ("Driver=libmaodbc.so;Server=erp.example", "clear"),
        ("Driver=libmaodbc.so;Server=erp.example;FORCETLS=1", "the connection is encrypted"),
        ("Driver=libmaodbc.so;Server=erp.example;FORCETLS=0", "NOT encrypted, as the string says"),
        ("Driver=libsqlite3odbc.so;Database=/erp.db", None),
        ("Driver=/x/libtdsodbc.so;Server=erp.example", "clear"),
        ("Driver=/x/libtdsodbc.so;Server=erp.example;Encryption=require", "the connection is encrypted"),
        ("Driver={ODBC Driver 18 for SQL Server};Server=erp.example", "the connection is encrypted"),
        ("Driver={ODBC Driver 17 for SQL Server};Server=erp.example", "clear"),
        ("Driver={ODBC Driver 18 for SQL Server};Server=x;Encrypt=no", "NOT encrypted, as the string says"),
        ("Driver={IBM i Access ODBC Driver};System=as400;SSL=1", "the connection is encrypted"),
        ("Driver={IBM i Access ODBC Driver};System=as400", "clear"),
    ],
)
def test_a_connection_in_the_clear_is_a_decision_of_a_person(connection: str, found: str | None) -> None:
    checks = lint(resolve("erp", Settings(connection=connection), [], str))
    assert [check.ok for check in checks] == ([] if found is None else [found != "clear"])
    if found is not None:
        assert found in checks[0].detail
        assert bool(checks[0].remedy) is (found == "clear")


@pytest.mark.parametrize(
    ("connection", "proven"),
    [
        ("Driver=psqlodbcw.so;Server=erp.example;sslmode=verify-full", True),
        ("Driver=psqlodbcw.so;Server=erp.example;sslmode=verify-ca", False),
        ("Driver=psqlodbcw.so;Server=erp.example;SSLmode=require", False),
        ("Driver=libmaodbc.so;Server=erp.example;FORCETLS=1", False),
        ("Driver=libmaodbc.so;Server=erp.example;FORCETLS=1;SSLVERIFY=1", True),
        ("Driver=/x/libtdsodbc.so;Server=erp.example;Encryption=require", False),
        ("Driver={ODBC Driver 18 for SQL Server};Server=erp.example", True),
        ("Driver={ODBC Driver 18 for SQL Server};Server=x;Encrypt=yes;TrustServerCertificate=yes", False),
    ],
)
def test_whoever_answers_is_given_the_password_unless_the_server_proves_who_it_is(
    connection: str, proven: bool
) -> None:
    (check,) = lint(resolve("erp", Settings(connection=connection), [], str))
    assert check.ok and ("NOT proven who the server is" in check.detail) is not proven


def test_a_library_that_a_driver_lacks_is_named(tmp_path: Path) -> None:
    """The driver manager says of it that the driver was not found."""
    whole = find_driver(MARIADB)
    assert whole is not None
    image = whole.read_bytes()
    assert b"libmariadb.so.3" in image
    broken = tmp_path / "libmaodbc.so"
    broken.write_bytes(image.replace(b"libmariadb.so.3", b"libmissing0.so3"))
    told = unloadable(f"Driver={broken}", MARIADB, where="erp")
    assert "libmissing0.so3" in told.message and "ldd" in told.remedy


def test_a_driver_that_is_not_there_is_told_with_its_package(tmp_path: Path) -> None:
    told = unloadable(f"Driver={tmp_path}/psqlodbcw.so", POSTGRESQL, where="erp")
    assert "is not there" in told.message and "apt-get install odbc-postgresql" in told.remedy


async def test_a_driver_that_cannot_be_loaded_is_told_by_check(site: Site, tmp_path: Path) -> None:
    driver = str(find_driver(site.dialect))
    site.adapter_connection = site.connection.replace(driver, f"{tmp_path}/{Path(driver).name}")
    (check,) = [check for check in await site.system().probe.check() if check.name == "connect"]
    assert not check.ok and "is not there" in check.detail
