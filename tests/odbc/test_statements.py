"""The SQL layer on paper: golden statements, error tables, connection strings. No database."""

from __future__ import annotations

from dataclasses import astuple, replace
from pathlib import Path

import pytest

from adapters.odbc import Settings, administer, connect, sets, sql, staging
from adapters.odbc.catalog import Column, Table
from adapters.odbc.dialect import Dialect, Fault, OwnTables, native_code, trigger_base
from adapters.odbc.dialects import DIALECTS, MARIADB, POSTGRESQL, SQLITE, dialect_of
from adapters.odbc.driver import LIBRARIES_VARIABLE, complete, compose, find_driver, parse, redact
from adapters.odbc.grants import grant_script
from adapters.odbc.journal import install_script, remove_script, tracking_left, tracking_script
from adapters.odbc.settings import Erp, resolve
from adapters.odbc.tables import TableSettings
from agent.core.objects import ObjectSpec
from agent.errors import ConfigError, InputError, Refused

_GOLDEN = Path(__file__).parent / "golden"
_TABLES = {
    "sqlite": Table(
        "customer",
        {
            "id": Column("id", "integer"),
            'na"me': Column('na"me', "varchar", 80),
            "limit": Column("limit", "text"),
        },
        ("id",),
    ),
    "postgresql": Table(
        "sales.customer",
        {
            "id": Column("id", "int4"),
            'na"me': Column('na"me', "varchar", 80),
            "limit": Column("limit", "numeric", None, 2),
        },
        ("id",),
    ),
    "mariadb": Table(
        "customer",
        {
            "id": Column("id", "bigint", None, 0),
            'na"me': Column('na"me', "varchar", 80),
            "limit": Column("limit", "decimal", None, 2),
        },
        ("id",),
    ),
}
_WINDOW = sql.Window(60.0, behind=True, upto=True, count=1000)
_CHAR, _COLLATION = Column("id", "bpchar", 8), "latin1_german1_ci"
_NAMES = ('na"me', "limit")
_TYPES = {  # of the key, a text, a decimal
    "sqlserver": ("int", "nvarchar", "decimal"),
    "db2i": ("integer", "varchar", "decimal"),
    "oracle": ("number", "varchar2", "number"),
    "hana": ("integer", "nvarchar", "decimal"),
}
_TABLES |= {
    name: Table(
        "sales.customer",
        {
            "id": Column("id", key, None, 0),
            'na"me': Column('na"me', text, 80),
            "limit": Column("limit", number, None, 2),
        },
        ("id",),
    )
    for name, (key, text, number) in _TYPES.items()
}
_UNTRIED = "-- not run against a server\n"


def _statements(dialect: Dialect) -> list[str]:
    table = _TABLES[dialect.name]
    erp = resolve(
        "erp",
        Settings(connection="Driver=x", dialect=dialect.name),  # type: ignore[arg-type]  # checked by pydantic
        [ObjectSpec(table.name, "id", ())],
        str,
    )
    return [
        sql.select_by_keys(dialect, table, "id", _NAMES, 2),
        sql.select_locked(dialect, table, "id", ()),
        sql.select_page(dialect, table, "id", _NAMES, size=500, first=True),
        sql.select_page(dialect, table, "id", _NAMES, size=500, first=False),
        sql.select_where(dialect, table, "id", _NAMES, [('na"me', False), ("limit", True)]),
        sql.insert(dialect, table, "id", _NAMES),
        sql.update(dialect, table, "id", _NAMES),
        sql.delete(dialect, table, "id"),
        sql.journal_read(dialect, "isthmus_journal", 200),
        sql.journal_ack(dialect, "isthmus_journal", 2),
        sql.ledger_insert(dialect, "isthmus_ledger"),
        sql.ledger_key(dialect, "isthmus_ledger"),
        sql.ledger_read(dialect, "isthmus_ledger"),
        sql.epoch_check(dialect, "isthmus_epoch"),
        sql.mark_read(dialect, "isthmus_epoch"),
        sql.mark_write(dialect, "isthmus_epoch"),
        *([sql.segment_sums(dialect, table, "id", _NAMES, (True, False))] if dialect.digest else []),
        sql.segment_rows(dialect, table, "id", _NAMES, (True, True), 1000),
        sql.high_rows(dialect, table, "id", ("limit", *_NAMES), _WINDOW),
        sql.high_place(dialect, table, "id", "limit", 1),
        sql.segment_keys(dialect, table, "id", (False, True), 1000),
        sql.procedure(dialect, "sales.write_customer", 5),
        *_staged(dialect, table),
        *_for_many(dialect, table),
        *install_script(erp),
        *_horizon(dialect, erp),
        *_of_untried(dialect, table, erp),
    ]


