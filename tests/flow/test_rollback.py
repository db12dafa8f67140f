"""Copies of the state directory: put back, or woken up beside the original; nobody tells the agent (I22)."""

from __future__ import annotations

import json
import os
import pprint
from collections.abc import Iterator
from dataclasses import replace
from unittest.mock import patch

import pytest
from hypothesis import seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import rule, run_state_machine_as_test

from agent import failpoints
from agent.errors import Fenced, RolledBack
from agent.flow.fence import Fence
from agent.flow.intake import Intake
from agent.store import outbox
from agent.store.database import Begin, Store
from tests.flow.hunt import hunt, verdict
from tests.flow.machine import Machine, play
from tests.flow.stories import BORN, ROLLBACKS, Operation
from tests.flow.systems.blind import Blind
from tests.flow.systems.cloud import Cloud
from tests.flow.systems.ledger import Ledger
from tests.flow.test_state_machine import MACHINE
from tests.flow.world import World, now

pytestmark = pytest.mark.invariant("I22")

SEED = int(os.environ.get("ISTHMUS_SEED", "20260301"))
STORIES = 30

#: What the stories found, by what was wrong.
FOUND: dict[str, list[Operation]] = {
    "documents taken by the lost life come before those that still wait": [
        *BORN,
        ("copy_state", ()),
        ("book_document", (0,)),
        ("intake", ("erp",)),
        ("book_document", (0,)),
        ("roll_back", ()),
    ],
    "old events are no news of a record that the store has never seen": [
        ("copy_state", ()),
        ("create", ()),
        ("edit_cloud", (1, "Note")),
        ("edit_cloud", (1, "Name")),
        ("settle", ()),
        ("roll_back", ()),
    ],
    "what the lost life created at SAP says what it said then": [
        ("copy_state", ()),
        ("create", ()),
        ("settle", ()),
        ("roll_back", ()),
        ("edit_cloud", (0, "Name")),
    ],
    "what was ready in the copy was sent, and something newer behind it": [
        *BORN,
        ("edit_cloud", (0, "Name")),
        ("intake", ("sf",)),
        ("copy_state", ()),
        ("settle", ()),
        ("edit_cloud", (0, "Name")),
        ("settle", ()),
        ("roll_back", ()),
    ],
    "an ERP user's change that only the lost life has seen": [
        *BORN,
        ("copy_state", ()),
        ("edit_erp", (0, "terms")),
        ("intake", ("erp",)),
        ("roll_back", ()),
    ],
    "a witness that is silent when the copy is put back": [
        *BORN,
        ("copy_state", ()),
        ("edit_erp", (0, "terms")),
        ("settle", ()),
        ("silence", ("erp", True)),
        ("roll_back", ()),
        ("edit_cloud", (0, "Name")),
        ("intake", ("sf",)),
        ("deliver", ("erp",)),
        ("deliver", ("sap",)),
        ("silence", ("erp", False)),
    ],
    "put back twice": [
        *BORN,
        ("copy_state", ()),
        ("edit_cloud", (0, "Name")),
        ("settle", ()),
        ("roll_back", ()),
        ("edit_erp", (0, "terms")),
        ("settle", ()),
        ("roll_back", ()),
    ],
    "a crash in the first start after it": [
        *BORN,
        ("copy_state", ()),
        ("edit_cloud", (0, "Name")),
        ("settle", ()),
        ("crash_at", ("recovery.renew.after_commit", 1)),
        ("roll_back", ()),
        ("crash_at", ("restore.before_commit", 1)),
        ("roll_back", ()),
        ("crash_at", ("fence.after_take", 2)),
        ("roll_back", ()),
    ],
}


def test_every_promise_holds_in_stories_in_which_copies_are_put_back() -> None:
    """No effect twice, nothing lost, nothing old after new, all systems equal in the end."""
    came = hunt(SEED, seconds=3_600, stories=STORIES, kinds=ROLLBACKS)
    print(f"seed {SEED}: {came.stories} stories, {came.steps} operations, {came.seconds:.1f} s")
    assert came.found is None, f"seed {SEED}: {came.found.said}\n{pprint.pformat(came.found.script)}"


