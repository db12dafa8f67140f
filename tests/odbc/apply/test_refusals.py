"""An ERP with triggers that write, warn, refuse and take their time; batches with one command it refuses."""

from __future__ import annotations

from dataclasses import replace

import pytest

from agent.core.change import RawValue
from agent.core.delivery import Delivery, DeliveryKind, OutcomeKind, Reason
from agent.core.objects import FieldSpec, FieldType, ObjectSpec
from tests.odbc.apply.test_groups import sample
from tests.odbc.apply.watch import applied, count, phones
from tests.odbc.site import Site, create, update

_TABLE = (
    "CREATE TABLE audit (code VARCHAR(20))",
    "CREATE TABLE thing (code VARCHAR(20) PRIMARY KEY, n VARCHAR(5), m INTEGER DEFAULT 1 NOT NULL,"
    " q INTEGER, p CHAR(8), u VARCHAR(9), d DECIMAL(4,2), g INTEGER GENERATED ALWAYS AS (q + 1) STORED,"
    " CONSTRAINT positive CHECK (q > 0), CONSTRAINT once UNIQUE (u),"
    " CONSTRAINT parent FOREIGN KEY (p) REFERENCES sample (code))",
)
_TRIGGERS = {
    "postgresql": (
        "CREATE FUNCTION noted() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " INSERT INTO audit VALUES (NEW.code); RAISE WARNING 'noted'; NEW.n = lower(NEW.n);"
        " IF NEW.n = 'no' THEN RAISE EXCEPTION 'no such thing'; END IF;"
        " IF NEW.n = 'never' THEN RAISE EXCEPTION 'never' USING ERRCODE = 'feature_not_supported'; END IF;"
        " RETURN NEW; END $$",
        "CREATE TRIGGER noted BEFORE INSERT OR UPDATE ON thing FOR EACH ROW EXECUTE FUNCTION noted()",
    ),
    "mariadb": tuple(
        f"CREATE TRIGGER noted_{event} BEFORE {event} ON thing FOR EACH ROW BEGIN"
        " INSERT INTO audit VALUES (NEW.code); SIGNAL SQLSTATE '01000' SET MESSAGE_TEXT = 'noted';"
        " SET NEW.n = lower(NEW.n);"
        " IF NEW.n = 'no' THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'no such thing'; END IF;"
        " IF NEW.n = 'never' THEN SIGNAL SQLSTATE '0A000' SET MESSAGE_TEXT = 'never'; END IF; END"
        for event in ("INSERT", "UPDATE")
    ),
}
_BAD: dict[str, tuple[RawValue, Reason]] = {
    "n": ("NO", Reason.BUSINESS),
    "n ": ("NEVER", Reason.BUSINESS),
    "n  ": ("longer", Reason.INVALID),
    "n   ": ("a\0b", Reason.INVALID),
    "m": (None, Reason.INVALID),
    "q": (-1, Reason.BUSINESS),
    "q ": (2**31, Reason.INVALID),
    "p": ("nobody", Reason.BUSINESS),
    "u": ("taken", Reason.BUSINESS),
    "d": (1000, Reason.INVALID),
    "d ": ("1.005", Reason.INVALID),
    "g": (1, Reason.BUSINESS),
}


def _thing(key: str, **fields: RawValue) -> Delivery:
    return replace(sample(f"m-{key}", key, DeliveryKind.CREATE, **fields), object="thing")


@pytest.mark.invariant("I12")
async def test_each_kind_of_refusal_at_each_place_of_a_batch_costs_only_its_command(
    server_site: Site,
) -> None:
    """What the ERP's triggers wrote for it is taken back with it; their warnings are no errors."""
    site = server_site
    users = site.user()
    for statement in (*_TABLE, *_TRIGGERS[site.dialect.name]):
        users.execute(statement)
    kinds = {"m": FieldType.INTEGER, "q": FieldType.INTEGER, "g": FieldType.INTEGER, "d": FieldType.DECIMAL}
    fields = tuple(FieldSpec(name, kinds.get(name, FieldType.TEXT)) for name in "nmqpudg")
    site.objects = (ObjectSpec("thing", "code", fields),)
    users.execute("INSERT INTO thing (code, u) VALUES ('first', 'taken')")
    system = site.system()
    good = 0
    for number, (name, (value, reason)) in enumerate(_BAD.items()):
        for place in (0, 2, 4):
            batch = [_thing(f"{number}.{place}.{row}", n="OK", q=1) for row in range(5)]
            batch[place] = replace(batch[place], fields={**batch[place].fields, name.strip(): value})
            outcomes = await applied(system, batch)
            found = [outcome.reason for outcome in outcomes]
            assert found == [reason if row == place else None for row in range(5)], (name, value, outcomes)
            good += 4
            changed = [
                replace(one, kind=DeliveryKind.UPDATE, message_id=f"u{one.message_id}") for one in batch
            ]
            again = await applied(system, [one for one in changed if one.key != batch[place].key])
            assert {outcome.kind for outcome in again} == {OutcomeKind.ACCEPTED}
    assert count(site, "thing") == good + 1
    assert count(site, "audit") == count(site, "isthmus_ledger") + 1 == 2 * good + 1
    assert site.one("SELECT count(*) FROM thing WHERE n = 'ok'") == good


async def test_an_erp_that_takes_its_time_for_each_row_gets_them_one_by_one(server_site: Site) -> None:
    """Each is written in time and all of them together are not: they are not tried together for ever."""
    site = server_site
    keys = [str(site.business.create_customer(f"n{number}", phone="1")) for number in range(24)]
    users = site.user()
    if site.dialect.name == "postgresql":
        users.execute(
            "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN PERFORM pg_sleep(0.25); RETURN NEW; END $$"
        )
        users.execute("CREATE TRIGGER slow BEFORE UPDATE ON customer FOR EACH ROW EXECUTE FUNCTION slow()")
    else:
        users.execute("CREATE TRIGGER slow BEFORE UPDATE ON customer FOR EACH ROW DO SLEEP(0.25)")
    outcomes = await applied(site.system(deadline_s=5.0), [update(f"m{key}", key, phone="2") for key in keys])
    assert {outcome.kind for outcome in outcomes} == {OutcomeKind.ACCEPTED}
    assert phones(site) == ["2"] * 24


@pytest.mark.invariant("I20")
async def test_a_record_whose_reference_differs_in_case_alone_is_not_ours(mariadb_site: Site) -> None:
    """The collation of the column takes both for one; Salesforce's short ids differ so."""
    site = mariadb_site
    site.business.create_customer("Adler", external_ref="0015g0000ABC")
    system = site.system()
    ours = [create("m1", "0015g0000abc", name="Adler"), create("m2", "0015g0000ABC", name="Adler")]
    other, known = await applied(system, ours)
    assert (other.kind, other.reason) == (OutcomeKind.REJECTED, Reason.BUSINESS)
    assert (known.kind, known.code) == (OutcomeKind.ACCEPTED, "exists")
    questions = [{"external_ref": text} for text in ("0015g0000abc", "0015g0000ABC", "x", "é")]
    assert [len(rows) for rows in await system.target.find_many("customer", questions)] == [0, 1, 0, 0]
    assert await system.target.find("customer", questions[0]) == []