def _of_untried(dialect: Dialect, table: Table, erp: Erp) -> list[str]:
    """What nothing else shows of a dialect that has no server here."""
    if not dialect.untried:
        return []
    return [
        *([] if dialect.returns_key else [sql.inserted_key(dialect, table, "id")]),
        *dialect.session,
        *([dialect.zone] if dialect.zone else []),
        dialect.journal.present,
        *(query for query in astuple(dialect.dictionary) if query),
        *_tracking(dialect, table),
        *_settled(dialect, table),
        *(line for line in grant_script(erp) if not line.startswith("--")),
        *remove_script(erp),
    ]


def _staged(dialect: Dialect, table: Table) -> list[str]:
    number, text = table.column("id"), table.column('na"me')
    numbers = {staging.NUMBER, staging.TAKEN}
    columns = {name: replace(number if name in numbers else text, name=name) for name in staging.COLUMNS}
    inbox = staging.Inbox.of(Table("sales.inbox", columns, (staging.NUMBER,)))
    return [
        staging.insert(dialect, inbox),
        staging.given(dialect, inbox),
        staging.answers(dialect, inbox, 200),
        staging.take(dialect, inbox, 2),
    ]


def _tracking(dialect: Dialect, table: Table) -> list[str]:
    tracking = dialect.tracking
    if tracking is None:
        return []
    objects = [ObjectSpec("sales.customer", "id", ())]
    tables = {"sales.customer": TableSettings.model_validate({"capture": "change-tracking"})}
    settings = Settings(connection="Driver=x", dialect=dialect.name, tables=tables)  # type: ignore[arg-type]  # checked by pydantic
    erp = resolve("erp", settings, objects, str)
    named = sql.Named.of(dialect, table.name)
    marked = sql.insert(dialect, table, "id", _NAMES, tracking.context)
    return [
        *tracking_script(erp),
        named.within(tracking.standing),
        named.within(tracking.state),
        *tracking.begin,
        sql.tracked_changes(dialect, tracking, table, "id", 200, behind=False),
        sql.tracked_changes(dialect, tracking, table, "id", 200, behind=True),
        *tracking.end,
        tracking.declare + marked,
        tracking.declare + tracking.context + sql.update(dialect, table, "id", _NAMES),
        tracking.declare + tracking.context + sql.delete(dialect, table, "id"),
        *(line for line in grant_script(erp) if tracking.right in line),
        *(line.removeprefix("--   ") for line in tracking_left(erp)[1:]),
    ]


def _settled(dialect: Dialect, table: Table) -> list[str]:
    """By a column of which the database tells what is still open below a value."""
    column = Column("rv", "timestamp")
    settled = dialect.settled(column)
    if settled is None:
        return []
    table = replace(table, columns={**table.columns, "rv": column})
    window = sql.Window(None, behind=True, upto=True, count=1000)
    return [
        sql.high_rows(dialect, table, "id", ("rv", *_NAMES), window),
        sql.high_place(dialect, table, "id", "rv", 1),
        settled.state,
    ]


