"""Which life may act: judged by what a witness saw last (I22)."""

from __future__ import annotations

import itertools
from copy import deepcopy
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.core.delivery import Mark
from agent.core.fence import Past, Verdict, judge

pytestmark = pytest.mark.invariant("I22")

PAST = Past("now", 3, False, {"first": 10, "second": 20, "now": 25})
MINE = Mark("now", 3, 25, "alpha")


@pytest.mark.parametrize(
    ("seen", "verdict"),
    [
        (Mark(), Verdict.TAKE),
        (Mark("first", 2, 9), Verdict.TAKE),
        (Mark("second", 3, 20), Verdict.TAKE),
        (Mark("second", 3, 21), Verdict.RENEW),
        (Mark("elsewhere", 3, 5), Verdict.RENEW),
        (Mark("elsewhere", 2, 5), Verdict.RENEW),
        (Mark("", 7, 0), Verdict.RENEW),
        (Mark("now", 3, 30), Verdict.RENEW),
    ],
)
def test_a_life_that_was_not_there_yet(seen: Mark, verdict: Verdict) -> None:
    assert judge(PAST, seen, (), registered=False) is verdict


@pytest.mark.parametrize(
    ("seen", "verdict"),
    [
        (MINE, Verdict.STANDS),
        (replace(MINE, token=26), Verdict.RENEW),
        (replace(MINE, token=24), Verdict.RENEW),
        (Mark("second", 3, 20), Verdict.RENEW),
        (Mark(), Verdict.RENEW),
        (Mark("elsewhere", 4, 30, "beta"), Verdict.FENCED),
    ],
)
def test_a_life_that_was_there(seen: Mark, verdict: Verdict) -> None:
    assert judge(PAST, seen, {MINE}, registered=True) is verdict


def test_while_an_answer_is_lost_either_mark_may_stand() -> None:
    later = replace(MINE, token=30)
    for seen in (MINE, later):
        assert judge(PAST, seen, {MINE, later}, registered=True) is Verdict.STANDS


@pytest.mark.parametrize("seen", [Mark("elsewhere", 2, 90), Mark("second", 2, 90)])
def test_a_renewed_epoch_takes_over_from_what_it_has_given_up(seen: Mark) -> None:
    renewed = replace(PAST, renewed=True)
    assert judge(renewed, seen, (), registered=False) is Verdict.TAKE
    assert judge(renewed, replace(seen, epoch=3), (), registered=False) is Verdict.RENEW


@dataclass
class Copy:
    """A store with an agent on it, and which effects at the system it knows of."""

    lives: list[tuple[str, int]] = field(default_factory=list)
    token: int = 0
    epoch: int = 1
    renewed: bool = False
    knows: set[int] = field(default_factory=set)
    wrote: set[Mark] = field(default_factory=set)
    registered: bool = False
    over: bool = False

    @property
    def past(self) -> Past:
        """What the store knows of itself."""
        ends = dict(
            zip((life for life, _ in self.lives), [t for _, t in self.lives[1:]] + [self.token], strict=True)
        )
        return Past(self.lives[-1][0], self.epoch, self.renewed, ends)

    @property
    def mark(self) -> Mark:
        """What it would write now."""
        return Mark(self.lives[-1][0], self.epoch, self.token)


class Play:
    """One system, its witness, and stores that are started, copied and put back."""

    def __init__(self) -> None:
        self.names, self.effects = itertools.count(), itertools.count()
        self.done: set[int] = set()
        self.mark = Mark()
        self.copied = False
        self.agents = [Copy()]
        self.start(self.agents[0])

    def start(self, agent: Copy) -> None:
        """A life begins, in the memory of a new process."""
        agent.lives.append((f"life{next(self.names)}", agent.token))
        agent.wrote, agent.registered = set(), False

    def act(self, agent: Copy) -> None:
        """Work, ask, and have an effect at the system if that is allowed."""
        agent.token += 1
        verdict = judge(agent.past, self.mark, agent.wrote, registered=agent.registered)
        if verdict is Verdict.FENCED:
            agent.over = True
            return
        if verdict is Verdict.RENEW:
            assert self.copied, "a restart is no restore"
            agent.epoch, agent.renewed = max(agent.epoch, self.mark.epoch) + 1, True
            agent.token += 1
            self.start(agent)
            agent.knows = set(self.done)  # everything is read again
            assert judge(agent.past, self.mark, (), registered=False) is Verdict.TAKE, "and that ends it"
        assert self.done <= agent.knows, "it acts on what it does not know"
        self.mark = agent.mark
        agent.wrote, agent.registered = {self.mark}, True
        effect = next(self.effects)
        self.done.add(effect)
        agent.knows.add(effect)


@settings(max_examples=300, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["act", "act", "idle", "restart", "clone", "freeze", "put back"]),
            st.integers(0, 9),
        ),
        max_size=40,
    )
)
def test_nobody_acts_on_a_store_that_is_older_than_what_was_done(script: list[tuple[str, int]]) -> None:
    """Copies at rest and of running machines, put back or woken up beside the original, in any order."""
    play = Play()
    frozen = [deepcopy(play.agents[0])]
    for what, which in script:
        agent = play.agents[which % len(play.agents)]
        match what:
            case "act" if not agent.over:
                play.act(agent)
            case "idle":
                agent.token += which
            case "restart" if not agent.over:
                play.start(agent)
            case "freeze":
                frozen.append(deepcopy(agent))
            case "clone" | "put back":
                play.copied = True
                woken = deepcopy(frozen[which % len(frozen)])
                if which % 2:
                    play.start(woken)  # else the machine goes on in the middle of its life
                if what == "put back":
                    play.agents[play.agents.index(agent)] = woken
                elif len(play.agents) < 3:
                    play.agents.append(woken)


def test_two_that_are_awake_do_not_take_it_from_each_other_for_ever() -> None:
    """Whoever starts last goes on; the other one is over at its next step, and stays over."""
    play = Play()
    first = play.agents[0]
    play.act(first)
    second = deepcopy(first)
    play.copied = True
    play.start(second)
    play.act(second)
    play.act(first)
    assert first.over
    play.act(second)
    assert not second.over
