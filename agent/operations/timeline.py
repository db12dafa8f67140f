"""The lines of a story, in the order of the agent's own clock; the sources' clocks are named as such."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from agent.clock import moment
from agent.operations.wire import CommandState, ConflictState, Line, Observation, Record, clean, scrub
from agent.store.reads import Rows

#: What happens in one transaction has one time: what was seen comes before what was made of it.
_SEEN, _FOLLOWED = 0, 1


def timeline(record: Record, journal: Rows, secrets: frozenset[str]) -> tuple[Line, ...]:
    """Every line, oldest first."""
    commands = {command.number: command for command in record.commands}
    conflicts = {conflict.id: conflict for conflict in record.conflicts}
    found: list[tuple[int, int, int, Line]] = []
    for number, observation in enumerate(record.observations):
        at = int(observation.received.timestamp() * 1000)
        found.append((at, _SEEN, number, _seen(observation)))
    for row in journal:
        line = _transition(row, commands, conflicts, secrets)
        found.append((int(row["at"]), _FOLLOWED, int(row["id"]), line))
    return tuple(line for _, _, _, line in sorted(found, key=lambda entry: entry[:3]))


def journal_why(row: Mapping[str, Any], secrets: frozenset[str]) -> str:
    """The reason of a transition; of an opened exception only the kind, the rest may repeat a refusal."""
    why = str(row["why"])
    if row["subject"] == "exception" and row["after"] == "open":
        why = why.partition(":")[0]
    return clean(scrub(why, secrets))


def _seen(seen: Observation) -> Line:
    fields = ", ".join(seen.fields)
    parts = [f"{seen.kind} {seen.operation} {seen.object} {seen.key}".strip()]
    if fields:
        parts.append(fields)
    if seen.at is not None:
        parts.append(f"source clock {seen.at:%H:%M:%S}")
    if seen.reason:
        parts.append(seen.reason)
    parts += [f"{target}: {state}" for target, state in seen.obligations.items()]
    return Line(
        at=seen.received,
        place=seen.system,
        what="seen",
        text="; ".join(parts),
        ref=f"#{seen.seq}",
        correlation=seen.correlation,
    )


def _transition(
    row: Mapping[str, Any],
    commands: Mapping[int, CommandState],
    conflicts: Mapping[int, ConflictState],
    secrets: frozenset[str],
) -> Line:
    subject, id_ = str(row["subject"]), str(row["subject_id"])
    why = journal_why(row, secrets)
    place, ref = "agent", f"{subject} {id_}"
    if subject == "command":
        command = commands[int(id_)]
        place = command.target
        if not row["before"]:
            causes = ", ".join(f"#{seq}" for seq in command.causes)
            why = f"{command.kind}: {', '.join(command.fields)}" + (
                f"; because of {causes}" if causes else ""
            )
        elif command.handle and row["after"] == "stored":
            why = f"{why}; number {command.handle}"
    elif subject in ("image", "binding"):
        place, ref = id_.rpartition("@")[2], subject
    elif subject == "conflict":
        conflict = conflicts[int(id_)]
        place = conflict.loser_system
        reason = f": {why}" if row["before"] else ""
        why = (
            f"{conflict.field}: {conflict.winner_system} '{conflict.winner}' over"
            f" {conflict.loser_system} '{conflict.loser}', base '{conflict.base}', by {conflict.rule}{reason}"
        )
    if row["actor"] != "agent":
        why = f"{why} (by {clean(row['actor'])})"
    return Line(
        at=moment(int(row["at"])),
        place=clean(place),
        what=clean(row["after"]) if subject != "binding" else "bound",
        text=why,
        ref=clean(ref),
        correlation=clean(row["correlation"]),
    )
