"""From commands to IDocs: DOCNUM, control record and customer segments as SAP's inbound processing
wants them.

A create leaves KUNNR blank and says MSGFN 009. An update says MSGFN 004 and writes "/" (NODATA) into
every field that the command does not name: a blank would empty it at SAP.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, datetime
from decimal import Decimal

from adapters.idoc.format.dictionary import Dictionary
from adapters.idoc.format.document import Idoc, Segment
from adapters.idoc.format.layout import Layout
from adapters.idoc.format.problems import ValueFault
from adapters.idoc.format.values import NODATA, pad_key, write_date, write_decimal
from adapters.idoc.settings import Settings
from agent.core.change import RawValue
from agent.core.delivery import Delivery, DeliveryKind

_CREATE = "009"
_CHANGE = "004"
_EPOCHS = 1000
_NUMBERS = 10**13


class Outbound:
    """Makes the IDocs of one SAP system. ``now`` gives the local wall clock of the control record."""

    def __init__(self, settings: Settings, dictionary: Dictionary, now: Callable[[], datetime]) -> None:
        self._settings = settings
        self._dictionary = dictionary
        self._now = now

    def idoc(self, delivery: Delivery, key: str) -> Idoc:
        """The IDoc of a command; ``key`` is the object's key field. Raises ValueFault."""
        if delivery.kind is DeliveryKind.DELETE:
            raise ValueFault(
                "SAP deletes no record for an IDoc", field=key, remedy="set its deletion flag E1KNA1M.LOEVM"
            )
        return Idoc(self._control(delivery), (self._root(delivery, key),))

    def _control(self, delivery: Delivery) -> dict[str, str]:
        now = self._now()
        stamp = now.strftime("%Y%m%d%H%M%S")
        ours, basic = self._settings, self._settings.basic_types[delivery.object]
        return {
            "TABNAM": "EDI_DC40",
            "MANDT": ours.client,
            "DOCNUM": document_number(delivery),
            "DIRECT": "2",
            "IDOCTYP": basic,
            "MESTYP": delivery.object,
            "SNDPOR": ours.sender_port,
            "SNDPRT": "LS",
            "SNDPRN": ours.sender_partner,
            "RCVPOR": ours.receiver_port,
            "RCVPRT": "LS",
            "RCVPRN": ours.receiver_partner,
            "CREDAT": stamp[:8],
            "CRETIM": stamp[8:],
            "ARCKEY": delivery.message_id,
            "SERIAL": stamp,
        }

    def _root(self, delivery: Delivery, key: str) -> Segment:
        root_type, key_field = key.split(".")
        values: dict[str, dict[str, str]] = {root_type: {}}
        for name, value in delivery.fields.items():
            segment_type, field = name.split(".")
            values.setdefault(segment_type, {})[field] = write_value(value, name)
        if delivery.key is not None:
            values[root_type][key_field] = pad_key(delivery.key, self._dictionary.length_of(key))
        elif delivery.kind is DeliveryKind.UPDATE:
            raise ValueFault("an update needs the record's key", field=key)
        return self._segment(root_type, values, delivery.kind)

    def _segment(
        self, segment_type: str, values: Mapping[str, Mapping[str, str]], kind: DeliveryKind
    ) -> Segment:
        layout = self._layout(segment_type)
        known = self._dictionary.types()
        below = [name for name in values if segment_type in (self._dictionary.parents_of(name) or ())]
        for name in values:
            if name not in known:
                raise ValueFault("no such segment", field=name)
        children = tuple(self._segment(name, values, kind) for name in sorted(below, key=known.index))
        said = dict(values[segment_type])
        missing = [name for name in layout.keys if not said.get(name)]
        if missing and (layout.parents or kind is DeliveryKind.UPDATE):
            raise ValueFault(
                "the key of the segment is not in the command", field=f"{segment_type}.{missing[0]}"
            )
        said["MSGFN"] = _CREATE if kind is DeliveryKind.CREATE else _CHANGE
        if kind is DeliveryKind.UPDATE:
            said = {entry.name: NODATA for entry in layout.fields} | said
        data = layout.write(said, pad=False)
        return Segment(segment_type, layout.definition, data, children, layout.level)

    def _layout(self, segment_type: str) -> Layout:
        layout = self._dictionary.layout(segment_type)
        if layout is None:
            raise ValueFault("no such segment", field=segment_type)
        return layout


def document_number(delivery: Delivery) -> str:
    """DOCNUM of a command: three digits of epoch, thirteen of its number. SAP keeps it and answers with
    it.
    """
    if not (0 < delivery.epoch < _EPOCHS and 0 < delivery.number < _NUMBERS):
        raise ValueFault(
            "epoch and command number do not fit into 16 digits", field="EDI_DC40.DOCNUM", length=16
        )
    return f"{delivery.epoch:03d}{delivery.number:013d}"


def file_name(delivery: Delivery) -> str:
    """The file of a command: the same on every try, different for every command of every epoch."""
    return f"{delivery.object}_{delivery.epoch:03d}_{delivery.number:013d}.idoc"


def write_value(value: RawValue, name: str) -> str:
    """A value in IDoc form. Raises ValueFault for one that IDocs cannot say."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "X" if value else ""
    if isinstance(value, str):
        if value.strip() == NODATA:
            raise ValueFault("'/' alone means 'not said' in an IDoc and would be ignored", field=name)
        return value.rstrip(" ")
    if isinstance(value, int | Decimal):
        try:
            return write_decimal(Decimal(value))
        except ValueError as error:
            raise ValueFault(str(error), field=name) from None
    if isinstance(value, date) and not isinstance(value, datetime):
        return write_date(value)
    raise ValueFault(f"a {type(value).__name__} has no form in an IDoc", field=name)
