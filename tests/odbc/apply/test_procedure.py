"""Commands through a stored procedure of the ERP, with the ledger row beside its effect."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from adapters.odbc import Settings
from adapters.odbc.session import Session, SqlFault
from agent.core.change import RawValue
from agent.core.delivery import DeliveryKind, OutcomeKind, Reason, Resolution
from tests.odbc.apply.test_traps import server_site as server_site
from tests.odbc.apply.watch import applied, count
from tests.odbc.site import Site, create, update

WRITTEN: dict[str, Any] = {
    "tables": {"customer": {"write": "procedure", "procedure": "write_customer", "compares": True}}
}
_PROCEDURES = {
    "postgresql": (
        "CREATE FUNCTION write_customer(message TEXT, kind TEXT, k TEXT, fields TEXT, seen TEXT)"
        " RETURNS TABLE (outcome TEXT, key TEXT, said TEXT) LANGUAGE plpgsql AS $$"
        " DECLARE f json := fields; s json := seen; there customer; new_key INTEGER; BEGIN"
        " IF f->>'name' = 'no answer' THEN RETURN; END IF;"
        " IF f->>'name' = 'no' THEN RETURN QUERY SELECT 'refused', NULL::text, 'not today'; RETURN; END IF;"
        " IF kind = 'create' THEN INSERT INTO customer (name, phone, external_ref)"
        " VALUES (f->>'name', f->>'phone', f->>'external_ref') RETURNING customer_id INTO new_key;"
        " RETURN QUERY SELECT 'accepted', new_key::text, ''; RETURN; END IF;"
        " SELECT * INTO there FROM customer WHERE customer_id = k::int FOR UPDATE;"
        " IF NOT FOUND THEN RETURN QUERY SELECT 'gone', NULL::text, ''; RETURN; END IF;"
        " IF s->>'phone' IS DISTINCT FROM there.phone AND s->'phone' IS NOT NULL THEN"
        " RETURN QUERY SELECT 'changed', NULL::text, 'phone'; RETURN; END IF;"
        " UPDATE customer SET phone = f->>'phone' WHERE customer_id = k::int;"
        " RETURN QUERY SELECT 'accepted', k, ''; END $$",
    ),
    "mariadb": (
        "CREATE PROCEDURE write_customer(message TEXT, kind TEXT, k TEXT, fields LONGTEXT, seen LONGTEXT)"
        " BEGIN DECLARE found VARCHAR(40); DECLARE there INT; DECLARE wanted VARCHAR(80);"
        " SET wanted = JSON_VALUE(fields, '$.name');"
        " IF wanted = 'late' THEN SELECT 'accepted', '1', ''; SELECT 'second';"
        " SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'told behind two result sets';"
        " ELSEIF wanted = 'no answer' THEN SET there = 0;"
        " ELSEIF wanted = 'no' THEN SELECT 'refused', NULL, 'not today';"
        " ELSEIF kind = 'create' THEN INSERT INTO customer (name, phone, external_ref)"
        " VALUES (wanted, JSON_VALUE(fields, '$.phone'), JSON_VALUE(fields, '$.external_ref'));"
        " SELECT 'accepted', LAST_INSERT_ID(), '';"
        " ELSE SELECT COUNT(*), MAX(phone) INTO there, found FROM customer WHERE customer_id = k FOR UPDATE;"
        " IF there = 0 THEN SELECT 'gone', NULL, '';"
        " ELSEIF JSON_CONTAINS_PATH(seen, 'one', '$.phone') AND NOT (JSON_VALUE(seen, '$.phone') <=> found)"
        " THEN SELECT 'changed', NULL, 'phone';"
        " ELSE UPDATE customer SET phone = JSON_VALUE(fields, '$.phone') WHERE customer_id = k;"
        " SELECT 'accepted', k, ''; END IF; END IF; END",
    ),
}


@pytest.fixture
def site(server_site: Site) -> Site:
    """An ERP with the procedure."""
    for statement in _PROCEDURES[server_site.dialect.name]:
        server_site.user().execute(statement)
    return server_site


@pytest.mark.invariant("I14")
async def test_a_procedure_writes_and_the_ledger_makes_it_once(site: Site) -> None:
    system = site.system(**WRITTEN)
    made = await applied(system, [create("m1", "r1", name="A", phone="1"), create("m2", "r2", name="B")])
    keys = [outcome.key for outcome in made]
    rows = dict(site.user().execute("SELECT external_ref, customer_id FROM customer").fetchall())
    assert keys == [str(rows["r1"]), str(rows["r2"])]
    again = await applied(system, [create("m1", "r1", name="A", phone="1")])
    assert (again[0].code, again[0].key) == ("already-applied", keys[0])
    changed = await applied(system, [update("m3", str(keys[0]), {"phone": "1"}, phone="ü \" ' \\ 😀")])
    assert changed[0].kind is OutcomeKind.ACCEPTED
    assert site.one("SELECT phone FROM customer WHERE external_ref = 'r1'") == "ü \" ' \\ 😀"
    assert count(site, "customer") == 2 and count(site, "isthmus_ledger") == 3


async def test_what_a_procedure_says_no_to_leaves_nothing_and_costs_only_itself(site: Site) -> None:
    key = str(site.business.create_customer("A", phone="1"))
    fields: list[dict[str, RawValue]] = [{"name": "no"}, {"name": "!"}, {"name": "no answer"}]
    refused = [create(f"c{number}", f"r{number}", **one) for number, one in enumerate(fields)]
    outcomes = await applied(
        site.system(**WRITTEN),
        [
            *refused,
            update("u1", key, {"phone": "0"}, phone="2"),
            update("u2", "987654", {"phone": "0"}, phone="2"),
            replace(update("u3", key, {"phone": "1"}, phone="3"), kind=DeliveryKind.UPDATE),
        ],
    )
    assert [outcome.reason for outcome in outcomes] == [
        *[Reason.BUSINESS] * 3,
        Reason.PRECONDITION,
        Reason.GONE,
        None,
    ]
    assert [outcome.text for outcome in outcomes[:2]] == ["not today", "the name ! is reserved"]
    assert count(site, "isthmus_ledger") == 1


async def test_an_error_behind_the_result_sets_of_a_procedure_is_met(
    mariadb_site: Site, request: pytest.FixtureRequest
) -> None:
    """It shows only when all of them were asked for: the first alone says accepted."""
    site = mariadb_site
    site.user().execute(_PROCEDURES["mariadb"][0])
    (outcome,) = await applied(site.system(**WRITTEN), [create("m1", "r1", name="late")])
    assert (outcome.reason, outcome.text) == (Reason.BUSINESS, "told behind two result sets")
    assert count(site, "isthmus_ledger") == 0


def test_the_guarantees_tell_whether_the_procedure_compares(server_site: Site) -> None:
    comparing = server_site.system(**WRITTEN).target
    assert comparing.guarantees("customer").compare_and_set
    blind = {"tables": {"customer": {"write": "procedure", "procedure": "write_customer"}}}
    target = server_site.system(**blind).target
    assert not target.guarantees("customer").compare_and_set
    assert target.guarantees("invoice").compare_and_set
    assert target.guarantees("customer").on_uncertain_create is Resolution.RESEND


@pytest.mark.parametrize(
    "wrong",
    [
        {"write": "procedure"},
        {"write": "procedure", "procedure": "a; DROP"},
        {"procedure": "p"},
        {"compares": True},
        {"guarantee": "maybe"},
        {"wirte": "table"},
    ],
)
def test_settings_that_make_no_sense_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        Settings.model_validate({"connection": "DSN=x", "tables": {"customer": wrong}})


async def test_a_procedure_that_is_missing_is_an_error_of_the_statement(server_site: Site) -> None:
    server_site.system(**WRITTEN)
    session = Session(server_site.link().erp, autocommit=False)
    try:
        with pytest.raises(SqlFault):
            session.call("{CALL no_such(?)}", ("x",))
        assert session.broken
    finally:
        session.close()
