"""The native parts beside Python: ODBC with its drivers, and for the tests servers of databases and strace.

A part that is missing is installed, or unpacked below .local. What was unpacked is gathered in .local/odbc (a
flat folder, named by ISTHMUS_ODBC_LIBRARIES), .local/postgres (named by ISTHMUS_PG_BINARIES), .local/mariadb,
.local/tools.
"""

import os
import shlex
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import debian
from narration import give_up, say

_SYSTEM_LIBRARIES = ("usr/lib", "usr/lib/*", "usr/lib64", "usr/local/lib", "lib", "lib/*", "opt/homebrew/lib")
_DRIVER_MANAGER = ("libltdl.so.7", "libodbc.so.2", "libodbcinst.so.2")
_DRIVERS = ("libsqlite3odbc.so", "psqlodbcw.so", "libmaodbc.so", "libmariadb.so.3", "libtdsodbc.so")
_SERVER_PROGRAMS = ("initdb", "pg_ctl", "postgres", "psql")


@dataclass(frozen=True)
class Part:
    """A native part: its name for people, the Debian packages that bring it, and how it is found."""

    name: str
    packages: tuple[str, ...]
    present: Callable[[Path], bool]


def _libraries(name: str, top: Path) -> Iterator[Path]:
    for folder in _SYSTEM_LIBRARIES:
        yield from top.glob(f"{folder}/{name}")
        yield from top.glob(f"{folder}/odbc/{name}")


def _has(*names: str) -> Callable[[Path], bool]:
    return lambda top: all(next(_libraries(name, top), None) for name in names)


def _server_folder(top: Path) -> Path | None:
    """The newest folder below `top` that holds a whole PostgreSQL server."""
    folders = sorted(top.glob("usr/lib/postgresql/*/bin"), key=lambda folder: int(folder.parent.name))
    whole = [folder for folder in folders if all((folder / name).exists() for name in _SERVER_PROGRAMS)]
    return whole[-1] if whole else None


def _has_server(top: Path) -> bool:
    on_path = top == Path("/") and all(shutil.which(name) for name in _SERVER_PROGRAMS)
    return on_path or _server_folder(top) is not None


def _has_mariadb(top: Path) -> bool:
    on_path = top == Path("/") and shutil.which("mariadbd") is not None
    return on_path or (top / "usr/sbin/mariadbd").exists()


def _has_strace(top: Path) -> bool:
    on_path = top == Path("/") and shutil.which("strace") is not None
    return on_path or (top / "usr/bin/strace").exists()


PRODUCT = (
    Part("unixODBC", ("libodbc2", "libodbcinst2"), _has("libodbc.so.2", "libodbcinst.so.2")),
    Part("SQLite's ODBC driver", ("libsqliteodbc",), _has("libsqlite3odbc.so")),
)
TESTS = (
    Part("PostgreSQL's ODBC driver", ("odbc-postgresql",), _has("psqlodbcw.so")),
    Part("SQL Server's ODBC driver", ("tdsodbc",), _has("libtdsodbc.so")),
    Part("a PostgreSQL server", ("postgresql",), _has_server),
    Part("MariaDB's ODBC driver", ("odbc-mariadb",), _has("libmaodbc.so")),
    # the core package alone: the whole one would start a server of the machine's own
    Part("a MariaDB server", ("mariadb-server-core",), _has_mariadb),
)
#: Only `make proof` needs these, and says itself what it cannot show without them.
PROOF = (Part("strace", ("strace",), _has_strace),)


def provide(local: Path, with_tests: bool) -> None:
    """Make every native part available, or give up naming what is missing and how to get it."""
    wanted = PRODUCT + (TESTS + PROOF if with_tests else ())
    missing = [part for part in wanted if not part.present(Path("/")) and not part.present(local / "root")]
    if not missing:
        return
    packages = [package for part in missing for package in part.packages]
    say(f"missing here: {', '.join(part.name for part in missing)}")
    if not debian.available():
        if all(part in PROOF for part in missing):
            return
        give_up(
            "this is no Debian system, so these can't be installed from here",
            "Install unixODBC with its SQLite driver; for tests PostgreSQL, MariaDB, their drivers, FreeTDS.",
        )
    prefix = debian.root_prefix()
    if prefix is not None:
        debian.install(packages, prefix)
        return
    debian.unpack(packages, local)
    gather(local)


