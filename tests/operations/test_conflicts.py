"""Conflicts that no rule decides: what people see of them, and what their ruling does."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from agent.errors import InputError
from agent.flow.ruling import Keep, Shown
from agent.operations.offline import offline
from agent.operations.plain import choice_text, conflict_text, conflicts_text
from agent.operations.wire import MASKED, ConflictItem
from tests.operations.site import KINDS, Site, rulebook
from tests.operations.site import site as open_site

MINE, THEIRS = "0461 777", "0461 888"


def digests(item: ConflictItem) -> Shown:
    """What a person was shown."""
    return Shown(item.shown.winner, item.shown.loser)


async def sent(site: Site, system: str, field: str) -> object:
    """What the next command to a system says about a field."""
    (command,) = await site.ready(system)
    return command.fields.get(field)


async def test_an_open_conflict_shows_both_systems_and_how_to_rule_it(site: Site) -> None:
    await site.clashed("note", "blue", "green")
    (item,) = (await site.reads.conflicts()).items
    assert item == await site.reads.conflict(1)
    assert (item.state, item.rule, item.business_key, item.field) == ("open", "manual", "C-000123", "note")
    assert (item.winner_system, item.winner) == ("salesforce", "blue")
    assert (item.loser_system, item.loser, item.base) == ("erp", "green", "white")
    head, line = conflicts_text(await site.reads.conflicts()).splitlines()
    assert head == "1 conflicts"
    assert line == "1  open  C-000123  note  salesforce 'blue' / erp 'green'  keep salesforce / keep erp"
    text = conflict_text(item)
    for words in ("Before           'white'", "rule 1 --keep salesforce", "rule 1 --keep erp"):
        assert words in text
    assert choice_text(item, "loser").endswith("note: keep erp 'green', set aside salesforce 'blue'")


@pytest.mark.invariant("I32")
async def test_personal_values_are_masked_and_cannot_be_tried_out_by_their_digest(site: Site) -> None:
    """A phone number has few enough digits to be found by hashing all of them."""
    await site.clashed("phone", MINE, THEIRS)
    item = await site.reads.conflict(1)
    assert (item.winner, item.loser, item.base, item.pii) == (MASKED, MASKED, MASKED, True)
    told = (await site.reads.conflicts("all")).model_dump_json() + conflict_text(item)
    for value in (MINE, THEIRS):
        assert value not in told
        for text in (value, json.dumps(value)):
            assert hashlib.sha256(text.encode()).hexdigest() not in told
    assert item.shown.winner != item.shown.loser


@pytest.mark.invariant("I10")
async def test_keeping_the_winner_tells_the_system_that_differs(site: Site) -> None:
    await site.clashed("phone", MINE, THEIRS)
    act = await site.acts.rule(1, Keep.WINNER, digests(await site.reads.conflict(1)), "op1", "called them")
    assert (act.done, act.text) == (True, "'phone' is what salesforce holds; told to erp")
    assert act.command == (await site.ready("erp"))[0].number
    assert await sent(site, "erp", "phone") == MINE
    item = await site.reads.conflict(1)
    assert (item.state, item.winner_system, item.by, item.reason) == (
        "decided",
        "salesforce",
        "op1",
        "called them",
    )


@pytest.mark.invariant("I10")
async def test_keeping_the_loser_tells_the_others_and_keeps_their_value(site: Site) -> None:
    await site.clashed("note", "blue", "green")
    act = await site.acts.rule(1, Keep.LOSER, digests(await site.reads.conflict(1)), "op1", "erp was right")
    assert (act.done, act.text) == (True, "'note' is what erp holds; told to salesforce")
    assert await sent(site, "salesforce", "note") == "green"
    item = await site.reads.conflict(1)
    assert (item.winner_system, item.winner) == ("erp", "green")
    assert (item.loser_system, item.loser) == ("salesforce", "blue")
    assert "op1, by hand" in conflict_text(item)


async def test_a_ruling_closes_its_exception_and_leaves_actor_and_reason(site: Site) -> None:
    await site.clashed("note", "blue", "green")
    await site.acts.rule(1, Keep.LOSER, digests(await site.reads.conflict(1)), "op1", "erp was right")
    closed = await site.reads.exception(1)
    assert (closed.state, closed.resolution, closed.conflict) == ("closed", "ruled: keep erp", None)
    status = await site.reads.status()
    assert (status.conflicts.open, status.exceptions.open) == (0, 0)
    assert status.conservation.balanced
    events = (await site.reads.overview()).recent
    acted = next(event for event in events if event.subject == "verb conflicts rule 1")
    assert (acted.actor, acted.after) == ("op1", "done")
    assert acted.why.startswith("erp was right")
    record = (await site.reads.trace("C-000123")).record
    assert record is not None
    assert record.parked == ()
    assert any("by manual@r1: erp was right (by op1)" in line.text for line in record.lines)


@pytest.mark.parametrize("keep", list(Keep))
async def test_a_value_that_changed_since_it_was_shown_is_not_ruled(site: Site, keep: Keep) -> None:
    await site.clashed("phone", MINE, THEIRS)
    stale = digests(await site.reads.conflict(1))
    await site.changed("salesforce", "001A", {"Phone": "0461 999"})
    act = await site.acts.rule(1, keep, stale, "op1", "as I saw it")
    assert not act.done
    assert "has changed since it was shown: look again" in act.text
    assert (await site.reads.conflicts()).total == 1
    assert (await site.reads.exception(1)).state == "open"
    again = digests(await site.reads.conflict(1))
    assert (again.winner != stale.winner, again.loser == stale.loser) == (True, True)
    assert (await site.acts.rule(1, keep, again, "op1", "looked again")).done
    events = (await site.reads.overview()).recent
    assert [e.after for e in events if e.subject == "verb conflicts rule 1"] == ["done", "refused"]


async def test_the_differing_system_may_change_its_value_too(site: Site) -> None:
    await site.clashed("note", "blue", "green")
    stale = digests(await site.reads.conflict(1))
    await site.read("erp", "4711", {"note": "red"})
    assert not (await site.acts.rule(1, Keep.LOSER, stale, "op1", "green")).done
    assert (await site.reads.conflict(1)).loser == "red"


async def test_a_decided_conflict_is_not_ruled_again(site: Site) -> None:
    await site.clashed("note", "blue", "green")
    shown = digests(await site.reads.conflict(1))
    assert (await site.acts.rule(1, Keep.WINNER, shown, "op1", "first")).done
    second = await site.acts.rule(1, Keep.LOSER, shown, "op2", "second")
    assert (second.done, second.text) == (False, "conflict 1 is decided already")
    assert (await site.reads.conflict(1)).by == "op1"


async def test_an_unknown_conflict_is_refused(site: Site) -> None:
    with pytest.raises(InputError, match="no conflict 9"):
        await site.acts.rule(9, Keep.WINNER, Shown.of("1", "2"), "op1", "x")
    with pytest.raises(InputError, match="no conflict 9"):
        await site.reads.conflict(9)


async def test_the_exception_of_a_conflict_names_the_verb(site: Site) -> None:
    await site.clashed("phone", MINE, THEIRS)
    item = await site.reads.exception(1)
    assert (item.kind, item.conflict) == ("conflict", 1)
    assert "isthmus conflicts rule 1 --keep SYSTEM" in item.remedy
    act = await site.acts.retry(item.id, "op1", "impatience")
    assert not act.done
    assert "isthmus conflicts rule 1 --keep SYSTEM" in act.text


async def test_lists_are_by_state_open_ones_first(site: Site) -> None:
    await site.clashed("note", "blue", "green")
    await site.acts.rule(1, Keep.WINNER, digests(await site.reads.conflict(1)), "op1", "x")
    held = {"number": "C-000123", "currency": "EUR", "phone": "0461 123", "note": "green"}
    await site.read("erp", "4711", {**held, "name": "Meyer"})
    await site.changed("salesforce", "001A", {"Phone": MINE})
    await site.read("erp", "4711", {**held, "name": "Meyer", "phone": THEIRS})

    async def listed(state: str) -> list[tuple[int, str]]:
        page = await site.reads.conflicts(state)
        assert page.total == len(page.items)
        return [(item.id, item.field) for item in page.items]

    assert await listed("open") == [(3, "phone")]
    assert await listed("decided") == [(2, "name"), (1, "note")]
    assert await listed("all") == [(3, "phone"), (2, "name"), (1, "note")]
    by_rule = await site.reads.conflict(2)
    assert (by_rule.by, by_rule.rule) == ("", "owner:salesforce")
    page = await site.reads.conflicts("all", limit=1)
    assert (len(page.items), page.total) == (1, 3)
    with pytest.raises(InputError, match="no state of a conflict"):
        await site.reads.conflicts("closed")


async def test_conflicts_are_listed_with_the_service_down(tmp_path: Path) -> None:
    async with open_site(tmp_path) as gone:
        await gone.clashed("phone", MINE, THEIRS)
    async with offline(tmp_path, rulebook(), gone.clock, KINDS) as reads:
        (item,) = (await reads.conflicts()).items
        assert (item.id, item.winner_system, item.loser_system) == (1, "salesforce", "erp")
        assert await reads.conflict(1) == item


async def test_control_characters_in_values_and_reasons_are_made_visible(site: Site) -> None:
    await site.clashed("note", "a\x1b]52;c;aGk=\x07", "b\u202e")
    await site.acts.rule(1, Keep.WINNER, digests(await site.reads.conflict(1)), "op1", "why\x1b[2J")
    text = conflict_text(await site.reads.conflict(1))
    assert not {"\x1b", "\x07", "\u202e"} & set(text)
