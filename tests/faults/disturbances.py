"""What goes wrong around a running agent: in the org, at the ERP, in SAP, and with the agent's own worker."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import httpx2

from agent.cli.demo.stage import Stage

#: Faults of the org; each strikes once, where its scope next occurs.
ORG = (
    "gap",
    "overflow",
    "duplicate",
    "undecodable",
    "geocode",
    "expire",
    "reset",
    "break",
    "revoke",
    "lock-row",
    "unavailable",
    "limit",
    "answer-lost",
    "answer-late",
)
#: Faults that concern calls, and the methods of those that agent and people make.
CALLS = frozenset({"lock-row", "unavailable", "limit", "answer-lost", "answer-late"})
METHODS = ("GET", "PATCH", "POST")
#: A limit that is free again soon; the day's own is waited out by the hour.
BURST = "ConcurrentPerOrgLongTxn Limit exceeded."


class Disturbances:
    """Makes something go wrong, by name; ``done`` counts what did. The seed decides the details."""

    def __init__(self, stage: Stage, pause: Callable[[float], object]) -> None:
        self._stage = stage
        self._pause = pause
        self._dice = random.Random(f"{stage.seed}/disturbances")
        self._org = httpx2.Client(base_url=str(stage.org["http"]), timeout=30.0)
        self._sap = httpx2.Client(base_url=str(stage.sap["http"]), timeout=30.0)
        self.done: Counter[str] = Counter()
        self._own: dict[str, Callable[[], None]] = {
            "worker killed": self._kill_worker,
            "ERP locked": self._lock_erp,
            "agent halted": self._halt_agent,
            "SAP backlog": lambda: self._switch("backlog", until=False),
            "SAP silent": lambda: self._switch("answers", until=True),
            "SAP not reading": lambda: self._switch("reading", until=True),
        }

    def names(self) -> list[str]:
        """Everything that can go wrong."""
        return [*ORG, *self._own]

    def order(self, count: int) -> Iterator[str]:
        """So many of them, each as often as any other, shuffled."""
        names = self.names()
        chosen = [names[number % len(names)] for number in range(count)]
        self._dice.shuffle(chosen)
        yield from chosen

    def strike(self, name: str) -> None:
        """Let it happen."""
        act = self._own.get(name)
        if act is not None:
            act()
        else:
            fault = {"kind": name, "scope": self._dice.choice(("Account", "Invoice__c"))}
            if name in CALLS:
                fault["method"] = self._dice.choice(METHODS)
            if name == "limit":
                fault["detail"] = BURST
            self._org.post("/_sandbox/faults", json=fault).raise_for_status()
        self.done[name] += 1

    def settle(self) -> None:
        """Disarm what has not struck, and hang up."""
        self._org.delete("/_sandbox/faults").raise_for_status()
        self._org.close()
        self._sap.close()

    def _kill_worker(self) -> None:
        """SIGKILL to the process in which the agent runs the ODBC driver."""
        agent = self._stage.agent
        assert agent is not None
        children = Path(f"/proc/{agent.pid}/task/{agent.pid}/children").read_text().split()
        for child in children:
            if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes():
                os.kill(int(child), signal.SIGKILL)

    def _lock_erp(self) -> None:
        """Somebody's long transaction in the ERP."""
        file = self._stage.folder / "erp.db"
        with closing(sqlite3.connect(file, isolation_level=None, timeout=10.0)) as lock:
            lock.execute("BEGIN IMMEDIATE")
            self._pause(self._dice.uniform(0.5, 4.0))
            lock.execute("ROLLBACK")

    def _halt_agent(self) -> None:
        """The machine is suspended, or starved."""
        agent = self._stage.agent
        assert agent is not None
        agent.send_signal(signal.SIGSTOP)
        self._pause(self._dice.uniform(0.5, 4.0))
        agent.send_signal(signal.SIGCONT)

    def _switch(self, name: str, *, until: bool) -> None:
        self._sap.post("/switches", json={name: not until}).raise_for_status()
        self._pause(self._dice.uniform(0.5, 2.0))
        self._sap.post("/switches", json={name: until}).raise_for_status()


@contextmanager
def disturbances(stage: Stage, pause: Callable[[float], object]) -> Iterator[Disturbances]:
    """Ready to strike; afterwards everything is as it was. ``pause``: how to let so many seconds pass."""
    made = Disturbances(stage, pause)
    try:
        yield made
    finally:
        made.settle()
