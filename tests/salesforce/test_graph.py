"""Parents with the children that are created in the same call: graphs, steps, and what either may answer."""

from __future__ import annotations

from typing import Any

import pytest

from adapters.salesforce.write.graph import MOST_NODES, Graphs, families
from agent.core.delivery import Delivery, DeliveryKind, Guard, Outcome, OutcomeKind, Reason
from agent.core.objects import ObjectSpec
from agent.ports import System
from tests.salesforce.conftest import Org
from tests.salesforce.fresh import ACCOUNT, CONTACT, FreshOrg, Pending, command, create, update
from tests.salesforce.peers import Answer, Asked
from tests.salesforce.samples import ID

PATH = "/services/data/v62.0/composite/graph"


def account(reference: str, **fields: Any) -> Delivery:
    return create(reference, Name=reference, **fields)


def contact(reference: str, parent: str | Pending, **fields: Any) -> Delivery:
    value = Pending(parent) if isinstance(parent, str) else parent
    return create(reference, "Contact", LastName=reference, AccountId=value, **fields)


def kinds(outcomes: Any) -> list[OutcomeKind]:
    return [one.kind for one in outcomes]


async def parent_of(system: System, key: str | None) -> object:
    assert system.reader is not None
    fields = (await system.reader.read("Contact", [key or ""])).rows[0].fields
    return None if fields is None else fields["AccountId"]


async def test_a_parent_and_its_children_are_created_by_one_call(fresh: FreshOrg) -> None:
    system = fresh.connect()
    await system.target.apply([account("c-0")])
    before = await fresh.used()
    # In any order: a child may stand before its parent.
    outcomes = await system.target.apply([contact("k-1", "c-1"), account("c-1"), contact("k-2", "c-1")])
    assert await fresh.used() == before + 1
    assert kinds(outcomes) == [OutcomeKind.ACCEPTED] * 3
    assert {await parent_of(system, one.key) for one in (outcomes[0], outcomes[2])} == {outcomes[1].key}
    assert all("created=true" in one.evidence for one in outcomes)


async def test_a_graph_sent_again_makes_no_second_record(fresh: FreshOrg) -> None:
    system = fresh.connect()
    family = [account("c-1"), contact("k-1", "c-1")]
    await fresh.arm("answer-lost", method="POST")
    first = await system.target.apply(family)
    assert kinds(first) == [OutcomeKind.UNCERTAIN] * 2
    again = await system.target.apply(family)
    assert kinds(again) == [OutcomeKind.ACCEPTED] * 2
    assert (len(await fresh.writes("create")), len(await fresh.writes("create", "Contact"))) == (1, 1)


async def test_a_refused_child_undoes_its_family_and_no_other(fresh: FreshOrg) -> None:
    system = fresh.connect()
    good = [account("c-1"), contact("k-1", "c-1")]
    bad = [account("c-2"), contact("k-2", "c-2"), contact("k-3", "c-2", Email="x" * 90)]
    outcomes = await system.target.apply([*good, *bad])
    assert kinds(outcomes[:2]) == [OutcomeKind.ACCEPTED] * 2
    assert kinds(outcomes[2:]) == [OutcomeKind.RETRY, OutcomeKind.RETRY, OutcomeKind.REJECTED]
    assert [one["fields"]["Name"] for one in await fresh.writes("create")] == ["c-1"]
    # The refused one is parked; the others are then created without it.
    assert kinds(await system.target.apply(bad[:2])) == [OutcomeKind.ACCEPTED] * 2


async def test_a_refused_parent_takes_its_children_along(fresh: FreshOrg) -> None:
    system = fresh.connect()
    family = [account("c-1", Credit_Limit__c=-1), contact("k-1", "c-1")]
    outcomes = await system.target.apply(family)
    assert kinds(outcomes) == [OutcomeKind.REJECTED, OutcomeKind.RETRY]
    assert (outcomes[0].code, outcomes[0].reason) == ("FIELD_CUSTOM_VALIDATION_EXCEPTION", Reason.BUSINESS)
    assert outcomes[1].code == "PROCESSING_HALTED"
    assert await fresh.writes("create", "Contact") == []


