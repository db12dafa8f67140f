"""Power failures while a message is handed to SAP as a file: handed over once, never only believed to be."""

from __future__ import annotations

import asyncio
import random
from datetime import datetime

from adapters.idoc.outbound import Outbound
from adapters.idoc.settings import Settings
from adapters.idoc.target import IdocFiles
from agent import failpoints
from agent.core.delivery import OutcomeKind
from tests.faults.disk import place
from tests.faults.disk.calls import led
from tests.faults.disk.oracle import Finding
from tests.faults.disk.platter import Platter
from tests.faults.disk.tape import Tape
from tests.idoc.files import DEBMAS, DICTIONARY, delivery, settings

#: What the engine had committed when the power failed, in order.
READY, SENT, STORED = "ready", "sent", "stored"


def handed_over(dice: random.Random, *, dies: bool, each: int = 4) -> list[Finding]:
    """Record a hand-over, fail the power ``each`` times behind each of its calls, and let the engine go on.

    ``dies``: the agent dies behind the rename and is started again before.
    """
    tape, findings = _recorded(dies), []
    platter, committed = Platter(tape.start), READY
    for event in tape.events:
        if event.kind == "mark":
            committed = event.other
        else:
            platter.take(event)
        for _ in range(each):
            files = platter.image(dice)
            wrong = _gone_on(files, committed)
            if wrong:
                findings.append(Finding("lost", f"{wrong}; the power failed when it was {committed}"))
    return findings


def _recorded(dies: bool) -> Tape:
    with place.folder("idoc") as directory:
        given = settings(directory)
        target = IdocFiles("sap", given, (DEBMAS,), _outbound(given), DICTIONARY)
        tape = Tape(given.outbound_dir)
        with led(lambda: given.outbound_dir, tape):
            asyncio.run(target.prepare([delivery()]))
            tape.mark(SENT)
            if dies:
                _die(target)
            [outcome] = asyncio.run(target.apply([delivery(uncertain=dies)]))
            assert outcome.kind is OutcomeKind.STORED
            tape.mark(STORED)
        return tape


def _die(target: IdocFiles) -> None:
    failpoints.arm("idoc.after_rename", failpoints.Action.CRASH)
    try:
        asyncio.run(target.apply([delivery()]))
    except failpoints.Crash:
        return
    finally:
        failpoints.disarm()
    raise AssertionError("nothing died behind the rename")


def _gone_on(files: dict[str, bytes], committed: str) -> str:
    """Start on what is left, as the engine does with what it had committed; what is wrong at SAP."""
    with place.folder("idoc") as directory:
        given = settings(directory)
        for name, content in files.items():
            (given.outbound_dir / name).write_bytes(content)
        target = IdocFiles("sap", given, (DEBMAS,), _outbound(given), DICTIONARY)
        if committed == READY:
            asyncio.run(target.prepare([delivery()]))
        if committed != STORED:
            [outcome] = asyncio.run(target.apply([delivery(uncertain=committed == SENT)]))
            assert outcome.kind is OutcomeKind.STORED, outcome
        there = sorted(given.outbound_dir.iterdir())
        if len(there) != 1 or there[0].suffix == ".tmp":
            return f"SAP finds {[path.name for path in there]}"
        return "" if there[0].read_bytes().count(b"Alder Works") == 1 else f"{there[0].name} is not whole"


def _outbound(given: Settings) -> Outbound:
    return Outbound(given, DICTIONARY, lambda: datetime(2026, 3, 14, 10, 15))