@pytest.mark.parametrize("name", FOUND)
def test_what_was_once_found_stays_found(name: str, world: World) -> None:
    play(world, FOUND[name])


@pytest.mark.parametrize("name", list(FOUND)[:3])
def test_the_stories_see_what_happens_without_witnesses(name: str) -> None:
    """A system that keeps nothing for us: the same stories break a promise."""
    with (
        patch.object(Ledger, "system", _unwitnessed(Ledger.system)),
        patch.object(Blind, "system", _unwitnessed(Blind.system)),
    ):
        assert verdict(FOUND[name]) is not None


async def _nothing(self: object, *_: object) -> None:
    """What a part does that was left out."""


#: A part of the product that is left out → a story that breaks without it, and the promise that it breaks.
PARTS = {
    "what was ready is withdrawn": (outbox, "withdraw_ready", lambda *_: 0, 3, "I14"),
    "a snapshot comes before the stream": (Intake, "_snapshot_first", _nothing, 0, "I17"),
    "the mark rises before every effect": (Fence, "stand", _nothing, 4, "I8"),
}


@pytest.mark.parametrize("part", PARTS)
def test_the_stories_see_what_each_part_is_for(part: str) -> None:
    place, name, instead, story, promise = PARTS[part]
    with patch.object(place, name, instead):
        said = verdict(list(FOUND.values())[story])
    assert said is not None
    assert said.startswith(f"{promise}: ")


class Rollbacks(Machine):
    """The state machine with copies of the state directory that are made and put back."""

    @rule()
    def copy_state(self) -> None:
        self.do("copy_state")

    @rule()
    def roll_back(self) -> None:
        self.do("roll_back")

    @rule(system=st.sampled_from(["erp", "sap"]), on=st.booleans())
    def silence(self, system: str, on: bool) -> None:
        self.do("silence", system, on)


def test_every_promise_holds_under_the_state_machine_with_copies_put_back() -> None:
    print(f"seed {SEED}")
    seed(SEED)(Rollbacks)
    run_state_machine_as_test(Rollbacks, settings=settings(MACHINE, max_examples=10))


def _unwitnessed(original: object) -> object:
    return lambda self: replace(original(self), witness=None)  # type: ignore[operator] # a method


@pytest.fixture
def pair(world: World) -> Iterator[tuple[World, World]]:
    """An agent that has done its work, and another one that starts on an older copy of its store."""
    for name, arguments in [*BORN, ("copy_state", ()), ("edit_erp", (0, "note")), ("settle", ())]:
        getattr(world, name)(*arguments)
    other = World(beside=world, host="beta")
    try:
        yield world, other
    finally:
        other.close()


def test_the_later_of_two_agents_goes_on_and_the_earlier_one_stops(pair: tuple[World, World]) -> None:
    first, second = pair
    assert second.engine.store.epoch == first.engine.store.epoch + 1
    first.edit_erp(0, "terms")
    with pytest.raises(Fenced, match=r"alpha.*beta") as stopped:
        first.intake("erp")
    assert "isthmus run --take-over" in stopped.value.remedy
    with pytest.raises(Fenced), first.engine.store.transaction("late"):
        pass
    [(cause, owner)] = first.rows(
        "SELECT cause, owner FROM exception WHERE kind = 'fenced' AND state = 'open'"
    )
    assert "alpha" in cause
    assert "beta" in cause
    assert owner
    second.settle()
    assert (
        first.erp.rows["customer", "e1"]["terms"] == first.cloud.records[first.customers[0]].fields["Terms"]
    )


@pytest.mark.parametrize("side", ["before_commit", "after_commit"])
def test_a_crash_while_it_is_noticed_that_another_agent_took_over_changes_nothing(
    pair: tuple[World, World], side: str
) -> None:
    first, second = pair
    first.edit_erp(0, "terms")
    failpoints.arm(f"fence.lost.{side}", failpoints.Action.CRASH)
    with pytest.raises(failpoints.Crash):
        now(first.intakes["erp"].step())
    failpoints.disarm()
    first.engine.store.close()
    if side == "after_commit":
        with pytest.raises(Fenced):
            Store.open(first.directory, first.clock, Begin(host="alpha"))
    else:  # it has to be noticed once more
        Store.open(first.directory, first.clock, Begin(host="alpha")).close()
    second.settle()
    assert (
        first.erp.rows["customer", "e1"]["terms"] == first.cloud.records[first.customers[0]].fields["Terms"]
    )


