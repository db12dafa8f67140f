"""What screens and commands ask for, whoever answers: the service over its socket, or the store itself."""

from __future__ import annotations

from typing import Protocol

from agent.errors import Unreachable
from agent.operations.wire.conflicts import ConflictItem, ConflictPage, Digests, Side
from agent.operations.wire.flow import FlowPage
from agent.operations.wire.status import ExceptionItem, ExceptionPage, Overview, Status, Wire
from agent.operations.wire.story import Trace

#: Exceptions or conflicts in one answer at most.
PAGE = 500


class ServiceDown(Unreachable):
    """The agent does not run, or does not answer on its control socket."""


class VerbResult(Wire):
    """What came of a verb. ``done`` is false for a refusal; ``text`` says why and what to do instead.

    ``id`` is the exception or conflict that it was about, ``subject`` the system or scope.
    """

    verb: str
    id: int = 0
    subject: str = ""
    done: bool
    text: str
    actor: str
    command: int | None = None


class Reads(Protocol):
    """Looking, which changes nothing. Raises InputError for an id that does not exist."""

    async def status(self) -> Status:
        """How the agent does, with conservation checked now."""

    async def overview(self) -> Overview:
        """Status with its verdict, the worst exceptions and the last events."""

    async def exceptions(self, state: str = "open", limit: int = PAGE) -> ExceptionPage:
        """Exceptions in one state, oldest due first."""

    async def exception(self, number: int) -> ExceptionItem:
        """One exception."""

    async def conflicts(self, state: str = "open", limit: int = PAGE) -> ConflictPage:
        """Conflicts in one state or in all: open ones, oldest first; then decided ones, newest first."""

    async def conflict(self, number: int) -> ConflictItem:
        """One conflict."""

    async def flow(self) -> FlowPage:
        """What is held, and how much stands ready at every system."""

    async def trace(self, key: str) -> Trace:
        """A record by any of its names: business key, canonical id, system key, message id, handle or
        correlation id.
        """


class Client(Reads, Protocol):
    """Looking and acting through the service. Raises ServiceDown when nobody answers."""

    async def retry(self, number: int, reason: str) -> VerbResult:
        """Try again what an exception stands for."""

    async def close_exception(self, number: int, reason: str) -> VerbResult:
        """Close an exception without sending."""

    async def hold(self, scope: str, reason: str) -> VerbResult:
        """Send nothing more to a system, or to all (``*``)."""

    async def release(self, scope: str, reason: str) -> VerbResult:
        """Let a system or a held scope go on."""

    async def rule(self, number: int, keep: Side, shown: Digests, reason: str) -> VerbResult:
        """Say which value of a conflict holds, unless one has changed since it was shown."""
