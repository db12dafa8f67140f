"""The story of one record: what each system holds, who decides, and everything that happened, in order."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from agent.operations.wire.status import Wire


class Match(Wire):
    """One thing that a key means. ``entity`` is empty for an observation that belongs to none yet."""

    entity: str
    type: str
    business_key: str = ""
    found_by: str


class Key(Wire):
    """What a system calls the record, from when to when."""

    system: str
    key: str
    role: str
    since: datetime
    until: datetime | None = None


class ImageState(Wire):
    """What is known of the record at one system."""

    system: str
    present: bool
    fresh: bool
    grade: str
    stale: str = ""
    stale_since: datetime | None = None
    seen: datetime


class FieldState(Wire):
    """One field: the agreed value, who said so last, the rule, and what each system holds.

    Personal data is masked; ``differs`` names the systems whose value is not the agreed one all the same.
    """

    name: str
    agreed: str
    by: str
    rule: str
    pii: bool = False
    values: dict[str, str] = Field(default_factory=dict)
    differs: tuple[str, ...] = ()


class Observation(Wire):
    """What was seen. ``obligations``: target → what became of telling it."""

    seq: int
    system: str
    kind: str
    operation: str
    object: str
    key: str
    at: datetime | None = None
    received: datetime
    origin: str = ""
    fields: tuple[str, ...] = ()
    reason: str = ""
    correlation: str
    obligations: dict[str, str] = Field(default_factory=dict)


class CommandState(Wire):
    """What was decided to send. ``causes`` are the observations behind it, ``rules`` says why each field."""

    number: int
    message_id: str
    target: str
    kind: str
    state: str
    fields: dict[str, str]
    rules: dict[str, str]
    causes: tuple[int, ...] = ()
    attempts: int = 0
    planned: datetime
    sent: datetime | None = None
    finished: datetime | None = None
    handle: str = ""
    code: str = ""
    answer: str = ""
    correlation: str


class ConflictState(Wire):
    """Two systems changed a field; the loser's value is kept."""

    id: int
    field: str
    rule: str
    winner_system: str
    winner: str
    loser_system: str
    loser: str
    base: str
    at: datetime
    state: str


class Line(Wire):
    """One line of the story: when, where, what."""

    at: datetime
    place: str
    what: str
    text: str
    ref: str = ""
    correlation: str = ""


class Record(Wire):
    """Everything about one entity. ``omitted`` counts older rows that are not in it, by kind."""

    entity: str
    type: str
    birth: str
    business_key: str = ""
    lane: str = ""
    parked: tuple[str, ...] = ()
    keys: tuple[Key, ...] = ()
    images: tuple[ImageState, ...] = ()
    fields: tuple[FieldState, ...] = ()
    observations: tuple[Observation, ...] = ()
    commands: tuple[CommandState, ...] = ()
    conflicts: tuple[ConflictState, ...] = ()
    exceptions: tuple[int, ...] = ()
    waiting: dict[str, str] = Field(default_factory=dict)
    lines: tuple[Line, ...] = ()
    omitted: dict[str, int] = Field(default_factory=dict)


class Trace(Wire):
    """What a key leads to: several matches are listed, a single one comes with its record."""

    key: str
    matches: tuple[Match, ...] = ()
    record: Record | None = None
