"""Stories: random scripts with the weight where faults live, and how a failing one is made short."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

from tests.flow.systems.meanwhile import PLACES

Operation = tuple[str, tuple[Any, ...]]
SYSTEMS = ("sf", "erp", "sap")
CLOUD_FIELDS = ("Name", "Phone", "Phone", "Note", "Terms")
ERP_FIELDS = ("terms", "phone", "phone", "note", "name")
SAP_FIELDS = ("AUFSD", "AUFSD", "NAME1")
FAULTS = ("busy", "never-arrived", "late", "answer-lost", "answer-lost", "refused")
PAUSES = (0.01, 0.4, 1.2, 5.0, 130.0)

BORN: list[Operation] = [("create", ()), ("settle", ())]
#: How a story may begin: nothing there, or customers that everybody holds, written to slowly or at once.
BEGINNINGS: list[list[Operation]] = [
    [],
    [("pace", (3.5,))],
    BORN,
    [("pace", (3.5,)), *BORN],
    [("pace", (3.5,)), ("events_at_once", (1,)), *BORN],
    [("pace", (1.1,)), *BORN, *BORN, ("book_document", (0,))],
    [*BORN, ("flow", (True,))],
    [("second_erp", ()), ("pace", (3.5,)), *BORN],
    [("second_erp", ()), *BORN, *BORN],
    [("limit", (1,)), *BORN],
    [*BORN, *BORN, ("limit", (0,))],
]

COMMIT = ("before_commit", "after_commit")
SENDING = ("take", "sent", "outcome", "resolve")
#: The failpoints that an operation of the agent passes.
DEATHS: dict[str, list[str]] = {
    "intake": [f"intake.{side}" for side in (*COMMIT, "before_ack", "after_ack")],
    "deliver": [
        *(f"delivery.{label}.{side}" for label in SENDING for side in COMMIT),
        *(f"delivery.{place}" for place in ("after_prepare", "before_apply", "after_apply")),
        "blind.before_rename",
        "blind.after_rename",
    ],
    "confirm": [f"confirm.{side}" for side in COMMIT],
    "snapshot": [
        f"{label}.{side}" for label in ("snapshot", "snapshot.spare", "snapshot.done") for side in COMMIT
    ],
    "rule": [f"ruling.{side}" for side in COMMIT],
    "restart": [f"recovery.{side}" for side in COMMIT],
}

Draw = Callable[[random.Random], list[Operation]]


def _agent(chance: random.Random) -> Operation:
    kind = chance.choice(("intake", "intake", "deliver", "deliver", "confirm"))
    return kind, (chance.choice(("sf", "erp") if kind == "confirm" else SYSTEMS),)


def _user(chance: random.Random) -> Operation:
    customer = int(chance.random() < 0.25)
    match chance.randrange(5):
        case 0 | 1:
            return "edit_cloud", (customer, chance.choice(CLOUD_FIELDS))
        case 2 | 3:
            return "edit_erp", (customer, chance.choice(ERP_FIELDS))
        case _:
            return "edit_sap", (customer, chance.choice(SAP_FIELDS))


def _death(chance: random.Random) -> list[Operation]:
    kind = chance.choice(tuple(DEATHS))
    operation: Operation
    match kind:
        case "rule":
            operation = kind, (chance.random() < 0.5,)
        case "restart":
            operation = kind, ()
        case "confirm" | "snapshot":
            operation = kind, (chance.choice(("sf", "erp")),)
        case _:
            operation = kind, (chance.choice(SYSTEMS),)
    return [("crash_at", (chance.choice(DEATHS[kind]), chance.choice((1, 1, 1, 2)))), operation]


def _death_with_news(chance: random.Random) -> list[Operation]:
    """The agent dies while it takes what somebody has just written."""
    written = _user(chance)
    system = {"edit_cloud": "sf", "edit_erp": "erp", "edit_sap": "sap"}[written[0]]
    return [written, ("crash_at", (chance.choice(DEATHS["intake"]), 1)), ("intake", (system,))]


def _late_request(chance: random.Random) -> list[Operation]:
    """The cloud goes on working on a request whose answer was given up, while its values change again."""
    written = _user(chance)
    while written[0] == "edit_cloud":
        written = _user(chance)
    system = {"edit_erp": "erp", "edit_sap": "sap"}[written[0]]
    news: list[Operation] = [written, ("intake", (system,))]
    tried: list[Operation] = [("deliver", ("sf",)), ("wait", (chance.choice((1.2, 5.0)),))]
    told: list[Operation] = [*news, *tried, ("confirm", ("sf",)), *tried]
    last: list[Operation] = [("finish_late", ())] if chance.random() < 0.5 else [("wait", (130.0,))]
    return [("fault", ("sf", "late")), *news, *tried, *told, *last]


def _meanwhile(chance: random.Random) -> list[Operation]:
    place = chance.choice(PLACES)
    system, _, call = place.partition(".")
    happens = _user(chance)
    if chance.random() < 0.5:
        others = SYSTEMS if call != "read" else tuple(s for s in SYSTEMS if s != system)
        happens = chance.choice(
            [("intake", (chance.choice(others),)), ("post", (True,)), ("finish_late", ())]
        )
    waiting = {"read": "intake", "confirm": "confirm"}.get(call, "deliver")
    return [("happens_at", (place, happens[0], *happens[1])), (waiting, (system,))]


def _burst(chance: random.Random) -> list[Operation]:
    """Someone corrects what was just written, before anybody saw it."""
    return [_user(chance)] * 2


def _written_and_read(chance: random.Random) -> list[Operation]:
    """Something is sent to a system and read back there, while its own news still wait in the stream."""
    if chance.random() < 0.5:
        first = [_user(chance), ("intake", ("erp",)), ("deliver", ("sf",))]
        return [*first, ("wait", (chance.choice((1.2, 5.0)),)), ("confirm", ("sf",)), ("deliver", ("erp",))]
    first = [_user(chance), ("intake", ("sf",)), ("deliver", ("erp",))]
    return [*first, ("wait", (chance.choice((1.2, 5.0)),)), ("confirm", ("erp",)), ("deliver", ("sf",))]


def _spoil(chance: random.Random) -> list[Operation]:
    spoilt: list[Operation] = [
        (chance.choice(("gap", "gap", "overflow", "undecodable")), (chance.randrange(4),))
    ]
    if chance.random() < 0.4:
        spoilt += [("intake", ("sf",)), ("snapshot", ("sf",))]
    return spoilt


def _fault(chance: random.Random) -> list[Operation]:
    if chance.random() < 0.2:
        return [(chance.choice(("refuse", "reject")), ())]
    return [("fault", (chance.choice(("sf", "erp")), chance.choice(FAULTS)))]


def _document(chance: random.Random) -> list[Operation]:
    if chance.random() < 0.7:
        return [("book_document", (chance.randrange(2),))]
    return [("pay_document", (chance.randrange(3),))]


def _deletion(chance: random.Random) -> list[Operation]:
    """A customer is deleted, perhaps taken back, perhaps written to meanwhile."""
    customer = int(chance.random() < 0.25)
    if chance.random() < 0.3:
        ruled: list[Operation] = [("resolve", (chance.choice(("recreate", "leave", "delete")),))]
        return [("delete_erp", (customer,)), ("intake", ("erp",)), *ruled]
    if chance.random() < 0.25:
        return [("merge_cloud", (customer,)), *[_user(chance), _agent(chance)] * chance.randrange(3)]
    deleted: list[Operation] = [("delete_cloud", (customer,))]
    if chance.random() < 0.5:
        deleted += [("intake", ("sf",)), *[_user(chance), _agent(chance)] * chance.randrange(3)]
    if chance.random() < 0.5:
        deleted.append(("undelete_cloud", (customer,)))
    return deleted


def _held(chance: random.Random) -> list[Operation]:
    """Somebody stops a system, or lets one go on; now and then while the agent is about to send."""
    system = chance.choice((*SYSTEMS, "*"))
    kind = chance.randrange(6)
    if kind == 0:
        target = chance.choice(SYSTEMS)
        place = f"{target}.{chance.choice(('prepare', 'apply'))}"
        return [("happens_at", (place, "hold", target)), ("deliver", (target,)), ("deliver", (target,))]
    if kind < 3:
        return [("hold", (system,)), _user(chance), _agent(chance), _agent(chance)]
    return [("release", (system,))] if kind < 5 else [("approve", ())]


def _time(chance: random.Random) -> list[Operation]:
    return [("wait", (chance.choice(PAUSES),))]


def _rest(chance: random.Random) -> list[Operation]:
    number = chance.randrange(8)
    return [
        [("settle", ()), ("sweep", ()), ("restart", ()), ("finish_late", ()), ("retry", ())][number]
        if number < 5
        else ("redeliver", (chance.randrange(30),))
        if number == 5
        else ("flow", (chance.random() < 0.7,))
        if number == 6
        else ("rule", (chance.random() < 0.5,))
    ]


def _lack(chance: random.Random) -> list[Operation]:
    """A system does not take a field any more, or does again."""
    system, names = chance.choice(
        (("sf", ("Terms", "Phone", "Block", "Amount")), ("erp", ("name", "phone", "note")))
    )
    lack: Operation = ("lack", (system, chance.choice(names), chance.random() < 0.7))
    hide: Operation = ("hide", (chance.choice(("Name", "Phone", "Terms")), chance.random() < 0.6))
    return [chance.choice((lack, hide))]


#: What may happen next, and how often.
KINDS: list[tuple[Draw, int]] = [
    (lambda chance: [_user(chance)], 30),
    (lambda chance: [_agent(chance)], 40),
    (lambda chance: [("post", (chance.random() < 0.6,))], 6),
    (_death, 8),
    (_death_with_news, 4),
    (_late_request, 3),
    (_burst, 6),
    (_written_and_read, 6),
    (_meanwhile, 8),
    (_fault, 8),
    (_spoil, 4),
    (_document, 4),
    (_deletion, 5),
    (_time, 8),
    (_held, 5),
    (_lack, 2),
    (_rest, 8),
]


def _second(chance: random.Random) -> list[Operation]:
    """Something happens at the second ERP, where there is one."""
    kind = chance.randrange(6)
    if kind < 2:
        return [("edit_second", (int(chance.random() < 0.25), chance.choice(ERP_FIELDS)))]
    if kind == 2:
        return [("fault", ("eu", chance.choice(FAULTS)))]
    return [(chance.choice(("intake", "intake", "deliver", "deliver", "confirm")), ("eu",))]


def _put_back(chance: random.Random) -> list[Operation]:
    """The copy is put back, at times while a system cannot say what it has seen."""
    if chance.random() < 0.6:
        return [("roll_back", ())]
    system = chance.choice(("erp", "sap"))
    busy = [chance.choice((_agent, _user))(chance) for _ in range(chance.randrange(6))]
    return [("silence", (system, True)), ("roll_back", ()), *busy, ("silence", (system, False))]


#: The same, with copies of the state directory that are made at some moment and put back at another.
ROLLBACKS: list[tuple[Draw, int]] = [*KINDS, (lambda chance: [("copy_state", ())], 10), (_put_back, 8)]


def story(
    chance: random.Random, steps: int, kinds: Sequence[tuple[Draw, int]] = tuple(KINDS)
) -> list[Operation]:
    """A script of about this many operations; each story leaves some kinds out and does others often."""
    script = list(chance.choice(BEGINNINGS))
    weights = [weight * chance.choice((0, 1, 1, 3)) for _, weight in kinds[2:]]
    weights = [kinds[0][1], kinds[1][1], *weights]
    customers = sum(name == "create" for name, _ in script)
    second = script[:1] == [("second_erp", ())]
    while len(script) < steps:
        if customers < 2 and chance.random() < 0.08:
            customers += 1
            script.append(("create", ()))
        if second and chance.random() < 0.25:
            script.extend(_second(chance))
        [(draw, _)] = chance.choices(kinds, weights)
        script.extend(draw(chance))
    return script


def shrink(
    script: Sequence[Operation], fails: Callable[[list[Operation]], bool], tries: int = 300
) -> list[Operation]:
    """A shorter script that still fails: parts are left out, then arguments are made simple."""
    short = list(script)
    size = max(len(short) // 2, 1)
    while tries > 0:
        found = False
        for at in range(len(short) - size, -1, -1):
            candidate = short[:at] + short[at + size :]
            tries -= 1
            if fails(candidate):
                short, found = candidate, True
            if tries <= 0:
                break
        if size == 1 and not found:
            break
        size = max(size // 2, 1) if not found or size > 1 else 1
    return short
