"""The format as a library: its example runs, it needs nothing of the product, its names are documented."""

from __future__ import annotations

import doctest
import subprocess
import sys
from pathlib import Path

import adapters.idoc.format as library

REPOSITORY = Path(__file__).parents[3]
FOREIGN = """
import sys
sys.path.insert(0, sys.argv[1])
before = set(sys.modules)
import adapters.idoc.format
new = {name.split(".")[0] for name in set(sys.modules) - before}
print(sorted(name for name in new - set(sys.stdlib_module_names) if not name.startswith("_")))
"""


def test_the_example_in_its_documentation_is_true() -> None:
    failed, tried = doctest.testmod(library)
    assert (failed, tried > 6) == (0, True)


def test_it_imports_the_standard_library_only() -> None:
    command = [sys.executable, "-c", FOREIGN, str(REPOSITORY)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['adapters']"


def test_every_public_name_says_what_it_is_for() -> None:
    documented = [getattr(library, name) for name in library.__all__ if name not in ("Item", "Report")]
    assert [each for each in documented if callable(each) and not (each.__doc__ or "").strip()] == []
