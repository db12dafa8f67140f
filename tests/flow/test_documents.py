"""Documents: each instance arrives once, in the order of its lane, and none stands for another."""

from __future__ import annotations

import pytest

from agent.core.delivery import Delivery, Outcome, OutcomeKind
from tests.flow.judge import judge
from tests.flow.world import World

#: Documents in one lane; their ids are in another order than the one in which they were booked.
BOOKED = 6


@pytest.mark.invariant("I17")
def test_documents_of_a_lane_keep_the_order_in_which_they_were_booked(world: World) -> None:
    """However their names are ordered, and although the first one is turned away again and again."""
    world.create()
    world.settle()
    for _ in range(BOOKED):
        world.book_document(0)
    booked = [str(world.erp.rows["invoice", f"i{n}"]["amount"]) for n in range(1, BOOKED + 1)]
    real, turned_away = world.cloud._apply, [3]

    def apply(delivery: Delivery) -> Outcome:
        if str(delivery.fields.get("Amount")) == booked[0] and turned_away[0]:
            turned_away[0] -= 1
            return Outcome(OutcomeKind.RETRY, code="UNABLE_TO_LOCK_ROW")
        return real(delivery)

    world.cloud._apply = apply  # type: ignore[method-assign] # somebody holds the row's lock
    world.settle()
    arrived = [str(r.fields["Amount"]) for r in world.cloud.records.values() if r.object == "Invoice__c"]
    assert turned_away == [0]
    assert arrived == booked


@pytest.mark.invariant("I15")
@pytest.mark.invariant("I19")
def test_what_was_said_of_a_document_is_delivered_and_never_superseded(world: World) -> None:
    """Booked and paid before anything was sent: both observations are accounted for as delivered."""
    world.create()
    world.settle()
    world.book_document(0)
    world.intake("erp")
    world.pay_document(0)
    judge(world)
    states = world.rows(
        "SELECT obligation.state FROM obligation JOIN entity ON entity.id = obligation.entity"
        " WHERE entity.type = 'document' AND obligation.target = 'sf'"
    )
    assert len(states) >= 2
    assert ("superseded",) not in states


def _in_order(world: World) -> None:
    booked = [str(world.erp.rows["invoice", f"i{n}"]["amount"]) for n in range(1, BOOKED + 1)]
    arrived = [str(r.fields["Amount"]) for r in world.cloud.records.values() if r.object == "Invoice__c"]
    assert arrived == booked


@pytest.mark.invariant("I17")
def test_documents_that_move_to_another_lane_together_keep_their_order(world: World) -> None:
    """Their customer is merged into another one when one of them was sent: however their ids are ordered."""
    world.create()
    world.create()
    world.settle()
    for _ in range(BOOKED):
        world.book_document(1)
    world.intake("erp")
    world.deliver("sf")
    world.merge_cloud(1)
    world.settle()
    _in_order(world)
    judge(world)