def gather(local: Path) -> None:
    """Put what was unpacked where the agent and the tests look, and note the variables that say so."""
    variables: dict[str, str] = {}
    root = local / "root"
    if any(next(_libraries(name, root), None) for name in (*_DRIVER_MANAGER, *_DRIVERS)):
        _link_odbc(local / "odbc", root)
        variables["ISTHMUS_ODBC_LIBRARIES"] = str(local / "odbc")
    server = _server_folder(root)
    if server is not None:
        _wrap_server(local / "postgres", server, root)
        variables["ISTHMUS_PG_BINARIES"] = str(local / "postgres")
    mariadb = root / "usr/sbin/mariadbd"
    if mariadb.exists():
        _wrap_mariadb(local / "mariadb", mariadb, root)
    tracer = root / "usr/bin/strace"
    if tracer.exists():
        _link_tool(local / "tools", tracer)
    exports = "".join(f"export {name}={shlex.quote(value)}\n" for name, value in variables.items())
    # The drivers' own dependencies are the dynamic linker's business, which reads this as a process starts.
    path = shlex.quote(_library_path(root))
    exports += f'export LD_LIBRARY_PATH={path}"${{LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}}"\n'
    if server is not None:
        exports += f'export PATH="$PATH":{shlex.quote(str(local / "postgres"))}\n'
    if mariadb.exists():
        exports += f'export PATH="$PATH":{shlex.quote(str(local / "mariadb"))}\n'
    if tracer.exists():
        exports += f'export PATH="$PATH":{shlex.quote(str(local / "tools"))}\n'
    (local / "environment.sh").write_text(exports)


def _link_tool(folder: Path, program: Path) -> None:
    """Put one unpacked program where nothing else of what was unpacked is found."""
    folder.mkdir(exist_ok=True)
    (folder / program.name).unlink(missing_ok=True)
    (folder / program.name).symlink_to(program)


def _library_path(root: Path) -> str:
    """The unpacked folders that hold shared libraries, as the dynamic linker wants them."""
    libraries = [*root.glob("usr/lib/*/*.so.*"), *root.glob("lib/*/*.so.*")]
    return os.pathsep.join(sorted({str(library.parent) for library in libraries}))


def _link_odbc(folder: Path, root: Path) -> None:
    """Fill the flat folder with the driver manager and the drivers, the system's own where it has them."""
    folder.mkdir(exist_ok=True)
    for name in (*_DRIVER_MANAGER, *_DRIVERS):
        library = next(_libraries(name, root), None) or next(_libraries(name, Path("/")), None)
        if library is not None:
            (folder / name).unlink(missing_ok=True)
            (folder / name).symlink_to(library)


def _wrap_server(folder: Path, server: Path, root: Path) -> None:
    """Write starters for PostgreSQL's programs."""
    folder.mkdir(exist_ok=True)
    for name in _SERVER_PROGRAMS:
        _wrap(folder / name, server / name, root)


def _wrap_mariadb(folder: Path, server: Path, root: Path) -> None:
    """Write a starter for MariaDB's server, and put the files that it is to be told of beside it."""
    folder.mkdir(exist_ok=True)
    _wrap(folder / server.name, server, root)
    (folder / "share").unlink(missing_ok=True)
    (folder / "share").symlink_to(root / "usr/share/mysql")


def _wrap(starter: Path, program: Path, root: Path) -> None:
    """Write a starter for a program that finds the unpacked libraries by itself."""
    path = shlex.quote(_library_path(root))
    starter.write_text(
        "#!/bin/sh\n"
        f'export LD_LIBRARY_PATH={path}"${{LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}}"\n'
        f'exec {shlex.quote(str(program))} "$@"\n'
    )
    starter.chmod(0o755)