def _horizon(dialect: Dialect, erp: Erp) -> list[str]:
    horizon = dialect.horizon
    if horizon is None:
        return []
    return [
        *horizon.install(erp.own, ["sales.customer"]),
        horizon.read(erp.own, 1, 200),
        horizon.state(erp.own),
        horizon.release(erp.own, 1),
        horizon.open,
    ]


def _for_many(dialect: Dialect, table: Table) -> list[str]:
    form = dialect.sets
    if form is None:
        return []
    texts = replace(table, columns={**table.columns, "id": replace(_CHAR, collation=_COLLATION)})
    return [
        sets.lock(dialect, form, table, "id", _NAMES),
        sets.lock(dialect, form, texts, "id", ()),
        sets.find(dialect, form, table, "id", 'na"me', _NAMES),
        *([sets.insert(dialect, form, table, _NAMES, ("id", 'na"me'))] if dialect.returns_key else []),
        sets.update(dialect, form, table, "id", _NAMES),
        sets.delete(dialect, form, table, "id"),
        sets.ledger_insert(dialect, form, "isthmus_ledger"),
        sets.ledger_read(dialect, form, "isthmus_ledger"),
        sets.ledger_keys(dialect, form, "isthmus_ledger"),
        *([form.mark] if form.mark else []),
    ]


@pytest.mark.parametrize("dialect", DIALECTS.values(), ids=DIALECTS)
def test_every_statement_is_the_reviewed_one(dialect: Dialect) -> None:
    """To review a change: write the new text into the golden file and read the difference."""
    expected = (_GOLDEN / f"{dialect.name}.sql").read_text(encoding="utf-8")
    statements = [line.removesuffix(";") + ";\n" for line in _statements(dialect)]
    assert (_UNTRIED if dialect.untried else "") + "".join(statements) == expected


@pytest.mark.parametrize(
    ("message", "fault", "code"),
    [
        (
            "[HY000] [SQLite]UNIQUE constraint failed: t.name (19) (19) (SQLExecDirectW)",
            "duplicate",
            "19-unique",
        ),
        (
            "[HY000] [SQLite]NOT NULL constraint failed: t.n (19) (19) (SQLExecDirectW)",
            "invalid",
            "19-not-null",
        ),
        ("[HY000] [SQLite]FOREIGN KEY constraint failed (19) (19) (SQLExecDirectW)", "business", "19"),
        ("[HY000] [SQLite]name is reserved (19) (19) (SQLExecDirectW)", "business", "19"),
        ("[HY000] [SQLite]database is locked (5) (5) (SQLExecDirectW)", "busy", "5"),
        ("[HY000] [SQLite]no such table: nope (1) (1) (SQLExecDirectW)", "setup", "1"),
        ("[HY000] [SQLite]datatype mismatch (20) (20) (SQLExecDirectW)", "invalid", "20"),
        ("[HY000] [SQLite]connect failed (14) (SQLDriverConnect)", "setup", "14"),
    ],
)
def test_sqlite_errors_are_told_apart_by_native_code(message: str, fault: str, code: str) -> None:
    verdict = SQLITE.classify("HY000", message)
    assert (verdict.fault, verdict.code) == (Fault(fault), code)


@pytest.mark.parametrize(
    ("state", "fault"),
    [
        ("40001", Fault.BUSY),
        ("40P01", Fault.BUSY),
        ("55P03", Fault.BUSY),
        ("57014", Fault.BUSY),
        ("57P01", Fault.LOST),
        ("08S01", Fault.LOST),
        ("23505", Fault.DUPLICATE),
        ("23503", Fault.BUSINESS),
        ("23514", Fault.BUSINESS),
        ("P0001", Fault.BUSINESS),
        ("22001", Fault.INVALID),
        ("23502", Fault.INVALID),
        ("42501", Fault.SETUP),
        ("42P01", Fault.SETUP),
        ("XX000", Fault.UNKNOWN),
    ],
)
def test_postgresql_errors_are_told_apart_by_sqlstate(state: str, fault: Fault) -> None:
    assert POSTGRESQL.classify(state, f"[{state}] ERROR: text (7) (SQLExecDirectW)").fault is fault


