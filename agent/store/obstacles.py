"""Tables of what stands in the way of sending or of knowing: waits, holds, withheld fields, gaps, looks.

Times are milliseconds since 1970 UTC.
"""

from __future__ import annotations

from sqlalchemy import CheckConstraint, Index
from sqlmodel import SQLModel

from agent.store.types import STRICT, text, whole


class Waiting(SQLModel, table=True):
    """Why a plan sent nothing, and what it waits for, so that it is planned again when that arrives."""

    __tablename__ = "waiting"
    __table_args__ = (Index("ix_waiting_on", "waits_on"), STRICT)
    entity: str = text(primary=True)
    target: str = text(primary=True)
    reason: str = text()
    waits_on: str = text(default="")
    since: int = whole()


class Hold(SQLModel, table=True):
    """What is not to be written now. ``scope``: ``*``, a system, or a scope such as customer@erp:update."""

    __tablename__ = "hold"
    __table_args__ = (STRICT,)
    scope: str = text(primary=True)
    since: int = whole()
    actor: str = text()
    why: str = text()


class Withheld(SQLModel, table=True):
    """A field that a system lacks, or does not let us write or see; all else of its records goes on.

    refused  nothing of it is sent;  unseen: reads say nothing of it
    tries    how often one record has tried it again;  due: when the next one does;  probe: that record, or ""
    """

    __tablename__ = "withheld"
    __table_args__ = (
        CheckConstraint("refused IN (0, 1) AND unseen IN (0, 1)", name="ck_withheld_flags"),
        CheckConstraint("refused + unseen > 0", name="ck_withheld_some"),
        STRICT,
    )
    target: str = text(primary=True)
    type: str = text(primary=True)
    field: str = text(primary=True)
    since: int = whole()
    refused: int = whole(default=0)
    unseen: int = whole(default=0)
    tries: int = whole(default=0)
    due: int = whole(default=0)
    probe: str = text(default="")


class Gap(SQLModel, table=True):
    """A stretch of a stream that is missing, until a snapshot begun after ``token`` has seen everything.

    behind        the source's commit time up to which nothing is missing, where that is known
    begun         token at which the snapshot that runs, or ran last, was begun;  resume: where it goes on
    taken, total  rows that it has taken, of about so many
    going, paced  when it began or went on last, and how many rows it had then: for its rate
    """

    __tablename__ = "gap"
    __table_args__ = (STRICT,)
    system: str = text(primary=True)
    type: str = text(primary=True)
    since: int = whole()
    token: int = whole()
    why: str = text()
    behind: int | None = whole(null=True)
    begun: int | None = whole(null=True)
    resume: str = text(default="")
    taken: int = whole(default=0)
    total: int | None = whole(null=True)
    going: int | None = whole(null=True)
    paced: int = whole(default=0)


class Look(SQLModel, table=True):
    """When it was last looked at what was touched, and until when that reached by the system's clock."""

    __tablename__ = "look"
    __table_args__ = (STRICT,)
    system: str = text(primary=True)
    type: str = text(primary=True)
    made: int = whole()
    until: int = whole()
