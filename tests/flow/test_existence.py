"""Existence has an owner: deletions, returns and merges, and what follows from them (I20, I21)."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from agent.core.change import ChangeKind
from tests.flow.judge import judge
from tests.flow.world import World

pytestmark = pytest.mark.invariant("I21")


@pytest.fixture
def world() -> Iterator[World]:
    """A world in which two customers have arrived everywhere."""
    built = World()
    built.create()
    built.create()
    built.settle()
    try:
        yield built
    finally:
        built.close()


def rows_of(world: World, customer: int) -> list[str]:
    """Keys of the ERP rows that carry a customer's id."""
    id_ = world.id_of(world.customers[customer])
    return [key for (_, key), row in world.erp.rows.items() if row.get("external_ref") == id_]


def roles(world: World, customer: int, system: str) -> list[tuple[object, ...]]:
    """(key, role) of a customer's bindings at a system that still stand."""
    id_ = world.id_of(world.customers[customer])
    return world.rows(
        f"SELECT key, role FROM binding WHERE entity = '{id_}' AND system = '{system}'"
        " AND valid_to IS NULL ORDER BY id"
    )


def open_kinds(world: World) -> list[str]:
    """Kinds of the exceptions that stand."""
    return [
        str(kind) for (kind,) in world.rows("SELECT kind FROM exception WHERE state = 'open' ORDER BY id")
    ]


def test_a_deletion_where_it_was_born_follows_where_the_agent_may_delete(world: World) -> None:
    world.delete_cloud(0)
    world.settle()
    assert rows_of(world, 0) == [] and len(rows_of(world, 1)) == 1
    assert len(world.sap.records) == 2, "nothing is deleted where the rules do not allow it"
    assert open_kinds(world) == []
    judge(world)


def test_a_deletion_elsewhere_is_a_conflict_that_a_person_rules(world: World) -> None:
    world.delete_erp(0)
    world.settle()
    assert open_kinds(world) == ["deleted"] and rows_of(world, 0) == []
    assert world.customers[0] in world.cloud.records


def test_recreated_by_a_ruling_with_everything_its_owners_had_said(world: World) -> None:
    world.edit_erp(0, "terms")
    world.settle()
    terms = world.cloud.records[world.customers[0]].fields["Terms"]
    world.delete_erp(0)
    world.settle()
    world.resolve("recreate")
    world.settle()
    [key] = rows_of(world, 0)
    assert world.erp.rows["customer", key]["terms"] == terms is not None
    assert roles(world, 0, "erp") == [("e1", "retired"), (key, "live")]
    judge(world)


def test_left_deleted_by_a_ruling_the_others_go_on_without_it(world: World) -> None:
    world.delete_erp(0)
    world.settle()
    world.resolve("leave")
    world.edit_cloud(0, "Name")
    world.settle()
    assert rows_of(world, 0) == [] and open_kinds(world) == []
    assert world.sap.records["0000000001"]["NAME1"] == world.cloud.records[world.customers[0]].fields["Name"]
    judge(world)


def test_deleted_everywhere_by_a_ruling(world: World) -> None:
    world.delete_erp(0)
    world.settle()
    world.resolve("delete")
    world.settle()
    assert world.customers[0] not in world.cloud.records and open_kinds(world) == []


def test_a_record_taken_out_of_the_bin_is_created_again_where_it_was_deleted(world: World) -> None:
    world.delete_cloud(0)
    world.settle()
    world.undelete_cloud(0)
    world.settle()
    assert len(rows_of(world, 0)) == 1 and open_kinds(world) == []
    judge(world)


def test_taken_out_of_the_bin_before_the_deletion_was_carried_on(world: World) -> None:
    world.delete_cloud(0)
    world.intake("sf")
    world.confirm("sf")
    world.undelete_cloud(0)
    world.settle()
    assert rows_of(world, 0) == ["e1"], "nothing was deleted"
    judge(world)


@pytest.mark.invariant("I10")
def test_what_the_deleter_had_not_seen_is_the_recorded_loser(world: World) -> None:
    world.edit_erp(0, "phone")
    world.delete_cloud(0)
    world.settle()
    said = world.erp.writes.history["e1", "phone"][-1]
    assert world.rows("SELECT rule, loser_system, loser FROM conflict") == [
        ("existence:sf", "erp", f'"{said}"'),
    ]


