"""What `make setup` derives: the build tools out of the lock, and how unpacked parts are found again."""

import os
import subprocess
from pathlib import Path
from types import ModuleType

import pytest

from tests.architecture.scripts import script

LOCK = """\
packaging==26.3 \\
    --hash=sha256:aa \\
    --hash=sha256:ab
setuptools==84.2.1 \\
    --hash=sha256:bb
setuptools-scm==9.0 \\
    --hash=sha256:cc
wheel==0.48.0 \\
    --hash=sha256:dd
"""


@pytest.fixture
def system(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    return script("system", monkeypatch)


def _server(root: Path, version: str) -> None:
    folder = root / "usr/lib/postgresql" / version / "bin"
    folder.mkdir(parents=True)
    for name in ("initdb", "pg_ctl", "postgres", "psql"):
        program = folder / name
        program.write_text(f'#!/bin/sh\necho "{version} $1 $LD_LIBRARY_PATH"\n')
        program.chmod(0o755)


def _library(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()


def test_the_build_tools_come_out_of_the_lock_with_their_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    tools = script("install", monkeypatch).build_tools(LOCK, "# why\nsetuptools>=80\npackaging\n")
    assert tools == (
        "packaging==26.3 \\\n    --hash=sha256:aa \\\n    --hash=sha256:ab\n"
        "setuptools==84.2.1 \\\n    --hash=sha256:bb\n"
    )


def test_a_build_tool_that_the_lock_lacks_ends_the_setup(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SystemExit):
        script("install", monkeypatch).build_tools(LOCK, "hatchling\n")


def test_unpacked_drivers_and_server_are_named_in_the_environment(system: ModuleType, tmp_path: Path) -> None:
    local = tmp_path / "with a space"
    libraries = local / "root/usr/lib/x86_64-linux-gnu"
    drivers = ("psqlodbcw.so", "libtdsodbc.so")
    for name in ("libltdl.so.7", "libodbc.so.2", "libodbcinst.so.2", "libpq.so.5"):
        _library(libraries / name)
    for name in drivers:
        _library(libraries / "odbc" / name)
    _server(local / "root", "15")
    system.gather(local)
    command = '. "$0" && echo "$ISTHMUS_ODBC_LIBRARIES|$ISTHMUS_PG_BINARIES|$LD_LIBRARY_PATH"'
    shown = subprocess.run(
        ["sh", "-c", command, str(local / "environment.sh")],
        env={"PATH": os.environ["PATH"], "LD_LIBRARY_PATH": "before"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert shown.stdout.strip() == f"{local / 'odbc'}|{local / 'postgres'}|{libraries}:before"
    for name in drivers:
        assert (local / "odbc" / name).resolve() == libraries / "odbc" / name


def test_the_newest_unpacked_server_starts_with_its_own_libraries(system: ModuleType, tmp_path: Path) -> None:
    _library(tmp_path / "root/usr/lib/x86_64-linux-gnu/libpq.so.5")
    _server(tmp_path / "root", "9")
    _server(tmp_path / "root", "15")
    system.gather(tmp_path)
    starter = str(tmp_path / "postgres" / "initdb")
    shown = subprocess.run([starter, "-D"], env={}, capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == f"15 -D {tmp_path / 'root/usr/lib/x86_64-linux-gnu'}"


def test_an_unpacked_mariadb_starts_with_its_own_libraries_and_files(
    system: ModuleType, tmp_path: Path
) -> None:
    local = tmp_path / "with a space"
    _library(local / "root/usr/lib/x86_64-linux-gnu/liburing.so.2")
    _library(local / "root/usr/lib/x86_64-linux-gnu/libmariadb.so.3")
    _library(local / "root/usr/lib/x86_64-linux-gnu/odbc/libmaodbc.so")
    _library(local / "root/usr/share/mysql/mysql_system_tables.sql")
    program = local / "root/usr/sbin/mariadbd"
    program.parent.mkdir()
    program.write_text('#!/bin/sh\necho "$1 $LD_LIBRARY_PATH"\n')
    program.chmod(0o755)
    system.gather(local)
    command = '. "$0"; mariadbd --no-defaults'
    shown = subprocess.run(
        ["/bin/sh", "-c", command, str(local / "environment.sh")],
        env={"PATH": "/nowhere"},
        capture_output=True,
        text=True,
        check=True,
    )
    libraries = str(local / "root/usr/lib/x86_64-linux-gnu")
    assert shown.stdout.split(" ", 1)[0] == "--no-defaults" and shown.stdout.strip().startswith(
        f"--no-defaults {libraries}"
    )
    assert (local / "mariadb/share/mysql_system_tables.sql").exists()
    assert {path.name for path in (local / "odbc").iterdir()} >= {"libmaodbc.so", "libmariadb.so.3"}


def test_a_part_counts_as_present_only_when_it_is_whole(system: ModuleType, tmp_path: Path) -> None:
    manager = next(part for part in system.PRODUCT if part.name == "unixODBC")
    _library(tmp_path / "usr/lib/x86_64-linux-gnu/libodbc.so.2")
    assert not manager.present(tmp_path)
    _library(tmp_path / "usr/lib/x86_64-linux-gnu/libodbcinst.so.2")
    assert manager.present(tmp_path)


def test_an_unpacked_tracer_is_on_the_path_and_alone_there(system: ModuleType, tmp_path: Path) -> None:
    local = tmp_path / "with a space"
    programs = local / "root/usr/bin"
    programs.mkdir(parents=True)
    for name in ("strace", "perl"):
        (programs / name).write_text("#!/bin/sh\necho unpacked $0\n")
        (programs / name).chmod(0o755)
    assert system.PROOF[0].present(local / "root")
    system.gather(local)
    assert [path.name for path in (local / "tools").iterdir()] == ["strace"]
    shell = f". '{local}/environment.sh'; PATH=\"${{PATH##*:}}\"; command -v strace"
    found = subprocess.run(["/bin/sh", "-c", shell], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == str(local / "tools/strace")


def test_no_tracer_stops_no_test(system: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    absent = system.Part("strace", ("strace",), lambda top: False)
    monkeypatch.setattr(system, "PRODUCT", ())
    monkeypatch.setattr(system, "TESTS", ())
    monkeypatch.setattr(system, "PROOF", (absent,))
    monkeypatch.setattr(system.debian, "available", lambda: False)
    system.provide(tmp_path, with_tests=True)
