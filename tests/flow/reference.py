"""Reference scenarios: all three systems, conflicts on shared fields, documents in a lane, answers, faults.

Crash tests play them once per place where the agent can die.
"""

from __future__ import annotations

from collections import Counter

from agent import failpoints
from tests.flow.judge import judge
from tests.flow.stories import Operation
from tests.flow.world import World

#: One round of every loop, in an order in which news meet commands that are on their way.
ROUND: list[Operation] = [
    ("intake", ("sf",)),
    ("deliver", ("erp",)),
    ("deliver", ("sap",)),
    ("intake", ("erp",)),
    ("post", (True,)),
    ("intake", ("sap",)),
    ("deliver", ("sf",)),
    ("wait", (1.2,)),
    ("confirm", ("sf",)),
    ("confirm", ("erp",)),
    ("snapshot", ("sf",)),
]

SCENARIO: list[Operation] = [
    ("pace", (1.1,)),
    ("create", ()),
    *ROUND,
    ("create", ()),
    ("edit_cloud", (0, "Name")),
    *ROUND,
    ("edit_cloud", (0, "Phone")),
    ("edit_erp", (0, "phone")),
    ("edit_cloud", (1, "Note")),
    ("edit_erp", (1, "note")),
    ("edit_erp", (0, "terms")),
    ("edit_sap", (0, "AUFSD")),
    *ROUND,
    ("book_document", (0,)),
    ("fault", ("sf", "answer-lost")),
    ("book_document", (0,)),
    ("fault", ("erp", "answer-lost")),
    ("edit_cloud", (0, "Name")),
    *ROUND,
    ("rule", (True,)),
    ("refuse", ()),
    ("edit_cloud", (1, "Name")),
    *ROUND,
    ("post", (False,)),
    ("pay_document", (1,)),
    ("gap", (0,)),
    ("fault", ("sf", "late")),
    *ROUND,
    ("wait", (130.0,)),
    *ROUND,
    ("edit_cloud", (1, "Terms")),
    ("overflow", (0,)),
    ("lists", (True,)),
    ("sweep", ()),
    ("restart", ()),
    *ROUND,
]

#: What happens seldom. Much of it makes the agent read everything anew, which would hide what was lost
#: before: so it has a scenario of its own.
RARE: list[Operation] = [
    ("pace", (1.1,)),
    ("create", ()),
    *ROUND,
    ("create", ()),
    *ROUND,
    ("edit_sap", (0, "AUFSD")),
    ("edit_cloud", (0, "Name")),
    ("intake", ("sf",)),
    ("fault", ("erp", "refused")),
    *ROUND,
    ("edit_cloud", (1, "Name")),
    ("undecodable", (0,)),
    ("intake", ("sf",)),
    ("settle_exception", ("undecodable",)),
    ("lose_epoch", ()),
    ("begin_loops", ()),
    ("lose_position", ()),
    ("create", ()),
    *[("intake", ("sf",))] * 20,
    ("twin", (2,)),
    *ROUND,
    ("delete_erp", (2,)),
    *ROUND,
    ("resolve", ("recreate",)),
    ("retry", ()),
    *ROUND,
    ("edit_cloud", (0, "Name")),
    ("intake", ("sf",)),
    ("happens_at", ("erp.prepare", "hold", "erp")),
    ("deliver", ("erp",)),
    ("deliver", ("erp",)),
    ("release", ("erp",)),
    *ROUND,
    ("edit_cloud", (0, "Name")),
    ("intake", ("sf",)),
    ("happens_at", ("erp.prepare", "silence", "erp", True)),
    ("deliver", ("erp",)),
    ("silence", ("erp", False)),
    *ROUND,
    ("lists", (True,)),
    ("look_for_missed", ("sf",)),
    ("wait", (3_700.0,)),
    ("edit_cloud", (0, "Name")),
    ("look_for_missed", ("sf",)),
    *ROUND,
    ("create", ()),
    ("unasked", ()),
    *ROUND,
]


#: Name → script.
SCENARIOS: dict[str, list[Operation]] = {"reference": SCENARIO, "rare": RARE}


def places(scenario: str) -> Counter[str]:
    """Every failpoint that a scenario passes, and how often."""
    world = World()
    failpoints.watch()
    try:
        for name, arguments in SCENARIOS[scenario]:
            getattr(world, name)(*arguments)
        return Counter(failpoints.hits)
    finally:
        world.close()


def crashed(scenario: str, place: str, hit: int) -> None:
    """Play a scenario with the agent dying at a failpoint's n-th hit, then judge."""
    world = World()
    try:
        world.crash_at(place, hit)
        for name, arguments in SCENARIOS[scenario]:
            getattr(world, name)(*arguments)
        assert world.crashes == 1, f"nothing died at {place}"
        judge(world)
    finally:
        world.close()
