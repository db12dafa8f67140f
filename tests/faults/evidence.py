"""What the agent's journal says of a kill: the commands that the next start found sent without an outcome."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from agent.store.database import connect

_RECOVERED = (
    "SELECT at, count(*) FROM journal WHERE id > ? AND id <= ? AND subject = 'command' AND before = 'sent'"
    " AND after = 'uncertain' AND why = 'the agent stopped behind the send' GROUP BY at"
)


@dataclass(frozen=True, slots=True)
class Kill:
    """One kill that happened. ``reached``: the agent died at the point itself, not by the deadline's signal.

    journal  the last row of the journal when the agent was dead
    """

    point: str
    reached: bool
    returncode: int
    journal: int


@dataclass(frozen=True, slots=True)
class Recovery:
    """What the agent that started after a kill found: commands in state sent, at that time (ms, UTC)."""

    kill: Kill
    at: int
    commands: int


def last_row(store: Path) -> int:
    """The journal's last row; the agent is dead."""
    with closing(connect(store, read_only=True)) as connection:
        return int(connection.execute("SELECT coalesce(max(id), 0) FROM journal").fetchone()[0])


def recoveries(store: Path, kills: Iterable[Kill]) -> list[Recovery]:
    """For each kill, the transaction in which a later start made what was sent uncertain, if there was one.

    What lies in the journal between two kills was written by the agent that was started between them.
    """
    listed = list(kills)
    ends = [kill.journal for kill in listed[1:]] + [1 << 62]
    found = []
    with closing(connect(store, read_only=True)) as connection:
        for kill, end in zip(listed, ends, strict=True):
            rows = connection.execute(_RECOVERED, (kill.journal, end)).fetchall()
            found += [Recovery(kill, int(at), int(count)) for at, count in rows]
    return found


def table(kills: Iterable[Kill], found: Iterable[Recovery]) -> str:
    """Point × kills × kills that provably left a command in state sent, as text."""
    proven = {recovery.kill for recovery in found}
    rows: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
    for kill in kills:
        for row in (rows[kill.point], rows["all"]):
            row[0] += 1
            row[1] += kill in proven
            row[2] += not kill.reached
    lines = [f"{'killed at':<32} {'kills':>6} {'sent, by the journal':>21} {'not reached':>12}"]
    for point in [*sorted(rows.keys() - {"all"}), "all"]:
        count, sent, missed = rows[point]
        lines.append(f"{point:<32} {count:>6} {sent:>21} {missed:>12}")
    return "\n".join(lines)
