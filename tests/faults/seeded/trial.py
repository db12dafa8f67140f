"""Trials: the tests without a bug, which must pass, then with one bug after the other, which must fail."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from tests.faults.seeded.bug import Bug, Unfit
from tests.faults.seeded.copy import Copy, NoVerdict, Ran, copy, stop

#: Copies that are tried at the same time.
AT_ONCE = 2


@dataclass(frozen=True)
class Tried:
    """What came of one bug. ``test`` is the test that failed with it; "" for one that survived.

    said  the failing test's first words, or why there is no verdict
    """

    bug: Bug
    test: str
    said: str
    seconds: float

    @property
    def caught(self) -> bool:
        """Whether a test fails because of it."""
        return bool(self.test)


@dataclass
class Control:
    """The tests without any bug: those that fail anyway can catch nothing."""

    failed: dict[str, str] = field(default_factory=dict)
    passed: int = 0
    seconds: float = 0.0
    broken: str = ""


def control(chosen: Sequence[Bug]) -> Control:
    """Run every test that is to catch one of the bugs, without a bug, in several copies at a time."""
    tests = sorted({test for bug in chosen for test in bug.tests})
    size = -(-len(tests) // AT_ONCE)
    parts = [tests[at : at + size] for at in range(0, len(tests), size)] if tests else []
    all_ = Control()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        try:
            for found in pool.map(_sound, parts):
                all_.failed |= found.failed
                all_.passed += found.passed
                all_.seconds = max(all_.seconds, found.seconds)
                all_.broken = all_.broken or found.broken
        except BaseException:
            stop()
            raise
    return all_


def _sound(tests: Sequence[str]) -> Control:
    with copy() as tree:
        try:
            ran = tree.run(tests)
        except NoVerdict as broken:
            return Control(broken=str(broken))
        return Control(ran.failed, ran.passed, ran.seconds)


def attempt(bug: Bug, tree: Copy, anyway: Sequence[str] = ()) -> Tried:
    """Put the bug into the copy and run its tests until one fails; those failing ``anyway`` do not count."""
    began = time.monotonic()
    left_out = [f"--deselect={test}" for test in anyway]
    try:
        with tree.with_bug(bug):
            ran = tree.run(bug.tests, "-x", *left_out)
    except (Unfit, NoVerdict) as error:
        return Tried(bug, "", f"no verdict: {error}", time.monotonic() - began)
    return _tried(bug, ran)


def _tried(bug: Bug, ran: Ran) -> Tried:
    for test, said in ran.failed.items():
        return Tried(bug, test, said, ran.seconds)
    return Tried(bug, "", f"survived {ran.passed} tests", ran.seconds)


def attempts(
    chosen: Sequence[Bug], anyway: Sequence[str] = (), until: Callable[[], bool] = lambda: False
) -> Iterator[Tried]:
    """Try the bugs, two at a time, in about their order; begins no more once ``until`` says so."""
    waiting: queue.SimpleQueue[Bug] = queue.SimpleQueue()
    for bug in chosen:
        waiting.put(bug)
    done: queue.SimpleQueue[Tried | BaseException | None] = queue.SimpleQueue()
    stopped = threading.Event()

    def work() -> None:
        try:
            with copy() as tree:
                while not (stopped.is_set() or until()):
                    try:
                        bug = waiting.get_nowait()
                    except queue.Empty:
                        break
                    done.put(attempt(bug, tree, anyway))
            done.put(None)
        except BaseException as error:  # the thread that waits for the results must hear of it
            done.put(error)

    threads = [threading.Thread(target=work, name=f"seeded {number}") for number in range(AT_ONCE)]
    for thread in threads:
        thread.start()
    try:
        yield from _results(done, len(threads))
    finally:
        stopped.set()
        stop()
        for thread in threads:
            thread.join()


def _results(done: queue.SimpleQueue[Tried | BaseException | None], workers: int) -> Iterator[Tried]:
    while workers:
        came = done.get()
        if came is None:
            workers -= 1
        elif isinstance(came, BaseException):
            raise came
        else:
            yield came
