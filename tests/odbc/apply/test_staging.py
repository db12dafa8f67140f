"""Commands into a staging table that the ERP's own program works through later: one row per message id."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest

from adapters.odbc import Settings, administer
from adapters.odbc.tables import TableSettings
from agent.core.change import Answer, Batch, ChangeKind
from agent.core.delivery import OutcomeKind, Reason, Resolution
from agent.errors import Refused
from agent.ports import System
from tests.odbc.apply.test_traps import server_site as server_site
from tests.odbc.apply.watch import applied, count
from tests.odbc.site import CUSTOMER, PATIENCE_S, Site, create, update

STAGED: dict[str, Any] = {
    "tables": {
        "customer": {"write": "staging", "staging": "inbox", "capture": "none"},
        "invoice": {"capture": "none"},
        "sample": {"capture": "none"},
    }
}
_ALONE = {"write": "staging", "staging": "inbox", "capture": "none", "guarantee": "at-least-once"}
#: The same in an ERP that takes no table of ours.
WITHOUT: dict[str, Any] = {"tables": {**STAGED["tables"], "customer": _ALONE}}
_NUMBER = {
    "postgresql": "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY",
    "mariadb": "BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY",
}


@pytest.fixture
def site(server_site: Site) -> Site:
    """An ERP with the table."""
    number = _NUMBER[server_site.dialect.name]
    server_site.user().execute(
        f"CREATE TABLE inbox (seq {number}, message_id VARCHAR(255) NOT NULL UNIQUE,"
        " kind VARCHAR(8) NOT NULL, record_key VARCHAR(255), field_values TEXT NOT NULL,"
        " seen_values TEXT NOT NULL, state VARCHAR(16), answer_key VARCHAR(255), answer_text VARCHAR(400),"
        " taken INTEGER)"
    )
    return server_site


@pytest.fixture(params=["ledger", "none"])
def settings(request: pytest.FixtureRequest) -> dict[str, Any]:
    """With a ledger of ours beside it, and without any table of ours."""
    return STAGED if request.param == "ledger" else WITHOUT


def work(site: Site) -> int:
    """The ERP's own program: takes what waits, writes its tables, and says what became of each."""
    users = site.user()
    waiting = users.execute(
        "SELECT seq, kind, record_key, field_values FROM inbox WHERE state IS NULL ORDER BY seq"
    ).fetchall()
    for seq, kind, key, text in waiting:
        fields = json.loads(text)
        said: tuple[str, str | None, str | None]
        if fields.get("name") == "no":
            said = ("refused", None, "the customer is blocked")
        elif kind == "create":
            site.business.create_customer(fields["name"])
            said = ("accepted", str(site.one("SELECT MAX(customer_id) FROM customer")), None)
        else:
            users.execute("UPDATE customer SET phone = ? WHERE customer_id = ?", fields["phone"], int(key))
            said = ("ACCEPTED", None, None)
        users.execute("UPDATE inbox SET state = ?, answer_key = ?, answer_text = ? WHERE seq = ?", *said, seq)
    return len(waiting)


async def _answers(system: System) -> tuple[Batch, list[Answer]]:
    """The next late answers; not yet released."""
    async with asyncio.timeout(PATIENCE_S):
        while not (batch := await system.source.read()).changes:
            pass
    assert {change.kind for change in batch.changes} == {ChangeKind.ANSWER}
    return batch, [change.answer for change in batch.changes if change.answer is not None]


