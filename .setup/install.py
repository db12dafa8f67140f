"""Builds .venv from requirements.lock and leaves .venv/bin/isthmus; does nothing where nothing has changed.

Standard library only: it runs on a machine that has nothing yet. Started by python.sh.
"""

import fcntl
import hashlib
import importlib.util
import json
import re
import subprocess
import sys
import venv
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import debian
import system
from narration import give_up, run, say

REPOSITORY = Path(__file__).resolve().parent.parent
LOCAL = REPOSITORY / ".local"
VENV = REPOSITORY / ".venv"
LOCK = REPOSITORY / "requirements.lock"
STAMP = VENV / ".setup.json"
PYTHON = VENV / "bin" / "python"
ISTHMUS = VENV / "bin" / "isthmus"
OFFLINE = "Is the package registry reachable? pip's own settings (PIP_INDEX_URL, PIP_CERT, …) are respected."


def main() -> int:
    """Set up what is missing and say so; return 0, or leave through give_up."""
    with_tests = "--with-tests" in sys.argv[1:]
    (REPOSITORY / ".cache").mkdir(exist_ok=True)
    with (REPOSITORY / ".cache" / "setup.lock").open("w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)  # two makes at once would install into each other's environment
        system.provide(LOCAL, with_tests)
        set_up_python()
        link_unpacked()
    say("ready: .venv/bin/isthmus")
    return 0


#: What a .venv was made for. A patch release that apt brings in keeps it working.
VERSION = "{}.{}".format(*sys.version_info)


def set_up_python() -> None:
    """Bring .venv up to requirements.lock and pyproject.toml."""
    done = read_stamp()
    wanted = {"python": VERSION, "lock": digest(LOCK), "project": digest(REPOSITORY / "pyproject.toml")}
    if done == wanted and ISTHMUS.exists():
        return
    if not venv_works() or done.get("python", VERSION) != VERSION:
        make_venv()
        done = {}
    STAMP.unlink(missing_ok=True)
    if done.get("lock") != wanted["lock"]:
        install_locked()
    install_project()
    STAMP.write_text(json.dumps(wanted))


def read_stamp() -> dict[str, str]:
    """What the last complete set-up was made from; empty where there was none."""
    if not STAMP.exists():
        return {}
    stamp: dict[str, str] = json.loads(STAMP.read_text())
    return stamp


def digest(path: Path) -> str:
    """The SHA-256 of a file in hexadecimal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def venv_works() -> bool:
    """Tell whether .venv holds a running Python that is new enough, with pip."""
    question = "import sys, pip; sys.exit(sys.version_info < (3, 11))"
    if not PYTHON.exists():
        return False
    command = [str(PYTHON), "-c", question]
    return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False).returncode == 0


def make_venv() -> None:
    """Create .venv afresh with pip in it, also where Debian's ensurepip is not installed."""
    say(f"making .venv with Python {sys.version.split()[0]}")
    wheel: Path | None = None
    if importlib.util.find_spec("ensurepip") is None:
        wheel = provide_pip()
    venv.create(VENV, clear=True, symlinks=True, with_pip=wheel is None)
    if wheel is None:
        return
    if not run([str(PYTHON), f"{wheel}/pip", "install", "-q", "--no-index", "--no-deps", str(wheel)]):
        give_up(f"pip could not be installed from {wheel.name}", "Remove .venv and .local, then try again.")


def provide_pip() -> Path | None:
    """Install Debian's ensurepip (then None), or unpack Debian's pip wheel and return where it is."""
    package = f"python{sys.version_info.major}.{sys.version_info.minor}-venv"
    if not debian.available():
        give_up("this Python comes without ensurepip", "Install a whole Python 3.11, ensurepip included.")
    prefix = debian.root_prefix()
    if prefix is not None:
        debian.install([package], prefix)
        importlib.invalidate_caches()
        return None
    debian.unpack(["python3-pip-whl"], LOCAL)
    folders = (LOCAL / "root/usr/share/python-wheels", Path("/usr/share/python-wheels"))
    wheels = [wheel for folder in folders for wheel in folder.glob("pip-*.whl")]
    if not wheels:
        give_up("Debian's python3-pip-whl holds no pip", f"As root: apt-get install {package}")
    return wheels[0]


def pip_install(*arguments: str) -> bool:
    """Run pip's install inside .venv."""
    pip = [str(PYTHON), "-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-input"]
    return run([*pip, *arguments])


def install_locked() -> None:
    """Install requirements.lock, every file checked against its hash.

    The tools that build source-only packages go first and are used without isolation: an isolated build would
    fetch them anew, unchecked.
    """
    lock = LOCK.read_text()
    tools = REPOSITORY / ".cache" / "build-tools.lock"
    tools.write_text(build_tools(lock, (REPOSITORY / ".setup" / "build-requirements.in").read_text()))
    say("installing the build tools, checked by hash")
    if not pip_install("--require-hashes", "-r", str(tools)):
        give_up("the build tools could not be installed", OFFLINE)
    say(f"installing {len(re.findall(r'(?m)^[a-z0-9]', lock))} locked packages, checked by hash")
    if not pip_install("--require-hashes", "--no-build-isolation", "-r", str(LOCK)):
        give_up("the packages of requirements.lock could not be installed", OFFLINE)


def build_tools(lock: str, wanted: str) -> str:
    """The entries of the lock for the packages that `wanted` names, hashes included."""
    names = set(re.findall(r"(?m)^[a-z0-9-]+", wanted))
    entries = re.split(r"\n(?=\S)", lock)
    chosen = [entry for entry in entries if entry.split("==")[0] in names]
    if len(chosen) != len(names):
        give_up("requirements.lock lacks a build tool", "Run make lock.")
    return "\n".join(chosen) + "\n"


def install_project() -> None:
    """Install the project itself, editable, without fetching anything."""
    say("installing isthmus itself")
    if not pip_install("--no-deps", "--no-build-isolation", "--no-index", "-e", str(REPOSITORY)):
        give_up("the project could not be installed", "The lines above say why.")


def link_unpacked() -> None:
    """Let a bare .venv/bin/isthmus find what was unpacked: a .pth line runs at every start of this Python."""
    purelib = next(VENV.glob("lib/python*/site-packages"))
    marker = purelib / "isthmus-local.pth"
    names = {"ISTHMUS_ODBC_LIBRARIES": LOCAL / "odbc", "ISTHMUS_PG_BINARIES": LOCAL / "postgres"}
    found = {name: str(folder) for name, folder in names.items() if folder.is_dir()}
    if found:
        sets = "; ".join(f"os.environ.setdefault({name!r}, {value!r})" for name, value in found.items())
        marker.write_text(f"import os; {sets}\n")
    else:
        marker.unlink(missing_ok=True)


if __name__ == "__main__":
    raise SystemExit(main())
