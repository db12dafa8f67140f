"""The files that our own code writes, on a disk that fails: the store's numbers, and messages for SAP."""

from __future__ import annotations

import asyncio
import shutil
import stat
from datetime import datetime
from pathlib import Path

from adapters.idoc.outbound import Outbound
from adapters.idoc.target import IdocFiles
from agent.core.delivery import Outcome, OutcomeKind
from agent.errors import StoreError, Unreachable
from agent.store.database import FILE, LOG, Store
from tests.faults.disk import oracle, place
from tests.faults.disk.calls import Errors, led
from tests.flow.systems.time import TestClock
from tests.flow.world import template
from tests.idoc.files import DEBMAS, DICTIONARY, delivery, settings

#: How often something is tried again before the test gives up.
TRIES = 10


# --- the store


def start(errors: Errors) -> tuple[list[StoreError], oracle.Tables, oracle.Tables]:
    """Start a store that was killed with something in its log, on a disk that fails.

    What was said, and the content before and after.
    """
    with place.folder("start") as directory:
        _killed(directory)
        before = oracle.tables(directory / FILE)
        with led(lambda: directory, errors):
            store, said = _opened(directory)
            with store.transaction("after") as tx:
                tx.run("UPDATE meta SET value = value WHERE key = 'store'")
            store.close()
        store = Store.open(directory, TestClock())
        store.close()
        assert (directory / "epoch").read_text() == str(store.epoch) == "3"
        for name in (FILE, "epoch", "token"):
            assert stat.S_IMODE((directory / name).stat().st_mode) == 0o600
        return said, before, oracle.tables(directory / FILE)


def _killed(directory: Path) -> None:
    """A store in its third epoch, killed with a log and before the epoch was kept beside it."""
    with place.folder("killed") as origin:
        shutil.copy(template() / FILE, origin / FILE)
        (origin / "epoch").write_text("2")
        store = Store.open(origin, TestClock())
        with store.transaction("before") as tx:
            tx.journal("unit", "1", "", "x", "before")
        for name in (FILE, LOG, "epoch", "token"):
            shutil.copy(origin / name, directory / name)
        store.close()
    (directory / "epoch").write_text("2")


def _opened(directory: Path) -> tuple[Store, list[StoreError]]:
    said: list[StoreError] = []
    for _ in range(TRIES):
        try:
            return Store.open(directory, TestClock()), said
        except StoreError as error:
            said.append(error)
    raise AssertionError(f"it does not start any more: {said[-1]}")


# --- what is handed to SAP


def hand_over(errors: Errors) -> list[str]:
    """Hand one message to SAP as the engine does, on a disk that fails; what was answered, in order."""
    with place.folder("idoc") as directory:
        given = settings(directory)
        outbound = Outbound(given, DICTIONARY, lambda: datetime(2026, 3, 14, 10, 15))
        target = IdocFiles("sap", given, (DEBMAS,), outbound, DICTIONARY)
        with led(lambda: given.outbound_dir, errors):
            answers = asyncio.run(_until_stored(target))
        [name] = [path.name for path in given.outbound_dir.iterdir()]
        assert not name.endswith(".tmp"), f"answered {answers}, and there lies {name}"
        content = (given.outbound_dir / name).read_bytes()
        assert content.count(b"Alder Works") == 1, f"{name} is not whole"
        return answers


async def _until_stored(target: IdocFiles) -> list[str]:
    answers: list[str] = []
    uncertain = False
    for _ in range(TRIES):
        if not uncertain:
            try:
                await target.prepare([delivery()])
            except Unreachable as error:
                answers.append(f"not prepared: {error}")
                continue
        [outcome] = await target.apply([delivery(uncertain=uncertain)])
        answers.append(f"{outcome.kind}: {outcome.text}")
        if outcome.kind is OutcomeKind.STORED:
            return answers
        uncertain = _still_uncertain(outcome, uncertain)
    raise AssertionError(f"never handed over: {answers}")


def _still_uncertain(outcome: Outcome, before: bool) -> bool:
    assert outcome.kind in (OutcomeKind.RETRY, OutcomeKind.UNCERTAIN), outcome
    return before or outcome.kind is OutcomeKind.UNCERTAIN
