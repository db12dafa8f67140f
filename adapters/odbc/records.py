"""Records read by key, page by page or by value, in canonical types. Runs in the worker."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from adapters.odbc import sets, sql
from adapters.odbc.catalog import Table
from adapters.odbc.dialect import Fault
from adapters.odbc.forms import pack
from adapters.odbc.session import Session, SqlFault, mapped_columns
from adapters.odbc.values import Unfit, decode, encode, encode_key, same
from agent.core.change import RawValue, Row
from agent.core.objects import FieldType, ObjectSpec
from agent.errors import Refused

_CHUNK = 200


@dataclass(frozen=True, slots=True)
class Shape:
    """A table seen through one object: which columns are read and as what."""

    table: Table
    spec: ObjectSpec
    names: tuple[str, ...]
    kinds: Mapping[str, FieldType]

    @classmethod
    def of(cls, session: Session, object_name: str) -> Shape:
        """Raises Refused for an unknown object, table or column."""
        spec, table = cls._known(session, object_name)
        names = mapped_columns(table, spec, where=session.erp.name)
        return cls._seen(spec, table, names)

    @classmethod
    def present(cls, session: Session, object_name: str) -> Shape:
        """The same with the columns that are there. Raises Refused for an unknown object or table."""
        spec, table = cls._known(session, object_name)
        names = [item.name for item in spec.fields]
        if spec.external_id and spec.external_id not in names:
            names.append(spec.external_id)
        return cls._seen(spec, table, tuple(name for name in names if name in table.columns))

    @staticmethod
    def _known(session: Session, object_name: str) -> tuple[ObjectSpec, Table]:
        try:
            spec = session.erp.spec(object_name)
        except KeyError:
            raise Refused(f"no object '{object_name}' is configured", where=session.erp.name) from None
        return spec, session.table(object_name)

    @classmethod
    def _seen(cls, spec: ObjectSpec, table: Table, names: tuple[str, ...]) -> Shape:
        kinds = {item.name: item.type for item in spec.fields}
        if spec.external_id:
            kinds.setdefault(spec.external_id, FieldType.TEXT)
        return cls(table=table, spec=spec, names=names, kinds=kinds)

    def image(self, session: Session, values: Sequence[object]) -> dict[str, RawValue]:
        """Canonical fields of a row as selected (without the key).

        A value that nobody can understand is handed on as it stands: it stops its own field, not its record.
        """
        return {
            name: self._value(session, name, value) for name, value in zip(self.names, values, strict=True)
        }

    def _value(self, session: Session, name: str, value: object) -> RawValue:
        try:
            return decode(self.table.column(name), self.kinds[name], value, session.zone)
        except Unfit:
            return str(value)


def images(session: Session, shape: Shape, keys: Sequence[str]) -> dict[str, dict[str, RawValue]]:
    """The records that exist, by the key as it was asked for."""
    column = shape.table.column(shape.spec.key)
    asked: dict[str, str] = {}
    for key in keys:
        bound = encode_key(column, key)
        if bound is not None:
            asked[bound.rstrip(" ") if column.padded else bound] = key
    found: dict[str, dict[str, RawValue]] = {}
    bound_keys = list(asked)
    for start in range(0, len(bound_keys), _CHUNK):
        chunk = bound_keys[start : start + _CHUNK]
        # one statement text for full chunks; the rest gets its own
        statement = sql.select_by_keys(session.dialect, shape.table, shape.spec.key, shape.names, len(chunk))
        for key, *values in _tolerant(session, shape, statement, chunk):
            text = str(key).rstrip(" ") if column.padded else str(key)
            found[asked.get(text, text)] = shape.image(session, values)
    return found


def _tolerant(session: Session, shape: Shape, statement: str, keys: Sequence[str]) -> list[tuple[Any, ...]]:
    """The rows of these keys. A key that the column cannot even be compared with (letters that its character
    set lacks, a number beyond its range) has no row, and costs only itself.
    """
    try:
        return session.rows(statement, keys)
    except SqlFault as fault:
        if fault.verdict.fault is not Fault.INVALID:
            raise
        session.rollback()
        if len(keys) == 1:
            return []
    single = sql.select_by_keys(session.dialect, shape.table, shape.spec.key, shape.names, 1)
    return [row for key in keys for row in _tolerant(session, shape, single, [key])]


def read(session: Session, object_name: str, keys: Sequence[str]) -> list[Row]:
    """One row per asked key, fields None where there is no such record."""
    shape = Shape.of(session, object_name)
    found = images(session, shape, list(dict.fromkeys(keys)))
    return [Row(key, found.get(key)) for key in keys]


def page(session: Session, object_name: str, behind: str | None, size: int) -> list[Row]:
    """The next records in key order behind a key; None starts at the first."""
    shape = Shape.of(session, object_name)
    statement = sql.select_page(
        session.dialect, shape.table, shape.spec.key, shape.names, size=size, first=behind is None
    )
    return _rows(session, shape, session.rows(statement, () if behind is None else (behind,)))


def find(session: Session, object_name: str, fields: Mapping[str, object]) -> list[Row]:
    """Records (at most 100) whose named fields have these values."""
    shape = Shape.of(session, object_name)
    unknown = [name for name in fields if name not in shape.table.columns]
    if unknown or not fields:
        raise Refused(
            f"table '{object_name}' cannot be searched by {', '.join(unknown) or 'nothing'}",
            where=session.erp.name,
            remedy="check the match fields of the entity against the table",
        )
    try:
        bound = {
            name: encode(shape.table.column(name), shape.kinds.get(name, FieldType.TEXT), value, session.zone)
            for name, value in fields.items()
        }
    except Unfit:
        return []  # a value that the column cannot hold is in no record
    statement = sql.select_where(
        session.dialect,
        shape.table,
        shape.spec.key,
        shape.names,
        [(name, value is None) for name, value in bound.items()],
    )
    try:
        found = session.rows(statement, [v for v in bound.values() if v is not None])
    except SqlFault as fault:
        if fault.verdict.fault is not Fault.INVALID:
            raise
        session.rollback()
        return []
    external = shape.spec.external_id
    wanted = None if external is None else fields.get(external)
    rows = _rows(session, shape, found)
    return rows if wanted is None else [row for row in rows if _carries(session, shape, row, wanted)]


def find_many(
    session: Session, object_name: str, questions: Sequence[Mapping[str, object]]
) -> list[list[Row]]:
    """What ``find`` says to each question; those by one plain text, nearly all, are asked together."""
    together: dict[str, list[str]] = {}
    for fields in questions:
        for name, value in fields.items():
            if len(fields) == 1 and isinstance(value, str) and value.isascii() and value:
                together.setdefault(name, []).append(value)
    found: dict[tuple[str, object], list[Row]] = {}
    for name, texts in together.items():
        found |= {
            (name, text): rows for text, rows in _found_together(session, object_name, name, texts).items()
        }
    return [
        found[next(iter(fields.items()))]
        if len(fields) == 1 and next(iter(fields.items())) in found
        else find(session, object_name, fields)
        for fields in questions
    ]


def _found_together(
    session: Session, object_name: str, name: str, texts: Sequence[str]
) -> dict[str, list[Row]]:
    """The records of each text; nothing where that cannot be asked of many at once."""
    shape, form = Shape.of(session, object_name), session.sets
    if form is None or len(texts) < 2 or shape.kinds.get(name) is not FieldType.TEXT:
        return {}
    column = shape.table.columns.get(name)
    if column is None or (column.length or 0) < max(map(len, texts)):
        return {}
    statement = sets.find(session.dialect, form, shape.table, shape.spec.key, name, shape.names)
    try:
        rows = session.rows(statement, (pack(form, [(text,) for text in dict.fromkeys(texts)]),))
    except SqlFault as fault:
        if fault.verdict.fault is not Fault.INVALID:
            raise
        session.rollback()
        return {}
    if len(rows) >= sets.FOUND:
        return {}  # there may be more: each is asked for alone
    found: dict[str, list[Row]] = {text: [] for text in texts}
    for text, *values in rows:
        (row,) = _rows(session, shape, [values])
        if name != shape.spec.external_id or _carries(session, shape, row, str(text)):
            found[str(text)].append(row)
    return found


def _carries(session: Session, shape: Shape, row: Row, reference: object) -> bool:
    """Whether the record is the one of a reference: a collation may take two references for one."""
    name = shape.spec.external_id
    if name is None or row.fields is None:
        return False
    return same(shape.table.column(name), shape.kinds[name], row.fields.get(name), reference, session.zone)


def _rows(session: Session, shape: Shape, selected: Sequence[Sequence[object]]) -> list[Row]:
    return [Row(str(key), shape.image(session, values)) for key, *values in selected]
