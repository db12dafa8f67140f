"""What ``isthmus check`` says of capture: which strategy is in force for a table, and which would suit it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from adapters.odbc.capture.standing import ask
from adapters.odbc.capture.triggers import Enabled
from adapters.odbc.catalog import Table
from adapters.odbc.session import Session
from adapters.odbc.tables import WITH_TRIGGERS, Capture, TableSettings
from agent.core.objects import ObjectSpec
from agent.ports import Check

#: Seconds for which a transaction may be open before the check says what it holds back.
LONG_S = 60.0
_MAINTAINED = re.compile(r"(?i)(chang|updat|modif|row_?version|last_?(mod|upd|chg)|aedat|laeda)")
_KINDS = re.compile(r"(?i)(date|time|int|rowversion|numeric|decimal)")


@dataclass(frozen=True, slots=True)
class Site:
    """What decides which strategy suits a table.

    may_trigger  the user may create triggers on it, or they are there
    may_delete   rows of the journal may be deleted, as far as there is one
    below        the database tells which transactions are open ("snapshot")
    column       one that its writers seem to maintain, by its name
    tracked      the database tracks its changes by itself; None where it cannot
    """

    may_trigger: bool
    may_delete: bool
    below: bool
    column: str | None
    tracked: bool | None = None


def advise(site: Site) -> tuple[Capture, str]:
    """The strategy that suits, and why."""
    if site.tracked:
        return Capture.CHANGE_TRACKING, "the database tracks the table by itself"
    if site.may_trigger and (site.may_delete or not site.below):
        return Capture.JOURNAL, "triggers are allowed"
    if site.may_trigger:
        return Capture.SNAPSHOT, "triggers are allowed, deleting journal rows is not"
    if site.tracked is not None:
        return Capture.CHANGE_TRACKING, "only reading is allowed, and a DBA can switch it on for the table"
    if site.column is not None:
        return Capture.HIGH_WATER, f"only reading is allowed, '{site.column}' seems to grow with every write"
    return Capture.DIFFERENCE, "only reading is allowed"


def captures(session: Session, spec: ObjectSpec, table: Table) -> Check:
    """One line for a table. It is no fault to do otherwise than recommended."""
    settings = session.erp.table(spec.name)
    chosen = settings.capture if spec.capture else Capture.NONE
    best, why = advise(_site(session, spec, table))
    told = f"{chosen.value}: {_told(session, chosen, settings)}"
    if chosen is not best and chosen is not Capture.NONE:
        told += f"; recommended: {best.value} ({why})"
    return Check(f"capture of {spec.name}", ok=True, detail=told)


def horizon(session: Session) -> list[Check]:
    """For how long open transactions hold "snapshot" back."""
    dialect = session.dialect
    if dialect.horizon is None or not session.erp.captured(Capture.SNAPSHOT):
        return []
    age, hidden = (float(part) for part in session.rows(dialect.horizon.open)[0])
    told = f"the oldest open transaction that may have written began {age:.0f} s ago"
    if hidden:
        told += f"; {hidden:.0f} of other users are not shown (grant pg_read_all_stats to see them)"
    remedy = "end the session that left it open: pg_stat_activity, pg_prepared_xacts" if age > LONG_S else ""
    return [Check("capture horizon", ok=age <= LONG_S, detail=told, remedy=remedy)]


def _site(session: Session, spec: ObjectSpec, table: Table) -> Site:
    dialect, own = session.dialect, session.erp.own
    tracking = ask(session, spec.name) if table.primary_key == (spec.key,) else None
    installed = not Enabled.ask(session).missing(spec)
    journal = session.reflect(own.journal) is not None
    return Site(
        may_trigger=installed or _allowed(session, spec.name, "TRIGGER"),
        may_delete=not journal or _allowed(session, own.journal, "DELETE"),
        below=dialect.horizon is not None,
        column=next(
            (
                name
                for name, column in table.columns.items()
                if _MAINTAINED.search(name) and _KINDS.search(column.type_name)
            ),
            None,
        ),
        tracked=None if tracking is None else tracking.tracked,
    )


def _allowed(session: Session, table: str, right: str) -> bool:
    allowed = session.dialect.allowed
    if allowed is None:
        return True
    return bool(session.rows(allowed.format(right=right), (session.dialect.quote(table),)))


def _told(session: Session, chosen: Capture, settings: TableSettings) -> str:
    """What a strategy does, and what it does not see."""
    cascades = session.dialect.silent_cascades and chosen in WITH_TRIGGERS
    limit = "; rows deleted by a cascade or by TRUNCATE fire no trigger here" if cascades else ""
    match chosen:
        case Capture.JOURNAL:
            return f"triggers note every change, our rows there are deleted when they are durable here{limit}"
        case Capture.SNAPSHOT:
            return "triggers note every change, read below the oldest open transaction"
        case Capture.HIGH_WATER if settings.deletes_every_s is None:
            return f"rows by '{settings.column}'; deletes of older rows are not seen (set deletes_every_s)"
        case Capture.HIGH_WATER:
            return f"rows by '{settings.column}', deletes every {settings.deletes_every_s:g} s by their keys"
        case Capture.CHANGE_TRACKING:
            return "the database tells which keys changed; a table that is emptied is read whole"
        case Capture.DIFFERENCE:
            where = "in the database" if session.dialect.digest is not None else "by us"
            return f"every {settings.difference_every_s:g} s the whole table is hashed {where} and compared"
        case _:
            return "changes are not read"