def note_at_erp(world: World) -> object:
    """What the ERP holds as note of the first customer."""
    [key] = rows_of(world, 0)
    return world.erp.rows["customer", key]["note"]


def in_conflict(world: World) -> object:
    """The note of the first customer is written on both sides. The ERP's, which waits for a person."""
    world.edit_cloud(0, "Note")
    world.edit_erp(0, "note")
    world.settle()
    assert open_kinds(world) == ["conflict"]
    return note_at_erp(world)


def taken_away(world: World) -> list[str]:
    """What deletions took away of notes at the ERP, in order."""
    found = world.rows(
        "SELECT loser FROM conflict WHERE rule = 'existence:sf' AND field = 'note' ORDER BY id"
    )
    return [str(json.loads(loser)) for (loser,) in found]


@pytest.mark.invariant("I10")
def test_what_users_wrote_while_a_conflict_waited_is_recorded_when_the_record_is_deleted(
    world: World,
) -> None:
    in_conflict(world)
    world.edit_erp(0, "note")
    last = note_at_erp(world)
    world.delete_cloud(0)
    world.settle()
    assert taken_away(world) == [last] and open_kinds(world) == [] and rows_of(world, 0) == []
    judge(world)


def test_nobody_is_asked_to_rule_about_a_record_that_was_deleted(world: World) -> None:
    in_conflict(world)
    world.delete_cloud(0)
    world.intake("sf")
    world.confirm("sf")
    world.edit_erp(0, "note")
    last = note_at_erp(world)
    world.settle()
    assert taken_away(world)[-1] == last and open_kinds(world) == [] and rows_of(world, 0) == []
    assert world.entity(world.customers[0]).parked == frozenset()
    judge(world)


@pytest.mark.invariant("I10")
def test_what_was_in_conflict_is_so_again_when_the_record_is_taken_out_of_the_bin(world: World) -> None:
    theirs = in_conflict(world)
    world.delete_cloud(0)
    world.intake("sf")
    world.confirm("sf")
    assert open_kinds(world) == []
    world.undelete_cloud(0)
    world.settle()
    assert open_kinds(world) == ["conflict"] and note_at_erp(world) == theirs, "nothing is overwritten"
    judge(world)


def test_old_news_never_bring_a_deleted_record_back(world: World) -> None:
    world.edit_cloud(0, "Phone")
    world.settle()
    world.delete_cloud(0)
    world.settle()
    writes, entities = world.total_writes, world.rows("SELECT count(*) FROM entity")
    for index in range(len(world.cloud.events)):
        world.redeliver(index)
        world.settle()
    assert world.total_writes == writes and world.rows("SELECT count(*) FROM entity") == entities
    assert rows_of(world, 0) == []


def test_a_deletion_lost_in_a_gap_is_found_by_the_read_that_closes_it(world: World) -> None:
    world.delete_cloud(0)
    world.gap(0)
    world.settle()
    assert rows_of(world, 0) == []


def test_an_undecodable_deletion_is_found_too(world: World) -> None:
    world.delete_cloud(0)
    world.cloud.spoil(0, ChangeKind.UNDECODABLE)
    world.settle()
    assert rows_of(world, 0) == []
    judge(world)


@pytest.mark.invariant("I16")
@pytest.mark.parametrize("fault", ["answer-lost", "never-arrived"])
def test_a_lost_update_of_a_record_deleted_since_was_not_accepted(world: World, fault: str) -> None:
    world.fault("sf", fault)
    world.edit_erp(0, "terms")
    world.intake("erp")
    world.deliver("sf")
    world.delete_cloud(0)
    world.settle()
    [(state,)] = world.rows("SELECT state FROM outbox WHERE target = 'sf' ORDER BY number DESC LIMIT 1")
    assert state == "superseded" and rows_of(world, 0) == []


@pytest.mark.invariant("I16")
@pytest.mark.parametrize("fault", ["answer-lost", "never-arrived", "late"])
@pytest.mark.parametrize("system", ["sf", "erp"])
def test_a_deletion_whose_answer_was_lost_has_one_effect(world: World, system: str, fault: str) -> None:
    if system == "sf":
        world.delete_erp(0)
        world.settle()
        world.resolve("delete")
    else:
        world.delete_cloud(0)
        world.intake("sf")
        world.confirm("sf")
    world.fault(system, fault)
    world.settle()
    assert rows_of(world, 0) == [] and world.customers[0] not in world.cloud.records
    assert open_kinds(world) == []


