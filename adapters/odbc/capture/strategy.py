"""What every strategy offers, and what one look of it finds."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Protocol

from adapters.odbc.session import Session
from agent.core.change import Change
from agent.errors import Refused, RemoteError, Unreachable


@dataclass(frozen=True, slots=True)
class Stuck:
    """Why a strategy cannot look now, while the connection is sound. ``refused``: a person has to act."""

    message: str
    remedy: str
    refused: bool

    def error(self, where: str) -> RemoteError:
        """As the engine is told."""
        kind = Refused if self.refused else Unreachable
        return kind(self.message, where=where, remedy=self.remedy)


@dataclass(frozen=True, slots=True)
class Captured:
    """One look: what is to be made durable together, and when the next look is worth while.

    stream    what ``position`` belongs to
    changes   in the order in which they are to be taken
    receipt   what ``ack`` is to release once the changes are durable (journal: numbers of its rows)
    position  where the stream goes on behind them; None where nothing moved
    rest_s    seconds until there may be more; 0 for at once, None for the usual pause
    figures   what a person should see of it now, by name
    stuck     why nothing could be looked at
    ailments  tables that stand while the others of the stream go on, a sentence each, and what to do
    """

    stream: str
    changes: tuple[Change, ...] = ()
    receipt: tuple[int, ...] = ()
    position: bytes | None = None
    rest_s: float | None = None
    figures: Mapping[str, float] = field(default_factory=dict)
    stuck: Stuck | None = None
    ailments: tuple[str, ...] = ()

    @property
    def empty(self) -> bool:
        """Nothing to make durable."""
        return not self.changes and not self.receipt and self.position is None


class Strategy(Protocol):
    """The capture of one table, or of all that share a stream. Keeps no state but what positions rebuild.

    ``resumes``: it works from positions, and cannot look before it was given them.
    """

    resumes: ClassVar[bool]

    def open(self, session: Session, positions: Mapping[str, bytes]) -> None:
        """Begin at the stored position of each of its streams. Raises Refused, SqlFault."""

    def look(self, session: Session, limit: int, outstanding: frozenset[int]) -> Captured:
        """What changed, ``limit`` changes at most; ``outstanding`` journal rows were handed out before.

        Each look goes on behind the one before it. Raises Refused, SqlFault.
        """

    def ack(self, session: Session, receipt: Sequence[int]) -> None:
        """Release what is durable. Repeatable."""


class HorizonAge:
    """For how long the same open transaction has held back others that came behind it, as far as seen."""

    def __init__(self) -> None:
        self._oldest: object = None
        self._since = 0.0

    def seen(self, oldest: object, *, held: bool) -> float:
        """Seconds; ``oldest`` names what is open, ``held`` says that there is something behind it."""
        now = time.monotonic()
        if not held or oldest != self._oldest:
            self._oldest, self._since = oldest, now
        return round(now - self._since, 1)


class IdleProbe:
    """Tells that no other connection has committed since a look that found nothing, where that is cheap."""

    def __init__(self) -> None:
        self._session: Session | None = None
        self._seen: object = None
        self._now: object = None

    def idle(self, session: Session) -> bool:
        """Nobody committed since ``rest``."""
        probe = session.dialect.change_probe
        self._now = session.rows(probe)[0][0] if probe else None
        return self._now is not None and session is self._session and self._now == self._seen

    def rest(self, session: Session, *, found: bool) -> None:
        """A look ended; what it found decides whether the next may be spared."""
        # what the probe tells holds on its own connection only
        self._session, self._seen = session, None if found else self._now