async def test_after_fourteen_failures_the_halted_graphs_are_sent_again(fresh: FreshOrg) -> None:
    system = fresh.connect()
    refused = [account(f"bad-{number}", Credit_Limit__c=-1) for number in range(16)]
    children = [contact(f"bk-{number}", f"bad-{number}") for number in range(16)]
    last = [account("good"), contact("gk", "good")]
    outcomes = await system.target.apply([*refused, *children, *last])
    assert OutcomeKind.UNCERTAIN not in kinds(outcomes)
    assert kinds(outcomes[-2:]) == [OutcomeKind.RETRY] * 2
    assert {one.code for one in outcomes[-2:]} == {"PROCESSING_HALTED"}
    assert kinds(await system.target.apply(last)) == [OutcomeKind.ACCEPTED] * 2


async def test_grandchildren_hang_on_in_one_graph(fresh: FreshOrg) -> None:
    system = fresh.connect()
    chain = [account("g-0"), *(account(f"g-{n}", ParentId=Pending(f"g-{n - 1}")) for n in range(1, 15))]
    before = await fresh.used()
    assert kinds(await system.target.apply(chain)) == [OutcomeKind.ACCEPTED] * 15
    assert await fresh.used() == before + 1


async def test_a_chain_deeper_than_a_graph_goes_in_steps(fresh: FreshOrg) -> None:
    system = fresh.connect()
    chain = [account("g-0"), *(account(f"g-{n}", ParentId=Pending(f"g-{n - 1}")) for n in range(1, 16))]
    assert not Graphs.fits(families(dict(enumerate(chain)))[0][0])
    outcomes = await system.target.apply(chain)
    assert kinds(outcomes) == [OutcomeKind.ACCEPTED] * 16
    rows = await system.target.find("Account", {"Isthmus_Id__c": "g-15"})
    assert rows[0].fields is not None
    assert rows[0].fields["ParentId"] == outcomes[14].key


async def test_a_text_that_looks_like_a_reference_is_sent_as_it_is(fresh: FreshOrg) -> None:
    system = fresh.connect()
    family = [account("c-1", Description="write to @{n0.id}, please"), contact("k-1", "c-1")]
    outcomes = await system.target.apply(family)
    assert kinds(outcomes) == [OutcomeKind.ACCEPTED] * 2
    rows = await system.target.find("Account", {"Isthmus_Id__c": "c-1"})
    assert rows[0].fields is not None
    assert rows[0].fields["Description"] == "write to @{n0.id}, please"
    assert await parent_of(system, outcomes[1].key) == outcomes[0].key


async def test_in_steps_a_child_whose_parent_is_refused_is_not_sent(fresh: FreshOrg) -> None:
    system = fresh.connect()
    family = [account("c-1", Credit_Limit__c=-1, Description="@{"), contact("k-1", "c-1")]
    outcomes = await system.target.apply(family)
    assert kinds(outcomes) == [OutcomeKind.REJECTED, OutcomeKind.RETRY]
    assert outcomes[1].code == "NO_PARENT"


async def test_external_ids_with_letters_of_addresses_are_kept_in_a_graph(fresh: FreshOrg) -> None:
    system = fresh.connect()
    odd = "c/1 ü?&@{x}"
    outcomes = await system.target.apply([account(odd), contact("k-1", odd)])
    assert kinds(outcomes) == [OutcomeKind.ACCEPTED] * 2
    assert [one.key for one in await system.target.find("Account", {"Isthmus_Id__c": odd})] == [
        outcomes[0].key
    ]


