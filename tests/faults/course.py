"""The course of every scenario: business, the fault, a kill where asked, its end, rest, judgement."""

from __future__ import annotations

import re
import time
import traceback
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TypeVar

from adapters.sandbox.business.settings import NO_FAULTS, Share, Summary
from agent.cli.demo import verdict
from agent.errors import IsthmusError
from agent.operations.wire import Status
from tests.faults.played import KILL, Played
from tests.faults.salesforce.history import OURS, counter, positions, repeated
from tests.faults.scenario import Pace, business, rest
from tests.faults.scene import FellShort, Scenario, Scene, holds, until
from tests.journey.people import Customer

#: Operations of business a second, while the fault stands too.
RATE = 4.0
#: Business goes on at most so long, in seconds.
LONGEST_S = 60.0
#: Seconds for which a fault stands, so that business meets it.
STANDS_S = 2.0
#: Customers that are everywhere before the fault begins.
CUSTOMERS = 3
#: Business of all kinds but one: terms of payment are the scenarios' own.
EVERYWHERE = Share(payment_terms=0, amendment=0)
#: Business that besides edits nothing of what Salesforce owns in records that are there.
ELSEWHERE = Share(payment_terms=0, amendment=0, master_data=0, phone=0, phone_clash=0)
#: The topics of the objects that are kept in step.
SYNCED = ("/data/AccountChangeEvent", "/data/Invoice__ChangeEvent")
FINDINGS = ("missing", "different", "doubled", "lost")
S = TypeVar("S", bound=Scene)


def play(
    scenario: Scenario[S], opened: Callable[[], AbstractContextManager[S]], *, killed: bool = False
) -> Played:
    """Play one scenario from its opening to its judgement; what went wrong stands in the result."""
    began = time.monotonic()
    played = Played(scenario.name + (KILL if killed else ""))
    try:
        with opened() as scene:
            _play(scenario, scene, played, killed=killed)
    except (FellShort, TimeoutError, AssertionError, IsthmusError) as error:
        played.wrong = f"{type(error).__name__}: {error}"
    except Exception as error:
        played.wrong = f"{type(error).__name__}: {error}\n{traceback.format_exc()}"
    played.seconds = time.monotonic() - began
    return played


def _play(scenario: Scenario[S], scene: S, played: Played, *, killed: bool) -> None:
    if scenario.prepare is not None:
        scenario.prepare(scene)
    scene.site.start()
    scene.customers = _customers(scene)
    before = len(scene.site.log)
    share = EVERYWHERE if scenario.edits else ELSEWHERE
    pace = Pace(RATE, LONGEST_S if scenario.others else 0.0, share, 0, NO_FAULTS)
    with business(scene.site.stage, pace) as done:
        if scenario.others:
            until(
                lambda: scene.site.stage.edits.exists() and scene.site.stage.edits.stat().st_size, "business"
            )
        try:
            _acts(scenario, scene, played, before, killed=killed)
        except BaseException:
            scene.let_go()  # people who wait for it would wait for ever
            raise
    rest(scene.site.stage)
    afterwards(scenario, scene)
    until(lambda: not _behind(scene), "the positions standing at the newest events")
    scene.site.stage.stop_agent()
    judge(scene, done(), played, bounces=scenario.bounces)
    for check in scene.checks:
        check()
    played.counts |= scene.counts


def _acts(scenario: Scenario[S], scene: S, played: Played, before: int, *, killed: bool) -> None:
    acts = iter(scenario.play(scene))
    next(acts)
    played.told = told(scenario, scene, before)
    if killed:
        scene.kill()
    if killed and scenario.lasting:
        played.told = told(scenario, scene, before)
    scene.lasts(STANDS_S)
    for _ in acts:
        raise RuntimeError(f"{scenario.name} yields more than once")


def _customers(scene: Scene) -> list[Customer]:
    """Born at once, and then everywhere."""
    born = [scene.site.account() for _ in range(CUSTOMERS)]
    return [_everywhere(scene, number, account) for number, account in born]


def _everywhere(scene: Scene, number: str, account: str) -> Customer:
    site = scene.site
    in_erp = until(lambda: site.in_erp(number), f"{number} in the ERP")
    in_sap = until(lambda: site.in_sap(number), f"{number} in SAP")
    until(lambda: site.at_rest(number), f"{number} at rest")
    return Customer(number, account, int(in_erp["customer_id"]), str(in_sap["kunnr"]))


