"""Hunts: run the state machine for long, and print the shrunk script of what it finds.

``python -m tests.flow.hunt --examples 2000 --steps 50 --seed 7 [--mutant NAME]``
"""

from __future__ import annotations

import argparse
import contextlib
import pprint
import sys
import time

from hypothesis import HealthCheck, Phase, settings
from hypothesis import seed as seeded
from hypothesis.stateful import run_state_machine_as_test

from tests.flow.machine import Machine, Operation


def hunt(examples: int, steps: int, seed: int, *, shrink: bool = True) -> tuple[list[Operation], str] | None:
    """Run the machine; the shrunk script and the message of the first promise that broke, or None."""
    phases = [Phase.generate, Phase.shrink] if shrink else [Phase.generate]
    chosen = settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        database=None,
        print_blob=False,
        report_multiple_bugs=False,
        phases=phases,
        suppress_health_check=list(HealthCheck),
    )
    seeded(seed)(Machine)
    try:
        with contextlib.redirect_stdout(sys.stderr):
            run_state_machine_as_test(Machine, settings=chosen)
    except Exception as error:
        return list(Machine.last), f"{type(error).__name__}: {error}".splitlines()[0]
    return None


def main() -> int:
    """Hunt once; exit 1 when something was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--examples", type=int, default=500)
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--mutant", default="")
    chosen = parser.parse_args()
    started = time.monotonic()
    if chosen.mutant:
        from tests.flow.mutants import MUTANTS

        with MUTANTS[chosen.mutant]():
            found = hunt(chosen.examples, chosen.steps, chosen.seed)
    else:
        found = hunt(chosen.examples, chosen.steps, chosen.seed)
    print(f"seed {chosen.seed}, {time.monotonic() - started:.1f} s", file=sys.stderr)
    if found is None:
        print("nothing found")
        return 0
    pprint.pprint(found[0])
    print(found[1])
    return 1


if __name__ == "__main__":
    sys.exit(main())
