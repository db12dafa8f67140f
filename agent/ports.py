"""The ports: everything the engine asks of a system. Retry, batching, journal and metrics live in the engine.

An adapter package offers ``Settings`` (a pydantic model with ``extra="forbid"``) and
``connect(name, settings, objects) -> System``. Construction checks settings without the network; the first
call of a port talks. Every adapter passes the contract suites in ``tests/contract``.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from agent.core.change import Batch, ReadResult, Row, Touched
from agent.core.delivery import Delivery, Guarantees, Mark, Outcome


class Source(Protocol):
    """Where changes come from. One task of the engine reads it; positions are opaque."""

    async def open(self, positions: Mapping[str, bytes]) -> None:
        """Start behind the stored position of each stream; a stream without one starts at its anchor.

        Raises Unreachable, Refused, or PositionLost (the caller marks the scope stale and opens again
        without that stream's position).
        """

    async def read(self) -> Batch:
        """Wait for changes and return them. An empty batch with a position is a sign of life.

        Raises Unreachable when the connection breaks, Refused, or PositionLost where the source judges a
        position only once it is used; the engine opens again, with back-off.
        """

    async def ack(self, batch: Batch) -> None:
        """Release what is durable here now. Called only after the commit; safe to repeat after a crash."""

    async def close(self) -> None:
        """Stop; safe to call twice."""


class Target(Protocol):
    """Where commands go."""

    def guarantees(self, object: str) -> Guarantees:
        """What this target can do for records of this object (table, IDoc type)."""

    async def prepare(self, deliveries: Sequence[Delivery]) -> None:
        """Do what must be durable before the engine commits "sent" (IDoc: temporary file, fsync).

        Repeatable, has no effect that the target could see. Most targets have nothing to do here.
        Raises Unreachable; the commands then stay ready.
        """

    async def apply(self, deliveries: Sequence[Delivery]) -> Sequence[Outcome]:
        """Send, one outcome per delivery in the same order. Never raises for a remote's refusal.

        What was certainly not applied is RETRY; anything sent without an answer is UNCERTAIN.
        A delivery with ``uncertain`` set was sent before and is applied at most once (Resolution.RESEND).
        """

    async def find(self, object: str, fields: Mapping[str, object]) -> Sequence[Row]:
        """Records whose named fields have these values: the duplicate probe before a create."""

    async def find_many(
        self, object: str, questions: Sequence[Mapping[str, object]]
    ) -> Sequence[Sequence[Row]]:
        """What ``find`` answers to each question, in as few calls as the target allows."""

    async def close(self) -> None:
        """Stop; safe to call twice."""


class Reader(Protocol):
    """Reads records as they are now."""

    async def read(self, object: str, keys: Sequence[str]) -> ReadResult:
        """Read records by key, one row per key asked for. Raises Unreachable or Refused."""

    def page(self, object: str, resume: str = "") -> AsyncIterator[ReadResult]:
        """All records, page by page, each record once.

        ``resume``: of the last page that was made durable; the rest follows. A page may be empty. Raises
        Unreachable, Refused, or PositionLost where ``resume`` is not known any more: begin anew.
        """

    async def touched(self, object: str, since: datetime) -> Touched | None:
        """Keys of everything written or deleted since then; None where the system cannot tell (or not so far
        back). Raises Unreachable or Refused."""


@dataclass(frozen=True, slots=True)
class Check:
    """One line of ``isthmus check``: what was tried, whether it works, and what to do if not."""

    name: str
    ok: bool
    detail: str = ""
    remedy: str = ""


class Probe(Protocol):
    """Tries connection and permissions; changes nothing."""

    async def check(self) -> Sequence[Check]:
        """Every check of this system; raises nothing."""


class Witness(Protocol):
    """Keeps at the system itself which life of the store acted there last, and how far that store was.

    A store that was rolled back with everything beside it is noticed here, and an agent on a copy of it.
    """

    async def last(self) -> Mark:
        """What it saw last; an empty mark where nothing was ever seen. Raises Unreachable or Refused."""

    async def take(self, mark: Mark, instead_of: Mark, past: Mapping[str, int]) -> bool:
        """Write ``mark`` if exactly ``instead_of`` still stands there, atomically; whether it was written.

        ``past``: every life that this store has lived → its token at the end of that life. What was done
        under any other mark is not known to the store. Raises Unreachable or Refused; it may be written then.
        """


@dataclass(frozen=True, slots=True)
class System:
    """One configured remote: what it can do, as ports. ``reader`` is None where nothing can be read.

    ``witness`` is None where nothing can be kept for us. ``gauges`` tells figures of now that a person should
    see, by name (Salesforce: api_calls_used, api_calls_limit, api_calls_reserve); asked often, never waits.
    ``ailments`` tells, a sentence each, what does not work there while the rest does, and what to do.
    """

    name: str
    kind: str
    source: Source
    target: Target
    reader: Reader | None
    probe: Probe
    witness: Witness | None = None
    gauges: Callable[[], Mapping[str, float]] | None = None
    ailments: Callable[[], Sequence[str]] | None = None
