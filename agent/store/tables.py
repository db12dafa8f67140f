"""Every table of the store, once. CHECKs and partial unique indexes hold the invariants.

Times are milliseconds since 1970 UTC; documents are JSON text; flags are 0 or 1.
"""

from __future__ import annotations

from sqlalchemy import CheckConstraint, Index, UniqueConstraint
from sqlalchemy import text as sql
from sqlmodel import SQLModel

from agent.core.change import ChangeKind
from agent.core.contract import Role
from agent.core.entity import OPEN, CommandState, Grade, Stale
from agent.core.obligation import ObligationState
from agent.store import obstacles as obstacles
from agent.store.outbox import DUE
from agent.store.planned import COUNTED as LASTING
from agent.store.types import STRICT, binary, one_of, serial, text, whole

COUNTED = {"sqlite_strict": True, "sqlite_autoincrement": True}


class Meta(SQLModel, table=True):
    """Facts about the store itself: its id, epoch, token, rules."""

    __tablename__ = "meta"
    __table_args__ = (STRICT,)
    key: str = text(primary=True)
    value: str = text()


class Life(SQLModel, table=True):
    """Every start of an agent on this store. ``token``: the store's counter when it began.

    renewed    it began its epoch because the store was older than what had been done with it
    fenced     when another life took over from it, and which one
    """

    __tablename__ = "life"
    __table_args__ = (UniqueConstraint("id", name="ux_life_id"), COUNTED)
    number: int | None = serial()
    id: str = text()
    epoch: int = whole()
    token: int = whole()
    renewed: int = whole(default=0)
    host: str = text()
    begun: int = whole()
    fenced: int | None = whole(null=True)
    fenced_by: str = text(default="")


class Shown(SQLModel, table=True):
    """A mark of a life that a system's witness was shown, or is about to be. ``held``: it certainly was."""

    __tablename__ = "shown"
    __table_args__ = (
        UniqueConstraint("system", "stamp", name="ux_shown_stamp"),
        CheckConstraint("held IN (0, 1)", name="ck_shown_held"),
        COUNTED,
    )
    number: int | None = serial()
    system: str = text()
    life: str = text()
    token: int = whole()
    stamp: str = text()
    held: int = whole(default=0)


class Entity(SQLModel, table=True):
    """A canonical business object. ``agreed``: field → [value, number, system]; ``parked``: marks;
    ``refused``: target → the fields that it refused; ``ended``: who ended it; ``absent``: where it stays so.
    """

    __tablename__ = "entity"
    __table_args__ = (
        Index("ix_entity_lane", "type", "lane", "born", "id"),
        Index("ix_entity_business_key", "business_key"),
        CheckConstraint("merged_into IS NULL OR ended IS NOT NULL", name="ck_entity_merged_has_ended"),
        STRICT,
    )
    id: str = text(primary=True)
    type: str = text()
    birth: str = text()
    born: int = whole()
    lane: str | None = text(null=True)
    business_key: str | None = text(null=True)
    agreed: str = text(default="{}")
    parked: str = text(default="[]")
    refused: str = text(default="{}")
    ended: str | None = text(null=True)
    merged_into: str | None = text(null=True)
    absent: str = text(default="[]")


class Link(SQLModel, table=True):
    """Which entity refers to which: found again when the one referred to is bound, deleted or merged."""

    __tablename__ = "link"
    __table_args__ = (Index("ix_link_entity", "entity"), STRICT)
    refers_to: str = text(primary=True)
    entity: str = text(primary=True)


class Image(SQLModel, table=True):
    """What a system was last seen to hold, and ``base``: field → [value, number, ruled].

    ``lapsed``: token of the gap by which it became stale although nothing was heard of it since; else null.
    """

    __tablename__ = "image"
    __table_args__ = (
        one_of("grade", Grade),
        one_of("stale", Stale, null=True),
        CheckConstraint("(fresh = 1) = (stale IS NULL)", name="ck_image_fresh_or_why"),
        CheckConstraint("fresh IN (0, 1) AND present IN (0, 1)", name="ck_image_flags"),
        CheckConstraint("merged_into IS NULL OR present = 0", name="ck_image_merged_is_gone"),
        CheckConstraint("lapsed IS NULL OR fresh = 0", name="ck_image_lapsed_is_stale"),
        Index("ix_image_stale", "system", "stale_since", sqlite_where=sql("fresh = 0")),
        STRICT,
    )
    entity: str = text(primary=True)
    system: str = text(primary=True)
    fields: str = text()
    base: str = text(default="{}")
    fresh: int = whole()
    grade: str = text()
    present: int = whole(default=1)
    merged_into: str | None = text(null=True)
    stale: str | None = text(null=True)
    stale_since: int | None = whole(null=True)
    lapsed: int | None = whole(null=True)
    token: int = whole()
    order_no: int = whole(default=0)
    answered: int = whole(default=0)
    version: str | None = text(null=True)
    not_before: str | None = text(null=True)
    not_after: str | None = text(null=True)
    faulty: str = text(default="[]")
    seen: int = whole()


