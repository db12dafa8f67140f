"""``python -m tests.benchmarks [--only NAME …] [--json FILE] [--records N] [--minutes M] [--profile]``.

Narrates on stderr with rate and time left; the table comes last on stdout. Every figure stands beside a bare
reference of the same run: compare ratios, not figures. Exits 1 when a part could not be run, or when a goal
that was reached before is missed; goals that are still ahead are told as "not met yet".
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from tests.benchmarks.apart import programs
from tests.benchmarks.deciding import deciding
from tests.benchmarks.decoding import decoding
from tests.benchmarks.delivering import delivering
from tests.benchmarks.figures import Figure, Table
from tests.benchmarks.growing import growing
from tests.benchmarks.ingesting import ingesting
from tests.benchmarks.running import Part, Run, stores
from tests.benchmarks.scanning import scanning
from tests.benchmarks.starting import starting
from tests.proof.narration import Narration

#: The parts of the core, in the order in which they share their stores.
CORE: dict[str, Part] = {
    "deciding": deciding,
    "decoding": decoding,
    "ingesting": ingesting,
    "delivering": delivering,
    "starting": starting,
    "growing": growing,
    "scanning": scanning,
}


def parts() -> dict[str, Part]:
    """The core's parts, then the packages below this one that are programs of their own."""
    return {**CORE, **programs()}


def _arguments(known: Mapping[str, Part]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=known, metavar="NAME", help=f"of {', '.join(known)}")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures into FILE")
    parser.add_argument("--records", type=int, default=1_000_000, help="rows of the largest mirror (1000000)")
    parser.add_argument("--minutes", type=float, default=6.0, help="how long it may take, about (6)")
    parser.add_argument("--profile", action="store_true", help="show where the time goes, too")
    return parser.parse_args()


def main() -> int:
    """Run the parts, print the table; 0 when all were run and nothing fell behind."""
    known = parts()
    chosen = _arguments(known)
    names = [name for name in known if not chosen.only or name in chosen.only]
    began, budget = time.monotonic(), chosen.minutes * 60.0
    narration = Narration(sys.stderr, budget)
    figures: list[Figure] = []
    failed: dict[str, str] = {}
    with stores(narration) as shared:
        run = Run(chosen.records, shared, narration, chosen.profile)
        for place, name in enumerate(names):
            left = budget - (time.monotonic() - began)
            run.ends = time.monotonic() + left / (len(names) - place)
            try:
                for figure in known[name](run):
                    figures.append(figure)
            except Exception as error:
                failed[name] = f"{type(error).__name__}: {error}"
                print(f"  {name}: {failed[name]}", file=sys.stderr, flush=True)
            except KeyboardInterrupt:
                failed |= dict.fromkeys(names[place:], "it was stopped")
                break
    table = Table(tuple(figures), failed, time.monotonic() - began, tuple(run.profiles))
    print(table.text())
    if chosen.json is not None:
        chosen.json.write_text(json.dumps(table.plain(), indent=2) + "\n")
    return 0 if table.holds else 1


if __name__ == "__main__":
    sys.exit(main())