async def test_an_existing_record_can_be_moved_to_a_parent_that_is_created(fresh: FreshOrg) -> None:
    system = fresh.connect()
    (old,) = await system.target.apply([create("k-1", "Contact", LastName="Olsen")])
    moved = update(old.key, "Contact", AccountId=Pending("c-1"))
    outcomes = await system.target.apply([account("c-1"), moved])
    assert kinds(outcomes) == [OutcomeKind.ACCEPTED] * 2
    assert (await parent_of(system, old.key), outcomes[1].key) == (outcomes[0].key, old.key)


async def test_many_families_share_requests_of_75_graphs(fresh: FreshOrg) -> None:
    system = fresh.connect()
    lot = [account(f"c-{n}") for n in range(100)] + [contact(f"k-{n}", f"c-{n}") for n in range(100)]
    await system.target.apply([account("first")])
    before = await fresh.used()
    assert kinds(await system.target.apply(lot)) == [OutcomeKind.ACCEPTED] * 200
    assert await fresh.used() == before + 2


@pytest.mark.parametrize(
    "lot",
    [
        [contact("k-1", "nobody")],
        [account("c-1", ParentId=Pending("c-2")), account("c-2", ParentId=Pending("c-1"))],
        [account("c-1", ParentId=Pending("c-1"))],
        [contact("k-1", "c-1"), update(ID, Name="c-1")],
    ],
)
async def test_a_child_without_its_parent_s_create_is_not_sent(org: Org, lot: list[Delivery]) -> None:
    org.http.answer = lambda asked: (204, None, {})
    outcomes = await org.connect(ACCOUNT, CONTACT).target.apply(lot)
    told = [one for one in outcomes if one.code == "NO_PARENT"]
    assert told
    assert {one.kind for one in told} == {OutcomeKind.RETRY}
    assert not [asked for asked in org.http.asked if asked.method == "POST"]


async def test_a_child_of_a_command_that_cannot_be_sent_is_not_sent_either(org: Org) -> None:
    system = org.connect(ACCOUNT, CONTACT)
    outcomes = await system.target.apply([account("c-1", Phone=1.5), contact("k-1", "c-1")])
    assert [(one.kind, one.code) for one in outcomes] == [
        (OutcomeKind.REJECTED, "VALUE"),
        (OutcomeKind.RETRY, "NO_FAMILY"),
    ]
    plain = ObjectSpec("Account", "Id", ACCOUNT.fields)
    outcomes = await org.connect(plain, CONTACT).target.apply([account("c-1"), contact("k-1", "c-1")])
    assert [one.code for one in outcomes] == ["NO_EXTERNAL_ID", "NO_PARENT"]
    assert not org.http.asked


async def test_a_conditional_update_cannot_wait_for_a_parent(org: Org) -> None:
    guarded = command(
        DeliveryKind.UPDATE, ID, object="Contact", fields={"AccountId": Pending("c-1")}, guard=Guard("v")
    )
    (outcome,) = await org.connect(ACCOUNT, CONTACT).target.apply([guarded])
    assert (outcome.kind, outcome.code) == (OutcomeKind.REJECTED, "GUARDED")


def answering(*parts: dict[str, Any], successful: Any = True) -> Any:
    """A graph endpoint that answers with these parts, whatever is asked."""

    def answer(asked: Asked) -> Answer:
        assert asked.path == PATH
        graph = {"graphId": "g0", "isSuccessful": successful}
        return 200, {"graphs": [{**graph, "graphResponse": {"compositeResponse": list(parts)}}]}, {}

    return answer


def part(name: str, status: int, body: Any = None) -> dict[str, Any]:
    return {"referenceId": name, "httpStatusCode": status, "body": body, "httpHeaders": {}}


DONE = {"id": ID, "success": True, "errors": [], "created": True}


async def _family(org: Org) -> list[Outcome]:
    system = org.connect(ACCOUNT, CONTACT)
    return list(await system.target.apply([account("c-1"), contact("k-1", "c-1")]))


