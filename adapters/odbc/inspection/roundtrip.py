"""``isthmus check --roundtrip``: each mapped column is given sample values and read back. Leaves nothing.

The samples go into a temporary table with a column of the same type, made from the ERP's own. Where the user
may make none, they are written into one record of the table itself, in a transaction that is always taken
back; there the ERP's own triggers are part of the answer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from adapters.odbc import sql
from adapters.odbc.catalog import Column, Table
from adapters.odbc.dialect import Fault
from adapters.odbc.inspection.samples import Sample, samples
from adapters.odbc.session import Session, SqlFault
from adapters.odbc.settings import Erp
from adapters.odbc.values import Unfit, encode, encode_key, same
from agent.core.objects import FieldType, ObjectSpec
from agent.errors import RemoteError
from agent.ports import Check

_SCRATCH = "isthmus_scratch"
_REMEDIES = {
    FieldType.TEXT: "map only text that the column keeps, or give it a wider type or character set",
    FieldType.REFERENCE: "give the column the type of the key that it refers to",
    FieldType.INTEGER: "give the column a whole type of 64 bits, or map it as text",
    FieldType.DECIMAL: "give the column an exact decimal type, or TEXT where the database has none",
    FieldType.BOOLEAN: "map the column's own two values with a value map",
    FieldType.DATE: "give the column the type of a date",
    FieldType.DATETIME: "give the column a date-time type with fractions of a second",
}
_TEXTS = frozenset({FieldType.TEXT, FieldType.REFERENCE})


def round_trip(erp: Erp) -> list[Check]:
    """One check per mapped column, on connections of its own. Raises nothing."""
    opened: list[Session] = []
    try:
        for autocommit in (True, False):
            opened.append(Session(erp, autocommit=autocommit))
        scratch, taken_back = opened
        return [check for spec in erp.objects for check in _object(scratch, taken_back, spec)]
    except RemoteError as error:
        return [Check("round trip", ok=False, detail=error.message, remedy=error.remedy)]
    except SqlFault as fault:
        return [Check("round trip", ok=False, detail=str(fault), remedy="check the user's rights")]
    finally:
        for session in opened:
            session.rollback()
            session.close()


def _object(scratch: Session, taken_back: Session, spec: ObjectSpec) -> list[Check]:
    table = scratch.reflect(spec.name)
    if table is None:
        return [Check(f"round trip {spec.name}", ok=False, detail="no such table", remedy="check its name")]
    kinds = {spec.key: FieldType.TEXT}
    kinds |= {spec.external_id: FieldType.TEXT} if spec.external_id else {}
    kinds |= {item.name: item.type for item in spec.fields}
    checks = []
    for name, kind in kinds.items():
        if name in table.columns:
            place = _temporary(scratch, table, name) or _record(taken_back, table, spec, name)
            checks.append(_column(place, table.column(name), kind, f"round trip {spec.name}.{name}"))
    return checks


@dataclass(frozen=True, slots=True)
class _Place:
    """Where samples of one column are written: ``write`` gives back what is read, and leaves nothing."""

    session: Session
    words: str
    write: Callable[[str | None], object]
    end: Callable[[], None] = lambda: None


def _temporary(session: Session, table: Table, name: str) -> _Place | None:
    """A temporary table with this column alone; None where the user may not make one."""
    dialect, column = session.dialect, table.column(name)
    if dialect.scratch is None:
        return None
    own, quoted = dialect.scratch.name.format(name=_SCRATCH), dialect.quote(name)
    try:
        session.run(dialect.scratch.create.format(name=own, column=quoted, table=dialect.quote(table.name)))
    except SqlFault:
        session.rollback()
        return None

    def write(text: str | None) -> object:
        session.run(f"DELETE FROM {own}")  # noqa: S608
        session.run(f"INSERT INTO {own} ({quoted}) VALUES ({dialect.value(column)})", (text,))  # noqa: S608
        return session.rows(f"SELECT {dialect.text(name, column)} FROM {own}")[0][0]  # noqa: S608

    def end() -> None:
        session.run(f"DROP TABLE {own}")

    return _Place(session, "in a temporary table", write, end)


def _record(session: Session, table: Table, spec: ObjectSpec, name: str) -> _Place | None:
    """The first record of the table; None where it has none, or the column is not ours to write."""
    writable = {item.name for item in spec.fields if item.writable} - {spec.key}
    page = sql.select_page(session.dialect, table, spec.key, (), size=1, first=True)
    found = session.rows(page)
    session.rollback()
    if name not in writable or not found:
        return None
    key = encode_key(table.column(spec.key), str(found[0][0]))
    update = sql.update(session.dialect, table, spec.key, (name,))
    select = sql.select_by_keys(session.dialect, table, spec.key, (name,), 1)

    def write(text: str | None) -> object:
        try:
            session.run(update, (text, key))
            return session.rows(select, (key,))[0][1]
        finally:
            session.rollback()

    return _Place(session, "in a record of the table, taken back", write)


@dataclass(slots=True)
class _Tally:
    """What became of the samples of one column, by their names."""

    kept: int = 0
    refused: list[str] = field(default_factory=list)
    altered: list[str] = field(default_factory=list)


def _column(place: _Place | None, column: Column, kind: FieldType, title: str) -> Check:
    if place is None:
        detail = "not tried: the user may make no temporary table, and may write it in no record"
        return Check(title, ok=True, detail=detail)
    given = samples(column, kind)
    tally = _tried(place, column, kind, given)
    place.end()
    detail = f"{tally.kept} of {len(given)} samples come back as they were ({place.words})"
    if tally.refused:
        detail += f", refused: {', '.join(tally.refused)}"
    if tally.altered:
        detail += f", ALTERED: {', '.join(tally.altered)}"
        return Check(title, ok=False, detail=detail, remedy=_REMEDIES[kind])
    if not tally.kept and kind not in _TEXTS:
        remedy = f"{column.type_name} holds no {kind.value}: {_REMEDIES[kind]}"
        return Check(title, ok=False, detail=detail, remedy=remedy)
    return Check(title, ok=True, detail=detail)


def _tried(place: _Place, column: Column, kind: FieldType, given: Sequence[Sample]) -> _Tally:
    """A sample that we or the database refuse is no harm: nothing else is stored in its place."""
    tally = _Tally()
    for sample in given:
        try:
            text = encode(column, kind, sample.value, place.session.zone)
            found = place.write(text)
        except Unfit:
            tally.refused.append(sample.name)
        except SqlFault as fault:
            place.session.rollback()
            if fault.verdict.fault not in {Fault.INVALID, Fault.BUSINESS, Fault.DUPLICATE, Fault.UNKNOWN}:
                raise
            tally.refused.append(sample.name)
        else:
            if same(column, kind, found, sample.value, place.session.zone):
                tally.kept += 1
            else:
                tally.altered.append(sample.name)
    return tally