def test_a_store_that_moved_to_another_machine_keeps_its_epoch_and_the_old_machine_stops(
    world: World,
) -> None:
    for name, arguments in BORN:
        getattr(world, name)(*arguments)
    moved = World(beside=world, host="beta")
    try:
        assert moved.engine.store.epoch == world.engine.store.epoch
        with pytest.raises(Fenced, match="beta"):
            now(world.engine.fences["sap"].look())
    finally:
        moved.close()


def test_the_earlier_one_hands_nothing_over_and_writes_nothing(pair: tuple[World, World]) -> None:
    first, _ = pair
    before = first.total_writes
    first.edit_cloud(0, "Name")
    first.intake("sf")
    for system in ("erp", "sap"):
        with pytest.raises(Fenced):
            first.deliver(system)
    assert first.total_writes == before


def test_an_agent_with_nothing_to_do_notices_it_too(pair: tuple[World, World]) -> None:
    first, _ = pair
    with pytest.raises(Fenced):
        now(first.engine.fences["erp"].look())


def test_a_fenced_store_does_not_take_over_again_by_a_restart(pair: tuple[World, World]) -> None:
    """Whatever restarts the service, the two do not take it from each other: a person decides."""
    first, second = pair
    with pytest.raises(Fenced):
        now(first.engine.fences["erp"].look())
    first.engine.store.close()
    for _ in range(3):
        with pytest.raises(Fenced, match="beta"):
            Store.open(first.directory, first.clock)
    now(second.engine.fences["erp"].look())


def test_a_person_may_decide_that_the_fenced_one_goes_on(pair: tuple[World, World]) -> None:
    first, second = pair
    with pytest.raises(Fenced):
        now(first.engine.fences["erp"].look())
    first.engine.store.close()
    Store.open(first.directory, first.clock, Begin(take_over=True)).close()
    first.restart()
    assert first.engine.store.epoch > second.engine.store.epoch
    with pytest.raises(Fenced, match=r"beta.*alpha"):
        now(second.engine.fences["erp"].look())
    first.edit_erp(0, "terms")
    first.sap.send_again()
    first.settle()
    assert (
        first.erp.rows["customer", "e1"]["terms"] == first.cloud.records[first.customers[0]].fields["Terms"]
    )


def test_a_machine_that_goes_on_in_the_middle_of_its_life_is_noticed(world: World) -> None:
    """Its memory was rolled back with its disk: same life, but the ERP has seen more of it."""
    for name, arguments in BORN:
        getattr(world, name)(*arguments)
    world.erp.witness.mark = replace(
        world.erp.witness.mark, token=world.engine.store.token + 50, stamp="lost"
    )
    world.edit_cloud(0, "Name")
    world.intake("sf")
    with pytest.raises(RolledBack, match="erp has seen what this store does not know"):
        now(world.deliveries["erp"].step())
    epoch = world.engine.store.epoch
    world.restart()
    assert world.engine.store.epoch == epoch + 1
    world.sap.send_again()
    world.settle()
    assert world.erp.rows["customer", "e1"]["name"] == world.cloud.records[world.customers[0]].fields["Name"]


@pytest.mark.parametrize("tried", [False, True])
def test_a_machine_that_goes_on_and_starts_again_before_it_asks_is_noticed(world: World, tried: bool) -> None:
    """It counts past the token that the ERP has seen; the stamp tells that this was another branch."""
    for name, arguments in BORN:
        getattr(world, name)(*arguments)
    world.erp.witness.mark = replace(world.erp.witness.mark, stamp="lost")
    if tried:  # what it showed in vain is kept, and is not what stands there
        world.edit_cloud(0, "Name")
        world.intake("sf")
        world.silence("erp", True)
        world.deliver("erp")
        world.silence("erp", False)
    epoch = world.engine.store.epoch
    world.restart()
    assert world.engine.store.epoch == epoch + 1


