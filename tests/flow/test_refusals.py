"""What a target refuses: a person is told once, only that target waits, and nothing is repeated by itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from agent.core.delivery import Delivery, Outcome, OutcomeKind, Reason
from agent.flow.acts import ExceptionActs
from tests.flow.judge import judge
from tests.flow.world import World, now

Rule = Callable[[Delivery], Outcome | None]


@pytest.fixture
def world() -> Iterator[World]:
    """A world in which one customer has arrived everywhere."""
    built = World()
    built.create()
    built.settle()
    yield built
    built.close()


def forbid(world: World, rule: Rule) -> None:
    """From now on the cloud asks this rule before it applies anything."""
    real = world.cloud._apply
    world.cloud._apply = lambda delivery: rule(delivery) or real(delivery)  # type: ignore[method-assign] # a rule of the org


def refuses_terms(forbidden: set[str]) -> Rule:
    """A validation rule on the terms."""

    def rule(delivery: Delivery) -> Outcome | None:
        if delivery.fields.get("Terms") in forbidden:
            return Outcome(
                OutcomeKind.REJECTED, reason=Reason.BUSINESS, code="VALIDATION", text="terms not allowed"
            )
        return None

    return rule


def exceptions(world: World) -> list[tuple[object, ...]]:
    """(kind, system, state, command) of every exception."""
    return world.rows("SELECT kind, system, state, code FROM exception ORDER BY id")


@pytest.mark.invariant("I12")
def test_a_refusal_stops_only_its_target_and_is_not_repeated(world: World) -> None:
    world.edit_erp(0, "terms")
    forbidden = {str(world.erp.rows["customer", "e1"]["terms"])}
    forbid(world, refuses_terms(forbidden))
    world.settle()
    assert exceptions(world) == [("rejected", "sf", "open", "VALIDATION")]
    tries = world.rows("SELECT count(*) FROM outbox WHERE state = 'rejected'")
    world.edit_cloud(0, "Name")
    world.settle()
    assert world.sap.records["0000000001"]["NAME1"] == world.cloud.records["A001"].fields["Name"]
    assert world.rows("SELECT count(*) FROM outbox WHERE state = 'rejected'") == tries


@pytest.mark.invariant("I15")
def test_what_was_refused_stands_as_excepted_with_owner_and_due_date(world: World) -> None:
    world.edit_erp(0, "terms")
    forbid(world, refuses_terms({str(world.erp.rows["customer", "e1"]["terms"])}))
    world.settle()
    assert world.rows("SELECT DISTINCT state FROM obligation WHERE target = 'sf' ORDER BY state") == [
        ("excepted",),
        ("no-difference",),
    ]
    [(owner, opened, due)] = world.rows("SELECT owner, opened, due FROM exception")
    assert owner == "operations"
    assert due > opened


@pytest.mark.invariant("I15")
def test_an_exception_is_its_configured_owner_s_and_due_when_configured(world: World) -> None:
    world.engine.terms = replace(world.engine.terms, exception_owner="billing desk", exception_due_h=1.5)
    world.edit_erp(0, "terms")
    forbid(world, refuses_terms({str(world.erp.rows["customer", "e1"]["terms"])}))
    world.settle()
    [(owner, opened, due)] = world.rows("SELECT owner, opened, due FROM exception")
    assert owner == "billing desk"
    assert due - opened == 5_400_000


def test_a_person_s_retry_sends_again_and_closes_the_exception(world: World) -> None:
    world.edit_erp(0, "terms")
    value = str(world.erp.rows["customer", "e1"]["terms"])
    forbidden = {value}
    forbid(world, refuses_terms(forbidden))
    world.settle()
    forbidden.clear()
    acted = now(ExceptionActs(world.engine).retry(1, "op1", "the rule was changed"))
    assert acted.done
    judge(world)
    assert world.cloud.records["A001"].fields["Terms"] == value
    assert exceptions(world)[0][2] == "closed"
    assert world.rows("SELECT actor FROM journal WHERE actor = 'op1'")


def test_when_its_users_change_the_refused_value_that_is_a_new_attempt(world: World) -> None:
    world.edit_erp(0, "terms")
    forbid(world, refuses_terms({str(world.erp.rows["customer", "e1"]["terms"])}))
    world.settle()
    world.edit_erp(0, "terms")
    judge(world)
    assert exceptions(world)[0][2] == "closed"


def test_when_the_difference_disappears_the_exception_is_closed(world: World) -> None:
    world.erp.user_edit("customer", "e1", "terms", "v-old")
    world.settle()
    forbid(world, refuses_terms({"v-bad"}))
    world.erp.user_edit("customer", "e1", "terms", "v-bad")
    world.settle()
    world.erp.user_edit("customer", "e1", "terms", "v-old")
    judge(world)
    assert [row[2] for row in exceptions(world)] == ["closed"]


def test_a_refused_document_holds_back_those_behind_it_in_its_lane(world: World) -> None:
    world.book_document(0)
    amount = str(world.erp.rows["invoice", "i1"]["amount"])
    refused = {amount}

    def rule(delivery: Delivery) -> Outcome | None:
        if delivery.fields.get("Amount") in refused:
            return Outcome(OutcomeKind.REJECTED, reason=Reason.BUSINESS, code="CLOSED", text="period closed")
        return None

    forbid(world, rule)
    world.book_document(0)
    world.settle()
    invoices = [r for r in world.cloud.records.values() if r.object == "Invoice__c"]
    assert invoices == []
    assert world.rows("SELECT amount FROM exception WHERE kind = 'rejected'") == [(amount,)]
    refused.clear()
    assert now(ExceptionActs(world.engine).retry(1, "op1", "period opened")).done
    judge(world)


def test_the_due_date_of_a_refusal_does_not_begin_anew_with_every_attempt(world: World) -> None:
    refused = Outcome(OutcomeKind.REJECTED, reason=Reason.BUSINESS, code="NO")
    forbid(world, lambda delivery: refused if "Terms" in delivery.fields else None)
    world.edit_erp(0, "terms")
    world.settle()
    first = world.rows("SELECT id, opened, due FROM exception WHERE state = 'open'")
    world.wait(3600)
    world.edit_erp(0, "phone")
    world.settle()
    assert world.rows("SELECT id, opened, due FROM exception WHERE state = 'open'") == first


@pytest.mark.invariant("I12")
def test_a_document_that_cannot_be_mapped_holds_back_only_its_own_lane(world: World) -> None:
    world.create()
    world.settle()
    world.book_document(0)
    world.erp.rows["invoice", "i1"]["amount"] = "half\0read"
    world.book_document(1)
    world.book_document(0)
    world.settle()
    arrived = [r.fields["Amount"] for r in world.cloud.records.values() if r.object == "Invoice__c"]
    assert arrived == [world.erp.rows["invoice", "i2"]["amount"]]
    assert ("unmapped", "erp", "open", "") in exceptions(world)
    world.erp.user_edit("invoice", "i1", "amount", "v99")
    judge(world)


@pytest.mark.invariant("I14")
def test_a_document_refused_and_retried_keeps_its_message_id(world: World) -> None:
    world.book_document(0)
    refused = {str(world.erp.rows["invoice", "i1"]["amount"])}
    forbid(
        world,
        lambda d: (
            Outcome(OutcomeKind.REJECTED, reason=Reason.BUSINESS, code="NO")
            if d.fields.get("Amount") in refused
            else None
        ),
    )
    world.settle()
    refused.clear()
    now(ExceptionActs(world.engine).retry(1, "op1", "mended"))
    judge(world)
    ids = world.rows("SELECT DISTINCT message_id FROM outbox WHERE kind = 'create' AND type = 'document'")
    assert ids == [("sf:erp:i1:create",)]
