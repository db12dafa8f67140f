"""Rows whose key is still empty: no record has the key "None"."""

from __future__ import annotations

from dataclasses import replace

import pytest

from agent.core.delivery import OutcomeKind, Reason
from agent.core.objects import FieldSpec, FieldType, ObjectSpec
from tests.odbc.capture.sites import Reading
from tests.odbc.site import Site, apply_one, create

_THING = ObjectSpec("thing", "code", (FieldSpec("n"), FieldSpec("c", FieldType.INTEGER)), external_id="ref")
_NUMBERED = {"sqlite": "INTEGER PRIMARY KEY"}


@pytest.fixture(params=["VARCHAR(20)", "INTEGER"])
def unkeyed(request: pytest.FixtureRequest, site: Site) -> Site:
    """An ERP that gives its records their code later."""
    number = _NUMBERED.get(site.dialect.name, "SERIAL PRIMARY KEY")
    site.user().execute(
        f"CREATE TABLE thing (id {number}, code {request.param} UNIQUE, n VARCHAR(20), c INTEGER,"
        " ref VARCHAR(40) UNIQUE)"
    )
    site.objects = (_THING,)
    return site


async def test_a_row_without_a_key_is_not_among_the_records(unkeyed: Site) -> None:
    users = unkeyed.user()
    users.execute("INSERT INTO thing (code, n) VALUES (NULL, 'draft'), ('1', 'x'), (NULL, 'draft')")
    reader = unkeyed.system().reader
    assert reader is not None
    assert [row.key async for page in reader.page("thing") for row in page.rows] == ["1"]


async def test_a_row_without_a_key_does_not_stop_a_capture_by_a_column(unkeyed: Site) -> None:
    reading = await Reading(unkeyed, {"thing": {"capture": "high-water", "column": "c"}}).open()
    users = unkeyed.user()
    users.execute("INSERT INTO thing (code, c) VALUES ('1', 1)")
    await reading.begun("thing")
    users.execute("INSERT INTO thing (code, c) VALUES (NULL, 2)")
    assert {change.keys for change in await reading.quiet()} <= {("1",)}
    users.execute("INSERT INTO thing (code, c) VALUES ('3', 3)")
    (change,) = await reading.until(1)
    assert change.keys == ("3",)
    users.execute("UPDATE thing SET code = '2', c = 4 WHERE code IS NULL")
    (change,) = await reading.until(1)
    assert change.keys == ("2",)


async def test_a_new_record_to_which_the_erp_gives_no_key_is_refused(unkeyed: Site) -> None:
    system = unkeyed.system()
    made = [replace(create(f"m{number}", f"r{number}", n="x"), object="thing") for number in range(3)]
    outcomes = [await apply_one(system, made[0]), *await system.target.apply(made[1:])]
    assert {outcome.kind for outcome in outcomes} == {OutcomeKind.REJECTED}
    assert {(outcome.reason, outcome.code) for outcome in outcomes} == {(Reason.BUSINESS, "no-key")}
    assert unkeyed.one("SELECT count(*) FROM thing") == 0
