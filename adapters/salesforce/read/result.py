"""Rows of one bulk result on their way in, a page at a time."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping

from adapters.salesforce.jobs.csv_cells import Cells, CsvCells
from adapters.salesforce.read.csv_rows import CsvRows
from adapters.salesforce.table import Table
from agent.core.change import Row
from agent.errors import Refused, Unreachable

#: Rows of one page.
PAGE = 2000


class Result:
    """Reads one CSV result. ``described``: field name → its type in the object's description.

    ``taken`` counts its records, those passed over too. Held are one piece, one page, one unfinished record.
    """

    def __init__(self, where: str, table: Table, described: Mapping[str, str]) -> None:
        self._where = where
        self._table = table
        self._described = described
        self._cells = CsvCells()
        self._maker: CsvRows | None = None
        self.taken = 0

    async def pages(self, pieces: AsyncIterator[bytes], skip: int) -> AsyncGenerator[tuple[Row, ...], None]:
        """Pages of rows behind the first ``skip`` records.

        Raises Unreachable for a damaged file, Refused for a record that is not as mapped.
        """
        ready: list[Row] = []
        async for piece in pieces:
            ready += self._rows(self._fed(piece), skip)
            while len(ready) >= PAGE:
                yield tuple(ready[:PAGE])
                del ready[:PAGE]
        ready += self._rows(self._fed(None), skip)
        for start in range(0, len(ready), PAGE):
            yield tuple(ready[start : start + PAGE])

    def _fed(self, piece: bytes | None) -> list[Cells]:
        try:
            return self._cells.end() if piece is None else self._cells.feed(piece)
        except ValueError as error:
            raise Unreachable(
                f"{self._table.name}: a bulk result is damaged: {error}", where=self._where
            ) from error

    def _rows(self, records: list[Cells], skip: int) -> list[Row]:
        before, self.taken = self.taken, self.taken + len(records)
        wanted = records[max(0, skip - before) :]
        if not wanted:
            return []
        try:
            if self._maker is None:
                self._maker = CsvRows(self._table, self._described, self._cells.titles)
            return self._maker.rows(wanted)
        except ValueError as error:
            raise Refused(
                f"{self._table.name}: a record cannot be read as mapped: {error}",
                where=self._where,
                remedy="compare the types of the mapping with those of the object",
            ) from error
