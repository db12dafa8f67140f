"""Whether the database tracks a table as the capture by change tracking needs it."""

from __future__ import annotations

from dataclasses import dataclass

from adapters.odbc import sql
from adapters.odbc.session import Session
from agent.core.objects import ObjectSpec
from agent.ports import Check


@dataclass(frozen=True, slots=True)
class Standing:
    """What is on. ``kept``: how long changes are kept, "" where the database tracks none."""

    kept: str
    tracked: bool
    readable: bool
    viewed: bool


def ask(session: Session, name: str) -> Standing | None:
    """What the database says of a table; None where it has no change tracking. Raises SqlFault."""
    tracking = session.dialect.tracking
    if tracking is None:
        return None
    found = session.rows(sql.Named.of(session.dialect, name).within(tracking.standing))[0]
    kept, tracked, readable, viewed = (str(value or "") for value in found)
    return Standing(kept, tracked == "1", readable == "1", viewed == "1")


def standing(session: Session, spec: ObjectSpec) -> Check:
    """One line for a table that is captured so. Raises SqlFault."""
    title, found = f"change tracking of {spec.name}", ask(session, spec.name)
    if found is None:
        return Check(title, ok=False, detail="this database has none", remedy="choose another capture")
    install = f"isthmus journal install {session.erp.name}, or its --print for a DBA"
    if not found.kept:
        return Check(title, ok=False, detail="off for the database", remedy=install)
    if not found.readable:
        tracking, table = session.dialect.tracking, session.dialect.quote(spec.name)
        right = tracking.right if tracking is not None else ""
        return Check(title, ok=False, detail=f"no right {right}", remedy=f"GRANT {right} ON {table}")
    if not found.tracked:
        return Check(title, ok=False, detail="off for the table", remedy=install)
    detail = f"on; changes are kept {found.kept}: an agent that rests for longer reads the table whole"
    if not found.viewed:
        detail += (
            "; without snapshot isolation reads wait for writers, and may be refused for a while:"
            " ALTER DATABASE CURRENT SET ALLOW_SNAPSHOT_ISOLATION ON"
        )
    return Check(title, ok=True, detail=detail)
