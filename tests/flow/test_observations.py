"""What a source may say that is not simply a new value: undecodable, unmapped, deleted, unknown, cleared."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from adapters.sandbox.salesforce.cdc import diff
from agent.core.change import ChangeKind, Operation, ReadResult
from agent.core.contract import Deletes
from agent.core.entity import Stale
from agent.core.rulebook import Rulebook
from agent.errors import PositionLost
from agent.store import gaps
from tests.flow.judge import judge
from tests.flow.world import World, now


@pytest.fixture
def world() -> Iterator[World]:
    """A world in which one customer has arrived everywhere."""
    built = World()
    built.create()
    built.settle()
    yield built
    built.close()


def exceptions(world: World) -> list[tuple[object, ...]]:
    """(kind, system, subject, state) of every exception."""
    return world.rows("SELECT kind, system, subject, state FROM exception ORDER BY id")


def emit(world: World, **parts: object) -> None:
    """The cloud emits one more event."""
    template = world.cloud.events[-1]
    number = len(world.cloud.events) + 1
    event = replace(template, source_id=f"t{number}", order=number, origin=None)
    world.cloud.events.append(replace(event, **parts))  # type: ignore[arg-type] # parts of a change


@pytest.mark.invariant("I3")
def test_an_undecodable_event_is_kept_reported_and_the_record_is_read_again(world: World) -> None:
    world.cloud.records["A001"].fields["Name"] = "changed unseen"
    world.cloud.writes.user("A001", "Name", "changed unseen", None)
    emit(world, kind=ChangeKind.UNDECODABLE, fields={}, raw=b"\x00\xff", reason="bad Avro at replay 17")
    judge(world)
    assert ("undecodable", "sf", "Account/A001", "closed") in exceptions(world)
    assert world.rows("SELECT raw FROM inbox WHERE kind = 'undecodable'") == [(b"\x00\xff",)]
    assert world.erp.rows["customer", "e1"]["name"] == "changed unseen"


@pytest.mark.invariant("I3")
def test_an_overflow_makes_the_whole_scope_stale_and_has_it_read(world: World) -> None:
    world.cloud.records["A001"].fields["Name"] = "changed in bulk"
    world.cloud.writes.user("A001", "Name", "changed in bulk", None)
    emit(world, kind=ChangeKind.OVERFLOW, keys=(), fields={})
    world.intake("sf")
    assert world.rows("SELECT stale FROM image WHERE system = 'sf'") == [("gap",)]
    judge(world)
    assert world.sap.records["0000000001"]["NAME1"] == "changed in bulk"


@pytest.mark.invariant("I3")
def test_a_record_born_in_a_gap_is_found_by_a_snapshot(world: World) -> None:
    key = world.cloud.user_create("Account", {"Name": "born unseen", "Phone": "1"})
    world.customers.append(key)
    event = world.cloud.events[-1]
    world.cloud.events[-1] = replace(
        event, kind=ChangeKind.UNDECODABLE, keys=(), fields={}, raw=b"?", reason="cut on the way"
    )
    world.intake("sf")
    assert world.rows("SELECT system, type FROM gap") == [("sf", "customer")]
    judge(world)
    assert world.rows("SELECT count(*) FROM gap") == [(0,)]
    assert [row["name"] for row in world.erp.rows.values()].count("born unseen") == 1


@pytest.mark.invariant("I3")
def test_a_lost_position_is_closed_by_a_snapshot_and_lower_numbers_are_no_older_events(world: World) -> None:
    key = world.cloud.user_create("Account", {"Name": "born in the lost stretch", "Phone": "1"})
    world.customers.append(key)
    before = len(world.cloud.events)
    world.cloud.events.clear()
    world.cloud.era = "anew-"
    now(world.intakes["sf"]._lose(PositionLost("the stream began anew", stream="events")))
    world.cloud._position = 0
    world.settle()
    world.edit_cloud(0, "Name")
    assert world.cloud.events[-1].order < before
    judge(world)
    assert not world.rows("SELECT * FROM gap")


@pytest.mark.invariant("I4")
def test_a_change_while_the_snapshot_is_read_is_not_undone_by_it(world: World) -> None:
    emit(world, kind=ChangeKind.OVERFLOW, keys=(), fields={})
    world.intake("sf")
    page = now(next_page(world))
    world.edit_cloud(0, "Name")
    world.wait(30)
    world.intake("sf")
    [gap] = now(world.engine.work("look", lambda desk: gaps.standing(desk.tx, "sf")))
    now(world.snapshots["sf"]._take(gap, page, page.rows, world.engine.store.token - 2, ""))
    judge(world)


async def next_page(world: World) -> ReadResult:
    """The first page of a snapshot of the cloud's accounts."""
    async for page in world.cloud.page("Account"):
        return page
    raise AssertionError("the cloud has no accounts")


