"""One target in a process of its own: ``python -m tests.fuzz.one TARGET --runs N --seed S --corpus DIR``.

By atheris (libFuzzer) where it is installed, else by the tracer of Python. Prints one JSON line last.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from tests.fuzz import guard

_PACKAGE = "adapters.idoc.format"


def main() -> int:
    """Run; 0 when nothing was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.one")
    parser.add_argument("target")
    parser.add_argument("--runs", type=int, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--corpus", type=Path, required=True)
    parser.add_argument("--engine", choices=("atheris", "trace"), default="atheris")
    asked = parser.parse_args()
    asked.corpus.mkdir(parents=True, exist_ok=True)
    if asked.engine == "atheris":
        return _atheris(asked)
    from tests.fuzz.tracing import fuzz

    found = fuzz(asked.target, asked.runs, asked.seed, asked.corpus)
    sys.stdout.write(json.dumps(found) + "\n")
    return int(bool(found["crash"]))


def _atheris(asked: argparse.Namespace) -> int:
    import atheris

    with atheris.instrument_imports(include=[_PACKAGE]):
        from tests.fuzz.targets import TARGETS
    from tests.fuzz.seeds import LONGEST, WORDS, seeds

    words = asked.corpus.parent / f"{asked.target}.dict"
    quoted = ["".join(f"\\x{byte:02x}" for byte in word) for word in WORDS[asked.target]]
    words.write_text("".join(f'"{word}"\n' for word in quoted))
    for at, seed in enumerate(seeds()[asked.target]):
        (asked.corpus / f"seed-{at}").write_bytes(seed)
    target = guard.guarded(TARGETS[asked.target])
    options = [f"-runs={asked.runs}", f"-seed={asked.seed}", f"-max_len={LONGEST}", "-timeout=10"]
    options += [
        f"-dict={words}",
        f"-artifact_prefix={asked.corpus.parent}/{asked.target}-",
        "-rss_limit_mb=1024",
    ]
    options += ["-print_final_stats=1", str(asked.corpus)]
    atheris.Setup([sys.argv[0], *options], target)
    atheris.Fuzz()
    return 0


if __name__ == "__main__":
    sys.exit(main())
