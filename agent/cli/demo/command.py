"""The demo from end to end: stage, business, rest, judgement, verdict."""

from __future__ import annotations

import asyncio
import contextlib
import re
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from adapters.sandbox.business.business import Business
from adapters.sandbox.business.settings import Faults, Settings, Summary, Until
from adapters.sandbox.business.tamper import tamper
from adapters.sandbox.erp import SampleErp
from agent.cli.demo import verdict
from agent.cli.demo.stage import Stage
from agent.cli.output import put, say
from agent.errors import InputError

DURATION = re.compile(r"^([0-9]+(?:\.[0-9]+)?)(s|m)?$")
#: Operations of business a second: much for two cores with seven processes, little for the agent.
RATE = 10.0
FAULTS = Faults(gap=1, undecodable=1, answer_lost=1, broken_idoc=1)


@dataclass(frozen=True, slots=True)
class Choices:
    """What the demo was asked for; ``seconds`` of business."""

    headless: bool
    seconds: float
    seed: int
    tamper: bool
    as_json: bool
    keep: Path | None


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("demo")(demo)


def demo(
    headless: Annotated[bool, typer.Option("--headless", help="No dashboard.")] = False,
    duration: Annotated[str, typer.Option("--for", help="How long business goes on, such as 30s.")] = "30s",
    seed: Annotated[int, typer.Option("--seed", help="The same seed types the same business.")] = 1,
    with_tamper: Annotated[
        bool, typer.Option("--tamper", help="Alter one row unseen at the end: the verdict must be red.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable verdict.")] = False,
    keep: Annotated[Path | None, typer.Option("--keep", help="Keep everything in this folder.")] = None,
) -> None:
    """The whole product on one machine, judged by a process that shares no code with it."""
    found = DURATION.match(duration)
    if found is None:
        raise InputError(f"'{duration}' is no duration", remedy="write it like 30s or 2m")
    seconds = float(found[1]) * (60 if found[2] == "m" else 1)
    shown = headless or as_json or not sys.stdout.isatty()
    choices = Choices(shown, seconds, seed, with_tamper, as_json, keep)
    with contextlib.ExitStack() as stack:
        if keep is not None and (keep.is_file() or (keep.is_dir() and any(keep.iterdir()))):
            raise InputError("it is not an empty folder", where=str(keep), remedy="name another folder")
        if keep is not None:
            try:
                keep.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                text = f"it cannot be made: {error.strerror}"
                raise InputError(text, where=str(keep), remedy="name another folder") from None
        folder = keep or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="isthmus-demo-")))
        summary = play(Stage(folder.resolve(), seed), choices)
    if as_json:
        put(summary)
    else:
        verdict.show(summary)
    if not (summary["equal"] and summary["conservation"]):
        raise typer.Exit(1)


def play(stage: Stage, choices: Choices) -> dict[str, object]:
    """Run the demo on a stage; the summary that is printed."""
    started = time.monotonic()
    try:
        say("starting a Salesforce org, an ERP behind ODBC, a SAP and the agent between them ...")
        stage.open()
        stage.start_agent()
        stage.wait_for_agent()
        kept = "kept there" if choices.keep is not None else "removed at the end; --keep DIR keeps it"
        say(f"running after {time.monotonic() - started:.1f} s; everything is in {stage.folder} ({kept})")
        done = business(stage, choices)
        say(f"business is over ({done.operations} operations, {done.edits} edits); waiting for rest ...")
        rest(stage)
        if choices.tamper:
            _tamper(stage)
        stage.stop_agent()
        return verdict.judge(stage, done, choices.seed)
    finally:
        stage.close()


def business(stage: Stage, choices: Choices) -> Summary:
    """Let people work in all systems at once: behind the dashboard, or with a line of progress."""
    settings = Settings(
        salesforce=str(stage.org["http"]),
        client_id=str(stage.org["client_id"]),
        client_secret=str(stage.org["client_secret"]),
        erp=stage.erp,
        sap=str(stage.sap["http"]),
        journal=stage.edits,
        seed=choices.seed,
        rate=RATE,
        faults=FAULTS,
    )
    until = Until(seconds=choices.seconds)
    if choices.headless:
        return asyncio.run(Business(settings, Ticker().tell).run(until))
    return _behind_dashboard(stage, settings, until)


def _behind_dashboard(stage: Stage, settings: Settings, until: Until) -> Summary:
    """Business in a thread, the dashboard on the terminal; leaving the dashboard ends the business."""
    working = Business(settings, None)
    found: list[Summary] = []
    loops: list[asyncio.AbstractEventLoop] = []

    async def run() -> None:
        loops.append(asyncio.get_running_loop())
        found.append(await working.run(until))

    thread = threading.Thread(target=lambda: asyncio.run(run()), name="business")
    thread.start()
    subprocess.run(
        [sys.executable, "-m", "agent.cli", "tui", "--config", str(stage.config)],
        env=stage.environment,
        check=False,
    )
    if thread.is_alive() and loops:
        loops[0].call_soon_threadsafe(working.stop)
    thread.join()
    if not found:
        raise InputError("the business of the demo ended with an error; see above")
    return found[0]


class Ticker:
    """A line of progress now and then, on stderr."""

    def __init__(self, every_s: float = 2.0) -> None:
        self._every = every_s
        self._next = 0.0

    def tell(self, done: int, rate: float, left: float) -> None:
        """Say how far it is."""
        now = time.monotonic()
        if now >= self._next:
            self._next = now + self._every
            say(f"  {done:5d} operations, {rate:5.1f} a second, {left:4.0f} s left")


def rest(stage: Stage, limit_s: float = 120.0) -> None:
    """Wait until nothing is open any more, seen twice; says what is when that takes too long."""
    quiet = 0
    deadline = time.monotonic() + limit_s
    while time.monotonic() < deadline:
        status = stage.status()
        account = status.conservation
        open_ = account.states.get("open", 0) + account.open_commands
        quiet = quiet + 1 if open_ == 0 else 0
        if quiet >= 4:
            return
        time.sleep(0.5)
    say(f"not at rest after {limit_s:.0f} s: {open_} still open")


def _tamper(stage: Stage) -> None:
    erp = SampleErp(stage.erp, seed=stage.seed)
    try:
        number = tamper(erp)
    finally:
        erp.close()
    say(f"altered one row of the ERP unseen (customer {number}); the verdict must be red")
