"""How the agent does: what `status`, the overview and the list of exceptions show. Times are aware UTC."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class Wire(BaseModel):
    """Base of everything that crosses the socket: immutable; keys of a later version are passed over."""

    model_config = ConfigDict(frozen=True)


class Queue(Wire):
    """Commands for one system that stand open, by state."""

    ready: int = 0
    sent: int = 0
    stored: int = 0
    uncertain: int = 0

    @property
    def total(self) -> int:
        """All of them."""
        return self.ready + self.sent + self.stored + self.uncertain


class Held(Wire):
    """A hold: nothing is sent to what it is about. ``scope``: ``*`` for all systems, a system, or a scope."""

    scope: str
    reason: str
    since: datetime
    actor: str


class Reading(Wire):
    """A gap that is being closed: all records of a type, or those touched in it, are read at a system.

    taken    rows so far;  total: of about so many, None while that is not known
    rate     rows per second since it began or went on last, 0 before the first;  left_s: at that rate
    """

    type: str
    since: datetime
    reason: str = ""
    taken: int = 0
    total: int | None = None
    rate: float = 0.0
    left_s: float | None = None

    @property
    def share(self) -> float | None:
        """How much of it is done, from 0 to 1; None while the whole is not known."""
        return min(self.taken / self.total, 1.0) if self.total else None


class Withheld(Wire):
    """A field that a system does not take (``refused``) or does not show (``unseen``); all else goes on.

    waiting    records that only wait for it;  exception: the number of the exception that stands for it, or 0
    """

    type: str
    field: str
    since: datetime
    refused: bool
    unseen: bool
    waiting: int = 0
    cause: str = ""
    remedy: str = ""
    exception: int = 0


class SystemStatus(Wire):
    """One system.

    held     the hold on it or on all systems, None while it may be written to
    retrying commands that were tried and were certainly not applied;  next_try: when the next of them is due
    lag_s    age in seconds of the oldest change that it has still to be told of, 0 when there is none
    contact  when it last answered;  event: when it last sent a change (proof of life)
    readings gaps that are being closed there
    withheld fields that it does not take or show
    gauges   figures of now that it tells itself (api_calls_used, api_calls_limit, api_calls_reserve)
    """

    name: str
    kind: str
    state: Literal["up", "degraded", "down", "starting", "unknown"]
    since: datetime | None = None
    reason: str = ""
    lag_s: float = 0.0
    queue: Queue = Queue()
    contact: datetime | None = None
    event: datetime | None = None
    held: Held | None = None
    retrying: int = 0
    next_try: datetime | None = None
    readings: tuple[Reading, ...] = ()
    withheld: tuple[Withheld, ...] = ()
    gauges: dict[str, float] = Field(default_factory=dict)

    @property
    def calls(self) -> tuple[float, float] | None:
        """API calls of the day: used, of so many; None where the system does not count them."""
        used, limit = self.gauges.get("api_calls_used"), self.gauges.get("api_calls_limit")
        return (used, limit) if used is not None and limit else None


class ConservationRow(Wire):
    """What became of the observations of one entity type for one target: state → count."""

    type: str
    target: str
    states: dict[str, int]


class Conservation(Wire):
    """Every obligation is somewhere, and the sums say so (I15).

    observed     obligations that the inbox says it made;  recorded: obligations that there are
    mismatched   observations whose own number of obligations differs from what was announced
    orphans      open ones with no open command, nothing waited for and no stale image behind them
    unexplained  parked or excepted ones for which there never was an exception
    unproven     confirmed ones whose command was not accepted, superseded ones that nothing superseded
    """

    balanced: bool
    observed: int
    recorded: int
    states: dict[str, int]
    open_commands: int
    mismatched: int
    orphans: int
    unexplained: int
    unproven: int
    rows: tuple[ConservationRow, ...] = ()
    checked: datetime


class ExceptionCounts(Wire):
    """Open exceptions. ``money`` is currency → amount as text; currencies are never added up.

    An entity with several exceptions counts its money once.
    """

    open: int = 0
    late: int = 0
    by_kind: dict[str, int] = Field(default_factory=dict)
    money: dict[str, str] = Field(default_factory=dict)
    oldest: datetime | None = None


class ConflictCounts(Wire):
    """Conflicts that a rule decided, and those that wait for a person."""

    decided: int = 0
    open: int = 0


class Status(Wire):
    """The whole. ``replay_headroom_s``: seconds until the oldest Salesforce position expires (72 h).

    life, host  the store's life that runs or ran last, and its machine
    fenced      by which other agent this one was taken over from; "" when it may act
    """

    service: Literal["up", "down"]
    note: str = ""
    version: str
    epoch: int
    life: str = ""
    host: str = ""
    fenced: str = ""
    started: datetime | None = None
    at: datetime
    systems: tuple[SystemStatus, ...] = ()
    replay_headroom_s: float | None = None
    conservation: Conservation
    exceptions: ExceptionCounts
    conflicts: ConflictCounts
    uncertain: int = 0
    progress: dict[str, datetime] = Field(default_factory=dict)


class ExceptionItem(Wire):
    """What a person must look at. Cause and remedy hold no personal data; ``conflict`` is the one to rule."""

    id: int
    kind: str
    system: str
    entity: str = ""
    type: str = ""
    business_key: str = ""
    field: str = ""
    code: str = ""
    cause: str
    remedy: str = ""
    amount: str | None = None
    currency: str | None = None
    owner: str
    opened: datetime
    due: datetime
    late: bool = False
    state: Literal["open", "closed"]
    closed: datetime | None = None
    resolution: str = ""
    command: int | None = None
    command_state: str = ""
    message_id: str = ""
    conflict: int | None = None


class ExceptionPage(Wire):
    """A stretch of the list, oldest due first; ``total`` counts all that the question is about."""

    total: int
    items: tuple[ExceptionItem, ...]


class Event(Wire):
    """One transition out of the journal."""

    id: int
    at: datetime
    subject: str
    before: str
    after: str
    why: str
    actor: str
    correlation: str = ""


class Overview(Wire):
    """What the first screen shows in one answer."""

    status: Status
    code: int
    verdict: str
    reasons: tuple[str, ...]
    worst: tuple[ExceptionItem, ...] = ()
    recent: tuple[Event, ...] = ()