def test_a_merge_passes_keys_and_documents_on(world: World) -> None:
    """The ERP still has both customers; documents of either belong to the one that was kept."""
    world.book_document(0)
    world.settle()
    world.merge_cloud(0)
    world.settle()
    world.book_document(0)
    world.settle()
    accounts = {r.fields["Account"] for r in world.cloud.records.values() if r.object == "Invoice__c"}
    assert accounts == {world.customers[1]}
    assert roles(world, 1, "erp") == [("e2", "live"), ("e1", "read-only")]
    assert roles(world, 0, "erp") == []
    assert sorted(open_kinds(world)) == ["merged", "merged"], "the ERP and SAP have to merge them too"
    judge(world)


def test_the_survivor_of_a_merge_takes_the_only_key_elsewhere(world: World) -> None:
    world.delete_erp(1)
    world.settle()
    world.resolve("leave")
    world.merge_cloud(0)
    world.settle()
    assert ("e1", "live") in roles(world, 1, "erp")
    row = world.erp.rows["customer", "e1"]
    assert row["name"] == world.cloud.records[world.customers[1]].fields["Name"]
    assert row["external_ref"] == world.id_of(world.customers[1])


def test_a_record_merged_into_one_that_is_not_known_yet_waits_for_it() -> None:
    world = World()
    try:
        world.create()
        world.settle()
        world.edit_erp(0, "phone")
        world.intake("erp")
        world.create()
        world.merge_cloud(0)
        world.deliver("sf")
        world.confirm("sf")
        assert open_kinds(world) == ["merged"], "the record that took its place is not known yet"
        judge(world)
        assert [key for key, _ in roles(world, 1, "erp")] == ["e1"] and open_kinds(world) == []
    finally:
        world.close()


@pytest.mark.invariant("I20")
def test_a_create_that_stands_ready_is_withdrawn_when_the_record_is_bound_meanwhile() -> None:
    world = World()
    try:
        world.create()
        world.intake("sf")  # the create for the ERP stands ready
        world.erp.user_create("customer", "own", {"name": "found", "external_ref": world.id_of("A001")})
        world.intake("erp")
        world.settle()
        assert rows_of(world, 0) == ["own"]
    finally:
        world.close()


def test_a_document_of_a_deleted_customer_asks_a_person_and_goes_on_when_it_returns(world: World) -> None:
    world.delete_cloud(0)
    world.intake("sf")
    world.confirm("sf")
    world.book_document(0)
    world.intake("erp")
    world.settle()
    assert open_kinds(world) == ["orphan"]
    world.undelete_cloud(0)
    world.settle()
    assert open_kinds(world) == []


def test_a_document_is_never_deleted_by_itself(world: World) -> None:
    world.book_document(0)
    world.settle()
    world.erp.user_delete("invoice", "i1")
    world.settle()
    assert open_kinds(world) == ["deleted"]
    assert any(record.object == "Invoice__c" for record in world.cloud.records.values())
    world.resolve("delete")
    world.settle()
    assert open_kinds(world) == ["deleted"], "what was posted is reversed, never deleted"


@pytest.mark.invariant("I9")
def test_a_record_with_two_keys_behind_it_comes_to_rest(world: World) -> None:
    """Created again once and deleted since: both old keys still answer, and neither is read for ever."""
    world.delete_erp(0)
    world.settle()
    world.resolve("recreate")
    world.settle()
    world.delete_cloud(0)
    world.settle()
    assert [role for _, role in roles(world, 0, "erp")] == ["retired", "retired"]
    judge(world)


@pytest.mark.invariant("I11")
def test_the_mark_of_the_loser_on_a_record_passed_on_is_no_conflict(world: World) -> None:
    world.delete_erp(1)
    world.settle()
    world.resolve("leave")
    world.create()
    world.merge_cloud(2)
    world.settle()
    assert world.rows("SELECT * FROM conflict WHERE field = 'isthmus_id'") == []


@pytest.mark.invariant("I11")
def test_what_was_on_its_way_for_the_loser_of_a_merge_is_nobodys_change(world: World) -> None:
    world.delete_erp(1)
    world.settle()
    world.create()
    world.edit_cloud(0, "Name")
    world.intake("sf")
    world.intake("sf")
    world.deliver("sap")
    world.merge_cloud(0)
    judge(world)
    assert world.rows("SELECT * FROM conflict WHERE field = 'name'") == []
