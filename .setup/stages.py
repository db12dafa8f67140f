"""Runs the named stages of `make test` or `make lint` one after the other, all of them even after a failure.

Their output passes through; a table of verdicts and seconds, pytest's closing line and one verdict end it.
Usage: stages.py TITLE STAGE… [--json FILE] [-- PYTEST-OPTION…]
"""

import argparse
import json
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

REPOSITORY = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
JUNIT = REPOSITORY / ".cache" / "junit.xml"
# Two workers for two cores; a file stays on one worker, so that its server fixtures start once. Files go in
# the order of tests/conftest.py: their number of tests says nothing of how long they take.
DISTRIBUTED = ["-n", "2", "--dist", "loadfile", "--no-loadscope-reorder", "--max-worker-restart=1"]
PYTEST = ["pytest", *DISTRIBUTED, "--durations=15", "--durations-min=1"]
STAGES: dict[str, list[str]] = {
    "lint": ["ruff", "check", "--output-format", "concise", "."],
    "format": ["ruff", "format", "--check", "--output-format", "concise", "."],
    "types": ["mypy", "--strict"],
    "setup-types": ["mypy", "--strict", "--config-file", "pyproject.toml", ".setup"],
    "imports": ["lint-imports", "--no-logo"],
    "tests": [*PYTEST, f"--junit-xml={JUNIT}"],
}
_CLOSING = re.compile(r"=+ .*\b(passed|failed|errors?|skipped|deselected|no tests ran)\b.* in [\d.]+s.*=+")


@dataclass(frozen=True)
class Result:
    """How one stage ended: its name, verdict, wall-clock seconds and pytest's closing line (or nothing)."""

    name: str
    passed: bool
    seconds: float
    closing: str = ""


def run_stage(name: str, extra: Sequence[str]) -> Result:
    """Run one stage, its output passing through as it comes."""
    program, *arguments = [*STAGES[name], *extra]
    print(f"\n── {name}: {program} {' '.join(arguments)}".replace(f"{REPOSITORY}/", ""), flush=True)
    started = time.monotonic()
    command = [str(BIN / program), *arguments]
    closing = ""
    null, pipe = subprocess.DEVNULL, subprocess.PIPE
    with subprocess.Popen(
        command, cwd=REPOSITORY, text=True, stdin=null, stdout=pipe, stderr=subprocess.STDOUT
    ) as process:
        for line in process.stdout or ():
            sys.stdout.write(line)
            sys.stdout.flush()
            if _CLOSING.search(line):
                closing = line.strip()
    return Result(name, process.returncode == 0, round(time.monotonic() - started, 2), closing)


def count_tests(report: Path) -> dict[str, int]:
    """The numbers of tests in a JUnit report: total, passed, failed, errors, skipped."""
    suites = list(ElementTree.parse(report).getroot().iter("testsuite"))  # noqa: S314 - pytest wrote it just now
    keys = ("tests", "failures", "errors", "skipped")
    count = {key: sum(int(suite.get(key, "0")) for suite in suites) for key in keys}
    bad = count["failures"] + count["errors"] + count["skipped"]
    return {
        "total": count["tests"],
        "passed": count["tests"] - bad,
        "failed": count["failures"],
        "errors": count["errors"],
        "skipped": count["skipped"],
    }


def report(title: str, results: Sequence[Result], figures: Path | None) -> bool:
    """Print the table, pytest's closing line and the verdict; write the figures; tell whether all passed."""
    passed = all(result.passed for result in results)
    seconds = round(sum(result.seconds for result in results), 2)
    print(f"\n{'stage':<14}{'seconds':>9}  verdict")
    for result in results:
        print(f"{result.name:<14}{result.seconds:>9.1f}  {'passed' if result.passed else 'FAILED'}")
    if figures is not None:
        stages = [{"name": r.name, "passed": r.passed, "seconds": r.seconds} for r in results]
        tests = count_tests(JUNIT) if JUNIT.exists() else None
        data = {"command": title, "passed": passed, "seconds": seconds, "stages": stages, "tests": tests}
        figures.write_text(json.dumps(data, indent=2) + "\n")
    for result in results:
        if result.closing:
            print(result.closing)
    failed = ", ".join(result.name for result in results if not result.passed)
    print(f"{title}: {'passed' if passed else f'FAILED in {failed}'} after {seconds:.0f} s", flush=True)
    return passed


def main(arguments: Sequence[str]) -> int:
    """Run the stages named on the command line; 0 when all passed, else 1."""
    cut = arguments.index("--") if "--" in arguments else len(arguments)
    own, extra = arguments[:cut], arguments[cut + 1 :]
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("title")
    parser.add_argument("stages", nargs="+", choices=list(STAGES))
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(own)
    JUNIT.parent.mkdir(exist_ok=True)
    JUNIT.unlink(missing_ok=True)
    results = [run_stage(name, extra if name == "tests" else ()) for name in options.stages]
    return 0 if report(options.title, results, options.json) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
