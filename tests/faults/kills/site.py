"""A small customer's site: an ERP and an accounting database behind ODBC, SAP behind files, and an agent."""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

from adapters.odbc.dialects import SQLITE
from adapters.odbc.driver import find_driver
from adapters.sandbox.sap import SampleSap
from adapters.sandbox.sap.system import SapSystem
from agent.store.database import FILE
from tests.faults.kills.oracle import WRITTEN

#: What users of the ERP keep.
ERP = """
CREATE TABLE customer(customer_id INTEGER PRIMARY KEY, number TEXT UNIQUE, name TEXT, block TEXT DEFAULT '');
CREATE TABLE invoice(invoice_no TEXT PRIMARY KEY, customer_id INTEGER, amount TEXT, status TEXT DEFAULT 'O');
"""
#: What the agent makes and keeps up to date in accounting.
BOOKS = """
CREATE TABLE client(client_id INTEGER PRIMARY KEY AUTOINCREMENT, number TEXT, name TEXT, block TEXT,
    external_ref TEXT UNIQUE);
CREATE TABLE document(document_id INTEGER PRIMARY KEY AUTOINCREMENT, number TEXT, client_id INTEGER,
    amount TEXT, status TEXT, external_ref TEXT UNIQUE);
"""
#: Every value that anybody writes is written down by the database itself.
HISTORY = "CREATE TABLE history(id INTEGER PRIMARY KEY, object TEXT, key TEXT, field TEXT, value TEXT);"
WATCHED: dict[str, dict[str, tuple[str, ...]]] = {
    "erp": {"customer": ("number", "block")},
    "books": {"client": ("number", "name", "block"), "document": ("number", "amount", "status")},
}


class Site:
    """A folder with everything in it. ``close`` closes what the users' side holds open."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config = folder / "isthmus.toml"
        self.store = folder / "state" / FILE
        self._sap: SapSystem | None = None

    @property
    def sap(self) -> SapSystem:
        """SAP, opened at its first use."""
        if self._sap is None:
            self._sap = SapSystem(SampleSap(self.folder / "sap", answer_s=0.0))
        return self._sap

    def found(self) -> None:
        """The databases and SAP's folders, without an agent."""
        self.folder.mkdir(parents=True)
        for name, tables in (("erp", ERP), ("books", BOOKS)):
            with closing(sqlite3.connect(self.database(name))) as database:
                database.executescript(tables + HISTORY + _triggers(name))
        for name in ("in", "out", "archive", "quarantine"):
            (self.folder / "sap" / name).mkdir(parents=True)

    def configure(self) -> None:
        """Write the configuration for this folder."""
        self.config.write_text(_configuration(self.folder))

    def copy_to(self, folder: Path) -> Site:
        """Another site in the same state; nobody may be at work in this one."""
        shutil.copytree(self.folder, folder, ignore=shutil.ignore_patterns("*.sock", "*.log"))
        made = Site(folder)
        made.configure()
        return made

    def database(self, name: str) -> Path:
        """The file of a database."""
        return self.folder / f"{name}.db"

    def run(self, name: str, statement: str, *values: object) -> None:
        """A user of a database at work."""
        with closing(sqlite3.connect(self.database(name), timeout=20.0)) as database:
            database.execute(statement, values)
            database.commit()

    # --- users

    def customer(self, number: int, name: str) -> None:
        """A user of the ERP creates a customer."""
        self.run("erp", "INSERT INTO customer VALUES (?, ?, ?, '')", number, f"C{number}", name)
        self._wrote("customer", f"C{number}", "name", name)

    def rename(self, number: int, name: str) -> None:
        """A user of the ERP gives a customer another name."""
        self.run("erp", "UPDATE customer SET name = ? WHERE customer_id = ?", name, number)
        self._wrote("customer", f"C{number}", "name", name)

    def invoice(self, number: int, customer: int) -> None:
        """A user of the ERP books an invoice."""
        name, amount = f"I{number}", f"{number}.50"
        self.run("erp", "INSERT INTO invoice VALUES (?, ?, ?, 'O')", name, customer, amount)
        for field, value in (("customer", f"C{customer}"), ("amount", amount), ("status", "O")):
            self._wrote("invoice", name, field, value)

    def pay(self, number: int, status: str) -> None:
        """A user of the ERP notes that an invoice was paid."""
        self.run("erp", "UPDATE invoice SET status = ? WHERE invoice_no = ?", status, f"I{number}")
        self._wrote("invoice", f"I{number}", "status", status)

    def block(self, number: int) -> None:
        """A user of SAP blocks a customer."""
        rows = self.sap.store.rows("SELECT kunnr FROM customer WHERE sortl = ?", f"C{number}")
        self.sap.change(str(rows[0]["kunnr"]), {"AUFSD": "01"})
        self._wrote("partner", f"C{number}", "block", "01")

    def _wrote(self, object_: str, number: str, field: str, value: str) -> None:
        with (self.folder / WRITTEN).open("a") as file:
            file.write(json.dumps([object_, number, field, value]) + "\n")

    # --- what is open

    def captured(self) -> bool:
        """Whether the agent has taken everything that users of the ERP and SAP wrote."""
        left = 0
        for name in ("erp", "books"):
            with closing(sqlite3.connect(self.database(name), timeout=20.0)) as database:
                left += int(database.execute("SELECT count(*) FROM isthmus_journal").fetchone()[0])
        return left == 0 and not any((self.folder / "sap" / "out").iterdir())

    def unsettled(self) -> int:
        """What the agent's own books say is open: obligations and commands; -1 without books."""
        if not self.store.exists():
            return -1
        with closing(sqlite3.connect(f"file:{self.store}?mode=ro", uri=True, timeout=20.0)) as store:
            if not store.execute("SELECT 1 FROM sqlite_master WHERE name = 'obligation'").fetchone():
                return -1
            return int(store.execute(OPEN).fetchone()[0])

    def close(self) -> None:
        """Close SAP."""
        if self._sap is not None:
            self._sap.close()
            self._sap = None


