"""``python -m tests.benchmarks.snapshot [--json FILE] [--records N] [--ways WAY …]``.

Reads all accounts of a stand-in org, each way in a process of its own, and tells, from the first page on, the
adapter's processor time beside that of the csv module alone over the same bytes, and the speed of the whole
line, on which the stand-in makes the rows meanwhile; and the most memory that was held. The way ``mirror`` is
the product's own, into its store, beside the csv module and plain SQLite. A table on stderr, one line last on
stdout.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from adapters.salesforce.read.result import PAGE
from tests.salesforce.orgprocess import process

WAYS = {"bulk": "Bulk API 1.0", "bulk2": "Bulk API 2.0", "rest": "REST", "mirror": "into the mirror"}
#: What the product's own way takes, twice: where every record is new, and where nothing has changed.
MIRROR = {"first": "all new", "again": "all known"}
PLAIN = "csv and one executemany a page"
#: Records that are taken into the mirror beside other ways, at most.
MIRRORED = 20_000
#: The first page is not measured, so there must be more.
FEWEST = 2 * PAGE
HERE = Path(__file__).parents[3]


def _take(way: str, info: Path, file: Path) -> dict[str, float]:
    command = [sys.executable, "-m", f"{__package__}.taking", way, str(info), "--bytes", str(file)]
    done = subprocess.run(command, cwd=HERE, stdout=subprocess.PIPE, check=True, text=True)
    told: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return told


def figures(records: int, ways: Sequence[str]) -> Iterator[dict[str, Any]]:
    """The lines of the table. Beside other ways the mirror takes fewer records, for it takes longer."""
    read = [way for way in ways if way != "mirror"]
    if "mirror" in ways:
        with _org(min(records, MIRRORED) if read else records) as (info, file):
            yield from _mirror(info, file)
    if read:
        with _org(records) as (info, file):
            yield from _ways(info, file, read)


@contextmanager
def _org(records: int) -> Iterator[tuple[Path, Path]]:
    """An org of so many accounts: what it printed, and the file of all of them."""
    with (
        tempfile.TemporaryDirectory(prefix="isthmus-bench-") as folder,
        process("--accounts", str(records)) as told,
    ):
        info, file = Path(folder) / "org.json", Path(folder) / "rows.csv"
        info.write_text(json.dumps(told))
        _take("keep", info, file)
        yield info, file


def _ways(info: Path, file: Path, ways: Sequence[str]) -> Iterator[dict[str, Any]]:
    """The adapter's ways."""
    bare = _take("csv", info, file)
    alone = bare["worked"] * 1e6 / bare["rows"]
    for way in ways:
        found, name = _take(way, info, file), WAYS[way]
        if not 0 <= bare["rows"] - found["rows"] <= PAGE:
            raise RuntimeError(f"{name}: {found['rows']} rows of {bare['rows']} behind the first page")
        ours = found["worked"] * 1e6 / found["rows"]
        speed, most = found["rows"] / found["seconds"], bare["rows"] / bare["seconds"]
        beside = "the csv module over the same bytes"
        yield _line(f"{name}: a row", "µs of a core", ours, alone, alone / ours, beside)
        yield _line(f"{name}: the whole line", "rows/s", speed, most, speed / most, beside)
        peak, before = found["peak"], found["before"]
        yield _line(f"{name}: memory", "MB at most", peak, before, peak / before, "before the first row")


def _mirror(info: Path, file: Path) -> Iterator[dict[str, Any]]:
    command = [sys.executable, "-m", f"{__package__}.mirroring", str(info), str(file.parent)]
    done = subprocess.run(
        [*command, "--bytes", str(file)], cwd=HERE, stdout=subprocess.PIPE, check=True, text=True
    )
    told = json.loads(done.stdout.splitlines()[-1])
    bare, name = told["bare"], WAYS["mirror"]
    alone, most = bare["worked"] * 1e6 / bare["rows"], bare["rows"] / bare["seconds"]
    for which, said in MIRROR.items():
        found = told[which]
        if not 0 <= bare["rows"] - found["rows"] <= PAGE:
            raise RuntimeError(f"{name}: {found['rows']} rows of {bare['rows']} behind the first page")
        ours, speed = found["worked"] * 1e6 / found["rows"], found["rows"] / found["seconds"]
        yield _line(f"{name}, {said}: a row", "µs of a core", ours, alone, alone / ours, PLAIN)
        yield _line(f"{name}, {said}: the whole line", "rows/s", speed, most, speed / most, PLAIN)
    peak, before = told["peak"], told["before"]
    yield _line(f"{name}: memory", "MB at most", peak, before, peak / before, "before the first row")


def _line(name: str, unit: str, ours: float, reference: float, ratio: float, beside: str) -> dict[str, Any]:
    return {
        "name": name,
        "unit": unit,
        "ours": round(ours, 2),
        "reference": round(reference, 2),
        "ratio": round(ratio, 3),
        "beside": beside,
    }


def main(arguments: Sequence[str]) -> int:
    """Measure and tell."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.snapshot", description=__doc__)
    parser.add_argument("--json", type=Path, help="figures as JSON into this file")
    parser.add_argument("--records", type=int, default=20_000, help="records of the object (20000)")
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS), help="all by default")
    chosen = parser.parse_args(list(arguments))
    found = []
    records = max(chosen.records, FEWEST)
    for figure in figures(records, chosen.ways):
        found.append(figure)
        sys.stderr.write(
            f"{figure['name']:<42}{figure['ours']:>12,.1f} {figure['unit']:<14}"
            f"{figure['ratio']:>8.2f} of {figure['reference']:,.1f}, {figure['beside']}\n"
        )
        sys.stderr.flush()
    if chosen.json is not None:
        chosen.json.write_text(json.dumps({"command": "snapshot", "figures": found}, indent=2) + "\n")
    print(f"snapshot: {len(found)} figures of {records} records")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
