"""An agent that runs for months does not stop every few seconds to look at what never changes."""

from __future__ import annotations

import json
import subprocess
import sys

SCRIPT = """
import gc, json
from agent import garbage, runtime

class Cycle:
    def __init__(self):
        self.me = self

usual = gc.get_threshold()
garbage.settle()
at_rest = len(gc.get_objects())
looks = [0, 0, 0]

def look(phase, found):
    looks[found["generation"]] += phase == "stop"

gc.callbacks.append(look)
kept = [{"number": number} for number in range(100_000)]
plain = list(looks)
del kept
for _ in range(500_000):
    Cycle()
held = sum(isinstance(each, Cycle) for each in gc.get_objects())
print(json.dumps([usual, gc.get_freeze_count(), at_rest, plain, held]))
"""


def test_what_a_process_consists_of_is_not_looked_at_again_and_cycles_are_still_given_up() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True, timeout=60
    )
    usual, frozen, at_rest, looks, held = json.loads(done.stdout)
    assert frozen > 20 * max(at_rest, 100), "nearly all that there is, is kept out of the way"
    assert sum(looks) < 100_000 / usual[0] / 10, "a batch alone hardly makes it look"
    assert held < 25_000, "cycles do not gather"
