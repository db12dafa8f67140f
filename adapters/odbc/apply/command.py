"""A delivery in the texts of its table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from adapters.odbc.apply.outcomes import Stop, invalid, rejected
from adapters.odbc.catalog import Column
from adapters.odbc.records import Shape
from adapters.odbc.session import Session
from adapters.odbc.values import Unfit, encode, encode_key
from adapters.odbc.writing import WriteSettings
from agent.core.change import RawValue
from agent.core.delivery import Delivery, DeliveryKind, Outcome, OutcomeKind, Reason
from agent.core.objects import FieldType

_TEXTS = frozenset({FieldType.TEXT, FieldType.REFERENCE})
#: Columns that keep every ASCII text as it is.
_PLAIN = frozenset({"varchar", "text", "nvarchar", "longtext", "mediumtext"})


@dataclass(frozen=True, slots=True)
class Command:
    """One delivery, ready to be bound.

    place   where it stands in its batch
    values  column → text to store, of owned columns alone
    key     the key as it is bound; None for a create
    size    characters of its values
    write   how its table is written
    """

    place: int
    delivery: Delivery
    shape: Shape
    values: Mapping[str, str | None]
    key: str | None
    size: int
    write: WriteSettings


class Preparation:
    """Deliveries of one batch into commands; what a table is like is looked at once for all of them."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._known: dict[tuple[str, bool], tuple[Shape, frozenset[str]]] = {}

    def command(self, place: int, delivery: Delivery) -> Command:
        """Raises Stop where the command cannot fit the table, Refused for an unknown one, and SqlFault.

        What does not fit the table as it is remembered may fit it as it is now.
        """
        try:
            return self._command(place, delivery)
        except Unfit:
            self._session.forget(delivery.object)
            self._known.clear()
        try:
            return self._command(place, delivery)
        except Unfit as unfit:
            raise Stop(invalid(unfit.code, str(unfit))) from None

    def _command(self, place: int, delivery: Delivery) -> Command:
        creating = delivery.kind is DeliveryKind.CREATE
        shape, writable = self._shape(delivery.object, creating)
        spec, table = shape.spec, shape.table
        fields: dict[str, RawValue] = dict(delivery.fields)
        if creating:
            if spec.external_id and delivery.reference:
                fields[spec.external_id] = delivery.reference
            if delivery.key is not None:
                fields[spec.key] = delivery.key
        elif delivery.key is None:
            raise Stop(invalid("no-key", f"a {delivery.kind.value} names no record"))
        if not writable.issuperset(fields):
            unknown = ", ".join(sorted(set(fields) - writable))
            raise Stop(invalid("unknown-field", f"not a writable field of {delivery.object}: {unknown}"))
        lacking = {*fields, spec.key} - table.columns.keys()
        if lacking:
            raise Stop(without(delivery.object, frozenset(lacking)))
        key = None if creating else encode_key(table.column(spec.key), str(delivery.key))
        if key is None and not creating:
            raise Stop(gone())
        values, size = {}, 0
        for name, value in fields.items():
            text = values[name] = self._text(table.column(name), shape.kinds.get(name, FieldType.TEXT), value)
            size += 0 if text is None else len(text)
        return Command(place, delivery, shape, values, key, size, self._session.erp.write(delivery.object))

    def _text(self, column: Column, kind: FieldType, value: RawValue) -> str | None:
        """What ``encode`` gives; most values are plain short texts, which need none of it."""
        if (
            type(value) is str
            and kind in _TEXTS
            and column.type_name in _PLAIN
            and value
            and value.isascii()
            and (column.length is None or len(value) <= column.length)
            and "\0" not in value
        ):
            return value
        return encode(column, kind, value, self._session.zone)

    def _shape(self, object_name: str, creating: bool) -> tuple[Shape, frozenset[str]]:
        """The table's columns that are there, and those that such a command may write."""
        found = self._known.get((object_name, creating))
        if found is None:
            shape = Shape.present(self._session, object_name)
            spec = shape.spec
            names = {item.name for item in spec.fields if item.writable or (creating and item.seed)}
            found = shape, frozenset({*names, spec.key, spec.external_id or spec.key})
            self._known[object_name, creating] = found
        return found


def accepted(command: Command, key: str | None, code: str = "") -> Outcome:
    """It is applied, or handed over; its ledger row tells, where there is one."""
    message_id = command.delivery.message_id
    evidence = f"ledger {message_id}" if command.write.ledger else ""
    if command.write.staging is not None:
        evidence = f"staged in {command.write.staging}"
        return Outcome(OutcomeKind.STORED, handle=message_id, code=code, evidence=evidence)
    return Outcome(OutcomeKind.ACCEPTED, key=key, code=code, evidence=evidence)


def without(table: str, columns: frozenset[str]) -> Outcome:
    """The table lacks these columns, for every record."""
    text = f"table '{table}' has no column {', '.join(sorted(columns))}"
    return replace(rejected(Reason.FIELD, "no-column", text), fields=columns)


def gone() -> Outcome:
    """No row has this key."""
    return rejected(Reason.GONE, "gone", "there is no such record any more")
