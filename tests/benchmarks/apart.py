"""Parts that are programs of their own, in packages below this one: run apart, their figures taken over.

Such a package has a ``__main__`` that takes ``--json FILE`` and ``--records N`` and writes
``{"figures": [{"name", "unit", "ours", "reference", "ratio", "beside"}, …]}``.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from tests.benchmarks.figures import Figure
from tests.benchmarks.running import Part, Run

HERE = Path(__file__).parent
#: No part takes longer, in seconds; and its share of the largest mirror's rows.
LONGEST_S, SHARE = 900.0, 10


def programs() -> dict[str, Part]:
    """The packages that are programs, by name."""
    found = sorted(path.parent.name for path in HERE.glob("*/__main__.py"))
    return {name: partial(_apart, name) for name in found}


def _apart(name: str, run: Run) -> Iterator[Figure]:
    run.narration.begin(f"{name}, in a process of its own")
    with tempfile.TemporaryDirectory(prefix="isthmus-bench-") as directory:
        file = Path(directory) / "figures.json"
        command = [sys.executable, "-m", f"{__package__}.{name}", "--json", str(file)]
        done = subprocess.run(
            [*command, "--records", str(max(run.records // SHARE, 1))],
            cwd=HERE.parents[1],
            stdout=subprocess.DEVNULL,
            timeout=LONGEST_S,
        )
        if done.returncode:
            raise RuntimeError(f"it ended with {done.returncode}")
        told = json.loads(file.read_text())
    for one in told["figures"]:
        yield Figure(
            name,
            one["name"],
            one["ours"],
            one["unit"],
            one["reference"],
            one["ratio"],
            said=f"beside {one['beside']}",
        )