def test_the_marks_that_are_kept_stay_few(world: World) -> None:
    """One for each life that had an effect at the system, and what was tried behind the last."""
    for name, arguments in BORN:
        getattr(world, name)(*arguments)
    for _ in range(3):
        for _ in range(5):
            world.edit_cloud(0, "Name")
            world.settle()
        world.restart()
    held = world.rows("SELECT system, held, count(*) FROM shown GROUP BY system, held")
    lives = world.rows("SELECT count(*) FROM life")[0][0]
    assert all(count <= (lives if held else 1) for _, held, count in held)
    assert {system for system, _, _ in held} == {"erp", "sap"}


def test_an_erp_that_was_put_back_itself_is_read_again(world: World) -> None:
    """The mark of an earlier life stands there again: what was done since is gone."""
    for name, arguments in BORN:
        getattr(world, name)(*arguments)
    early, row = world.erp.witness.mark, dict(world.erp.rows["customer", "e1"])
    world.edit_cloud(0, "Name")
    world.settle()
    world.erp.witness.mark, world.erp.rows["customer", "e1"] = early, row
    world.edit_cloud(0, "Phone")
    world.sap.send_again()
    world.settle()
    assert world.erp.rows["customer", "e1"]["name"] == world.cloud.records[world.customers[0]].fields["Name"]


def test_a_silent_witness_stops_its_own_system_only(world: World) -> None:
    for name, arguments in BORN:
        getattr(world, name)(*arguments)
    world.copy_state()
    world.edit_cloud(0, "Name")
    world.settle()
    world.silence("erp", True)
    world.roll_back()
    world.edit_cloud(0, "Name")
    before = world.erp.writes.count
    for _ in range(3):
        world.intake("sf")
        world.deliver("erp")
        assert world.confirm("erp") == 0
    assert world.erp.writes.count == before
    assert world.engine.store.epoch == 2, "SAP has told it already"
    world.silence("erp", False)
    world.settle()
    assert world.erp.rows["customer", "e1"]["name"] == world.cloud.records[world.customers[0]].fields["Name"]


def test_a_mark_whose_answer_was_lost_is_known_again(world: World) -> None:
    """Written or not, it is this life's own: no new epoch, and nothing is sent before it is clear."""
    for name, arguments in BORN:
        getattr(world, name)(*arguments)
    world.restart()
    world.erp.witness.lost = 2
    world.edit_cloud(0, "Name")
    world.edit_erp(0, "terms")
    world.settle()
    assert world.erp.witness.lost == 0
    assert world.engine.store.epoch == 1
    assert world.erp.rows["customer", "e1"]["name"] == world.cloud.records[world.customers[0]].fields["Name"]


def test_a_registration_whose_answer_was_lost_is_known_again(world: World) -> None:
    world.erp.witness.lost = 1
    world.restart()
    world.create()
    world.settle()
    assert world.engine.store.epoch == 1


def test_a_person_is_told_of_the_new_epoch_once(world: World) -> None:
    for operation in FOUND["what was ready in the copy was sent, and something newer behind it"]:
        getattr(world, operation[0])(*operation[1])
    world.restart()
    told = world.rows("SELECT subject, cause FROM exception WHERE kind = 'restored'")
    assert [subject for subject, _ in told] == ["2"]
    assert "alpha" in told[0][1]


def test_a_plain_restart_begins_no_epoch(world: World) -> None:
    for _ in range(3):
        for name, arguments in BORN:
            getattr(world, name)(*arguments)
        world.restart()
    assert world.engine.store.epoch == 1
    lives = world.rows("SELECT id, host, token FROM life ORDER BY number")
    assert len(lives) == 5, "the template's, the first one, and one for every restart"
    assert [token for _, _, token in lives] == sorted(token for _, _, token in lives)
    assert json.dumps([host for _, host, _ in lives[1:]]) == json.dumps(["alpha"] * 4)


def test_salesforce_needs_no_witness(world: World) -> None:
    """Its stream is read again from the copy's position; creates carry our id."""
    assert Cloud(world.clock).system().witness is None
