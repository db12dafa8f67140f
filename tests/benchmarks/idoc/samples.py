"""IDocs to measure with: orders of ten items, each with its quantity, date and material."""

from __future__ import annotations

from collections.abc import Iterator

from adapters.idoc.format.dictionary import Dictionary
from adapters.idoc.format.document import Entry as Listed
from adapters.idoc.format.document import Head, Item, Origin, Segment
from adapters.idoc.format.layout import Layout
from adapters.idoc.format.records import CONTROL
from tests.idoc.format.exports import orders_dictionary

DICTIONARY = orders_dictionary()
#: Segments of an order: its head, and three for each item.
ITEMS = 10
PER_IDOC = 1 + 3 * ITEMS


def _layout(name: str) -> Layout:
    found = DICTIONARY.layout(name)
    assert found is not None
    return found


_HEAD = _layout("E1EDK01").write({"CURCY": "EUR", "BELNR": "4500017"}, pad=False)
_ITEM = _layout("E1EDP01").write({"POSEX": "000010", "MENGE": "12.000", "MENEE": "PCE"}, pad=False)
_DATE = _layout("E1EDP20").write({"WMENG": "12.000", "EDATU": "20260314"}, pad=False)
_PART = _layout("E1EDP19").write({"QUALF": "002", "IDTNR": "A-100", "KTEXT": "Großer Bolzen"}, pad=False)


def control(number: int) -> dict[str, str]:
    """A control record."""
    sent = {
        "TABNAM": "EDI_DC40",
        "MANDT": "100",
        "DOCNUM": f"{number:016d}",
        "DIRECT": "1",
        "IDOCTYP": "ORDERS05",
        "MESTYP": "ORDERS",
        "SNDPRN": "SAPCLNT100",
        "RCVPRN": "SHOP",
    }
    return {entry.name: sent.get(entry.name, "") for entry in CONTROL.fields}


def orders(segments: int, per_idoc: int = PER_IDOC) -> Iterator[Item]:
    """So many segments at least, in IDocs of so many."""
    for number in range(1, -(-segments // per_idoc) + 1):
        yield Head(number, control(number), Origin(0))
        yield Listed(1, 0, 1, Segment("E1EDK01", "E2EDK01005", _HEAD))
        for at in range(2, per_idoc, 3):
            yield Listed(at, 0, 1, Segment("E1EDP01", "E2EDP01011", _ITEM))
            yield Listed(at + 1, at, 2, Segment("E1EDP20", "E2EDP20002", _DATE))
            yield Listed(at + 2, at, 2, Segment("E1EDP19", "E2EDP19003", _PART))


def dictionary() -> Dictionary:
    """What describes them."""
    return DICTIONARY