@pytest.mark.parametrize(
    ("state", "code", "fault"),
    [
        ("40001", 1213, Fault.BUSY),
        ("HY000", 1205, Fault.BUSY),
        ("HY018", 1969, Fault.BUSY),
        ("HY000", 1020, Fault.BUSY),
        ("HY000", 1114, Fault.BUSY),
        ("HY000", 1290, Fault.BUSY),
        ("08S01", 2006, Fault.LOST),
        ("08S01", 2013, Fault.LOST),
        ("70100", 1927, Fault.LOST),
        ("08003", 0, Fault.LOST),
        ("HY000", 2002, Fault.LOST),
        ("23000", 1062, Fault.DUPLICATE),
        ("23000", 1452, Fault.BUSINESS),
        ("23000", 4025, Fault.BUSINESS),
        ("45000", 1644, Fault.BUSINESS),
        ("23000", 1048, Fault.INVALID),
        ("22001", 1406, Fault.INVALID),
        ("42000", 1153, Fault.INVALID),
        ("42S02", 1146, Fault.SETUP),
        ("42000", 1142, Fault.SETUP),
        ("28000", 1045, Fault.SETUP),
        ("HY000", 1105, Fault.UNKNOWN),
    ],
)
def test_mariadb_errors_are_told_apart_by_native_number(state: str, code: int, fault: Fault) -> None:
    message = f"[{state}] [ma-3.1.15][10.11.19-MariaDB]text ({code}) (SQLExecDirectW)"
    assert MARIADB.classify(state, message).fault is fault


@pytest.mark.parametrize(
    ("state", "said", "told"),
    [
        ("23000", "Duplicate entry 'Eve' for key 'name' (1062)", "Duplicate entry for key 'name'"),
        (
            "23000",
            "Duplicate entry 'Eve\n'for key '' for key 'name' (1062)",
            "Duplicate entry for key 'name'",
        ),
        (
            "22007",
            "Incorrect integer value: 'Eve\nfor column x' for column `d`.`t`.`i` at row 1 (1366)",
            "Incorrect integer value for column `d`.`t`.`i` at row 1",
        ),
        ("22007", "Truncated incorrect DOUBLE value: 'Eve' (1292)", "Truncated incorrect DOUBLE value"),
        ("22003", "BIGINT value is out of range in '(Eve + 1)' (1690)", "BIGINT value is out of range"),
    ],
)
def test_mariadbs_words_lose_the_row_values_and_keep_the_rest(state: str, said: str, told: str) -> None:
    verdict = MARIADB.classify(state, f"[{state}] [ma-3.1.15][10.11.19-MariaDB]{said} (SQLExecDirectW)")
    assert verdict.text == told


def test_the_driver_of_a_connection_tells_the_dialect() -> None:
    for name, dialect in {
        "/usr/lib/odbc/libsqlite3odbc.so": "sqlite",
        "{PostgreSQL Unicode}": "postgresql",
        "psqlodbcw.so": "postgresql",
        "{MariaDB Unicode}": "mariadb",
        "/x/libmaodbc.so": "mariadb",
    }.items():
        assert dialect_of(f"Server=x;Driver={name};Uid=postgres", where="erp") == dialect


def test_a_triggers_name_that_is_too_long_keeps_its_beginning_and_stays_its_own() -> None:
    own = OwnTables("erp.isthmus_journal", "", "", "")
    names = {trigger_base(own, ObjectSpec("sales." + "t" * 60 + end, "id", ()), 64) for end in "ab"}
    assert len(names) == 2
    assert {len(name) for name in names} == {62}
    assert all(name.startswith("isthmus_journal_ttt") for name in names)
    assert trigger_base(own, ObjectSpec("sales.customer", "id", ()), 64) == "isthmus_journal_customer"


