"""Changes keys of a configuration file that stands there already."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path


def configure(file: Path, section: str, changes: Mapping[str, object]) -> None:
    """Set keys of a section, which is read when the agent starts; None takes one out."""
    text = file.read_text()
    found = re.search(rf"(?ms)^\[{re.escape(section)}\]\n(.*?)(?=^\[)", text)
    if found is None:
        start = end = len(text)
        lines: dict[str, str] = {}
        head = f"\n[{section}]\n"
    else:
        start, end = found.start(1), found.end(1)
        lines = {line.partition(" = ")[0]: line for line in found[1].splitlines() if " = " in line}
        head = ""
    for name, value in changes.items():
        lines.pop(name, None)
        if value is not None:
            lines[name] = f"{name} = {_toml(value)}"
    body = "\n".join(lines.values())
    file.write_text(f"{text[:start]}{head}{body}\n\n{text[end:]}")


def _toml(value: object) -> str:
    """JSON's strings, numbers, booleans and lists are TOML's too."""
    if isinstance(value, Mapping):
        pairs = (f"{json.dumps(name)} = {_toml(each)}" for name, each in value.items())
        return f"{{ {', '.join(pairs)} }}"
    return json.dumps(value)
