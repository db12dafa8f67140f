"""After a merge nothing refers to the record that is gone, and nobody is asked about what did."""

from __future__ import annotations

import pytest

from tests.flow.judge import judge
from tests.flow.world import World

pytestmark = [pytest.mark.invariant("I18"), pytest.mark.invariant("I21")]


def referring(world: World, entity: str) -> list[tuple[object, ...]]:
    """Documents whose agreed values, images or bases name an entity."""
    return world.rows(
        f"SELECT id FROM entity WHERE type = 'document' AND instr(agreed, '{entity}')"
        " UNION SELECT entity FROM image JOIN entity ON entity.id = image.entity"
        f" WHERE type = 'document' AND (instr(fields, '{entity}') OR instr(base, '{entity}'))"
    )


def test_documents_of_the_loser_refer_to_the_survivor_at_once(world: World) -> None:
    """In the transaction of the merge, before any of them is read again."""
    world.create()
    world.create()
    world.settle()
    world.book_document(0)
    world.settle()
    loser, winner = (world.id_of(key) for key in world.customers)
    assert referring(world, loser) and not referring(world, winner)
    world.merge_cloud(0)
    while world.intake("sf") or world.confirm("sf"):
        if world.rows(f"SELECT 1 FROM entity WHERE id = '{loser}' AND merged_into = '{winner}'"):
            break
    assert referring(world, winner)
    assert not referring(world, loser)
    judge(world)
    assert world.rows("SELECT id FROM exception WHERE kind = 'immutable' AND state = 'open'") == []