def test_mariadb_triggers_in_another_database_need_the_journals_own() -> None:
    """An unqualified name in a trigger means the database of the trigger: every write would fail."""
    connection = "Driver=libmaodbc.so"
    objects = [ObjectSpec("sales.customer", "id", ())]
    with pytest.raises(Refused, match="name journal_table"):
        install_script(resolve("erp", Settings(connection=connection), objects, str))
    named = Settings(connection=connection, journal_table="erp.isthmus_journal")
    script = install_script(resolve("erp", named, objects, str))
    assert any("INSERT INTO `erp`.`isthmus_journal`" in line for line in script)
    assert any("TRIGGER `sales`.`isthmus_journal_customer_i`" in line for line in script)


def test_an_errors_text_holds_no_row_values() -> None:
    unique = POSTGRESQL.classify(
        "23505",
        '[23505] ERROR: duplicate key value violates unique constraint "c_key"\nDETAIL: Key (name)='
        "(Eve) already exists.;\nError while executing the query (1) (SQLExecDirectW)",
    )
    assert unique.text == 'duplicate key value violates unique constraint "c_key"'
    syntax = POSTGRESQL.classify(
        "22P02", '[22P02] ERROR: invalid input syntax for type numeric: "Eve";\nError while executing (1)'
    )
    assert "Eve" not in syntax.text


def test_the_native_code_stands_at_the_end_of_the_message() -> None:
    assert native_code("[HY000] [SQLite]x (5) (5) (SQLExecDirectW)") == 5
    assert native_code("no code") == 0


def test_connection_strings_keep_braces_and_special_characters() -> None:
    options = parse("Driver={SQLite3};Pwd={a;b}}c};pqopt={keepalives=1 options=-c\\ x};Database=x y")
    assert options == {
        "Driver": "SQLite3",
        "Pwd": "a;b}c",
        "pqopt": "keepalives=1 options=-c\\ x",
        "Database": "x y",
    }
    assert parse(compose(options)) == options


def test_safe_options_are_added_and_given_ones_kept() -> None:
    figures = {"lock_ms": 700, "deadline_ms": 30000, "connect_s": 30}
    added = parse(complete("Driver=/x/libsqlite3odbc.so;Database=a;timeout=9", SQLITE, figures, []))
    assert added["BigInt"] == added["FKSupport"] == added["NoCreat"] == "1"
    assert added["timeout"] == "9" and "Timeout" not in added
    postgresql = parse(complete("Driver=/x/psqlodbcw.so", POSTGRESQL, figures, []))
    assert postgresql["BoolsAsChar"] == "0"
    assert "keepalives=1" in postgresql["pqopt"] and "tcp_user_timeout=30000" in postgresql["pqopt"]


def test_mariadb_counts_found_rows_and_gives_up_in_seconds() -> None:
    figures = {"lock_ms": 700, "lock_s": 1, "deadline_ms": 1500, "deadline_s": 2, "connect_s": 2}
    options = parse(complete("Driver=/x/libmaodbc.so;Database=a", MARIADB, figures, []))
    assert options["OPTION"] == "2"
    assert options["CONN_TIMEOUT"] == options["READ_TIMEOUT"] == options["WRITE_TIMEOUT"] == "2"


def test_a_driver_is_found_in_the_operators_own_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver = tmp_path / "libsqlite3odbc.so"
    driver.touch()
    monkeypatch.setenv(LIBRARIES_VARIABLE, str(tmp_path))
    assert find_driver(SQLITE) == driver
    figures = {"lock_ms": 1, "deadline_ms": 1, "connect_s": 2}
    assert parse(complete("Driver=SQLite3;Database=a", SQLITE, figures, []))["Driver"] == str(driver)
    named = complete("Driver=SQLite3;Database=a", SQLITE, figures, ["SQLite3"])
    assert parse(named)["Driver"] == "SQLite3"


