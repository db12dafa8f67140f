"""Resolves requirements.lock anew: every package, the hashes of all its files, no addresses, no comments.

Only the public registry's files count: uv reads none of pip's settings, so link directories and extra indexes
of this machine play no part. It lives in an environment of its own, since nothing else needs it.
"""

import subprocess
import sys
import venv
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
RESOLVER = REPOSITORY / ".cache" / "lock"
UV = "uv==0.13.9"


def main() -> int:
    """Write requirements.lock; return the resolver's exit code."""
    if not (RESOLVER / "bin" / "uv").exists():
        venv.create(RESOLVER, with_pip=True)
        install = ["-m", "pip", "install", "-q", "--disable-pip-version-check", UV]
        subprocess.run([str(RESOLVER / "bin" / "python"), *install], check=True, stdin=subprocess.DEVNULL)
    lock = REPOSITORY / "requirements.lock"
    before = lock.read_text() if lock.exists() else ""
    command = [str(RESOLVER / "bin" / "uv"), "pip", "compile", "--quiet", "--no-config", "--upgrade"]
    command += ["--universal", "--python-version", "3.11", "--generate-hashes"]
    command += ["--no-emit-index-url", "--no-annotate", "--no-header", "--extra", "dev", "-o", str(lock)]
    command += ["pyproject.toml", ".setup/build-requirements.in"]
    code = subprocess.run(command, check=False, cwd=REPOSITORY, stdin=subprocess.DEVNULL).returncode
    changed = "changed" if lock.exists() and lock.read_text() != before else "unchanged"
    print(f"make lock: requirements.lock {changed}" if code == 0 else "make lock: FAILED")
    return min(code, 1)


if __name__ == "__main__":
    sys.exit(main())