class Binding(SQLModel, table=True):
    """Canonical id ↔ a system's key, for a time and with a role."""

    __tablename__ = "binding"
    __table_args__ = (
        one_of("role", Role),
        Index(
            "ux_binding_live_entity",
            "entity",
            "system",
            unique=True,
            sqlite_where=sql("role = 'live' AND valid_to IS NULL"),
        ),
        Index("ux_binding_key", "system", "type", "key", unique=True, sqlite_where=sql("valid_to IS NULL")),
        Index("ix_binding_key", "key", "system", "type"),
        Index("ix_binding_entity", "entity", "system"),
        Index("ix_binding_live", "system", "type", "role", "valid_to"),
        COUNTED,
    )
    id: int | None = serial()
    entity: str = text()
    type: str = text()
    system: str = text()
    key: str = text()
    role: str = text()
    valid_from: int = whole()
    valid_to: int | None = whole(null=True)


class Inbox(SQLModel, table=True):
    """Every observation, once, as it came; ``targets`` is how many obligations it made."""

    __tablename__ = "inbox"
    __table_args__ = (
        UniqueConstraint("system", "stream", "source_id", name="ux_inbox_source"),
        one_of("kind", ChangeKind),
        Index("ix_inbox_entity", "entity", "seq"),
        Index(
            "ix_inbox_unbound",
            "received",
            sqlite_where=sql("entity IS NULL AND key IS NOT NULL AND reason = ''"),
        ),
        Index("ix_inbox_key", "system", "key", sqlite_where=sql("entity IS NULL")),
        Index("ix_inbox_correlation", "correlation"),
        COUNTED,
    )
    seq: int | None = serial()
    system: str = text()
    stream: str = text()
    source_id: str = text()
    kind: str = text()
    object: str = text()
    key: str | None = text(null=True)
    operation: str = text()
    order_no: int = whole(default=0)
    at: int | None = whole(null=True)
    received: int = whole()
    origin: str | None = text(null=True)
    transaction_key: str | None = text(null=True)
    fields: str = text()
    raw: bytes | None = binary(null=True)
    reason: str = text(default="")
    entity: str | None = text(null=True)
    targets: int = whole(default=0)
    correlation: str = text()


class Obligation(SQLModel, table=True):
    """An observation that a target has to be told about, or proven to know (I15)."""

    __tablename__ = "obligation"
    __table_args__ = (
        one_of("state", ObligationState),
        Index("ix_obligation_entity", "entity", "target", "state"),
        Index("ix_obligation_open", "entity", "target", sqlite_where=sql("state = 'open'")),
        Index("ix_obligation_command", "command"),
        STRICT,
    )
    inbox: int = whole(primary=True)
    target: str = text(primary=True)
    entity: str = text()
    state: str = text()
    command: int | None = whole(null=True)


class Command(SQLModel, table=True):
    """The outbox: one durable intent for one (entity, target). Finished rows stay for the trace."""

    __tablename__ = "outbox"
    __table_args__ = (
        one_of("state", CommandState),
        one_of("kind", ("create", "update", "delete")),
        Index(
            "ux_outbox_open",
            "entity",
            "target",
            unique=True,
            sqlite_where=sql("state IN ({})".format(", ".join(f"'{s}'" for s in sorted(OPEN)))),
        ),
        Index(
            "ux_outbox_message",
            "message_id",
            unique=True,
            sqlite_where=sql("state NOT IN ('rejected', 'superseded')"),
        ),
        Index("ix_outbox_state", "state", "target", "held", "number"),
        Index("ix_outbox_due", "target", "not_before", sqlite_where=sql(DUE)),
        Index("ix_outbox_held", "target", "type", "kind", "entity", sqlite_where=sql("held = 1")),
        Index("ix_outbox_counted", "entity", "target", "kind", "number", sqlite_where=sql(LASTING)),
        CheckConstraint("held IN (0, 1)", name="ck_outbox_held"),
        Index("ix_outbox_handle", "handle", "target", sqlite_where=sql("handle IS NOT NULL")),
        Index("ix_outbox_id", "message_id"),
        Index("ix_outbox_correlation", "correlation"),
        Index("ix_outbox_entity", "entity", "target", "number"),
        COUNTED,
    )
    number: int | None = serial()
    epoch: int = whole()
    message_id: str = text()
    entity: str = text()
    type: str = text()
    target: str = text()
    kind: str = text()
    key: str | None = text(null=True)
    fields: str = text()
    numbers: str = text()
    rules: str = text()
    guard: str | None = text(null=True)
    version: str | None = text(null=True)
    payload_hash: str = text()
    partial: int = whole(default=0)
    held: int = whole(default=0)
    state: str = text()
    attempts: int = whole(default=0)
    not_before: int = whole(default=0)
    planned: int = whole()
    sent: int | None = whole(null=True)
    asked: int | None = whole(null=True)
    due: int | None = whole(null=True)
    finished: int | None = whole(null=True)
    handle: str | None = text(null=True)
    code: str = text(default="")
    answer: str = text(default="")
    evidence: str = text(default="")
    correlation: str = text()


