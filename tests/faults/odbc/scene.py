"""What a scenario at an ERP over ODBC has in its hands besides, and how such scenarios are declared."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from adapters.sandbox.erp import SampleErp
from tests.faults import scene
from tests.faults.odbc import books
from tests.faults.odbc.place import Place
from tests.faults.odbc.server import Server
from tests.faults.odbc.wire import Lane, Wire
from tests.faults.salesforce.history import History
from tests.faults.scene import REMEDY, Scenario, holds, until
from tests.journey.people import Customer

__all__ = ["CATALOGUE", "ILL", "REMEDY", "Play", "Scene", "fault", "holds", "until"]

#: The line of the status that names the ERP.
ILL = r"^erp .*(DOWN|DEGRADED) "
BOTH = ("postgresql", "mariadb")


class Scene(scene.Scene):
    """The place with its server and its wire."""

    def __init__(self, place: Place, history: History) -> None:
        super().__init__(place.site, history)
        self.place = place
        self.strikes = 0
        self._turns = iter(range(1, 1000))

    @property
    def server(self) -> Server:
        """The ERP's database server."""
        return self.place.server

    @property
    def wire(self) -> Wire:
        """Between the agent and the ERP."""
        return self.place.wire

    @property
    def postgresql(self) -> bool:
        """Whether this is PostgreSQL; MariaDB otherwise."""
        return self.server.dialect.name == "postgresql"

    @property
    def state(self) -> str:
        """How the agent says that the ERP is: up, degraded or down."""
        return self.state_of("erp")

    def struck(self, count: int, what: str) -> None:
        """The server or the wire have counted so many; none is a fault that never happened."""
        holds(count > 0, f"the fault never struck: no {what}")
        self.strikes += count
        self.counts[what] = self.counts.get(what, 0) + count

    def erp_again(self) -> None:
        """People at the ERP log in anew, after all connections ended."""
        self.site.erp = SampleErp(self.site.stage.erp)
        self.closing.append(self.site.erp.close)

    def let_go(self) -> None:
        """Nobody keeps a lock, and nothing is cut off."""
        self.server.leave()
        self.wire.mend()

    def sessions(self, lane: Lane) -> list[int]:
        """The server's numbers of the agent's sessions of a lane."""
        ports = self.wire.ports(lane)
        return [number for port, number in self.server.sessions().items() if port in ports]

    def keep_writing(self) -> None:
        """Somebody in Salesforce saves something of every customer: the agent writes to the ERP."""
        turn = next(self._turns)
        for customer in self.customers:
            self.edit(customer, BillingStreet=f"Lange Reihe {turn}, Hof {customer.customer_id}")

    def together(self, **fields: str) -> None:
        """Somebody in Salesforce saves the same of all customers at once; the agent gets it in one piece."""
        writes = [
            {"op": "update", "object": "Account", "id": customer.account, "fields": fields}
            for customer in self.customers
        ]
        self.history.ask("POST", "transaction", {"user": "sales", "writes": writes})
        for customer in self.customers:
            self.typed.setdefault(customer, {}).update(fields)

    def street(self, customer: Customer) -> object:
        """What the ERP has."""
        found = self.server.sql("SELECT street FROM customer WHERE customer_id = ?", customer.customer_id)
        return found[0][0] if found else None

    def judged_by_books(self) -> None:
        """What the agent did to the ERP's customers is what it says that it did, each once."""
        wrong = books.uneven(self.server)
        holds(not wrong, f"done twice, or told and not done: {wrong[:3]}")
        self.counts["writes to the ERP"] = books.writes_by_agent(self.server)
        holds(self.counts["writes to the ERP"] > 0, "the agent wrote nothing to the ERP")


Play = Callable[[Scene], Iterator[None]]
CATALOGUE: dict[str, Scenario[Scene]] = {}


def fault(name: str, row: str, on: tuple[str, ...] = BOTH, **more: Any) -> Callable[[Play], Play]:
    """Declare a scenario, once for each database. What Salesforce owns is the scenario's own to edit."""

    def declare(play: Play) -> Play:
        for key in ("says", "does", "logs"):
            re.compile(more.get(key, ""))
        plain = Scenario(name, row, play, system="erp", **{"edits": False, **more})
        for database in on:
            full = f"{name}@{database}"
            assert full not in CATALOGUE, full
            CATALOGUE[full] = replace(plain, name=full)
        return play

    return declare
