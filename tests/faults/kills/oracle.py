"""The judge: has everything that users wrote had exactly one effect, in order?

Reads the databases of a site by plain SQLite and what users wrote from a file; shares no code with the agent,
its adapters or the site.
"""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

#: The users' own record, one JSON list per line: object, number, field, value.
WRITTEN = "written.jsonl"
BLOCKS = {"": "", "01": "X"}
_DOCUMENTS = """
SELECT d.number, d.amount, d.status, c.number FROM document d LEFT JOIN client c USING (client_id)
ORDER BY d.document_id
"""
_TWICE = "SELECT arckey FROM idoc WHERE direction = 2 AND arckey <> '' GROUP BY arckey HAVING count(*) > 1"


@dataclass
class Judgement:
    """missing: what has not arrived yet. wrong: what can never be right again."""

    missing: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    @property
    def good(self) -> bool:
        """Everything arrived, once, in order."""
        return not self.missing and not self.wrong


class Written:
    """What users wrote, in their order."""

    def __init__(self, folder: Path) -> None:
        self._rows = [json.loads(line) for line in (folder / WRITTEN).read_text().splitlines()]

    def numbers(self, object_: str) -> list[str]:
        """The numbers of the records, in the order of their birth."""
        return list(dict.fromkeys(number for found, number, *_ in self._rows if found == object_))

    def values(self, object_: str, number: str, name: str) -> list[str]:
        """The values of a field, in order."""
        return [row[3] for row in self._rows if row[:3] == [object_, number, name]]

    def last(self, object_: str, number: str, name: str) -> str:
        """The value that holds; empty where nobody wrote one."""
        return (self.values(object_, number, name) or [""])[-1]


def judge(folder: Path) -> Judgement:
    """Everything that users wrote against what is there."""
    written, found = Written(folder), Judgement()
    with closing(_open(folder / "books.db")) as books:
        _customers(written, books, found)
        _documents(written, books, found)
    with closing(_open(folder / "sap" / "sap.db")) as sap:
        _partners(written, sap, found)
    with closing(_open(folder / "erp.db")) as erp:
        for number, block in erp.execute("SELECT number, block FROM customer ORDER BY customer_id"):
            wanted = BLOCKS[written.last("partner", number, "block")]
            _same(found, f"block of {number} in the ERP", block, wanted)
        for number, history in _histories(erp, "customer", "block"):
            blocks = [BLOCKS[value] for value in written.values("partner", number, "block")]
            _in_order(found, f"block of {number} in the ERP", [v for v in history if v], blocks)
    return found


def _customers(written: Written, books: sqlite3.Connection, found: Judgement) -> None:
    rows = books.execute("SELECT number, name, block FROM client ORDER BY client_id").fetchall()
    _once(found, "client", [row[0] for row in rows], written.numbers("customer"))
    for number, name, block in rows:
        _same(found, f"name of client {number}", name, written.last("customer", number, "name"))
        wanted = BLOCKS[written.last("partner", number, "block")]
        _same(found, f"block of client {number}", block or "", wanted)
    for number, history in _histories(books, "client", "name"):
        _in_order(found, f"name of client {number}", history, written.values("customer", number, "name"))


def _documents(written: Written, books: sqlite3.Connection, found: Judgement) -> None:
    rows = books.execute(_DOCUMENTS).fetchall()
    booked = written.numbers("invoice")
    _once(found, "document", [row[0] for row in rows], booked)
    lanes: dict[str, list[str]] = {}
    for number, amount, status, client in rows:
        lanes.setdefault(str(client), []).append(number)
        _same(found, f"status of document {number}", status, written.last("invoice", number, "status"))
        if [amount] != written.values("invoice", number, "amount"):
            found.wrong.append(f"document {number} has the amount {amount}")
        if [client] != written.values("invoice", number, "customer"):
            found.wrong.append(f"document {number} belongs to {client}")
    for client, numbers in lanes.items():
        wanted = [number for number in booked if number in numbers]
        if numbers != wanted:
            found.wrong.append(f"documents of {client} came in the order {numbers}")
    for number, history in _histories(books, "document", "status"):
        _in_order(found, f"status of document {number}", history, written.values("invoice", number, "status"))


def _partners(written: Written, sap: sqlite3.Connection, found: Judgement) -> None:
    rows = sap.execute("SELECT sortl, name1, aufsd, kunnr FROM customer ORDER BY kunnr").fetchall()
    _once(found, "customer of SAP", [row[0] for row in rows], written.numbers("customer"))
    for number, name, block, kunnr in rows:
        _same(found, f"name of {number} in SAP", name, written.last("customer", number, "name"))
        if block != written.last("partner", number, "block"):
            found.wrong.append(f"SAP's own block of {number} is {block!r}")
        changes = "SELECT new FROM change_log WHERE kunnr = ? AND field = 'NAME1' ORDER BY id"
        history = [row[0] for row in sap.execute(changes, (kunnr,))]
        _in_order(found, f"name of {number} in SAP", history, written.values("customer", number, "name"))
    found.wrong += [f"message {row[0]} was handed over twice" for row in sap.execute(_TWICE)]


def _histories(database: sqlite3.Connection, table: str, name: str) -> Iterator[tuple[str, list[str]]]:
    """What was ever written into a field, by the database's own triggers: number of the record, values."""
    numbers = database.execute(f"SELECT rowid, number FROM {table}").fetchall()
    for rowid, number in numbers:
        written = database.execute(
            "SELECT value FROM history WHERE object = ? AND key = ? AND field = ? ORDER BY id",
            (table, str(rowid), name),
        )
        yield number, [row[0] for row in written]


def _once(found: Judgement, what: str, there: Sequence[str], wanted: Sequence[str]) -> None:
    counts = Counter(there)
    found.missing += [f"{what} {number}" for number in wanted if not counts[number]]
    found.wrong += [f"{count} times {what} {number}" for number, count in counts.items() if count > 1]
    found.wrong += [f"{what} {number} is nobody's" for number in counts if number not in wanted]


def _same(found: Judgement, what: str, there: str, wanted: str) -> None:
    if there != wanted:
        found.missing.append(f"{what} is {there!r}, not {wanted!r}")


def _in_order(found: Judgement, what: str, history: Sequence[str], written: Sequence[str]) -> None:
    """Each value that was written there was written by a user, came once, and none came after a later one."""
    places = [written.index(value) if value in written else -1 for value in history]
    if places != sorted(set(places)) or -1 in places:
        found.wrong.append(f"{what} became {list(history)}, users wrote {list(written)}")


def _open(file: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{file}?mode=rw", uri=True, timeout=20.0)
