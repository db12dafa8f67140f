"""Which life may act: judged by what a witness saw last (I22)."""

from __future__ import annotations

import itertools
from copy import deepcopy
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.core.delivery import Mark
from agent.core.fence import Past, Shown, Verdict, judge

pytestmark = pytest.mark.invariant("I22")

PAST = Past(
    "now",
    3,
    False,
    ("first", "second", "now"),
    (
        Shown("first", 10, "a1", held=True),
        Shown("first", 12, "a2"),
        Shown("second", 20, "b1", held=True),
        Shown("second", 22, "b2"),
    ),
)
MINE = Mark("now", 3, 25, "alpha", "c1")


@pytest.mark.parametrize(
    ("seen", "verdict"),
    [
        (Mark("second", 3, 20, stamp="b1"), Verdict.TAKE),  # the last one that was held
        (Mark("second", 3, 22, stamp="b2"), Verdict.TAKE),  # tried behind it
        (Mark("first", 2, 10, stamp="a1"), Verdict.RENEW),  # the system was put back
        (Mark("first", 2, 12, stamp="a2"), Verdict.RENEW),
        (Mark("second", 3, 20, stamp="b9"), Verdict.RENEW),  # our number, but not our doing
        (Mark("second", 3, 20, stamp="a1"), Verdict.RENEW),
        (Mark("second", 3, 15), Verdict.RENEW),  # the beginning of a life that has had effects since
        (Mark(), Verdict.RENEW),
        (Mark("elsewhere", 3, 5, stamp="e1"), Verdict.RENEW),
        (Mark("elsewhere", 2, 5), Verdict.RENEW),
        (Mark("", 7, 0), Verdict.RENEW),
        (Mark("now", 3, 30, stamp="c9"), Verdict.RENEW),
    ],
)
def test_a_life_that_was_not_there_yet(seen: Mark, verdict: Verdict) -> None:
    assert judge(PAST, seen, (), registered=False) is verdict


@pytest.mark.parametrize(
    ("seen", "verdict"),
    [
        (Mark(), Verdict.TAKE),
        (Mark("first", 2, 0), Verdict.TAKE),
        (Mark("second", 2, 9), Verdict.TAKE),
        (Mark("first", 2, 1, stamp="a1"), Verdict.TAKE),
        (Mark("first", 2, 1, stamp="a2"), Verdict.RENEW),
        (Mark("elsewhere", 2, 0), Verdict.RENEW),
    ],
)
def test_a_system_that_never_certainly_had_a_mark_of_ours(seen: Mark, verdict: Verdict) -> None:
    tried = replace(PAST, shown=(Shown("first", 1, "a1"),))
    assert judge(tried, seen, (), registered=False) is verdict


def test_a_life_that_only_read_there_stands_behind_the_last_one_that_had_an_effect() -> None:
    past = replace(PAST, lived=("first", "second", "third", "now"))
    assert judge(past, Mark("third", 3, 23), (), registered=False) is Verdict.TAKE


@pytest.mark.parametrize(
    ("seen", "verdict"),
    [
        (MINE, Verdict.STANDS),
        (replace(MINE, stamp="c2"), Verdict.RENEW),
        (replace(MINE, token=24), Verdict.RENEW),
        (Mark("second", 3, 20, stamp="b1"), Verdict.RENEW),
        (Mark(), Verdict.RENEW),
        (Mark("elsewhere", 4, 30, "beta"), Verdict.FENCED),
    ],
)
def test_a_life_that_was_there(seen: Mark, verdict: Verdict) -> None:
    assert judge(PAST, seen, {MINE}, registered=True) is verdict


def test_while_an_answer_is_lost_either_mark_may_stand() -> None:
    later = replace(MINE, token=30, stamp="c2")
    for seen in (MINE, later):
        assert judge(PAST, seen, {MINE, later}, registered=True) is Verdict.STANDS


@pytest.mark.parametrize("seen", [Mark("elsewhere", 2, 90), Mark("second", 2, 90, stamp="b9")])
def test_a_renewed_epoch_takes_over_from_what_it_has_given_up(seen: Mark) -> None:
    renewed = replace(PAST, renewed=True)
    assert judge(renewed, seen, (), registered=False) is Verdict.TAKE
    assert judge(renewed, replace(seen, epoch=3), (), registered=False) is Verdict.RENEW


@dataclass
class Copy:
    """A store with an agent on it, and which effects at the system it knows of.

    ``known``, ``wrote`` and ``registered`` are in the memory of its process.
    """

    lives: list[str] = field(default_factory=list)
    begun: list[int] = field(default_factory=list)
    token: int = 0
    epoch: int = 1
    renewed: bool = False
    unread: bool = False
    knows: set[int] = field(default_factory=set)
    shown: list[Shown] = field(default_factory=list)
    known: Mark | None = None
    wrote: set[Mark] = field(default_factory=set)
    registered: bool = False
    over: bool = False

    @property
    def now(self) -> Mark:
        """The mark under which it reads, or has its next effect."""
        mine = [one for one in self.shown if one.life == self.lives[-1]]
        now = mine[-1] if mine else Shown(self.lives[-1], self.begun[-1], "")
        return Mark(now.life, self.epoch, now.token, "", now.stamp)

    def judge(self, seen: Mark) -> Verdict:
        """What its store and its process make of what stands there."""
        past = Past(self.lives[-1], self.epoch, self.renewed, self.lives, self.shown)
        return judge(past, seen, self.wrote, registered=self.registered)

    def hold(self, mark: Mark) -> None:
        """The system certainly had this mark."""
        self.shown = [replace(one, held=one.held or one.stamp == mark.stamp) for one in self.shown]


