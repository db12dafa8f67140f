"""What is written down of withheld fields outlives maps, restarts and people who close things (I12, I15)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from agent.core.rulebook import Rulebook
from agent.flow.acts import ExceptionActs
from agent.flow.withholding import FIRST_MS
from tests.flow.test_withholding import exceptions, served, three
from tests.flow.world import World, now

pytestmark = pytest.mark.invariant("I12")


def without(world: World, type_: str, field: str | None = None) -> None:
    """The configuration loses a field at the cloud, or a whole type."""
    entities = dict(world.engine.book.entities)
    rules = entities.pop(type_)
    if field is not None:
        place = rules.systems["sf"]
        fields = {name: mapped for name, mapped in place.fields.items() if name != field}
        entities[type_] = replace(rules, systems={**rules.systems, "sf": replace(place, fields=fields)})
    world.engine.book = Rulebook(entities)


def test_a_field_that_is_taken_out_of_the_map_is_nobodys_concern_any_more(world: World) -> None:
    """As the exception tells people to do."""
    three(world)
    world.lack("sf", "Terms", True)
    world.edit_erp(0, "terms")
    served(world)
    assert exceptions(world) == [("field", "sf", "customer.terms")]
    without(world, "customer", "terms")
    world.sweep()
    served(world)
    assert exceptions(world) == []
    assert world.rows("SELECT field FROM withheld") == []


def test_a_type_that_is_not_configured_any_more_does_not_stop_the_sweep(world: World) -> None:
    three(world)
    world.hide("Terms", True)
    world.cloud.user_edit(world.customers[0], "Phone", "noticed")
    world.gap(0)
    served(world)
    assert exceptions(world) == [("field", "sf", "customer.terms")]
    without(world, "customer")
    world.wait(FIRST_MS / 1000)
    world.sweep()
    assert exceptions(world) == []


def test_nobody_closes_what_a_withheld_field_stands_for(world: World) -> None:
    three(world)
    world.lack("sf", "Terms", True)
    world.edit_erp(0, "terms")
    served(world)
    number = int(world.rows("SELECT id FROM exception WHERE state = 'open'")[0][0])
    acted = now(ExceptionActs(world.engine).close(number, "op1", "I do not care"))
    assert not acted.done and "map" in acted.text
    assert exceptions(world) == [("field", "sf", "customer.terms")]


def test_a_field_that_is_only_not_shown_cannot_be_retried(world: World) -> None:
    three(world)
    world.hide("Terms", True)
    world.cloud.user_edit(world.customers[0], "Phone", "noticed")
    world.gap(0)
    served(world)
    number = int(world.rows("SELECT id FROM exception WHERE state = 'open'")[0][0])
    acted = now(ExceptionActs(world.engine).retry(number, "op1", "a test"))
    assert acted.done and "is sent" not in acted.text
    world.hide("Terms", False)
    world.confirm("sf")
    assert not world.rows("SELECT id FROM exception WHERE state = 'open'")
