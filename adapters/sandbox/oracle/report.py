"""A verdict in print: JSON for programs, a short table for people."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict

from .findings import Different, Doubled, Lost, Missing, Verdict

_SHOWN = 20


def as_json(verdict: Verdict) -> str:
    """One line: equal, the counts, and every finding."""
    return json.dumps({"equal": verdict.equal, **asdict(verdict)}, ensure_ascii=False)


def as_table(verdict: Verdict) -> str:
    """The counts, and the first findings of each kind."""
    rows = [
        ("equal", "yes" if verdict.equal else "NO"),
        ("entities compared", str(verdict.entities_compared)),
        ("fields compared", str(verdict.fields_compared)),
        ("edits judged", str(verdict.edits_judged)),
    ]
    kinds: list[tuple[str, Sequence[Missing | Different | Doubled | Lost]]] = [
        ("missing", verdict.missing),
        ("different", verdict.different),
        ("doubled", verdict.doubled),
        ("lost", verdict.lost),
        ("within the one-second limit", verdict.within_limit),
    ]
    rows += [(name, str(len(found))) for name, found in kinds]
    width = max(len(name) for name, _ in rows)
    lines = [f"{name:<{width}}  {value}" for name, value in rows]
    for name, found in kinds:
        lines += [f"{name}: {_line(each)}" for each in found[:_SHOWN]]
        if len(found) > _SHOWN:
            lines.append(f"{name}: and {len(found) - _SHOWN} more")
    return "\n".join(lines)


def _line(found: Missing | Different | Doubled | Lost) -> str:
    match found:
        case Missing():
            which = found.key or f"{found.own_key}, which has no number,"
            return f"{found.object} {which} at {found.system}"
        case Different():
            return f"{found.object} {found.key} {found.field}: {_values(found.systems)}"
        case Doubled():
            return f"{found.object} {found.key} {found.what} {found.count} times at {found.system}"
        case Lost():
            final = _values(found.final)
            return (
                f"{found.object} {found.key} {found.field}: {found.system}'s {found.value or '-'}"
                f" ({found.why}; now {final or 'nowhere'})"
            )


def _values(systems: Mapping[str, str | None]) -> str:
    return ", ".join(f"{system} {value or '-'}" for system, value in systems.items())
