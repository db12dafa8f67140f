"""What ``isthmus check`` asks of one table: columns, key, and whether its writes can be taken back."""

from __future__ import annotations

import difflib
import re

from adapters.odbc import staging
from adapters.odbc.capture.advice import captures
from adapters.odbc.catalog import Table, unique_columns
from adapters.odbc.session import Session
from adapters.odbc.tables import WITH_TRIGGERS
from agent.core.objects import FieldType, ObjectSpec
from agent.ports import Check

_BYTES = re.compile(r"binary|blob|bytea|raw|image")


def inspect(session: Session, spec: ObjectSpec) -> list[Check]:
    """One object: its table, its columns, and whether its key can carry a record's identity."""
    table = session.reflect(spec.name)
    if table is None:
        return [
            Check(
                f"table {spec.name}",
                ok=False,
                detail="not found in the catalog",
                remedy="check name and case, and the user's right to read it",
            )
        ]
    checks = [Check(f"table {spec.name}", ok=True, detail=f"{len(table.columns)} columns")]
    names = [spec.key, *(item.name for item in spec.fields)]
    if spec.external_id:
        names.append(spec.external_id)
    for name in dict.fromkeys(names):
        if name not in table.columns:
            near = difflib.get_close_matches(name, list(table.columns), n=1)
            hint = f"did you mean '{near[0]}'?" if near else f"columns: {', '.join(sorted(table.columns))}"
            checks.append(Check(f"column {spec.name}.{name}", ok=False, detail="no such column", remedy=hint))
    checks += _values(session, spec, table)
    checks.append(_unique(session, spec, table))
    checks.append(captures(session, spec, table))
    checks += _key(session, spec, table)
    checks += _staging(session, spec)
    if not table.rolls_back:
        checks.append(
            Check(
                f"engine of {spec.name}",
                ok=False,
                detail="its storage engine cannot take back a transaction: a write without its ledger row",
                remedy=f"ALTER TABLE {session.dialect.quote(spec.name)} ENGINE = InnoDB",
            )
        )
    return checks


def _staging(session: Session, spec: ObjectSpec) -> list[Check]:
    """The table into which its commands are put: all columns, and a message id only once."""
    name = session.erp.write(spec.name).staging
    if name is None or not spec.deliver:
        return []
    title, table = f"staging of {spec.name}", session.reflect(name)
    if table is None:
        remedy = "check name and case, and the user's right to read it"
        return [Check(title, ok=False, detail=f"no table '{name}'", remedy=remedy)]
    inbox = staging.Inbox.of(table)
    if inbox.lacking:
        detail = f"'{name}' lacks {', '.join(inbox.lacking)}"
        return [Check(title, ok=False, detail=detail, remedy="add them")]
    once = inbox.names[staging.GIVEN[0]]
    cursor = session.cursor()
    try:
        unique = unique_columns(cursor, session.placed(name), session.dialect.home)
    finally:
        cursor.close()
    if once not in unique and table.primary_key != (once,):
        detail = f"'{name}' would take the same {once} twice"
        return [Check(title, ok=False, detail=detail, remedy=f"create a unique index on its {once}")]
    return [Check(title, ok=True, detail=f"'{name}' takes each {once} once")]


def _key(session: Session, spec: ObjectSpec, table: Table) -> list[Check]:
    """A key that the agent's tables would have to cut, or of which the database takes two for one."""
    column = table.columns.get(spec.key)
    if column is None:
        return []
    keeps = session.dialect.journal.longest_key
    installed = session.reflect(session.erp.own.journal)
    if installed is not None and "key" in installed.columns:
        keeps = installed.column("key").length or keeps
    if keeps is not None and column.length is not None and column.length > keeps:
        return [
            Check(
                f"key of {spec.name}",
                ok=False,
                detail=f"up to {column.length} characters; journal and ledger keep {keeps}",
                remedy="map a shorter unique column as the key",
            )
        ]
    if _BYTES.search(column.type_name):
        return [
            Check(
                f"key of {spec.name}",
                ok=False,
                detail=f"bytes ({column.type_name}), which are no text: triggers may refuse the ERP's writes",
                remedy="map another unique column as the key",
            )
        ]
    if column.zoned and spec in session.erp.captured(*WITH_TRIGGERS):
        return [
            Check(
                f"key of {spec.name}",
                ok=False,
                detail=f"a point in time ({column.type_name}), which triggers note in the zone of each user",
                remedy="map another unique column as the key, or choose another capture",
            )
        ]
    if not session.dialect.dictionary.equating:
        return []
    place, _, bare = spec.name.rpartition(".")
    found = session.rows(session.dialect.dictionary.equating, (place or None, bare, spec.key))
    if not found:
        return []
    detail = f"the collation {found[0][0]} takes keys for one that differ in case or accents alone"
    return [Check(f"key of {spec.name}", ok=True, detail=detail)]


def _values(session: Session, spec: ObjectSpec, table: Table) -> list[Check]:
    """Columns that would lose digits: SQLite stores a number in a numeric column as binary floating point."""
    if not session.dialect.lossy_numbers:
        return []
    lossy = [
        item.name
        for item in spec.fields
        if item.type is FieldType.DECIMAL
        and item.name in table.columns
        and "int" not in (column := table.column(item.name)).type_name
        and session.dialect.text(item.name, column) != session.dialect.quote(item.name)
    ]
    return [
        Check(
            f"column {spec.name}.{name}",
            ok=False,
            detail="a decimal in a column without TEXT affinity loses digits beyond the fifteenth",
            remedy="declare the column TEXT, or map it as text",
        )
        for name in lossy
    ]


def _unique(session: Session, spec: ObjectSpec, table: Table) -> Check:
    """Key and external id must be unique: a record is found by them."""
    cursor = session.cursor()
    try:
        unique = unique_columns(cursor, session.placed(spec.name), session.dialect.home)
    except session.driver_error as error:
        return Check(
            f"keys of {spec.name}", ok=False, detail=str(error.args[-1])[:200], remedy="check the rights"
        )
    finally:
        cursor.close()
    if len(table.primary_key) == 1:
        unique |= {table.primary_key[0]}
    wanted = [spec.key, *([spec.external_id] if spec.external_id else [])]
    missing = [name for name in wanted if name in table.columns and name not in unique]
    return Check(
        f"keys of {spec.name}",
        ok=not missing,
        detail=f"not unique: {', '.join(missing)}" if missing else f"unique: {', '.join(wanted)}",
        remedy="create a unique index on it" if missing else "",
    )
