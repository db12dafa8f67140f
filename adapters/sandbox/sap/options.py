"""How the sample SAP is set up and what it can be told to do while it runs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class SampleSap:
    """One sample SAP system.

    directory     its folder: ``in`` (it reads), ``out`` (it writes), ``sap.db`` (its own store)
    http_port     control port on loopback, 0 for a free one
    seed          decides the names of the customers it starts with
    customers     how many customers it starts with
    client        MANDT
    system        its own logical system;  port: its port name
    partner       the logical system it exchanges with;  partner_port: that one's port name
    encoding      code page of its file ports
    poll_s        seconds between two looks into ``in``
    answer_s      seconds until a status is confirmed by ALEAUD (RBDSTATE runs periodically)
    echo          posted DEBMAS write change pointers like a user's edit, so they come back
    """

    directory: Path
    http_port: int = 0
    seed: int = 1
    customers: int = 0
    client: str = "100"
    system: str = "SAPCLNT100"
    port: str = "SAPS4H"
    partner: str = "ISTHMUS"
    partner_port: str = "ISTHMUS"
    encoding: str = "utf-8"
    poll_s: float = 0.1
    answer_s: float = 0.5
    echo: bool = True

    @property
    def inbound(self) -> Path:
        """Where it reads: the other side's outbound directory."""
        return self.directory / "in"

    @property
    def outbound(self) -> Path:
        """Where it writes: the other side's inbound directory."""
        return self.directory / "out"

    @property
    def database(self) -> Path:
        """Its own store, for anybody to read."""
        return self.directory / "sap.db"


@dataclass(slots=True)
class Switches:
    """What can be switched while it runs.

    backlog   IDocs stay at status 64: the background job RBDAPP01 does not run
    answers   ALEAUD confirmations are written
    echo      posted changes come back as change pointers
    reject    a NAME1 that contains REJECT is refused with status 51
    reading   the inbound folder is read; without it files pile up
    """

    backlog: bool = False
    answers: bool = True
    echo: bool = True
    reject: bool = True
    reading: bool = True
