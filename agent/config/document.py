"""The configuration file as text: reading it, where each key is written, and its fingerprint."""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from agent.config.problems import Fault, Loc, Problems

_AT = re.compile(r"\s*\(at (?:line (\d+), column (\d+)|end of document)\)$")


def read(path: Path) -> tuple[dict[str, Any], Problems]:
    """Parse the file. Raises ConfigError with line and column when it is not TOML."""
    problems = Problems(str(path))
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        problems.stop(Fault((), f"cannot be read: {error.strerror}"))
    except UnicodeDecodeError as error:
        problems.stop(Fault((), f"is not UTF-8 at byte {error.start}"))
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        problems.stop(_syntax(text, str(error)))
    problems.lines = positions(text)
    return data, problems


def _syntax(text: str, message: str) -> Fault:
    """The parser's complaint as a fault at ``line L, column C``; it quotes no values of the file."""
    found = _AT.search(message)
    if found and found.group(1):
        line, column = int(found.group(1)), int(found.group(2))
    else:
        lines = text.split("\n")
        line, column = len(lines), len(lines[-1]) + 1
    what = _AT.sub("", message)
    return Fault((f"line {line}, column {column}",), what[:1].lower() + what[1:])


def positions(text: str) -> dict[Loc, int]:
    """Path of keys → line where it is first written. For text that is known to parse as TOML.

    A statement is the shortest run of lines that parses alone, so multi-line values need no grammar here.
    """
    found: dict[Loc, int] = {}
    table: Loc = ()
    pending: list[str] = []
    for number, line in enumerate(text.splitlines(), start=1):
        pending.append(line)
        try:
            statement = tomllib.loads("\n".join(pending))
        except tomllib.TOMLDecodeError:
            continue
        start = number - len(pending) + 1
        header = pending[0].lstrip().startswith("[")
        pending = []
        paths = _paths(statement)
        if header and paths:
            table = paths[-1]
        for path in paths:
            found.setdefault(path if header else (*table, *path), start)
    return found


def _paths(data: Mapping[str, Any]) -> list[Loc]:
    """Every path in a statement's tables, outermost first."""
    found: list[Loc] = []
    for key, value in data.items():
        found.append((key,))
        inner = value[0] if isinstance(value, list) and value and isinstance(value[0], dict) else value
        if isinstance(inner, dict):
            found.extend((key, *path) for path in _paths(inner))
    return found


def fingerprint(data: Mapping[str, Any]) -> str:
    """SHA-256 of what the text says: comments, order of keys and layout do not change it."""
    canonical = json.dumps(data, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(canonical.encode()).hexdigest()