def test_a_deleted_record_is_an_exception_where_the_rules_say_ask(world: World) -> None:
    """Nothing is written for it before a person has ruled."""
    rules = dict(world.engine.book.entities)
    rules["customer"] = replace(rules["customer"], deletes=Deletes.ASK)
    world.engine.book = Rulebook(rules)
    emit(world, operation=Operation.DELETE, fields={})
    del world.cloud.records["A001"]
    world.settle()
    writes = world.total_writes
    world.edit_erp(0, "terms")
    world.settle()
    assert ("deleted", "sf", "", "open") in exceptions(world)
    assert world.total_writes == writes


def test_a_record_that_is_not_born_here_waits_and_is_reported(world: World) -> None:
    world.erp.user_create("customer", "stranger", {"name": "Not from the cloud", "external_ref": None})
    world.settle()
    assert ("unbound", "erp", "customer/stranger", "open") in exceptions(world)
    assert world.rows("SELECT count(*) FROM entity WHERE type = 'customer'") == [(1,)]


def test_a_cleared_stamp_is_written_again(world: World) -> None:
    stamp = world.cloud.records["A001"].fields["Isthmus_Id__c"]
    world.cloud._write("A001", {"Isthmus_Id__c": None}, None)
    world.settle()
    assert world.cloud.records["A001"].fields["Isthmus_Id__c"] == stamp


@pytest.mark.invariant("I14")
def test_our_own_create_that_comes_back_before_its_outcome_is_recognised(world: World) -> None:
    world.create()
    world.intake("sf")
    world.fault("erp", "answer-lost")
    world.deliver("erp")
    world.intake("erp")
    assert len(world.rows("SELECT entity FROM binding WHERE system = 'erp'")) == 2
    judge(world)


@pytest.mark.invariant("I9")
def test_a_change_that_is_no_difference_causes_no_write(world: World) -> None:
    writes = world.total_writes
    emit(world, fields={"Name": world.cloud.records["A001"].fields["Name"]})
    world.settle()
    assert world.total_writes == writes


@pytest.mark.invariant("I1")
def test_the_position_moves_only_with_the_events_behind_it(world: World) -> None:
    world.edit_cloud(0, "Name")
    world.crash_at("intake.before_commit", 1)
    before = world.rows("SELECT value FROM position")
    world.intake("sf")
    assert world.crashes == 1
    assert world.rows("SELECT value FROM position") == before
    judge(world)


def test_a_document_changed_after_delivery_is_an_exception_and_not_rewritten(world: World) -> None:
    world.book_document(0)
    world.settle()
    sent = world.rows("SELECT count(*) FROM outbox WHERE type = 'document'")
    world.erp.rows["invoice", "i1"]["amount"] = "tampered"
    world.erp._trigger("invoice", "i1")
    world.settle()
    assert [row[0] for row in exceptions(world)] == ["immutable"]
    assert world.rows("SELECT count(*) FROM outbox WHERE type = 'document'") == sent


def test_a_document_that_overtakes_its_customer_waits_for_it() -> None:
    world = World()
    try:
        world.create()
        world.intake("sf")
        world.deliver("erp")
        world.book_document(0)
        world.cloud.events.clear()
        world.settle()
        judge(world)
    finally:
        world.close()


LONG = "\n".join(f"clause {number}: paid within {number} days" for number in range(60))


def told_as_difference(world: World, before: str, after: str) -> None:
    """A user changes a long text; the cloud sends what changed in it, as from this old text."""
    world.cloud.user_edit(world.customers[0], "Note", after)
    sent = diff.of(before, after)
    assert sent is not None
    world.cloud.events[-1] = replace(world.cloud.events[-1], fields={}, differences={"Note": sent})


@pytest.mark.invariant("I3")
@pytest.mark.parametrize("held", [True, False])
def test_a_text_that_is_sent_as_a_difference_is_made_whole_or_read(world: World, held: bool) -> None:
    world.cloud.user_edit(world.customers[0], "Note", LONG)
    world.settle()
    new = LONG.replace("within 30 days", "within 31 days")
    told_as_difference(world, LONG if held else LONG + " or so", new)
    world.intake("sf")
    image = world.entity(world.customers[0]).images["sf"]
    assert image.stale is (None if held else Stale.GAP)
    world.settle()
    judge(world)
    assert world.cloud.records[world.customers[0]].fields["Note"] == new


@pytest.mark.invariant("I2")
def test_a_difference_that_is_delivered_again_changes_nothing(world: World) -> None:
    world.cloud.user_edit(world.customers[0], "Note", LONG)
    world.settle()
    told_as_difference(world, LONG, LONG.replace("within 30 days", "within 31 days"))
    world.intake("sf")
    world.cloud.events.append(replace(world.cloud.events[-1]))
    world.intake("sf")
    assert world.rows("SELECT count(*) FROM image WHERE stale = 'gap'") == [(0,)]
    world.settle()
    judge(world)