def told(scenario: Scenario[S], scene: S, before: int) -> str:
    """The one line that names the fault. Raises FellShort where there is none, or others ail too."""
    if scenario.says:
        seen = until(lambda: _line(scene.status()[1], scenario.says), f"a status line like {scenario.says!r}")
        what = f"a status line that says what to do, not only: {seen}"
        line = until(lambda: _line(scene.status()[1], scenario.says, scenario.does), what)
        ailing = [
            each.name
            for each in scene.status()[0].systems
            if each.name != scenario.system and each.state != "up"
        ]
        holds(not ailing, f"other systems ail too: {ailing}")
        return line
    if scenario.logs:
        return until(
            lambda: _line(scene.site.log[before:], scenario.logs), f"a log line like {scenario.logs!r}"
        )
    return ""


def _line(text: str, *patterns: str) -> str | None:
    lines = (line.strip() for line in text.splitlines())
    return next((line for line in lines if all(re.search(each, line) for each in patterns)), None)


def afterwards(scenario: Scenario[S], scene: S) -> None:
    """Everything is up and the fault is named no more; a person closes what is left for one."""
    left = set(scene.status()[0].exceptions.by_kind)
    holds(
        left <= scenario.leaves,
        f"exceptions of kinds {sorted(left - scenario.leaves)} stand open: {_causes(scene)}",
    )
    for kind in sorted(left):
        for item in scene.site.exceptions(kind):
            done = scene.site.cli("exceptions", "close", str(item.id), "--reason", "looked after")
            holds(done.code == 0, f"exceptions close {item.id}: {done.err}")
    until(lambda: not scene.judged, f"a healthy status; {scene.status()[1].splitlines()[0]}")
    text = scene.status()[1]
    holds(not scenario.says or not _line(text, scenario.says), f"still told: {text}")


def _causes(scene: Scene) -> str:
    status: Status = scene.status()[0]
    kinds = sorted(status.exceptions.by_kind)
    return "; ".join(f"{kind}: {item.cause}" for kind in kinds for item in scene.site.exceptions(kind)[:2])


def judge(scene: Scene, done: Summary, played: Played, *, bounces: bool = False) -> None:
    """All systems equal, nothing lost, nothing doubled, the position moved on. The agent has stopped."""
    stage = scene.site.stage
    found = verdict.judge(stage, done, stage.seed)
    findings = {name: found[name] for name in FINDINGS if found[name]}
    holds(not findings and bool(found["equal"]), f"not equal: {findings}")
    holds(bool(found["conservation"]), "the sums of obligations do not balance")
    _typed(scene)
    writes = scene.history.writes()
    twice = list(repeated(writes))
    holds(bounces or not twice, f"done twice at Salesforce: {twice[:3]}")
    _resumed(scene)
    _moved_on(scene)
    played.counts = {
        "operations": done.operations,
        "our writes": sum(write["client"] == OURS for write in writes),
        "logins": len(scene.history.logins()),
        "subscriptions": len(scene.history.subscriptions()),
    }


def _typed(scene: Scene) -> None:
    """What the scenario itself typed in Salesforce stands there; that it is elsewhere was judged before."""
    for customer, fields in scene.typed.items():
        account = scene.crm.account(customer.account)
        lost = sorted(name for name, value in fields.items() if account[name] != value)
        holds(not lost, f"{customer.number}: {lost} are not what was typed last")


def _resumed(scene: Scene) -> None:
    """Never from the tip; after a kill from each topic's last committed position, not the last received."""
    subscriptions = scene.history.subscriptions()
    tips = [each["topic"] for each in subscriptions if each["preset"] == "LATEST"]
    holds(not tips, f"subscribed at the tip: {tips}")
    for restart in scene.restarts:
        for topic, position in restart.positions.items():
            later = [each for each in subscriptions[restart.subscriptions :] if each["topic"] == topic]
            holds(bool(later), f"{topic} is not followed any more")
            begun = later[0]["replay_id"]
            holds(
                begun == position.hex(),
                f"{topic} resumed at {begun or later[0]['preset']}, not {position.hex()}",
            )


def _moved_on(scene: Scene) -> None:
    behind = _behind(scene)
    holds(not behind, f"the position is behind the newest event: {behind}")
    holds(bool(positions(scene.site.stage.state)), "no position is kept")


def _behind(scene: Scene) -> list[str]:
    """Streams whose position is behind the newest event of what they carry, each with its topics.

    On a stream of several objects a sign of life tells that nothing more belongs to the last event.
    """
    newest, found = scene.history.newest(), []
    for topic, position in positions(scene.site.stage.state).items():
        single = topic.endswith("ChangeEvent")  # else a stream of several objects
        carried = [each for each in newest if (each == topic if single else each in SYNCED)]
        late = [each for each in carried if counter(position) < counter(newest[each])]
        if late:
            found.append(f"{topic}: {', '.join(late)}")
    return found
