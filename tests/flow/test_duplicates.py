"""Before a record is created, its target is asked whether it has one with the same business key (I20)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from agent.flow.acts import ExceptionActs
from tests.flow.judge import judge
from tests.flow.world import World, now

pytestmark = pytest.mark.invariant("I20")


@pytest.fixture
def world() -> Iterator[World]:
    """A customer born in the cloud whose name stands in the ERP already."""
    built = World()
    built.create()
    name = str(built.cloud.records["A001"].fields["Name"])
    built.erp.user_create("customer", "old", {"name": name})
    built.settle()
    yield built
    built.close()


def exceptions(world: World) -> list[tuple[object, ...]]:
    """(kind, system, state) of what people see of duplicates."""
    return world.rows("SELECT kind, system, state FROM exception WHERE kind = 'duplicate'")


def test_a_record_that_is_there_is_not_created_again(world: World) -> None:
    assert [key for object_, key in world.erp.rows if object_ == "customer"] == ["old"]
    assert exceptions(world) == [("duplicate", "erp", "open")]
    assert world.sap.records, "the other targets are not held back"


def test_our_id_in_its_field_says_that_it_is_the_same(world: World) -> None:
    entity = world.entity("A001").id
    world.erp.user_edit("customer", "old", "external_ref", entity)
    judge(world)
    assert exceptions(world) == [("duplicate", "erp", "closed")]
    assert world.entity("A001").keys["erp"] == "old"


def test_once_the_other_has_another_key_a_retry_creates_ours(world: World) -> None:
    world.erp.user_edit("customer", "old", "name", "Somebody else")
    world.settle()
    [(number,)] = world.rows("SELECT id FROM exception WHERE kind = 'duplicate'")
    assert now(ExceptionActs(world.engine).retry(int(number), "op1", "renamed the other one")).done
    world.settle()
    judge(world)


def test_a_record_of_our_own_that_nobody_remembers_is_bound_again(world: World) -> None:
    entity = world.entity("A001").id
    world.erp.rows["customer", "old"]["external_ref"] = entity  # unseen: no journal row tells of it
    [(number,)] = world.rows("SELECT id FROM exception WHERE kind = 'duplicate'")
    assert now(ExceptionActs(world.engine).retry(int(number), "op1", "it is the same")).done
    judge(world)
    assert world.entity("A001").keys["erp"] == "old"
