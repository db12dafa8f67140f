"""Debian packages for this project: installed where that is allowed, else unpacked into a private folder.

Unpacking needs no root rights: apt resolves and downloads with state and cache of its own, `dpkg -x` unpacks.
apt leaves out what the machine has already, so the folder holds only what was missing.
"""

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from narration import give_up, run, say

_QUIET = ("-y", "-q", "--no-install-recommends", "-o", "Dpkg::Use-Pty=0", "-o", "DPkg::Lock::Timeout=300")

# Debian's server package makes a database cluster and starts it; the tests start their own from the binaries.
_WITHOUT_CLUSTER = """
conf=/etc/postgresql-common/createcluster.d/isthmus-setup.conf
mkdir -p "${conf%/*}"
echo 'create_main_cluster = false' > "$conf"
trap 'rm -f "$conf"' EXIT
"$@"
"""


def available() -> bool:
    """Tell whether this machine has Debian's package tools at all."""
    return shutil.which("apt-get") is not None and shutil.which("dpkg") is not None


def root_prefix() -> list[str] | None:
    """The words that make a command run as root without asking for a password, or None where nothing does."""
    if os.geteuid() == 0:
        return []
    if shutil.which("sudo") is None:
        return None
    asked = subprocess.run(["sudo", "-n", "true"], stdin=subprocess.DEVNULL, capture_output=True, check=False)
    return ["sudo", "-n"] if asked.returncode == 0 else None


def install(packages: Sequence[str], prefix: Sequence[str]) -> None:
    """Install packages with apt as root; package lists are fetched only when the first try shows a need."""
    say(f"installing Debian packages: {' '.join(packages)}")
    command = [*prefix, "env", "DEBIAN_FRONTEND=noninteractive"]
    if "postgresql" in packages:
        command += ["sh", "-euc", _WITHOUT_CLUSTER, "sh"]
    command += ["apt-get", "install", *_QUIET, *packages]
    if run(command):
        return
    say("fetching Debian's package lists, then trying again")
    run([*prefix, "apt-get", "update", "-q"])
    if not run(command):
        give_up(
            f"apt-get could not install {' '.join(packages)}",
            f"Install them by hand, then run make setup again: apt-get install {' '.join(packages)}",
        )


def unpack(packages: Sequence[str], folder: Path) -> None:
    """Download packages with what they depend on and unpack them below `folder`, without root rights."""
    say(f"no root rights: unpacking into {folder.name}: {' '.join(packages)}")
    state, cache = folder / "apt" / "state", folder / "apt" / "cache"
    for needed in (state / "lists" / "partial", cache / "archives" / "partial"):
        needed.mkdir(parents=True, exist_ok=True)
    options = ["-o", f"Dir::State={state}", "-o", "Dir::State::status=/var/lib/dpkg/status"]
    options += [
        "-o",
        f"Dir::Cache={cache}",
        "-o",
        "Debug::NoLocking=true",
        "-o",
        "APT::Sandbox::User=",
        "-o",
        "Acquire::Languages=none",
    ]
    fetched = run(["apt-get", *options, "update", "-q"]) and run(
        ["apt-get", *options, "install", "--download-only", *_QUIET, *packages]
    )
    if not fetched:
        give_up(
            f"apt-get could not download {' '.join(packages)}",
            f"As root: apt-get install {' '.join(packages)}; then run make setup again.",
        )
    root = folder / "root"
    root.mkdir(exist_ok=True)
    for archive in sorted((cache / "archives").glob("*.deb")):
        if not run(["dpkg", "-x", str(archive), str(root)]):
            give_up(f"{archive.name} could not be unpacked", "Remove .local and run make setup again.")
    shutil.rmtree(folder / "apt")