class Cause(SQLModel, table=True):
    """Which observations are behind a command (many to many under coalescing, I28)."""

    __tablename__ = "cause"
    __table_args__ = (Index("ix_cause_inbox", "inbox"), STRICT | {"sqlite_with_rowid": False})
    command: int = whole(primary=True)
    inbox: int = whole(primary=True)


class Journal(SQLModel, table=True):
    """A row per transition: from, to, why, who, and the correlation id that joins them."""

    __tablename__ = "journal"
    __table_args__ = (Index("ix_journal_subject", "subject", "subject_id", "id"), COUNTED)
    id: int | None = serial()
    at: int = whole()
    epoch: int = whole()
    subject: str = text()
    subject_id: str = text()
    before: str = text()
    after: str = text()
    why: str = text()
    actor: str = text()
    correlation: str = text(default="")


class Position(SQLModel, table=True):
    """Where to resume each stream: opaque bytes, moved only with the events behind them (I1).

    ``told``: the source's commit time of the last event before it
    ``moved``: up to when all is known; its age is used up of the time for which the source keeps its events
    """

    __tablename__ = "position"
    __table_args__ = (STRICT,)
    system: str = text(primary=True)
    stream: str = text(primary=True)
    value: bytes = binary()
    moved: int = whole()
    told: int | None = whole(null=True)


class ExceptionRow(SQLModel, table=True):
    """What a person must look at. ``mark`` is what it parks: a target or "target.field"."""

    __tablename__ = "exception"
    __table_args__ = (
        one_of("state", ("open", "closed")),
        Index(
            "ux_exception_open",
            "kind",
            "entity",
            "system",
            "mark",
            "subject",
            unique=True,
            sqlite_where=sql("state = 'open'"),
        ),
        Index("ix_exception_state", "state", "due"),
        Index("ix_exception_entity", "entity", "system", sqlite_where=sql("state = 'open'")),
        COUNTED,
    )
    id: int | None = serial()
    kind: str = text()
    system: str = text()
    entity: str = text(default="")
    mark: str = text(default="")
    subject: str = text(default="")
    command: int | None = whole(null=True)
    inbox: int | None = whole(null=True)
    code: str = text(default="")
    cause: str = text()
    remedy: str = text(default="")
    amount: str | None = text(null=True)
    currency: str | None = text(null=True)
    owner: str = text()
    opened: int = whole()
    due: int = whole()
    state: str = text()
    closed: int | None = whole(null=True)
    resolution: str = text(default="")


class Conflict(SQLModel, table=True):
    """Both changed since base: the recorded decision with the loser's value."""

    __tablename__ = "conflict"
    __table_args__ = (
        one_of("state", ("decided", "open")),
        Index("ix_conflict_entity", "entity", "id"),
        COUNTED,
    )
    id: int | None = serial()
    entity: str = text()
    field: str = text()
    rule: str = text()
    rules_version: str = text()
    winner_system: str = text()
    winner: str = text()
    loser_system: str = text()
    loser: str = text()
    base: str = text()
    at: int = whole()
    state: str = text()


class Reference(SQLModel, table=True):
    """A reference by a key that no entity is bound to yet, as ``@system:key``."""

    __tablename__ = "reference"
    __table_args__ = (STRICT,)
    placeholder: str = text(primary=True)
    entity: str = text(primary=True)


class ScopeState(SQLModel, table=True):
    """What is kept of a scope of commands: a person's agreement, and how many records its target holds."""

    __tablename__ = "scope"
    __table_args__ = (CheckConstraint("approved IN (0, 1)", name="ck_scope_approved"), STRICT)
    name: str = text(primary=True)
    approved: int = whole(default=0)
    live: int = whole(default=0)
    counted: int | None = whole(null=True)


class Planned(SQLModel, table=True):
    """How many records of a scope had their newest command planned in a minute (since 1970)."""

    __tablename__ = "planned"
    __table_args__ = (CheckConstraint("count >= 0", name="ck_planned_count"), STRICT)
    scope: str = text(primary=True)
    minute: int = whole(primary=True)
    count: int = whole(default=0)


class SystemState(SQLModel, table=True):
    """How each system does, for people and for the time when the service is down."""

    __tablename__ = "system"
    __table_args__ = (one_of("state", ("up", "degraded", "down", "starting")), STRICT)
    name: str = text(primary=True)
    kind: str = text()
    state: str = text()
    since: int = whole()
    reason: str = text(default="")
    contact: int | None = whole(null=True)
    event: int | None = whole(null=True)
