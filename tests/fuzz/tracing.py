"""Fuzzing without a compiled engine: mutations are kept when they reach a new edge between two lines."""

from __future__ import annotations

import hashlib
import random
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

from tests.fuzz.guard import guarded
from tests.fuzz.seeds import LONGEST, WORDS, seeds
from tests.fuzz.targets import TARGETS

_TRACED = str(Path("adapters") / "idoc" / "format")
#: Seconds that one input may take.
_LONGEST_S = 10.0

Edge = tuple[str, int, int]


class TooSlow(AssertionError):
    """An input took too long."""


class Edges:
    """Notes the pairs of lines that follow each other in the package."""

    def __init__(self) -> None:
        self.seen: set[Edge] = set()
        self.new = 0

    def run(self, target: Callable[[bytes], None], data: bytes) -> int:
        """Run; how many edges were new."""
        self.new = 0
        sys.settrace(self._call)
        try:
            target(data)
        finally:
            sys.settrace(None)
        return self.new

    def _call(self, frame: FrameType, event: str, _: Any) -> Any:
        if _TRACED not in frame.f_code.co_filename:
            return None
        name, last = f"{frame.f_code.co_filename}:{frame.f_code.co_name}", 0

        def line(here: FrameType, what: str, _: Any) -> Any:
            nonlocal last
            if what == "line":
                edge = (name, last, here.f_lineno)
                last = here.f_lineno
                if edge not in self.seen:
                    self.seen.add(edge)
                    self.new += 1
            return line

        del event
        return line


def fuzz(name: str, runs: int, seed: int, corpus: Path) -> dict[str, object]:
    """So many executions; the figures, and the input that broke something ("" for none)."""
    chance = random.Random(seed)
    target, edges = guarded(TARGETS[name]), Edges()
    kept = [*seeds()[name], *(path.read_bytes() for path in sorted(corpus.iterdir()) if path.is_file())]
    done, crash = 0, ""
    signal.signal(signal.SIGALRM, _too_slow)
    while done < runs and not crash:
        data = kept[done] if done < len(kept) else mutated(chance, kept, WORDS[name])
        done += 1
        signal.setitimer(signal.ITIMER_REAL, _LONGEST_S)
        try:
            fresh = edges.run(target, data)
        except Exception as error:
            crash = str(corpus.parent / f"{name}-crash-{_digest(data)}")
            Path(crash).write_bytes(data)
            sys.stderr.write(f"{name}: {type(error).__name__}: {error}\n")
            break
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
        if fresh and done > len(kept):
            kept.append(data)
            (corpus / _digest(data)).write_bytes(data)
    return {"executions": done, "edges": len(edges.seen), "corpus": len(kept), "crash": crash}


def _too_slow(_signal: int, _frame: object) -> None:
    raise TooSlow(f"more than {_LONGEST_S} s")


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:20]


def mutated(chance: random.Random, kept: list[bytes], words: tuple[bytes, ...]) -> bytes:
    """One of the inputs, changed in a few places."""
    data = bytearray(chance.choice(kept))
    for _ in range(chance.choice((1, 1, 2, 4))):
        at = chance.randrange(len(data) + 1)
        match chance.randrange(7):
            case 0:
                data[at : at + 1] = bytes([chance.randrange(256)])
            case 1:
                del data[at : at + chance.choice((1, 2, 10, 63, 500))]
            case 2:
                data[at:at] = chance.choice(words)
            case 3:
                data[at : at + 4] = chance.choice(words)
            case 4:
                data[at:at] = data[at : at + chance.choice((1, 63, 200))]
            case 5:
                other = chance.choice(kept)
                start = chance.randrange(len(other) + 1)
                data[at : at + 50] = other[start : start + chance.choice((5, 50, 500))]
            case _:
                data[at:at] = bytes(chance.randrange(256) for _ in range(chance.choice((1, 3, 20))))
    return bytes(data[:LONGEST])
