"""What every scenario has in its hands, and what a scenario is."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from agent.operations.text import status_text
from agent.operations.verdict import verdict
from agent.operations.wire import Status
from tests.faults.salesforce.history import History, positions
from tests.journey.people import Customer, SalesforcePeople
from tests.journey.site import Site
from tests.waiting import first

T = TypeVar("T")
#: Seconds after which something that was to happen has not.
PATIENCE_S = 30.0
#: Seconds between two looks: asking costs the agent something too.
LOOK_S = 0.15


class FellShort(Exception):
    """The product did not do what it has to do; the text says what was seen instead."""


@dataclass(frozen=True, slots=True)
class Restart:
    """What was when the agent was killed: the committed positions, and how many subscriptions were before."""

    positions: Mapping[str, bytes]
    subscriptions: int


class Scene:
    """The running site of one scenario, the org's history, and customers that are everywhere already."""

    def __init__(self, site: Site, history: History) -> None:
        self.site = site
        self.history = history
        self.customers: list[Customer] = []
        self.checks: list[Callable[[], None]] = []
        self.restarts: list[Restart] = []
        self.closing: list[Callable[[], None]] = []
        self.typed: dict[Customer, dict[str, object]] = {}
        self.counts: dict[str, int] = {}
        self._numbers = iter(range(900, 800, -1))

    @property
    def crm(self) -> SalesforcePeople:
        """Somebody in Salesforce."""
        return self.site.crm

    def edit(self, customer: Customer, **fields: str) -> None:
        """Somebody in Salesforce saves fields that Salesforce owns; they must be everywhere in the end."""
        self.crm.edit("Account", customer.account, **fields)
        self.typed.setdefault(customer, {}).update(fields)

    def number(self) -> str:
        """A customer number of the scenario's own: business goes on upwards from the highest it finds."""
        return f"C-{next(self._numbers):06d}"

    def born(self) -> tuple[str, str]:
        """Somebody enters a customer under a number that nobody else uses: its number and its id."""
        number = self.number()
        fields = {"AccountNumber": number, "Name": f"Spätling {number}", "BillingCity": "Köln"}
        return number, self.crm.create("Account", **fields, BillingCountry="DE")

    def lasts(self, seconds: float) -> None:
        """Let the fault stand for a while; business goes on."""
        end = time.monotonic() + seconds
        until(lambda: time.monotonic() >= end, "the end of a pause", seconds + 5)

    def retry(self, kind: str) -> None:
        """A person has seen to it: what was refused is tried again, if no later change of it got through."""
        for item in self.site.exceptions(kind):
            done = self.site.cli("exceptions", "retry", str(item.id), "--reason", "seen to")
            open_ = {one.id for one in self.site.exceptions(kind)}
            holds(
                done.code == 0 or item.id not in open_, f"exceptions retry {item.id}: {done.out} {done.err}"
            )
        until(lambda: not self.site.exceptions(kind), f"no more exceptions of kind {kind}")

    def let_go(self) -> None:
        """The scenario ends in the midst of its fault: nobody may be kept waiting by it."""

    def finally_(self, check: Callable[[], None]) -> None:
        """Look at this when everything is at rest and the agent has stopped."""
        self.checks.append(check)

    def status(self) -> tuple[Status, str]:
        """The status, and its text as `isthmus status` prints it."""
        found = self.site.stage.status()
        return found, status_text(found, verdict(found))

    @property
    def judged(self) -> int:
        """The exit code that `isthmus status` would have now."""
        return int(verdict(self.site.stage.status()).code)

    def state_of(self, system: str) -> str:
        """How the agent says that a system is: up, degraded or down."""
        return next(each.state for each in self.status()[0].systems if each.name == system)

    def kill(self) -> None:
        """kill -9, and a new start."""
        agent = self.site.stage.agent
        assert agent is not None
        agent.kill()
        agent.wait()
        self._again()

    def died(self, failpoint: str, within_s: float = PATIENCE_S) -> None:
        """Wait for the agent to be killed where it was told to, then start it anew."""
        agent = self.site.stage.agent
        assert agent is not None
        until(lambda: agent.poll() is not None, f"the agent passing {failpoint}", within_s)
        self._again()

    def _again(self) -> None:
        """Note what stands in the dead agent's store, and start it."""
        subscribed = len(self.history.subscriptions())
        self.restarts.append(Restart(positions(self.site.stage.state), subscribed))
        self.site.stage.start_agent()
        self.site.stage.wait_for_agent()


def until(look: Callable[[], T | None], what: str, within_s: float = PATIENCE_S) -> T:
    """The first thing found that is neither None nor False. Raises FellShort saying what never came."""
    found = first(look, within_s, LOOK_S)
    if found is None:
        raise FellShort(f"not within {within_s:.0f} s: {what}")
    return found


def holds(condition: bool, text: str) -> None:
    """Raises FellShort unless the condition is met."""
    if not condition:
        raise FellShort(text)


S = TypeVar("S", bound=Scene)


@dataclass(frozen=True, slots=True)
class Scenario(Generic[S]):
    """One fault. ``play`` begins it, yields while it stands, and ends it.

    row      the row of the fault list that it belongs to
    says     pattern of the one line of the status that names it while it stands; "" where none is due
    does     pattern in the same line: what to do; "" where nothing is to be done
    logs     pattern of a line of the log, for what passes by itself
    leaves   kinds of exceptions that a person closes afterwards
    settings further configuration of the system;  kills: whether the agent is killed too while it stands
    lasting  whether the fault stands for an agent that is started anew, too
    bounces  whether the org alters what was written, so that it is written again
    others   whether anybody works besides the scenario
    prepare  done before the agent is started
    edits    whether business edits what Salesforce owns; else the scenario does, by ``Scene.edit``
    system   the one that ails; no other may
    """

    name: str
    row: str
    play: Callable[[S], Iterator[None]]
    says: str = ""
    does: str = ""
    logs: str = ""
    leaves: frozenset[str] = frozenset()
    settings: Mapping[str, object] = field(default_factory=dict)
    kills: bool = True
    edits: bool = True
    others: bool = True
    lasting: bool = True
    bounces: bool = False
    prepare: Callable[[S], None] | None = None
    system: str = "salesforce"

    @property
    def what(self) -> str:
        """What happens, in a sentence."""
        return (self.play.__doc__ or "").strip()


#: What somebody is to do, or that nobody has to do anything.
REMEDY = r"\b(check|set|ask|give|restart|allow|enable|find|renew|put|map|tried again|next (try|login))\b"
