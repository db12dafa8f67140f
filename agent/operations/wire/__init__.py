"""What crosses the border to screens, to ``--json`` and over the socket. Imports nothing of the engine."""

from agent.errors import IsthmusError
from agent.operations.wire.cells import MASKED, clean, mask, scrub
from agent.operations.wire.client import PAGE, Client, Reads, ServiceDown, VerbResult
from agent.operations.wire.status import (
    ConflictCounts,
    Conservation,
    ConservationRow,
    Event,
    ExceptionCounts,
    ExceptionItem,
    ExceptionPage,
    Overview,
    Queue,
    Status,
    SystemStatus,
)
from agent.operations.wire.story import (
    CommandState,
    ConflictState,
    FieldState,
    ImageState,
    Key,
    Line,
    Match,
    Observation,
    Record,
    Trace,
)

__all__ = [
    "MASKED",
    "PAGE",
    "Client",
    "CommandState",
    "ConflictCounts",
    "ConflictState",
    "Conservation",
    "ConservationRow",
    "Event",
    "ExceptionCounts",
    "ExceptionItem",
    "ExceptionPage",
    "FieldState",
    "ImageState",
    "IsthmusError",
    "Key",
    "Line",
    "Match",
    "Observation",
    "Overview",
    "Queue",
    "Reads",
    "Record",
    "ServiceDown",
    "Status",
    "SystemStatus",
    "Trace",
    "VerbResult",
    "clean",
    "mask",
    "scrub",
]
