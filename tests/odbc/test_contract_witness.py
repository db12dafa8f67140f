"""The ERP as witness of the lives of a store: who may write, and what an older agent is told (I22)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from adapters.odbc import administer
from agent.core.delivery import Mark, OutcomeKind
from agent.errors import Refused, Unreachable
from agent.ports import System, Witness
from tests.odbc.site import Site, apply_one, create, update

pytestmark = pytest.mark.invariant("I22")

NOBODY = Mark()
FIRST = Mark("life-1", 1, 10, "alpha")
SECOND = Mark("life-2", 2, 20, "beta")


def witness_of(system: System) -> Witness:
    """The witness, which every ERP is."""
    assert system.witness is not None
    return system.witness


async def test_a_fresh_installation_has_seen_nobody(site: Site) -> None:
    assert await witness_of(site.system()).last() == NOBODY


async def test_a_mark_is_written_only_over_the_one_that_was_expected(site: Site) -> None:
    witness = witness_of(site.system())
    assert await witness.take(FIRST, NOBODY, {})
    assert not await witness.take(SECOND, NOBODY, {})
    assert not await witness.take(SECOND, replace(FIRST, token=9), {})
    assert await witness.last() == FIRST
    assert await witness.take(replace(FIRST, token=11), FIRST, {})
    assert await witness.take(SECOND, replace(FIRST, token=11), {})
    assert await witness.last() == SECOND


async def test_the_same_mark_again_holds(site: Site) -> None:
    """A store that did not move shows only that nobody else was there."""
    witness = witness_of(site.system())
    assert await witness.take(FIRST, NOBODY, {})
    assert await witness.take(FIRST, FIRST, {})


async def test_another_life_than_the_last_one_has_no_effect(site: Site) -> None:
    system = site.system()
    assert await witness_of(system).take(FIRST, NOBODY, {})
    first = replace(create("m1", "a", name="A"), fence=1, life="life-1")
    assert (await apply_one(system, first)).kind is OutcomeKind.ACCEPTED
    assert await witness_of(system).take(SECOND, FIRST, {})
    for left_behind in (
        replace(create("m2", "b", name="B"), fence=1, life="life-1"),
        replace(update("m3", "1", name="C"), fence=1, life="life-1"),
        replace(create("m4", "d", name="D"), fence=9, life=""),
    ):
        outcome = await apply_one(system, left_behind)
        assert (outcome.kind, outcome.code) == (OutcomeKind.RETRY, "fenced")
    assert site.one("SELECT count(*) FROM customer") == site.one("SELECT count(*) FROM isthmus_ledger") == 1


async def test_an_uncertain_command_of_a_life_that_is_over_is_fenced(site: Site) -> None:
    """This try had no effect; what became of the earlier one is for the engine to remember."""
    system = site.system()
    assert await witness_of(system).take(SECOND, NOBODY, {})
    left_behind = replace(create("m1", "a", name="A"), life="life-1", uncertain=True)
    outcome = await apply_one(system, left_behind)
    assert (outcome.kind, outcome.code) == (OutcomeKind.RETRY, "fenced")


async def test_a_restored_store_still_sends_what_an_earlier_life_planned(site: Site) -> None:
    """The life that sends counts; the ledger row tells the epoch in which the command was planned."""
    system = site.system()
    assert await witness_of(system).take(SECOND, NOBODY, {})
    old = replace(create("m1", "a", name="A"), epoch=1, fence=2, life="life-2")
    assert (await apply_one(system, old)).kind is OutcomeKind.ACCEPTED
    assert site.one("SELECT epoch FROM isthmus_ledger WHERE message_id = 'm1'") == 1


async def test_a_takeover_waits_for_the_commit_of_a_running_command(postgresql_site: Site) -> None:
    """The check is the last statement before the commit and holds the row until then."""
    site = postgresql_site
    system = site.system(lock_timeout_s=0.2)
    running: Any = site.user(autocommit=False)
    running.execute("SELECT life FROM isthmus_epoch WHERE id = 1 FOR SHARE").fetchone()
    with pytest.raises(Unreachable):
        await witness_of(system).take(FIRST, NOBODY, {})
    running.rollback()
    assert await witness_of(system).take(FIRST, NOBODY, {})


async def test_an_installation_of_an_older_version_is_named_and_brought_up_to_date(site: Site) -> None:
    user = site.user()
    user.execute("DROP TABLE isthmus_epoch")
    user.execute("CREATE TABLE isthmus_epoch (id INTEGER NOT NULL PRIMARY KEY, epoch BIGINT NOT NULL)")
    user.execute("INSERT INTO isthmus_epoch (id, epoch) VALUES (1, 7)")
    system = site.system()
    with pytest.raises(Refused, match=r"older version.*isthmus journal install erp"):
        await witness_of(system).last()
    administration = administer("erp", site.settings(), site.objects, str)
    (tables, *_) = await administration.verify()
    assert not tables.ok
    assert "isthmus_epoch.life" in tables.detail
    await administration.install()
    (tables, *_) = await administration.verify()
    await administration.close()
    assert tables.ok
    assert await witness_of(system).last() == Mark(epoch=7)


async def test_an_installation_that_is_repeated_forgets_nobody(site: Site) -> None:
    witness = witness_of(site.system())
    assert await witness.take(FIRST, NOBODY, {})
    administration = administer("erp", site.settings(), site.objects, str)
    await administration.install()
    await administration.close()
    assert await witness.last() == FIRST


async def test_without_the_journal_the_witness_tells_what_to_do(site: Site) -> None:
    site.user().execute("DROP TABLE isthmus_epoch")
    with pytest.raises(Refused, match="isthmus journal install erp"):
        await witness_of(site.system()).last()
