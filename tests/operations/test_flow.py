"""What is held, as people see it: in the status, its verdict, the list and the text."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from agent.core.delivery import Outcome, OutcomeKind
from agent.core.guard import MassLimits
from agent.core.retry import Retry
from agent.core.rulebook import Rulebook
from agent.operations.plain import flow_text
from agent.operations.text import status_text
from agent.operations.verdict import Code, verdict
from tests.operations.site import BEGIN, KINDS, Site


async def test_a_hold_is_in_the_status_of_its_system_and_nowhere_else(site: Site) -> None:
    await site.acts.hold("erp", "alice", "the ERP is restored")
    systems = {system.name: system.held for system in (await site.reads.status()).systems}
    held = systems["erp"]
    assert held is not None
    assert (held.scope, held.actor, held.reason, held.since) == ("erp", "alice", "the ERP is restored", BEGIN)
    assert (systems["salesforce"], systems["sap"]) == (None, None)


async def test_a_hold_on_everything_is_in_the_status_of_every_system(site: Site) -> None:
    await site.acts.hold("*", "alice", "")
    held = [system.held for system in (await site.reads.status()).systems]
    assert [h.scope if h else "" for h in held] == ["*"] * 3
    assert held[0] is not None and held[0].reason == "no reason given"


async def test_a_hold_degrades_and_the_verdict_says_who_and_why(site: Site) -> None:
    site.states(dict.fromkeys(KINDS, "up"))
    assert verdict(await site.reads.status()).code is Code.HEALTHY
    await site.acts.hold("erp", "alice", "the ERP is restored")
    judged = verdict(await site.reads.status())
    assert judged.code is Code.DEGRADED
    assert judged.reasons == ("erp is held by alice: the ERP is restored",)
    await site.acts.release("erp", "alice", "")
    assert verdict(await site.reads.status()).code is Code.HEALTHY


async def test_the_status_text_says_since_when_by_whom_and_why(site: Site) -> None:
    await site.acts.hold("erp", "alice", "restored\x1b[2J")
    site.clock.go_on(300)
    status = await site.reads.status()
    text = status_text(status, verdict(status))
    assert "HELD for 5m by alice: restored" in text
    assert "\x1b" not in text


async def test_the_list_shows_every_system_and_how_to_let_a_scope_go(site: Site) -> None:
    site.engine.book = Rulebook(
        {n: replace(r, mass=MassLimits(0.0, 0)) for n, r in site.engine.book.entities.items()}
    )
    await site.born()
    await site.acts.hold("sap", "alice", "month end")
    page = await site.reads.flow()
    assert [(s.name, s.ready, s.held is not None) for s in page.systems] == [
        ("erp", 1, False),
        ("salesforce", 1, False),
        ("sap", 1, True),
    ]
    assert [(s.scope, s.commands) for s in page.scopes] == [
        ("customer@erp:create", 1),
        ("customer@salesforce:update", 1),
        ("customer@sap:create", 1),
    ]
    text = flow_text(page)
    assert "erp  flows  1 ready" in text
    assert "sap  HELD since 2026-03-02 09:00:00 UTC by alice: month end  1 ready" in text
    assert 'do: isthmus flow release customer@erp:create --reason "..."' in text


async def test_a_mass_change_is_an_exception_with_money_and_the_verb_that_lets_it_go(site: Site) -> None:
    await site.clashed("note", "black", "red")
    site.engine.book = Rulebook(
        {n: replace(r, mass=MassLimits(0.0, 0)) for n, r in site.engine.book.entities.items()}
    )
    await site.read("erp", "4711", {"number": "C-000123", "credit_limit": "1250.00"})
    found = [item for item in (await site.reads.exceptions()).items if item.kind == "mass-change"]
    told = next(item for item in found if item.system == "salesforce")
    assert (told.amount, told.currency) == ("1250.00", "EUR")
    assert "isthmus flow release customer@salesforce:update --reason TEXT" in told.remedy
    assert told.cause.endswith("; commands held: 1")
    assert (await site.reads.status()).conservation.balanced


async def test_the_status_counts_what_is_tried_again_and_says_when(site: Site) -> None:
    site.engine.terms = replace(site.engine.terms, retry={"erp": Retry(60.0, 60.0)})
    await site.born()
    (command,) = await site.ready("erp")
    await site.deliver("erp", Outcome(OutcomeKind.RETRY, code="40P01"))
    site.execute(f"UPDATE outbox SET attempts = 1 WHERE number = {command.number}")
    status = await site.reads.status()
    erp = next(system for system in status.systems if system.name == "erp")
    assert erp.retrying == 1
    assert erp.next_try is not None
    assert BEGIN < erp.next_try <= BEGIN + timedelta(seconds=60)
    assert "1 tried again in " in status_text(status, verdict(status))
    assert [system.retrying for system in status.systems if system.name != "erp"] == [0, 0]
