"""All scenarios: importing this declares them."""

from __future__ import annotations

from tests.faults.salesforce import (
    answers,
    channels,
    echoes,
    gaps,
    jobs,
    limits,
    network,
    positions,
    schemas,
    sessions,
    streams,
)
from tests.faults.salesforce.scene import CATALOGUE

__all__ = [
    "CATALOGUE",
    "answers",
    "channels",
    "echoes",
    "gaps",
    "jobs",
    "limits",
    "network",
    "positions",
    "schemas",
    "sessions",
    "streams",
]