@pytest.mark.parametrize(
    "answer",
    [
        answering(part("n0", 201, DONE)),
        answering(part("n0", 201, DONE), part("n7", 201, DONE)),
        answering(part("n0", 201, DONE), {"referenceId": "n1"}),
    ],
)
async def test_a_graph_answer_that_is_short_leaves_what_is_missing_uncertain(org: Org, answer: Any) -> None:
    org.http.answer = answer
    assert kinds(await _family(org)) == [OutcomeKind.ACCEPTED, OutcomeKind.UNCERTAIN]


@pytest.mark.parametrize(
    "answer",
    [
        lambda asked: (200, {"graphs": []}, {}),
        lambda asked: (200, [], {}),
        lambda asked: (200, {"graphs": ["?", {"graphId": "g0", "graphResponse": []}]}, {}),
        lambda asked: (500, None, {}),
        lambda asked: None,
        answering(part("n0", 201, DONE), part("n1", 201, DONE), successful="?"),
    ],
)
async def test_a_graph_without_a_clear_answer_is_uncertain(org: Org, answer: Any) -> None:
    org.http.answer = answer
    assert kinds(await _family(org)) == [OutcomeKind.UNCERTAIN] * 2


async def test_of_a_failed_graph_nothing_counts_as_done(org: Org) -> None:
    locked = [{"errorCode": "UNABLE_TO_LOCK_ROW", "message": "busy"}]
    org.http.answer = answering(part("n0", 201, DONE), part("n1", 400, locked), successful=False)
    outcomes = await _family(org)
    assert kinds(outcomes) == [OutcomeKind.RETRY] * 2
    assert [one.code for one in outcomes] == ["ALL_OR_NONE_OPERATION_ROLLED_BACK", "UNABLE_TO_LOCK_ROW"]


async def test_a_graph_refused_as_a_whole_is_refused_for_each(org: Org) -> None:
    org.http.answer = lambda asked: (
        403,
        [{"errorCode": "REQUEST_LIMIT_EXCEEDED", "message": "Concurrent"}],
        {},
    )
    assert kinds(await _family(org)) == [OutcomeKind.RETRY] * 2


async def test_graphs_that_cannot_be_read_are_sent_step_by_step(org: Org) -> None:
    def answer(asked: Asked) -> Answer:
        if asked.path == PATH:
            return 400, [{"errorCode": "JSON_PARSER_ERROR", "message": "?"}], {}
        return 201, DONE, {}

    org.http.answer = answer
    assert kinds(await _family(org)) == [OutcomeKind.ACCEPTED] * 2
    assert org.http.asked[-1].json["AccountId"] == ID


def test_a_family_larger_than_a_request_goes_in_steps() -> None:
    lot = [account("c-1"), *(contact(f"k-{number}", "c-1") for number in range(MOST_NODES))]
    (family,), orphans = families(dict(enumerate(lot)))
    assert (len(family), orphans) == (MOST_NODES + 1, {})
    assert not Graphs.fits(family)
    family.popitem()
    assert Graphs.fits(family)


def test_a_family_of_too_many_kinds_goes_in_steps() -> None:
    kinds_of = [create(f"o-{number}", f"Kind{number}__c", Parent__c=Pending("c-1")) for number in range(15)]
    (family,), _ = families(dict(enumerate([account("c-1"), *kinds_of])))
    assert not Graphs.fits(family)
    family.popitem()
    assert Graphs.fits(family)


def test_families_that_share_a_parent_are_one_and_the_others_are_left_alone() -> None:
    both = create("k-1", "Contact", AccountId=Pending("a"), ReportsToId=Pending("b"))
    lot = dict(enumerate([account("a"), account("b"), both, account("c"), contact("k-2", "d"), account("d")]))
    together, orphans = families(lot)
    assert [list(family) for family in together] == [[0, 1, 2], [5, 4]]
    assert orphans == {}
