"""A delivery in the texts of its table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from adapters.odbc.apply.outcomes import Stop, invalid, rejected
from adapters.odbc.apply.slot import Slot
from adapters.odbc.records import Shape
from adapters.odbc.session import Session
from adapters.odbc.values import Unfit, encode_key
from adapters.odbc.writing import WriteSettings
from agent.core.change import RawValue
from agent.core.delivery import Delivery, DeliveryKind, Outcome, OutcomeKind, Reason
from agent.core.objects import FieldType


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


@dataclass(frozen=True, slots=True)
class _Known:
    """A table as commands of one kind write it; ``writable``: what they may, be it there or not."""

    shape: Shape
    writable: frozenset[str]
    slots: Mapping[str, Slot]
    write: WriteSettings


class _NotThere(Stop):
    """The table, as it is remembered, has no such column."""


class Preparation:
    """Deliveries of one batch into commands; what a table is like is looked at once for all of them."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._known: dict[tuple[str, bool], _Known] = {}

    def command(self, place: int, delivery: Delivery) -> Command:
        """Raises Stop where the command cannot fit the table, Refused for an unknown one, and SqlFault.

        What does not fit the table as it is remembered may fit it as it is now.
        """
        try:
            return self._command(place, delivery)
        except (Unfit, _NotThere):
            self._session.forget(delivery.object)
            self._known.clear()
        try:
            return self._command(place, delivery)
        except Unfit as unfit:
            raise Stop(invalid(unfit.code, str(unfit))) from None

    def _command(self, place: int, delivery: Delivery) -> Command:
        creating = delivery.kind is DeliveryKind.CREATE
        known = self._of(delivery.object, creating)
        shape, table = known.shape, known.shape.table
        spec = shape.spec
        fields = delivery.fields
        if creating:
            fields = dict(fields)
            if spec.external_id and delivery.reference:
                fields[spec.external_id] = delivery.reference
            if delivery.key is not None:
                fields[spec.key] = delivery.key
        elif delivery.key is None:
            raise Stop(invalid("no-key", f"a {delivery.kind.value} names no record"))
        if not known.slots.keys() >= fields.keys() or spec.key not in table.columns:
            raise _NotThere(_unfit(known, delivery.object, fields))
        key = None if creating else encode_key(table.column(spec.key), str(delivery.key))
        if key is None and not creating:
            raise Stop(gone())
        values, size, zone = {}, 0, self._session.zone
        for name, value in fields.items():
            text = values[name] = known.slots[name].text(value, zone)
            size += 0 if text is None else len(text)
        return Command(place, delivery, shape, values, key, size, known.write)

    def _of(self, object_name: str, creating: bool) -> _Known:
        """The table's columns that are there, and those that such a command may write."""
        found = self._known.get((object_name, creating))
        if found is None:
            shape = Shape.present(self._session, object_name)
            spec, columns = shape.spec, shape.table.columns
            names = {item.name for item in spec.fields if item.writable or (creating and item.seed)}
            writable = frozenset({*names, spec.key, spec.external_id or spec.key})
            slots = {
                name: Slot.of(columns[name], shape.kinds.get(name, FieldType.TEXT))
                for name in writable & columns.keys()
            }
            found = _Known(shape, writable, slots, self._session.erp.write(object_name))
            self._known[object_name, creating] = found
        return found


def _unfit(known: _Known, table: str, fields: Mapping[str, RawValue]) -> Outcome:
    """Why a command with such fields cannot be written."""
    unknown = sorted(fields.keys() - known.writable)
    if unknown:
        return invalid("unknown-field", f"not a writable field of {table}: {', '.join(unknown)}")
    return without(table, frozenset({*fields, known.shape.spec.key} - known.shape.table.columns.keys()))


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
