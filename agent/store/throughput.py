"""What went through the store: observations in, commands by outcome, and how long they took."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from agent.store.database import connect


@dataclass(frozen=True, slots=True)
class Loser:
    """A value that a recorded decision set aside; values as JSON text."""

    entity: str
    business_key: str
    field: str
    value: str


@dataclass(frozen=True, slots=True)
class Throughput:
    """Counts since the store began; lags in milliseconds from first sight to acceptance at the target."""

    events_in: int
    deliveries: dict[str, int]
    balanced: bool
    open_obligations: int
    conflicts: int
    exceptions: int
    lag_ms: tuple[int, ...]
    recovered_sent: int

    def percentile(self, share: float) -> int | None:
        """The lag within which this share of deliveries stayed; None when there was none."""
        if not self.lag_ms:
            return None
        return self.lag_ms[min(len(self.lag_ms) - 1, int(share * len(self.lag_ms)))]


def read(file: Path) -> Throughput:
    """Measure a store that no agent owns at the moment."""
    connection = connect(file, read_only=True)
    try:
        [[promised, kept, open_]] = connection.execute(
            "SELECT (SELECT coalesce(sum(targets), 0) FROM inbox), (SELECT count(*) FROM obligation),"
            " (SELECT count(*) FROM obligation WHERE state = 'open')"
        ).fetchall()
        lags = connection.execute(
            "SELECT max(outbox.finished - outbox.planned, 0) FROM outbox WHERE state = 'accepted'"
            " AND attempts = 1 ORDER BY 1"
        ).fetchall()
        return Throughput(
            events_in=_count(connection.execute("SELECT count(*) FROM inbox WHERE kind <> 'answer'")),
            deliveries=dict(
                connection.execute("SELECT state, count(*) FROM outbox GROUP BY state").fetchall()
            ),
            balanced=promised == kept,
            open_obligations=open_,
            conflicts=_count(connection.execute("SELECT count(*) FROM conflict")),
            exceptions=_count(connection.execute("SELECT count(*) FROM exception WHERE state = 'open'")),
            lag_ms=tuple(row[0] for row in lags),
            recovered_sent=_count(
                connection.execute(
                    "SELECT count(*) FROM journal WHERE subject = 'command' AND before = 'sent'"
                    " AND after = 'uncertain' AND why LIKE 'the agent stopped%'"
                )
            ),
        )
    finally:
        connection.close()


def losers(file: Path) -> list[Loser]:
    """Every value that a recorded decision set aside."""
    connection = connect(file, read_only=True)
    try:
        found = connection.execute(
            "SELECT conflict.entity, coalesce(entity.business_key, ''), conflict.field, conflict.loser"
            " FROM conflict JOIN entity ON entity.id = conflict.entity"
        ).fetchall()
        return [Loser(*row) for row in found]
    finally:
        connection.close()


def _count(cursor: object) -> int:
    return int(cursor.fetchone()[0])  # type: ignore[attr-defined] # a cursor of the one SQLite library
