"""What a start looks for before anything is read or sent, and what it asks people for."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from agent.core.rulebook import Rulebook
from agent.errors import ConfigError
from agent.flow.recovery import recover
from agent.store.database import FILE
from tests.flow.world import World, now


@pytest.mark.invariant("I15")
def test_a_configuration_that_lost_an_entity_of_which_something_is_open_is_refused(world: World) -> None:
    """What is owed would be owed by nobody, and nobody would hear of it."""
    world.create()
    world.settle()
    world.book_document(0)
    world.intake("erp")
    book = world.engine.book
    rest = Rulebook({type_: rules for type_, rules in book.entities.items() if type_ != "document"})
    with pytest.raises(ConfigError) as refused:
        now(recover(replace(world.engine, book=rest)))
    [problem] = refused.value.problems
    assert problem.key == "entities.document"
    now(recover(world.engine))


@pytest.mark.invariant("I22")
def test_after_a_restore_a_system_that_cannot_be_read_is_to_tell_its_records_again(
    world: World, tmp_path: Path
) -> None:
    world.create()
    world.settle()
    world.engine.store.close()
    shutil.copy(world.directory / FILE, tmp_path / "backup.db")
    world.restart()
    world.edit_cloud(0, "Name")
    world.intake("sf")
    world.engine.store.close()
    shutil.copy(tmp_path / "backup.db", world.directory / FILE)
    world.restart()
    told = world.rows("SELECT system, subject, owner FROM exception WHERE state = 'open' AND kind = 'gap'")
    assert told == [("sap", "customer", "operations")]
