"""What ``isthmus check`` asks of the server itself: product, version, time limits, definers of triggers."""

from __future__ import annotations

import re

from adapters.odbc.session import Session, SqlFault
from agent.ports import Check


def inspect(session: Session) -> list[Check]:
    """The server's product and version, and the time limits of our sessions there."""
    return [_version(session), _limits(session)]


def _version(session: Session) -> Check:
    name, version = session.product()
    wanted, oldest = session.dialect.minimum
    found = tuple(int(part) for part in re.findall(r"\d+", version)[:3])
    title = "server version"
    least = ".".join(map(str, oldest))
    if wanted and wanted.lower() not in name.lower():
        return Check(
            title,
            ok=False,
            detail=f"this is {name} {version}; dialect {session.dialect.name} is written for {wanted}",
            remedy="set dialect to that of the server",
        )
    if found < oldest:
        return Check(
            title, ok=False, detail=f"{name} {version}", remedy=f"upgrade the server to {least} or later"
        )
    proven = "; this dialect was never run against such a server: try it on a copy first"
    note = proven if session.dialect.untried else ""
    return Check(title, ok=True, detail=f"{name} {version} ({least} or later){note}")


def _limits(session: Session) -> Check:
    """A lock that is waited for longer than a request may last ends the worker instead of the wait."""
    erp = session.erp
    detail = f"a lock {erp.lock_timeout_s:g} s, a request {erp.deadline_s:g} s"
    if erp.lock_timeout_s * 2 > erp.deadline_s:
        return Check(
            "time limits",
            ok=False,
            detail=detail,
            remedy="set deadline_s to at least twice lock_timeout_s (3 and 30 are recommended)",
        )
    return Check("time limits", ok=True, detail=detail)


def triggers(session: Session) -> list[Check]:
    """Triggers whose definer was dropped: every write to their table fails, the ERP's own too."""
    if not session.dialect.dictionary.orphans:
        return []
    try:
        found = session.rows(session.dialect.dictionary.orphans)
    except SqlFault:
        session.rollback()
        return []  # who exists is for administrators to see
    return [
        Check(
            f"definer of trigger {name}",
            ok=False,
            detail=f"there is no user {definer}: every write to the table fails",
            remedy=f"as a user who stays: isthmus journal install {session.erp.name}",
        )
        for name, definer in found
    ]