@pytest.mark.invariant("I14")
async def test_a_command_is_stored_and_its_answer_comes_later(site: Site, settings: dict[str, Any]) -> None:
    system = site.system(**settings)
    await system.source.open({})
    (outcome,) = await applied(system, [create("m1", "r1", name="Adler")])
    assert (outcome.kind, outcome.handle, outcome.key) == (OutcomeKind.STORED, "m1", None)
    assert count(site, "customer") == 0, "nothing but the staging table is written"
    assert work(site) == 1
    batch, (answer,) = await _answers(system)
    key = str(site.one("SELECT customer_id FROM customer"))
    assert answer == Answer("m1", "accepted", "", "", key)
    assert batch.stream == "staging:customer" and site.one("SELECT taken FROM inbox") is None
    await system.source.ack(batch)
    assert site.one("SELECT taken FROM inbox") == 1
    (changed,) = await applied(system, [update("m2", key, {"phone": None}, phone="+49 1")])
    assert changed.kind is OutcomeKind.STORED
    assert json.loads(site.one("SELECT field_values FROM inbox WHERE message_id = 'm2'")) == {
        "phone": "+49 1"
    }
    assert json.loads(site.one("SELECT seen_values FROM inbox WHERE message_id = 'm2'")) == {"phone": None}
    work(site)
    _, (second,) = await _answers(system)
    assert (second.handle, second.outcome, second.key) == ("m2", "accepted", None)
    assert site.one("SELECT phone FROM customer") == "+49 1"


async def test_a_refusal_comes_with_the_programs_own_words(site: Site) -> None:
    system = site.system(**STAGED)
    await system.source.open({})
    outcomes = await applied(system, [create("m1", "r1", name="no"), create("m2", "r2", name="yes")])
    assert [one.kind for one in outcomes] == [OutcomeKind.STORED] * 2
    work(site)
    _, answers = await _answers(system)
    assert [(one.handle, one.outcome, one.code, one.text) for one in answers] == [
        ("m1", "rejected", "refused", "the customer is blocked"),
        ("m2", "accepted", "", ""),
    ]


@pytest.mark.invariant("I14")
async def test_the_same_message_id_again_is_no_second_row(site: Site, settings: dict[str, Any]) -> None:
    system = site.system(**settings)
    delivery = create("m1", "r1", name="Adler")
    await applied(system, [delivery])
    (again,) = await applied(system, [replace(delivery, uncertain=True)])
    assert (again.kind, again.handle) == (OutcomeKind.STORED, "m1")
    assert again.code in {"already-applied", "already-stored"}
    assert count(site, "inbox") == 1
    other = replace(create("m1", "r1", name="Bauer"), payload_hash="another")
    (refused,) = await applied(system, [other])
    assert (refused.kind, refused.reason) == (OutcomeKind.REJECTED, Reason.DUPLICATE_ID)
    assert count(site, "inbox") == 1


async def test_a_row_whose_ledger_row_is_gone_is_known_by_its_own_message_id(site: Site) -> None:
    """A ledger that was purged, or put back to an earlier state."""
    system = site.system(**STAGED)
    delivery = create("m1", "r1", name="Adler")
    await applied(system, [delivery])
    site.user().execute("DELETE FROM isthmus_ledger")
    (again,) = await applied(system, [delivery])
    assert (again.kind, again.code) == (OutcomeKind.STORED, "already-stored")
    assert count(site, "inbox") == 1


