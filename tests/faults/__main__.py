"""``python -m tests.faults [--only NAME …] [--seed N] [--json FILE] [--list]``: faults at other systems.

At Salesforce, and at an ERP over ODBC on PostgreSQL and MariaDB. Every scenario is played over real sockets,
once plainly and once with a kill of the agent in the midst of it.
Narrates on stderr with rate and time left; the scorecard comes last on stdout. Exits 1 when anything falls
short; the same seed and name play the same again. Interrupt it at any time: what was done so far is reported.
"""

from __future__ import annotations

import argparse
import fnmatch
import json
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tests.faults.catalogue import ENTRIES
from tests.faults.crew import Crew, Task
from tests.faults.played import KILL, Played
from tests.proof.card import Card, Line

#: Where the scorecard is kept when nobody says otherwise.
CARD = Path(".cache/faults.json")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument(
        "--only", nargs="+", metavar="NAME", help="these scenarios only, as --list names them (* and ? match)"
    )
    parser.add_argument("--seed", type=int, default=1, help="what business does, and when (1)")
    parser.add_argument("--json", type=Path, metavar="FILE", default=CARD, help=f"figures into FILE ({CARD})")
    parser.add_argument("--list", action="store_true", help="name the scenarios and end")
    parser.add_argument("--jobs", type=int, default=3, help="how many at a time: they wait much (3)")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="keep what fell short in this folder")
    parser.add_argument("--play", nargs=2, metavar=("NAME", "DIR"), help=argparse.SUPPRESS)
    return parser.parse_args()


def _chosen(parser_names: Sequence[str] | None) -> list[str]:
    """The scenarios that are meant; a pattern means all that match. Ends with code 2 for one that is none."""
    if not parser_names:
        return list(ENTRIES)
    chosen = {name: fnmatch.filter(ENTRIES, name) for name in parser_names}
    unknown = [name for name, found in chosen.items() if not found]
    if unknown:
        print(f"no scenario {', '.join(unknown)}; --list names them", file=sys.stderr)
        raise SystemExit(2)
    meant = {name for found in chosen.values() for name in found}
    return [name for name in ENTRIES if name in meant]


def _one(name: str, folder: Path, seed: int) -> int:
    """Play one scenario in this process; what came of it as one line of JSON."""
    print(json.dumps(ENTRIES[name].play(folder, seed).as_dict()))
    return 0


def _line(played: Played) -> Line:
    said = played.wrong or played.told
    return Line(
        ENTRIES[played.name].row, played.name, not played.wrong, 1, "scenarios", " ".join(said.split())
    )


def main() -> int:
    """Play the chosen scenarios; print the scorecard; 0 when nothing fell short."""
    chosen = _arguments()
    if chosen.list:
        for name, entry in ENTRIES.items():
            print(f"{name:<44} {entry.row}: {entry.what}" if not name.endswith(KILL) else name)
        return 0
    if chosen.play:
        return _one(chosen.play[0], Path(chosen.play[1]), chosen.seed)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    started = time.monotonic()
    lines: list[Line] = []
    stopped = False
    with tempfile.TemporaryDirectory(prefix="isthmus-faults-") as base:
        crew = Crew(Path(base), chosen.seed, chosen.keep)
        try:
            for played in crew.play([Task(name) for name in _chosen(chosen.only)], chosen.jobs):
                lines.append(_line(played))
        except KeyboardInterrupt:
            stopped = True
    card = Card(tuple(lines), time.monotonic() - started, chosen.seed, stopped)
    print(card.text())
    for line in lines:
        if not line.holds:
            again = f"python -m tests.faults --seed {chosen.seed} --only {line.name}"
            print(f"\n{line.name}: {line.said}\n  again: {again}")
    chosen.json.parent.mkdir(parents=True, exist_ok=True)
    chosen.json.write_text(json.dumps(card.figures(), indent=2) + "\n")
    print(f"the scorecard is kept in {chosen.json}", file=sys.stderr)
    return 0 if card.holds else 1


if __name__ == "__main__":
    sys.exit(main())