class Play:
    """One system, its witness, and stores that are started, copied and put back."""

    def __init__(self) -> None:
        self.names, self.effects, self.stamps = itertools.count(), itertools.count(), itertools.count()
        self.done: set[int] = set()
        self.mark = Mark()
        self.copied = False
        self.agents = [Copy()]
        self.start(self.agents[0])

    def start(self, agent: Copy) -> None:
        """A life begins, in the memory of a new process."""
        agent.lives.append(f"life{next(self.names)}")
        agent.begun.append(agent.token)
        agent.known, agent.wrote, agent.registered = None, set(), False

    def ask(self, agent: Copy) -> bool:
        """See what stands there; whether this life may go on."""
        if agent.known is not None:
            return True
        match agent.judge(self.mark):
            case Verdict.FENCED:
                agent.over = True
                return False
            case Verdict.RENEW:
                assert self.copied, "a restart is no restore"
                agent.epoch, agent.renewed = max(agent.epoch, self.mark.epoch) + 1, True
                agent.token += 1
                self.start(agent)
                agent.unread = True
                assert agent.judge(self.mark) is Verdict.TAKE, "and that ends it"
            case Verdict.STANDS:
                agent.registered = True
                agent.hold(self.mark)
                self.read_again(agent)
            case Verdict.TAKE if not agent.renewed:
                agent.hold(self.mark)
        agent.known = self.mark
        return True

    def read_again(self, agent: Copy) -> None:
        """A new epoch reads everything, once it stands there."""
        if agent.unread:
            agent.knows, agent.unread = set(self.done), False

    def take(self, agent: Copy, mark: Mark, line: str) -> bool:
        """Compare and set; ``line``: "up", "down" before it arrives, or "lost" on the way back."""
        expected, agent.known = agent.known, None
        agent.wrote.add(mark)
        if line == "down":
            return False
        if self.mark == expected:
            self.mark = mark
            if line == "lost":
                return False
            agent.known, agent.wrote, agent.registered = mark, {mark}, True
            agent.hold(mark)
            self.read_again(agent)
            return True
        return False

    def read(self, agent: Copy, line: str) -> None:
        """Show itself before it reads."""
        if agent.known is None and self.ask(agent):
            self.take(agent, agent.now, line)

    def act(self, agent: Copy, line: str = "up") -> None:
        """Work, keep the mark, show it, and have an effect at the system if that is allowed."""
        if not self.ask(agent):
            return
        agent.token += 1
        shown = Shown(agent.lives[-1], agent.token, f"s{next(self.stamps)}")
        agent.shown = [*agent.shown, shown]
        mark = agent.now
        if not self.take(agent, mark, line) and (line != "up" or not self.again(agent, mark)):
            return
        assert self.done <= agent.knows, "it acts on what it does not know"
        effect = next(self.effects)
        self.done.add(effect)
        agent.knows.add(effect)

    def again(self, agent: Copy, mark: Mark) -> bool:
        """The mark changed under its hands: it looks again."""
        life = agent.lives[-1]
        return self.ask(agent) and agent.lives[-1] == life and self.take(agent, mark, "up")


OPERATIONS = ["act", "act", "lost", "down", "read", "idle", "restart", "clone", "freeze", "put back"]
Script = list[tuple[str, int]]

#: What was found, by what was wrong.
FOUND: dict[str, Script] = {
    "a machine put back in its life that counts past what it did, and starts again before it asks": [
        ("act", 4),
        ("put back", 2),
        ("idle", 5),
        ("restart", 7),
        ("act", 4),
    ],
    "the same, and it tried to ask": [
        ("act", 0),
        ("put back", 0),
        ("idle", 9),
        ("down", 0),
        ("restart", 0),
        ("act", 0),
    ],
    "the same number again, and the answer is lost": [
        ("act", 0),
        ("freeze", 0),
        ("act", 0),
        ("put back", 1),
        ("down", 0),
        ("act", 0),
    ],
}


def run(script: Script) -> None:
    """Play it; raises AssertionError where somebody acts who must not."""
    play = Play()
    frozen = [deepcopy(play.agents[0])]
    for what, which in script:
        agent = play.agents[which % len(play.agents)]
        match what:
            case "act" | "lost" | "down" if not agent.over:
                play.act(agent, "up" if what == "act" else what)
            case "read" if not agent.over:
                play.read(agent, ("up", "lost", "down")[which % 3])
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


@settings(max_examples=400, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.tuples(st.sampled_from(OPERATIONS), st.integers(0, 9)), max_size=40))
def test_nobody_acts_on_a_store_that_is_older_than_what_was_done(script: Script) -> None:
    """Copies at rest and of running machines, put back or woken up beside the original, in any order."""
    run(script)


@pytest.mark.parametrize("name", FOUND)
def test_what_was_once_found_stays_found(name: str) -> None:
    run(FOUND[name])


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
