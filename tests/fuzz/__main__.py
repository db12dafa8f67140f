"""``make fuzz N=1000000``: every target for its share of the executions, two at once.

The corpus is kept below ``.local/fuzz`` and the next run goes on from it. Exits 1 when an input broke
something; the input is kept beside the corpus.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import random
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
CORPUS = REPOSITORY / ".local" / "fuzz"
NAMES = ("flat", "xml", "json", "status", "parser", "schema", "table")
#: How the executions are shared out: parsers of IDocs get most.
SHARES = {"flat": 5, "xml": 5, "json": 1, "status": 1, "parser": 3, "schema": 3, "table": 2}
#: Seconds of one target at most.
_LONGEST_S = 24 * 3600.0


@dataclass(frozen=True, slots=True)
class Found:
    """What came of a target."""

    target: str
    engine: str
    seed: int
    executions: int
    edges: int
    corpus: int
    crash: str

    def text(self) -> str:
        """A line of the table."""
        verdict = self.crash or "nothing broke"
        return (
            f"{self.target:<8} {self.executions:>9} executions  {self.edges:>6} edges  "
            f"{self.corpus:>6} kept  seed {self.seed}  {verdict}"
        )


def main() -> int:
    """Run every target; 0 when nothing broke."""
    asked = _arguments()
    engine = asked.engine or ("atheris" if importlib.util.find_spec("atheris") else "trace")
    seed = asked.seed if asked.seed is not None else random.SystemRandom().randrange(1, 2**31)
    shares = sum(SHARES[name] for name in asked.only)
    with ThreadPoolExecutor(min(2, os.cpu_count() or 1)) as pool:
        jobs = [
            pool.submit(_run, name, engine, max(1, asked.runs * SHARES[name] // shares), seed, asked.corpus)
            for name in asked.only
        ]
        found = [job.result() for job in jobs]
    for one in found:
        sys.stdout.write(one.text() + "\n")
    done, broken = sum(one.executions for one in found), [one for one in found if one.crash]
    edges = sum(one.edges for one in found)
    if asked.json:
        figures = {"executions": done, "edges": edges, "seed": seed, "engine": engine}
        asked.json.write_text(json.dumps({**figures, "targets": [asdict(one) for one in found]}, indent=1))
    verdict = f"FAILED: {len(broken)} of {len(found)} targets broke" if broken else "nothing broke"
    sys.stdout.write(f"make fuzz: {done} executions, {edges} edges, seed {seed}, by {engine}: {verdict}\n")
    return int(bool(broken))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--runs", type=int, default=200_000, help="executions in all (200000)")
    parser.add_argument("--only", nargs="+", choices=NAMES, default=list(NAMES), metavar="TARGET")
    parser.add_argument("--seed", type=int, help="for the same run again; by chance otherwise")
    parser.add_argument("--corpus", type=Path, default=CORPUS, help="where inputs are kept (.local/fuzz)")
    parser.add_argument("--engine", choices=("atheris", "trace"), help="atheris where it is installed")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures into FILE")
    return parser.parse_args()


def _run(name: str, engine: str, runs: int, seed: int, corpus: Path) -> Found:
    here = corpus / name
    command = [sys.executable, "-m", "tests.fuzz.one", name, "--runs", str(runs), "--seed", str(seed)]
    command += ["--corpus", str(here), "--engine", engine]
    done = subprocess.run(
        command, cwd=REPOSITORY, capture_output=True, text=True, errors="replace", timeout=_LONGEST_S
    )
    kept = sum(1 for path in here.iterdir() if path.is_file()) if here.exists() else 0
    if engine == "trace" and done.stdout:
        told = json.loads(done.stdout.splitlines()[-1])
        if told["crash"]:
            sys.stderr.write(done.stderr)
        return Found(name, engine, seed, told["executions"], told["edges"], kept, told["crash"])
    covered = re.findall(r"cov: (\d+)", done.stderr)
    executed = re.findall(r"stat::number_of_executed_units: (\d+)", done.stderr) or re.findall(
        r"^#(\d+)\s", done.stderr, re.MULTILINE
    )
    crash = ""
    if done.returncode:
        written = re.findall(r"Test unit written to (\S+)", done.stderr)
        crash = written[-1] if written else f"exit {done.returncode}"
        sys.stderr.write(done.stderr[-4000:])
    return Found(
        name,
        engine,
        seed,
        int(executed[-1]) if executed else 0,
        int(covered[-1]) if covered else 0,
        kept,
        crash,
    )


if __name__ == "__main__":
    sys.exit(main())
