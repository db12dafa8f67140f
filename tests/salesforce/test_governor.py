"""Who may spend the day's API calls, when, and what is told of a wait."""

from __future__ import annotations

import pytest

from adapters.salesforce.connection.governor import LOOK_AGAIN_S, TRIAL_S, Governor, Priority, Shares
from agent.core.delivery import OutcomeKind
from agent.errors import Unreachable
from tests.salesforce.conftest import Org
from tests.salesforce.fresh import FreshOrg, create, update
from tests.salesforce.peers import Answer, Asked
from tests.salesforce.samples import ID


class Clock:
    """A clock that stands until it is set."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def governor(clock: Clock) -> Governor:
    return Governor("crm", Shares(0.2, 0.9, 0.5), clock)


def waits(governor: Governor, priority: Priority) -> float | None:
    """For how many seconds a class has to wait; None where it was let through."""
    try:
        governor.admit(priority)
    except Unreachable as error:
        return error.retry_after
    return None


def allowed(governor: Governor) -> set[Priority]:
    """The classes that may call now."""
    found = set()
    for priority in Priority:
        try:
            governor.check(priority)
        except Unreachable:
            continue
        found.add(priority)
    return found


@pytest.mark.parametrize(
    ("used", "classes"),
    [
        (399, {"people", "delivery", "confirm reads", "snapshots"}),
        (400, {"people", "delivery", "confirm reads"}),
        (719, {"people", "delivery", "confirm reads"}),
        (720, {"people", "delivery"}),
        (799, {"people", "delivery"}),
        (800, {"people"}),
        (1200, {"people"}),
    ],
)
def test_each_class_stops_at_its_share_and_people_never(
    governor: Governor, used: int, classes: set[str]
) -> None:
    governor.heard(f"api-usage={used}/1000")
    assert {one.label for one in allowed(governor)} == classes


def test_everybody_may_call_while_nothing_is_known(governor: Governor) -> None:
    assert allowed(governor) == set(Priority)
    assert governor.gauges() == {}


def test_the_quota_of_the_app_counts_as_well_as_that_of_the_org(governor: Governor) -> None:
    governor.heard("api-usage=10/100000; per-app-api-usage=225/250(appName=isthmus)")
    assert allowed(governor) == {Priority.PEOPLE}
    assert governor.gauges() == {
        "api_calls_used": 10.0,
        "api_calls_limit": 100000.0,
        "api_calls_reserve": 20000.0,
    }


def test_other_figures_of_the_header_are_no_usage(governor: Governor) -> None:
    governor.heard("api-bursts=749/750, api-usage=1/1000")
    assert allowed(governor) == set(Priority)
    governor.heard("nonsense")
    assert governor.gauges()["api_calls_used"] == 1.0


def test_calls_are_counted_between_two_answers(governor: Governor) -> None:
    governor.heard("api-usage=798/1000")
    assert waits(governor, Priority.DELIVERY) is None
    assert waits(governor, Priority.DELIVERY) is None
    assert waits(governor, Priority.DELIVERY) == LOOK_AGAIN_S


def test_a_wait_says_how_many_are_used_and_for_whom_the_rest_is_kept(governor: Governor) -> None:
    governor.heard("api-usage=800/1000")
    with pytest.raises(
        Unreachable, match=r"crm: delivery wait: 800 of the org's 1000 API calls .* api_reserve"
    ):
        governor.admit(Priority.DELIVERY)


def test_what_is_known_grows_old_and_one_call_finds_out(governor: Governor, clock: Clock) -> None:
    governor.heard("api-usage=900/1000")
    assert waits(governor, Priority.DELIVERY) == LOOK_AGAIN_S
    clock.now += LOOK_AGAIN_S
    assert waits(governor, Priority.DELIVERY) is None
    assert waits(governor, Priority.DELIVERY) == TRIAL_S
    governor.heard("api-usage=100/1000")
    assert allowed(governor) == set(Priority)


def test_a_trial_whose_answer_is_lost_holds_nobody_up_for_ever(governor: Governor, clock: Clock) -> None:
    governor.refused("TotalRequests Limit exceeded.")
    clock.now += LOOK_AGAIN_S
    assert waits(governor, Priority.DELIVERY) is None
    assert waits(governor, Priority.CONFIRM) == TRIAL_S
    clock.now += TRIAL_S
    assert waits(governor, Priority.CONFIRM) is None


def test_used_up_calls_pause_all_but_people(governor: Governor, clock: Clock) -> None:
    assert governor.refused("TotalRequests Limit exceeded.") == LOOK_AGAIN_S
    assert allowed(governor) == {Priority.PEOPLE}
    clock.now += LOOK_AGAIN_S - 1
    assert waits(governor, Priority.DELIVERY) == 1.0
    clock.now += 1
    assert waits(governor, Priority.DELIVERY) is None
    assert governor.refused("TotalRequests Limit exceeded.") == LOOK_AGAIN_S
    assert waits(governor, Priority.DELIVERY) == LOOK_AGAIN_S


def test_a_refusal_against_the_figures_is_looked_into_soon_and_then_ever_more_rarely(
    governor: Governor, clock: Clock
) -> None:
    text = "TotalRequests Limit exceeded."
    waits_s = []
    for _ in range(9):
        waits_s.append(governor.refused(text, "api-usage=5/1000"))
        clock.now += LOOK_AGAIN_S
    assert waits_s == [10.0, 20.0, 40.0, 80.0, 160.0, 320.0, 640.0, 900.0, 900.0]
    assert governor.refused(text, "api-usage=1000/1000") == LOOK_AGAIN_S


def test_a_burst_backs_off_briefly_and_longer_each_time(governor: Governor, clock: Clock) -> None:
    text = "ConcurrentRequests (Concurrent API Requests) Limit exceeded."
    assert governor.refused(text) == 10.0
    assert governor.refused(text) == 10.0  # the others of the same burst say nothing new
    governor.heard("api-usage=1/1000")  # an answer to what was asked before
    assert allowed(governor) == {Priority.PEOPLE}
    for longer in (20.0, 40.0, 60.0, 60.0):
        clock.now += 60.0
        assert waits(governor, Priority.DELIVERY) is None
        assert governor.refused(text) == longer
    clock.now += 60.0
    governor.heard("api-usage=1/1000")
    assert governor.refused(text) == 10.0


def test_the_server_s_own_time_counts_and_is_clamped(governor: Governor) -> None:
    assert governor.refused("ConcurrentRequests Limit exceeded.", wait=3.0) == 3.0
    assert governor.refused("TotalRequests Limit exceeded.", wait=1e9) == 3600.0


def test_limits_are_learnt_from_their_own_resource(governor: Governor) -> None:
    governor.limits({"DailyApiRequests": {"Max": 1000, "Remaining": 300}})
    assert governor.gauges()["api_calls_used"] == 700.0
    assert governor.tight()
    for nonsense in (None, {}, {"DailyApiRequests": {"Max": "x"}}, {"DailyApiRequests": None}):
        governor.limits(nonsense)
    assert governor.gauges()["api_calls_used"] == 700.0


def test_bulk_batches_that_are_used_up_allow_no_job(governor: Governor) -> None:
    assert governor.jobs_left()
    governor.limits({"DailyBulkApiBatches": {"Max": 15000, "Remaining": 1}})
    assert governor.jobs_left()
    governor.limits({"DailyBulkApiBatches": {"Max": 15000, "Remaining": 0}})
    assert not governor.jobs_left()


async def test_every_answer_is_heard_and_a_delivery_beyond_the_share_is_not_sent(org: Org) -> None:
    def answer(asked: Asked) -> Answer:
        return 204, None, {"Sforce-Limit-Info": "api-usage=80/100"}

    org.http.answer = answer
    system = org.connect()
    assert system.gauges is not None
    first = await system.target.apply([update(ID, Phone="1")])
    second = await system.target.apply([update(ID, Phone="2")])
    assert [one.kind for one in (*first, *second)] == [OutcomeKind.ACCEPTED, OutcomeKind.RETRY]
    assert second[0].retry_after == pytest.approx(LOOK_AGAIN_S, abs=60)
    assert len(org.http.asked) == 1
    assert system.gauges() == {"api_calls_used": 80.0, "api_calls_limit": 100.0, "api_calls_reserve": 20.0}


async def test_commands_stay_ready_while_there_is_no_budget(org: Org) -> None:
    org.http.answer = lambda asked: (204, None, {"Sforce-Limit-Info": "api-usage=99/100"})
    system = org.connect()
    await system.target.prepare([update(ID)])
    await system.target.apply([update(ID, Phone="1")])
    await system.target.prepare([])
    with pytest.raises(Unreachable, match="delivery wait"):
        await system.target.prepare([update(ID)])


async def test_snapshots_stop_first_then_reads_then_deliveries_and_never_a_check(fresh: FreshOrg) -> None:
    system = fresh.connect()
    assert system.reader is not None
    (made,) = await system.target.apply([create(Name="Nordlicht")])
    await fresh.control("calls", {"used": 72, "limit": 100})
    assert (await system.target.apply([update(made.key, Phone="1")]))[0].kind is OutcomeKind.ACCEPTED
    with pytest.raises(Unreachable, match="confirm reads wait"):
        await system.reader.read("Account", [made.key or ""])
    assert (await system.target.apply([update(made.key, Phone="2")]))[0].kind is OutcomeKind.ACCEPTED
    await fresh.control("calls", {"used": 79, "limit": 100})
    await system.target.apply([update(made.key, Phone="3")])
    assert (await system.target.apply([update(made.key, Phone="4")]))[0].kind is OutcomeKind.RETRY
    checks = await system.probe.check()
    assert [one.name for one in checks if one.name == "login"] == ["login"]
    assert len([one for one in checks if one.ok]) > 5


async def test_a_restart_finds_the_budget_again_with_the_first_answer(fresh: FreshOrg) -> None:
    await fresh.control("calls", {"used": 95, "limit": 100})
    system = fresh.connect()
    assert system.gauges is not None
    assert system.gauges() == {}
    first = await system.target.apply([create(Name="Eins")])
    second = await system.target.apply([create(Name="Zwei")])
    assert [one.kind for one in (*first, *second)] == [OutcomeKind.ACCEPTED, OutcomeKind.RETRY]
    assert system.gauges()["api_calls_used"] == 96.0
    assert len(await fresh.writes("create")) == 1


async def test_used_up_calls_are_told_and_nothing_is_asked_again(fresh: FreshOrg) -> None:
    await fresh.control("calls", {"used": 100, "limit": 100})
    system = fresh.connect()
    for _ in range(3):
        (outcome,) = await system.target.apply([create(Name="Eins")])
        assert outcome.kind is OutcomeKind.RETRY
        assert outcome.retry_after == pytest.approx(LOOK_AGAIN_S, abs=60)
    assert await fresh.writes("create") == []
    assert "used up" in outcome.text
