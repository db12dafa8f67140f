"""Commands as the CSV file of a bulk job, made piece by piece, and the rows of its results found again.

Bulk API 2.0 developer guide, "Prepare CSV Files": an empty cell leaves a field as it is, ``#N/A`` clears it.
"""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

from adapters.salesforce.table import long_id
from adapters.salesforce.values import clock_text, version_of
from adapters.salesforce.write.sender import Lot
from agent.core.delivery import DeliveryKind

NULL = "#N/A"
#: Characters that are made and sent at a time.
_PIECE = 1 << 16


def expressible(fields: Mapping[str, Any]) -> bool:
    """Whether a command means the same in CSV: no text may read as the word for null."""
    try:
        return all(value is None or cell(value) != NULL for value in fields.values() if value != "")
    except ValueError:
        return False


def cell(value: Any) -> str:
    """A value as a cell. Raises ValueError for what has no exact text."""
    if value is None or value == "":
        return NULL
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        if not value.is_finite():
            raise ValueError("not a number")
        return format(value, "f")
    if isinstance(value, datetime):
        return version_of(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, time):
        return clock_text(value)
    if isinstance(value, int | str):
        text = str(value)
        text.encode()  # half a character cannot be sent
        return text
    raise ValueError(f"no cell for {type(value).__name__}")


class Upload:
    """Commands of one object and kind. ``key``: the column that names the records, first of all."""

    def __init__(self, lot: Lot, key: str) -> None:
        self.lot = lot
        self.key = key
        self._by_id = key == "Id"
        names = dict.fromkeys(name for one in lot.values() for name in one.fields)
        kind = next(iter(lot.values())).kind
        self._names = [] if kind is DeliveryKind.DELETE else [one for one in names if one not in (key, "Id")]
        self._places = {self._row_name(place): place for place in lot}

    def pieces(self) -> Iterator[bytes]:
        """The file."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow((self.key, *self._names))
        for place, one in self.lot.items():
            fields = one.fields
            row = [self._row_name(place)]
            row += [cell(fields[name]) if name in fields else "" for name in self._names]
            writer.writerow(row)
            if out.tell() >= _PIECE:
                yield out.getvalue().encode()
                out.seek(0)
                out.truncate()
        yield out.getvalue().encode()

    async def stream(self) -> AsyncIterator[bytes]:
        """The file, for a request."""
        for piece in self.pieces():
            yield piece

    def parts(self, most_bytes: int) -> list[Upload]:
        """Itself, or in parts of which none is larger than so many bytes by far."""
        size = sum(map(len, self.pieces()))
        count = -(-size // most_bytes)
        if count <= 1:
            return [self]
        places = list(self.lot)
        step = max(1, -(-len(places) // count))
        return [
            Upload({place: self.lot[place] for place in places[start : start + step]}, self.key)
            for start in range(0, len(places), step)
        ]

    def place_of(self, named: Mapping[str, str]) -> int | None:
        """The command of a row of the results, which has the columns of the upload beside its own."""
        value = named.get(self.key.casefold(), "") or (named.get("sf__id", "") if self._by_id else "")
        return self._places.get(long_id(value) if self._by_id else value)

    def _row_name(self, place: int) -> str:
        one = self.lot[place]
        return long_id(one.key or "") if self._by_id else one.reference


def named(titles: Sequence[str], cells: Sequence[str]) -> dict[str, str]:
    """The cells of a row by their titles, whose case the server may change."""
    return dict(zip((title.casefold() for title in titles), cells, strict=False))
