"""Finds and loads the ODBC libraries, and completes connection strings. Imported in the worker only."""

from __future__ import annotations

import ctypes
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType

from adapters.odbc.dialect import Dialect
from agent.errors import Refused

#: Directory with libltdl, libodbc, libodbcinst and drivers, for machines without an installed driver manager.
LIBRARIES_VARIABLE = "ISTHMUS_ODBC_LIBRARIES"
_PRELOAD = ("libltdl.so.7", "libodbc.so.2", "libodbcinst.so.2")
_USUAL = ("/usr/lib/*/odbc", "/usr/lib/odbc", "/usr/lib64", "/usr/local/lib", "/usr/local/lib/odbc")
_PAIR = re.compile(r"\s*([^=;]+?)\s*=\s*(\{(?:[^}]|\}\})*\}|[^;]*)\s*(?:;|$)")


def load_driver_manager(dialect: Dialect, *, where: str) -> ModuleType:
    """Import pyodbc. No wheel of it brings libodbc, so a missing one is told with the way to get it."""
    directory = os.environ.get(LIBRARIES_VARIABLE)
    try:
        if directory:
            for name in (*_PRELOAD, *dialect.driver.needs):
                path = Path(directory) / name
                if path.exists():
                    ctypes.CDLL(str(path), mode=ctypes.RTLD_GLOBAL)
        import pyodbc
    except (ImportError, OSError) as error:
        raise Refused(
            f"the ODBC driver manager cannot be loaded ({error})",
            where=where,
            remedy=f"apt-get install libodbc2 {dialect.driver.packages}, or set {LIBRARIES_VARIABLE}"
            " to a directory that holds libltdl.so.7, libodbc.so.2, libodbcinst.so.2 and the driver",
        ) from error
    pyodbc.pooling = False  # a pooled dead or dirty session is the last thing an agent wants
    module: ModuleType = pyodbc
    return module


def directories() -> Iterator[Path]:
    """Where drivers are looked for, the operator's own directory first."""
    own = os.environ.get(LIBRARIES_VARIABLE)
    if own:
        yield Path(own)
    for pattern in _USUAL:
        yield from sorted(Path("/").glob(pattern.lstrip("/")))


def unloadable(connection: str, dialect: Dialect, *, where: str) -> Refused:
    """Why the driver manager could not load a driver: of a missing dependency it says "file not found"."""
    options = {key.lower(): value for key, value in parse(connection).items()}
    named = Path(options.get("driver", ""))
    path = named if named.is_absolute() else find_driver(dialect)
    if path is None or not path.exists():
        return Refused(
            f"the ODBC driver is not there: {path or 'no library of it in the usual directories'}",
            where=where,
            remedy=f"apt-get install {dialect.driver.packages}, or name its library as Driver",
        )
    try:
        ctypes.CDLL(str(path))
    except OSError as error:
        return Refused(
            f"the ODBC driver {path.name} cannot be loaded: {error}",
            where=where,
            remedy=f"install the library that is named; ldd {path} lists them all",
        )
    return Refused(
        f"the driver manager cannot load {path}, though it is whole",
        where=where,
        remedy="check that driver manager and driver are of the same architecture",
    )


def find_driver(dialect: Dialect) -> Path | None:
    """The driver library of a dialect, or None when no usual directory has it."""
    for directory in directories():
        for name in dialect.driver.files:
            if (directory / name).exists():
                return directory / name
    return None


def parse(connection: str) -> dict[str, str]:
    """An ODBC connection string as ordered options; braces are taken off, ``}}`` becomes ``}``."""
    options: dict[str, str] = {}
    for key, value in _PAIR.findall(connection):
        braced = value.startswith("{") and value.endswith("}")
        options[key] = value[1:-1].replace("}}", "}") if braced else value
    return options


def compose(options: Mapping[str, str]) -> str:
    """The connection string of options; values with special characters are put in braces."""
    parts = []
    for key, value in options.items():
        special = (
            key.lower() == "pqopt" or any(character in value for character in ";{}") or value != value.strip()
        )
        parts.append(f"{key}={{{value.replace('}', '}}')}}}" if special else f"{key}={value}")
    return ";".join(parts) + ";"


def complete(connection: str, dialect: Dialect, figures: Mapping[str, int], installed: list[str]) -> str:
    """Add the dialect's safe defaults where the string has none, and turn a driver name into its path.

    A driver that odbcinst.ini registers (``installed``) keeps its name.
    """
    options = parse(connection)
    present = {key.lower(): key for key in options}
    for key, value in dialect.driver.options.items():
        if key.lower() not in present:
            options[key] = value.format(**figures)
    driver_key = present.get("driver")
    driver = options.get(driver_key, "") if driver_key else ""
    if driver_key and "/" not in driver and driver not in installed:
        found = find_driver(dialect)
        if found is not None:
            options[driver_key] = str(found)
    return compose(options)


def redact(text: str, connection: str) -> str:
    """A driver's message without the password of the connection string."""
    for key, value in parse(connection).items():
        if key.lower() in {"pwd", "password", "uid", "user"} and len(value) > 2:
            text = text.replace(value, "***")
    return text