@pytest.mark.invariant("I16")
async def test_a_worker_killed_behind_the_insert_leaves_one_row_and_the_resend_finds_it(
    site: Site, settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    system = site.system(**settings)
    monkeypatch.setenv("ISTHMUS_FAILPOINTS", "odbc.after_commit=kill@1")
    delivery = create("m1", "r1", name="Adler")
    (lost,) = await applied(system, [delivery])
    assert lost.kind is OutcomeKind.UNCERTAIN
    monkeypatch.delenv("ISTHMUS_FAILPOINTS")
    assert system.target.guarantees("customer").on_uncertain_create is Resolution.RESEND
    (again,) = await applied(system, [replace(delivery, uncertain=True)])
    assert (again.kind, again.handle) == (OutcomeKind.STORED, "m1")
    assert count(site, "inbox") == 1


async def test_an_answer_that_was_not_kept_comes_again_and_a_state_that_may_change_does_not(
    site: Site,
) -> None:
    system = site.system(**STAGED)
    await system.source.open({})
    await applied(system, [create("m1", "r1", name="A"), create("m2", "r2", name="B")])
    users = site.user()
    users.execute("UPDATE inbox SET state = 'waiting' WHERE message_id = 'm1'")
    users.execute("UPDATE inbox SET state = 'gone' WHERE message_id = 'm2'")
    first, (answer,) = await _answers(system)
    assert (answer.handle, answer.outcome, answer.code) == ("m2", "rejected", "gone")
    await system.source.close()
    await system.source.open({})
    again, _ = await _answers(system)
    assert [one.source_id for one in again.changes] == [one.source_id for one in first.changes]
    await system.source.ack(again)
    users.execute("UPDATE inbox SET state = 'accepted', answer_key = '5' WHERE message_id = 'm1'")
    _, (late,) = await _answers(system)
    assert (late.handle, late.outcome, late.key) == ("m1", "accepted", "5")


async def test_what_a_staging_table_can_do_is_told_as_it_is(site: Site) -> None:
    found = site.system(**STAGED).target.guarantees("customer")
    assert found.answers and found.read_back and not found.compare_and_set
    compared = {"tables": {"customer": {**STAGED["tables"]["customer"], "compares": True}}}
    assert site.system(**compared).target.guarantees("customer").compare_and_set


async def test_a_staging_table_that_lacks_something_is_named_before_anything_is_sent(site: Site) -> None:
    users = site.user()
    users.execute("ALTER TABLE inbox DROP COLUMN answer_text")
    system = site.system(**STAGED)
    with pytest.raises(Refused, match="lacks answer_text"):
        await system.source.open({})
    (outcome,) = await applied(system, [create("m1", "r1", name="A")])
    assert outcome.kind is OutcomeKind.RETRY and "lacks answer_text" in outcome.text
    checks = {check.name: check for check in await system.probe.check()}
    assert not checks["staging of customer"].ok and "answer_text" in checks["staging of customer"].detail
    users.execute("ALTER TABLE inbox ADD COLUMN answer_text VARCHAR(400)")
    assert {check.name: check for check in await system.probe.check()}["staging of customer"].ok
    (outcome,) = await applied(system, [create("m1", "r1", name="A")])
    assert outcome.kind is OutcomeKind.STORED


async def test_a_message_id_that_may_stand_there_twice_fails_the_check(site: Site) -> None:
    name = "inbox_message_id_key" if site.dialect.name == "postgresql" else "message_id"
    kind = "CONSTRAINT" if site.dialect.name == "postgresql" else "INDEX"
    site.user().execute(f"ALTER TABLE inbox DROP {kind} {name}")
    checks = {check.name: check for check in await site.system(**STAGED).probe.check()}
    assert "unique index on its message_id" in checks["staging of customer"].remedy


def test_the_agents_user_may_write_nothing_but_the_staging_table() -> None:
    tables = {"customer": TableSettings.model_validate(_ALONE)}
    settings = Settings(connection="Driver=/x/psqlodbcw.so;Uid=isthmus", tables=tables)
    lines = administer("erp", settings, (CUSTOMER,), str).grant_script().splitlines()
    ours = [line for line in lines if '"customer"' in line or '"inbox"' in line]
    assert "('\"inbox\"', 'seq')" in ours.pop(0) and "'\"customer\"'" not in lines[0]
    assert ours == [
        'GRANT SELECT ON "customer" TO "isthmus";',
        'GRANT SELECT, INSERT ON "inbox" TO "isthmus";',
        'GRANT UPDATE ("taken") ON "inbox" TO "isthmus";',
    ]


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"write": "staging"}, "needs the name of the staging table"),
        ({"staging": "inbox"}, "staging would be ignored"),
        ({"write": "staging", "staging": "inbox", "procedure": "p"}, "procedure would be ignored"),
        ({"compares": True}, "compares would be ignored"),
    ],
)
def test_settings_that_would_be_ignored_are_refused(wrong: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        Settings(connection="Driver=psqlodbcw.so", tables={"customer": wrong})  # type: ignore[dict-item]  # refused
