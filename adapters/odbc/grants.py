"""The least rights that the agent's user needs in the ERP, as SQL for its DBA. Needs no connection.

Which columns may be written follows from who owns which field: a mistake in a rule, or somebody who got hold
of the agent's password, is stopped by the database itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from adapters.odbc import staging
from adapters.odbc.dialect import Dialect
from adapters.odbc.dialects import DIALECTS
from adapters.odbc.driver import parse
from adapters.odbc.journal import MARK_COLUMNS
from adapters.odbc.settings import Erp
from adapters.odbc.tables import Capture
from adapters.odbc.writing import WriteSettings
from agent.core.objects import ObjectSpec

#: Who is named where the connection string names no user.
_NOBODY = "isthmus"


def grant_script(erp: Erp) -> list[str]:
    """Comments and statements, each without the semicolon behind it; repeatable."""
    dialect = DIALECTS[erp.dialect]
    rights = dialect.rights
    if rights is None:
        return [f"-- {erp.name}: {dialect.name} knows no users and no rights; protect the file itself"]
    account = rights.account(_user(erp))
    lines = [f"-- {erp.name}: what the agent's user may do, and nothing more"]
    lines += [f"-- {note}" for note in rights.notes]
    lines += [line.format(account=account) for line in rights.before(dialect, erp.own, _inserted(erp))]
    for spec in erp.objects:
        lines += _of_object(dialect, spec, account, ours=erp.write(spec.name).staging is None)
        lines += _of_staging(dialect, erp.write(spec.name), account)
        lines += _of_tracking(dialect, spec, erp, account)
    return lines + _of_own_tables(dialect, erp, account)


def _inserted(erp: Erp) -> list[ObjectSpec]:
    """The objects, those not to be inserted into whose commands a staging table takes, and that table."""
    found = []
    for spec in erp.objects:
        staged = erp.write(spec.name).staging
        if staged is not None:
            spec = replace(spec, create=False)
            found.append(ObjectSpec(staged, staging.NUMBER, ()))
        found.append(spec)
    return found


def _user(erp: Erp) -> str:
    for key, value in parse(erp.connection).items():
        if key.lower() in {"uid", "user", "user id", "username"}:
            return value
    return _NOBODY


def _of_object(dialect: Dialect, spec: ObjectSpec, account: str, *, ours: bool) -> list[str]:
    """``ours``: written by our own statements, and not by a program of the ERP."""
    key, stamp = [spec.key], [spec.external_id] if spec.external_id else []
    updated = [item.name for item in spec.fields if item.writable] + stamp
    inserted = [item.name for item in spec.fields if item.writable or item.seed] + stamp + key
    lines = [_grant(dialect, "SELECT", spec.name, account)]
    if not ours:
        return lines
    if spec.deliver and updated:
        lines.append(_grant(dialect, "UPDATE", spec.name, account, updated))
    if spec.deliver and spec.create:
        lines.append(_grant(dialect, "INSERT", spec.name, account, inserted))
    if spec.deliver and spec.delete:
        lines.append(_grant(dialect, "DELETE", spec.name, account))
    return lines


def _of_staging(dialect: Dialect, write: WriteSettings, account: str) -> list[str]:
    if write.staging is None:
        return []
    return [
        _grant(dialect, "SELECT, INSERT", write.staging, account),
        _grant(dialect, "UPDATE", write.staging, account, [staging.TAKEN]),
    ]


def _of_tracking(dialect: Dialect, spec: ObjectSpec, erp: Erp, account: str) -> list[str]:
    if dialect.tracking is None or spec not in erp.captured(Capture.CHANGE_TRACKING):
        return []
    return [_grant(dialect, dialect.tracking.right, spec.name, account)]


def _of_own_tables(dialect: Dialect, erp: Erp, account: str) -> list[str]:
    own = erp.own
    # what is read below the oldest open transaction needs no right to delete
    right = "SELECT, DELETE" if erp.captured(Capture.JOURNAL) else "SELECT"
    return [
        _grant(dialect, right, own.journal, account),
        _grant(dialect, "SELECT", own.meta, account),
        _grant(dialect, "SELECT, INSERT", own.ledger, account),
        _grant(dialect, "UPDATE", own.ledger, account, [dialect.own("key")], quoted=True),
        _grant(dialect, "SELECT", own.epoch, account),
        _grant(dialect, "UPDATE", own.epoch, account, ["epoch", *MARK_COLUMNS], quoted=True),
    ]


def _grant(
    dialect: Dialect,
    right: str,
    table: str,
    account: str,
    columns: Sequence[str] = (),
    *,
    quoted: bool = False,
) -> str:
    """``columns``: all of it where the database cannot tell columns apart, or none are named."""
    limited = dialect.rights is not None and right in dialect.rights.by_column
    names = [name if quoted else dialect.quote(name) for name in dict.fromkeys(columns)] if limited else []
    some = f" ({', '.join(names)})" if names else ""
    return f"GRANT {right}{some} ON {dialect.quote(table)} TO {account}"
