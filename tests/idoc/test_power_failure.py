"""Power fails at any moment of a hand-over: SAP is given each message once, whole, and none is lost."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from adapters.idoc.outbound import Outbound
from adapters.idoc.target import TEMPORARY, IdocFiles
from agent.core.delivery import OutcomeKind
from tests.faults.disk.calls import led
from tests.faults.disk.platter import Platter
from tests.faults.disk.tape import Tape
from tests.idoc.files import DEBMAS, DICTIONARY, delivery, settings

SEED = int(os.environ.get("ISTHMUS_SEED", "1"))
#: Ways in which power fails at one moment.
WAYS = 12
#: What the engine has committed before the next call on the target.
PREPARED, SENT, STORED = "prepared", "sent", "stored"


def target(folder: Path) -> IdocFiles:
    """The target on real directories below a folder."""
    given = settings(folder)
    outbound = Outbound(given, DICTIONARY, lambda: datetime(2026, 3, 14, 10, 15))
    return IdocFiles("sap", given, (DEBMAS,), outbound, DICTIONARY)


@pytest.fixture(scope="module")
def tape(tmp_path_factory: pytest.TempPathFactory) -> Tape:
    """One hand-over, every call on a file recorded, with marks where the engine commits."""
    folder = tmp_path_factory.mktemp("recorded")
    idocs = target(folder)
    recorded = Tape(folder / "out")

    async def hand_over() -> None:
        await idocs.prepare([delivery()])
        recorded.mark(SENT)
        [outcome] = await idocs.apply([delivery()])
        assert outcome.kind is OutcomeKind.STORED
        recorded.mark(STORED)

    with led(lambda: folder / "out", recorded):
        asyncio.run(hand_over())
    return recorded


def failures(tape: Tape) -> Iterator[tuple[str, dict[str, bytes]]]:
    """What the engine had committed, and what is left in SAP's directory, for every moment and many ways."""
    platter, committed = Platter({}), PREPARED
    dice = random.Random(f"{SEED}/idoc power")
    for event in [None, *tape.events]:
        if event is not None and event.kind == "mark":
            committed = str(event.other)
        elif event is not None:
            platter.take(event)
        for _ in range(WAYS):
            yield committed, platter.image(dice)


def started_again(folder: Path, left: dict[str, bytes], committed: str) -> list[str]:
    """Put what is left into a new directory, let the engine go on, and take as SAP does. The files taken."""
    idocs = target(folder)
    for name, content in left.items():
        (folder / "out" / name).write_bytes(content)

    async def go_on() -> None:
        if committed == STORED:
            return
        if committed == PREPARED:
            await idocs.prepare([delivery()])
        [outcome] = await idocs.apply([delivery(uncertain=committed == SENT)])
        assert outcome.kind is OutcomeKind.STORED, outcome

    asyncio.run(go_on())
    return [path.read_text() for path in (folder / "out").iterdir() if not path.name.endswith(TEMPORARY)]


@pytest.mark.invariant("I14")
@pytest.mark.invariant("I16")
def test_a_message_is_handed_over_once_and_whole_whenever_the_power_fails(tape: Tape, tmp_path: Path) -> None:
    seen = set()
    for number, (committed, left) in enumerate(failures(tape)):
        state = (committed, tuple(sorted(left.items())))
        if state in seen:
            continue
        seen.add(state)
        folder = tmp_path / str(number)
        taken = started_again(folder, left, committed)
        shutil.rmtree(folder)
        assert len(taken) == 1, f"committed {committed}, left {sorted(left)}: SAP finds {len(taken)} files"
        assert taken[0].count("Alder Works") == 1, f"committed {committed}: the file is cut"
    assert len(seen) >= 5


def test_the_recording_holds_every_step_of_a_hand_over(tape: Tape) -> None:
    kinds = [event.kind for event in tape.events]
    assert {"create", "write", "rename", "mark"} <= set(kinds)
    assert kinds.count("mark") == 2
