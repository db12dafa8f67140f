"""One play: users at work, agents that are killed, and one that brings everything to rest."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.faults.kills.agents import Agent, Agents
from tests.faults.kills.calls import Call
from tests.faults.kills.oracle import Judgement, judge
from tests.faults.kills.site import Site
from tests.faults.kills.tracer import Tracer, attach, record

#: Seconds within which everything has to be at rest after a start.
REST_S = 40.0
LOOK_S = 0.03


@dataclass(frozen=True)
class Played:
    """What came of a play: the calls at which something was killed, and what the judge found wrong."""

    killed: tuple[Call, ...]
    found: tuple[str, ...]


def prepare(folder: Path, agents: Agents) -> Site:
    """A site on which everything is at rest and that nobody is at work on: what plays begin from."""
    site = Site(folder)
    site.found()
    site.configure()
    for name in ("erp", "books"):
        agents.verb(folder, "journal", "install", name)
    for number in (1, 2):
        site.customer(number, f"first of {number}")
    site.invoice(1, customer=1)
    agent = agents.start(site.folder)
    try:
        rest(site, agent)
    finally:
        agent.end()
    site.close()
    return site


def before(site: Site) -> None:
    """Users at work before the first kill."""
    site.rename(1, "second of 1")
    site.block(2)
    site.invoice(2, customer=1)
    site.customer(3, "first of 3")
    site.invoice(3, customer=1)
    site.invoice(4, customer=3)


def between(site: Site) -> None:
    """Users at work while there is no agent."""
    site.rename(1, "third of 1")
    site.pay(1, "P")
    site.invoice(5, customer=1)
    site.block(1)


def play(template: Site, agents: Agents, calls: Sequence[Call]) -> Played:
    """Kill at each call in turn, each in the life after the kill before; then come to rest, and judge."""
    folder = Path(tempfile.mkdtemp(prefix="isthmus-kill-", dir=fast()))
    site = template.copy_to(folder / "site")
    killed: list[Call] = []
    try:
        before(site)
        for number, call in enumerate(calls):
            if _killed(site, agents, call, folder / f"trace-{number}"):
                killed.append(call)
            if number == 0:
                between(site)
        agent = agents.start(site.folder)
        try:
            found = rest(site, agent)
        finally:
            agent.end()
        found.wrong += judge(site.folder).wrong
    except TimeoutError as late:
        return Played(tuple(killed), (str(late), f"kept in {folder}"))
    finally:
        site.close()
    if found.good:
        shutil.rmtree(folder)
        return Played(tuple(killed), ())
    return Played(tuple(killed), (*found.wrong, *found.missing, f"kept in {folder}"))


def died_at(site: Site, agents: Agents, place: str, hit: int = 1) -> bool:
    """Start an agent that kills itself, or a worker of it that does, at a failpoint; whether that happened.

    The agent does not outlive its worker; where nobody dies, it is ended once everything is at rest.
    """
    agent = agents.start(site.folder, failpoints=f"{place}=kill@{hit}")
    seen: set[int] = set()
    lost = False

    def over() -> bool:
        nonlocal lost
        now = agent.children
        seen.update(now)
        lost = lost or bool(now and seen - now)
        return lost or (site.captured() and site.unsettled() == 0)

    try:
        _until(site, agent, over)
        return lost or agent.dead
    finally:
        agent.end()


def recorded(template: Site, agents: Agents, trace: Path) -> list[str]:
    """The trace of a life of an agent and its workers on a copy of the site, whose folder is named FOLDER.

    Raises PermissionError where nothing may be traced.
    """
    folder = Path(tempfile.mkdtemp(prefix="isthmus-kill-", dir=fast()))
    site = template.copy_to(folder / "site")
    try:
        before(site)
        agent = agents.start(site.folder, held=True)
        tracer = None
        try:
            tracer = record(agent, trace)
            rest(site, agent)
        finally:
            agent.kill()
            if tracer is not None:
                tracer.close()
            agent.end()
        return [
            line.replace(str(site.folder), "FOLDER")
            for line in trace.read_text(errors="replace").splitlines()
        ]
    finally:
        site.close()
        shutil.rmtree(folder)


def rest(site: Site, agent: Agent) -> Judgement:
    """Until everything is at rest and as it should be; the last judgement. Raises TimeoutError."""
    found = Judgement(["nothing was judged"])

    def resting() -> bool:
        nonlocal found
        if site.captured() and site.unsettled() == 0:
            found = judge(site.folder)
        return found.good or bool(found.wrong)

    if not _until(site, agent, resting):
        found = judge(site.folder)
        how = "the agent ended by itself" if agent.dead else f"not at rest after {REST_S:.0f} s"
        raise TimeoutError(f"{how}: {found.missing}, {site.unsettled()} open in the agent's books")
    return found


def _killed(site: Site, agents: Agents, call: Call, trace: Path) -> bool:
    """Start an agent that is to be killed at a call; whether it, or its worker, was. It ends here."""
    agent = agents.start(site.folder, held=True)
    tracer: Tracer | None = None
    try:
        tracer = attach(agent, trace, site.folder, call)
        traced = tracer
        _until(site, agent, lambda: traced.killed or (site.captured() and site.unsettled() == 0))
        killed = tracer.killed
        if call.worker and killed:
            tracer.close()
            _until(site, agent, lambda: site.captured() and site.unsettled() == 0)
        return killed
    finally:
        agent.kill()
        if tracer is not None:
            tracer.close()
        agent.end()


def _until(site: Site, agent: Agent, over: Callable[[], bool]) -> bool:
    """Let SAP work until something is over; whether it was before the agent's death and the deadline."""
    deadline = time.monotonic() + REST_S
    while not agent.dead and time.monotonic() < deadline:
        site.sap.step()
        if over():
            return True
        time.sleep(LOOK_S)
    return over()


def fast() -> str | None:
    """Where files are quick: power cuts are not what is shown here."""
    shared = Path("/dev/shm")
    return str(shared) if shared.is_dir() else None