def test_passwords_are_taken_out_of_driver_messages() -> None:
    assert redact("FATAL: hunter2 is wrong", "Driver=x;Pwd=hunter2") == "FATAL: *** is wrong"


def test_a_secret_reference_is_resolved_and_never_shown() -> None:
    asked: list[str] = []

    def secret(reference: str) -> str:
        asked.append(reference)
        return "Driver=/x/psqlodbcw.so;Pwd=hunter2\n"

    erp = resolve("erp", Settings(connection="env:ERP"), [], secret)
    assert asked == ["env:ERP"] and erp.dialect == "postgresql" and erp.connection.endswith("hunter2")
    assert "hunter2" not in repr(erp)


def test_an_unknown_driver_needs_its_dialect_named() -> None:
    with pytest.raises(Refused, match="set dialect to one of db2i, hana, mariadb, oracle"):
        resolve("erp", Settings(connection="DSN=erp"), [], str)
    assert resolve("erp", Settings(connection="DSN=erp", dialect="sqlite"), [], str).dialect == "sqlite"


def test_connecting_reads_no_secret() -> None:
    """``isthmus check --offline`` works where the secrets are not."""

    def secret(reference: str) -> str:
        raise AssertionError(f"asked for {reference}")

    system = connect("erp", Settings(connection="credential:erp"), [], secret)
    assert system.target.guarantees("customer").batch == 100


async def test_a_secret_that_cannot_be_read_is_refused_at_the_first_use_and_asked_for_again() -> None:
    asked: list[str] = []

    def secret(reference: str) -> str:
        asked.append(reference)
        raise InputError("cannot be opened: No such file", where=reference, remedy="the file must exist")

    system = connect("erp", Settings(connection="file:/none"), [], secret)
    for _ in range(2):
        with pytest.raises(Refused) as refused:
            await system.source.open({})
        assert str(refused.value) == "erp: file:/none: cannot be opened: No such file (the file must exist)"
    (check,) = await system.probe.check()
    assert not check.ok and check.remedy == "the file must exist"
    assert asked == ["file:/none"] * 3
    await system.source.close()
    await system.target.close()


async def test_the_dialect_of_a_secret_connection_is_found_at_the_first_use() -> None:
    system = connect("erp", Settings(connection="env:ERP"), [], lambda _: "DSN=erp")
    with pytest.raises(Refused, match="set dialect to one of db2i, hana, mariadb, oracle"):
        await system.source.open({})
    await system.source.close()


def test_a_written_connection_whose_dialect_nobody_could_tell_is_a_problem_of_the_configuration() -> None:
    with pytest.raises(ConfigError) as wrong:
        connect("erp", Settings(connection="DSN=erp"), [], str)
    (problem,) = wrong.value.problems
    assert problem.key == "systems.erp.connection"
    assert "set dialect to one of db2i, hana, mariadb, oracle" in problem.text
    connect("erp", Settings(connection="DSN=erp", dialect="sqlite"), [], str)


def test_unknown_and_impossible_settings_are_refused() -> None:
    for wrong in ({"polls": 1}, {"poll_s": 0}, {"timezone": "Mars/Base"}, {"journal_table": "a; DROP"}):
        with pytest.raises(ValueError):
            Settings.model_validate({"connection": "DSN=x", **wrong})


def test_the_install_script_needs_no_connection() -> None:
    administration = administer(
        "erp", Settings(connection="Driver=/nowhere/psqlodbcw.so"), [ObjectSpec("customer", "id", ())], str
    )
    script = administration.install_script()
    assert 'CREATE TRIGGER "isthmus_journal_customer"' in script
    assert script.count('INSERT INTO "isthmus_journal"') == 5
