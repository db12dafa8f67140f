"""The state machine: users, faults, crashes and the agent in any order, judged at the end."""

from __future__ import annotations

from typing import Any, ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tests.flow.judge import always, judge
from tests.flow.stories import BEGINNINGS, DEATHS, Operation
from tests.flow.systems.meanwhile import PLACES
from tests.flow.world import SYSTEMS, World

CUSTOMER = st.integers(0, 1)
SYSTEM = st.sampled_from(SYSTEMS)
#: What may happen while the agent waits for a system: users and the other loops do not stand still.
MEANWHILE: list[Operation] = [
    *(("edit_cloud", (0, name)) for name in ("Name", "Phone", "Note", "Terms")),
    *(("edit_erp", (0, name)) for name in ("terms", "phone", "note", "name")),
    ("edit_sap", (0, "AUFSD")),
    ("edit_sap", (0, "NAME1")),
    ("post", (True,)),
    ("post", (False,)),
    *(("intake", (system,)) for system in SYSTEMS),
    *(("hold", (system,)) for system in SYSTEMS),
    ("release", ("*",)),
]


def play(world: World, operations: list[Operation]) -> None:
    """Run a script, then judge."""
    for name, arguments in operations:
        getattr(world, name)(*arguments)
        always(world)
    judge(world)


class Machine(RuleBasedStateMachine):
    """Every rule is one operation of the world and is written down, so that a failure can be pinned."""

    last: ClassVar[list[Operation]] = []

    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self.script: list[Operation] = []
        self.steps = 0

    def do(self, name: str, *arguments: Any) -> None:
        """Write an operation down and do it."""
        self.script.append((name, arguments))
        Machine.last = self.script
        getattr(self.world, name)(*arguments)

    @initialize(beginning=st.sampled_from(BEGINNINGS))
    def begin(self, beginning: list[Operation]) -> None:
        for name, arguments in beginning:
            self.do(name, *arguments)

    @rule()
    def create(self) -> None:
        if len(self.world.customers) < 2:
            self.do("create")

    @rule(customer=CUSTOMER, name=st.sampled_from(["Name", "Phone", "Note", "Terms"]))
    def edit_cloud(self, customer: int, name: str) -> None:
        self.do("edit_cloud", customer, name)

    @rule(customer=CUSTOMER, name=st.sampled_from(["terms", "phone", "note", "name"]))
    def edit_erp(self, customer: int, name: str) -> None:
        self.do("edit_erp", customer, name)

    @rule(customer=CUSTOMER, name=st.sampled_from(["AUFSD", "AUFSD", "NAME1"]))
    def edit_sap(self, customer: int, name: str) -> None:
        self.do("edit_sap", customer, name)

    @rule(customer=CUSTOMER)
    def book_document(self, customer: int) -> None:
        self.do("book_document", customer)

    @rule(document=st.integers(0, 3))
    def pay_document(self, document: int) -> None:
        self.do("pay_document", document)

    @rule(keep_loser=st.booleans())
    def person_rules(self, keep_loser: bool) -> None:
        self.do("rule", keep_loser)

    @rule(index=st.integers(0, 5))
    def gap(self, index: int) -> None:
        self.do("gap", index)

    @rule(index=st.integers(0, 5))
    def overflow(self, index: int) -> None:
        self.do("overflow", index)

    @rule(index=st.integers(0, 5))
    def undecodable(self, index: int) -> None:
        self.do("undecodable", index)

    @rule(on=st.booleans())
    def flow(self, on: bool) -> None:
        self.do("flow", on)

    @rule(
        system=st.sampled_from(["sf", "erp"]),
        kind=st.sampled_from(["busy", "never-arrived", "late", "answer-lost", "refused"]),
    )
    def fault(self, system: str, kind: str) -> None:
        self.do("fault", system, kind)

    @rule(
        place=st.sampled_from([("sf", "Terms"), ("sf", "Phone"), ("sf", "Amount"), ("erp", "name")]),
        gone=st.booleans(),
    )
    def lack(self, place: tuple[str, str], gone: bool) -> None:
        self.do("lack", *place, gone)

    @rule(never=st.booleans())
    def refuse(self, never: bool) -> None:
        self.do("reject" if never else "refuse")

    @rule(system=st.sampled_from([*SYSTEMS, "*"]))
    def hold(self, system: str) -> None:
        self.do("hold", system)

    @rule(system=st.sampled_from([*SYSTEMS, "*"]))
    def release(self, system: str) -> None:
        self.do("release", system)

    @rule(floor=st.integers(0, 1))
    def limit(self, floor: int) -> None:
        self.do("limit", floor)

    @rule()
    def approve(self) -> None:
        self.do("approve")

    @rule()
    def retry(self) -> None:
        self.do("retry")

    @rule(kind=st.sampled_from(sorted(DEATHS)), place=st.integers(0, 20), hit=st.sampled_from([1, 1, 2]))
    def die(self, kind: str, place: int, hit: int) -> None:
        arguments = {"rule": (True,), "restart": ()}.get(
            kind, (SYSTEMS[place % 3 % (2 + (kind != "confirm"))],)
        )
        self.do("crash_at", DEATHS[kind][place % len(DEATHS[kind])], hit)
        self.do(kind, *arguments)

    @rule(place=st.sampled_from(PLACES), happens=st.sampled_from(MEANWHILE))
    def meanwhile(self, place: str, happens: Operation) -> None:
        system, _, call = place.partition(".")
        name, arguments = happens
        if (name, arguments, call) == ("intake", (system,), "read"):
            return  # one loop reads a source
        self.do("happens_at", place, name, *arguments)
        self.do({"read": "intake", "confirm": "confirm"}.get(call, "deliver"), system)

    @rule(system=SYSTEM)
    def intake(self, system: str) -> None:
        self.do("intake", system)

    @rule(system=SYSTEM)
    def deliver(self, system: str) -> None:
        self.do("deliver", system)

    @rule(system=st.sampled_from(["sf", "erp"]))
    def confirm(self, system: str) -> None:
        self.do("confirm", system)

    @rule(index=st.integers(0, 50))
    def redeliver(self, index: int) -> None:
        self.do("redeliver", index)

    @rule(echo=st.booleans())
    def post(self, echo: bool) -> None:
        self.do("post", echo)

    @rule()
    def finish_late(self) -> None:
        self.do("finish_late")

    @rule()
    def restart(self) -> None:
        self.do("restart")

    @rule(seconds=st.sampled_from([0.01, 0.4, 1.2, 5.0, 130.0]))
    def wait(self, seconds: float) -> None:
        self.do("wait", seconds)

    @rule()
    def sweep(self) -> None:
        self.do("sweep")

    @rule()
    def settle(self) -> None:
        self.do("settle")

    @invariant()
    def nothing_twice(self) -> None:
        always(self.world)

    def teardown(self) -> None:
        try:
            judge(self.world)
        finally:
            self.world.close()
