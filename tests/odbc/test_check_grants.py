"""``isthmus check --print-grants``: the least rights, from who owns which field, and that they are enough."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from adapters.odbc import Settings, administer
from agent.core.change import RawValue
from agent.core.delivery import DeliveryKind, Mark, OutcomeKind, Reason
from agent.core.objects import FieldSpec, FieldType, ObjectSpec
from agent.ports import System
from tests.odbc.site import Site, apply_one, changes_until, create, read_one, update

#: The ERP's users own the number and the block; records are made there by the agent too, and never ended.
_CUSTOMER = ObjectSpec(
    name="customer",
    key="customer_id",
    external_id="external_ref",
    fields=(
        FieldSpec("number", writable=False),
        FieldSpec("name"),
        FieldSpec("credit_limit", FieldType.DECIMAL),
        FieldSpec("order_block", writable=False, seed=True),
        FieldSpec("changed_at", FieldType.DATETIME, writable=False),
    ),
    delete=False,
)
_SAMPLE = ObjectSpec("sample", "code", (FieldSpec("note"), FieldSpec("big", FieldType.INTEGER)))
_INVOICE = ObjectSpec("invoice", "invoice_no", (FieldSpec("status"),), deliver=False)


def _script(dialect: str, *objects: ObjectSpec) -> str:
    drivers = {"postgresql": "psqlodbcw.so", "mariadb": "libmaodbc.so", "sqlite": "libsqlite3odbc.so"}
    settings = Settings(connection=f"Driver=/x/{drivers[dialect]};Uid=isthmus agent")
    return administer("erp", settings, objects, str).grant_script()


def test_columns_that_the_erp_owns_are_not_among_those_that_may_be_written() -> None:
    lines = _script("postgresql", _CUSTOMER, _INVOICE).splitlines()
    assert 'GRANT SELECT ON "customer" TO "isthmus agent";' in lines
    assert 'GRANT UPDATE ("name", "credit_limit", "external_ref") ON "customer" TO "isthmus agent";' in lines
    assert (
        'GRANT INSERT ("name", "credit_limit", "order_block", "external_ref", "customer_id")'
        ' ON "customer" TO "isthmus agent";' in lines
    )
    assert 'GRANT SELECT ON "invoice" TO "isthmus agent";' in lines
    assert not [line for line in lines if "DELETE" in line and "isthmus_journal" not in line]
    assert not [line for line in lines if "invoice" in line and "SELECT ON" not in line]


@pytest.mark.parametrize("dialect", ["postgresql", "mariadb"])
def test_where_no_column_is_ours_none_may_be_written(dialect: str) -> None:
    """A right that names no column would be one on all of them."""
    read_only = ObjectSpec("price", "code", (FieldSpec("n", writable=False),), create=False, delete=False)
    assert [
        line for line in _script(dialect, read_only).splitlines() if "price" in line and "UPDATE" in line
    ] == []


def test_a_database_without_rights_says_so() -> None:
    assert _script("sqlite", _CUSTOMER).startswith("-- erp: sqlite knows no users")


def test_an_accounts_name_cannot_end_its_quotes() -> None:
    settings = Settings(connection="Driver=/x/libmaodbc.so;Uid=o'brien")
    assert "TO 'o''brien'@'%';" in administer("erp", settings, [_SAMPLE], str).grant_script()


@pytest.fixture
def clerk(server_site: Site) -> Iterator[str]:
    """A fresh user of the database with the printed rights; the site's adapter connects as that user."""
    site, owner = server_site, server_site.user()
    site.objects = (_CUSTOMER, _SAMPLE, _INVOICE)
    mariadb = site.dialect.name == "mariadb"
    name = f"agent_{site.one('SELECT DATABASE()' if mariadb else 'SELECT current_database()')}"
    owner.execute(f"CREATE USER '{name}'@'%'" if mariadb else f"CREATE ROLE {name} LOGIN")
    site.adapter_connection = site.connection.replace("Uid=erp", f"Uid={name}")
    administration = administer("erp", site.settings(), site.objects, str)
    for statement in administration.grant_script().split(";\n"):
        if statement.strip():
            owner.execute(statement)
    yield name
    if mariadb:
        owner.execute(f"DROP USER '{name}'@'%'")


async def _all_main_paths(site: Site, system: System) -> str:
    assert system.witness is not None and system.reader is not None
    assert await system.witness.take(Mark("life", 1, 1, "host", "s"), await system.witness.last(), {})
    life: dict[str, Any] = {"life": "life", "fence": 1}
    fields: dict[str, RawValue] = {"name": "Adler", "credit_limit": Decimal("1.50")}
    made = await apply_one(system, replace(create("m1", "r1", **fields), **life))
    assert made.kind is OutcomeKind.ACCEPTED and made.key is not None, made
    again = await apply_one(system, replace(create("m1", "r1", **fields), **life))
    assert again.code == "already-applied"
    changed = replace(update("m2", made.key, {"name": "Adler"}, name="Beran"), **life)
    assert (await apply_one(system, changed)).kind is OutcomeKind.ACCEPTED
    row = await read_one(system, "customer", made.key)
    assert row.fields is not None and row.fields["name"] == "Beran"
    await system.source.open({})
    assert {change.keys for change in await changes_until(system, 2)} == {(made.key,)}
    sample = replace(create("m3", "", note="x"), object="sample", key="A1", **life)
    assert (await apply_one(system, sample)).kind is OutcomeKind.ACCEPTED
    gone = replace(sample, message_id="m4", kind=DeliveryKind.DELETE, fields={})
    assert (await apply_one(system, gone)).kind is OutcomeKind.ACCEPTED
    assert await system.target.find("customer", {"name": "Beran"})
    assert len([page async for page in system.reader.page("customer")]) == 1
    return made.key


async def test_with_the_printed_rights_everything_works_and_another_column_is_refused(
    server_site: Site, clerk: str
) -> None:
    site = server_site
    system = site.system()
    assert [check for check in await system.probe.check() if not check.ok] == []
    key = await _all_main_paths(site, system)
    connection = site.odbc.connect(site.adapter_connection, autocommit=True)
    for refused in (
        "UPDATE customer SET phone = 'ours'",
        "UPDATE customer SET order_block = 'X'",
        "DELETE FROM customer",
        "INSERT INTO invoice_line (invoice_no) VALUES ('1')",
        "UPDATE invoice SET status = 'P'",
        "DELETE FROM isthmus_ledger",
        "INSERT INTO isthmus_journal (object, op) VALUES ('customer', 'I')",
        "UPDATE isthmus_ledger SET payload_hash = ''",
    ):
        with pytest.raises(site.odbc.Error) as error:
            connection.execute(refused)
        verdict = site.dialect.classify(error.value.args[0], error.value.args[1])
        assert verdict.fault == "setup", (refused, verdict)
    connection.close()
    wrong = replace(_CUSTOMER, fields=(*_CUSTOMER.fields, FieldSpec("phone")))
    site.objects = (wrong, _SAMPLE, _INVOICE)
    over = replace(update("m9", key, phone="ours"), life="life", fence=1)
    outcome = await apply_one(site.system(), over)
    assert outcome.kind is OutcomeKind.REJECTED and outcome.reason is not Reason.GONE
    assert site.one("SELECT phone FROM customer") is None