OPEN = """
SELECT (SELECT count(*) FROM obligation WHERE state = 'open')
     + (SELECT count(*) FROM outbox WHERE state IN ('ready', 'sent', 'stored', 'uncertain'))
"""


def _triggers(name: str) -> str:
    made = []
    for table, fields in WATCHED[name].items():
        for field in fields:
            values = f"VALUES ('{table}', NEW.rowid, '{field}', NEW.{field})"
            note = f"ON {table} BEGIN INSERT INTO history(object, key, field, value) {values}; END;"
            made.append(f"CREATE TRIGGER new_{table}_{field} AFTER INSERT {note}")
            made.append(f"CREATE TRIGGER set_{table}_{field} AFTER UPDATE OF {field} {note}")
    return "\n".join(made)


RETRY = {"retry_base_s": 0.1, "retry_cap_s": 0.5}


def _configuration(folder: Path) -> str:
    driver = find_driver(SQLITE)
    sections: dict[str, dict[str, object]] = {
        "agent": {
            "state_dir": "state",
            "sweep_s": 1.0,
            "confirm_after_s": 0.2,
        },
        "systems.sap": {
            "kind": "idoc",
            **RETRY,
            "outbound_dir": str(folder / "sap" / "in"),
            "inbound_dir": str(folder / "sap" / "out"),
            "archive_dir": str(folder / "sap" / "archive"),
            "quarantine_dir": str(folder / "sap" / "quarantine"),
            "client": "100",
            "receiver_partner": "SAPCLNT100",
            "receiver_port": "SAPS4H",
            "take": "rename",
            "scan_s": 0.5,
        },
    }  # fmt: skip
    for name in ("erp", "books"):
        connection = f"Driver={driver};Database={folder / name}.db"
        sections[f"systems.{name}"] = {"kind": "odbc", "connection": connection, "poll_s": 0.05, **RETRY}
    text = "\n".join(
        "\n".join([f"[{name}]", *(f"{key} = {json.dumps(value)}" for key, value in values.items()), ""])
        for name, values in sections.items()
    )
    return text + ENTITIES


ENTITIES = """
[entities.customer]
births = ["erp"]
key = "number"
fields.number = { owner = "erp" }
fields.name = { owner = "erp" }
fields.block = { owner = "sap", type = "boolean" }

[entities.customer.systems.erp]
object = "customer"
key = "customer_id"
fields.number = "number"
fields.name = "name"
fields.block = { source = "block", values = { true = "X", false = "" } }

[entities.customer.systems.books]
object = "client"
key = "client_id"
external_id = "external_ref"
create = true
fields.number = "number"
fields.name = "name"
fields.block = { source = "block", values = { true = "X", false = "" } }

[entities.customer.systems.sap]
object = "DEBMAS"
key = "E1KNA1M.KUNNR"
create = "blind"
fields.number = "E1KNA1M.SORTL"
fields.name = "E1KNA1M.NAME1"
fields.block = { source = "E1KNA1M.AUFSD", values = { true = "01", false = "" } }

[entities.invoice]
transfer = "event"
births = ["erp"]
key = "number"
lane = "customer"
fields.number = { owner = "erp", part = "body" }
fields.customer = { owner = "erp", part = "body", type = "reference", reference = "customer" }
fields.amount = { owner = "erp", part = "body" }
fields.status = { owner = "erp", part = "status" }

[entities.invoice.systems.erp]
object = "invoice"
key = "invoice_no"
fields = { number = "invoice_no", customer = "customer_id", amount = "amount", status = "status" }

[entities.invoice.systems.books]
object = "document"
key = "document_id"
external_id = "external_ref"
create = true
fields = { number = "number", customer = "client_id", amount = "amount", status = "status" }
"""
