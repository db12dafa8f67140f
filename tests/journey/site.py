"""One running site: the demo's stage, people in each of its systems, and the command line beside it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from adapters.sandbox.erp import SampleErp
from agent.api.client import ask
from agent.cli.demo.stage import Stage
from agent.core.entity import OPEN
from agent.operations.wire import ExceptionItem, Record
from agent.store import throughput
from agent.store.database import FILE
from tests.journey.people import Customer, Row, SalesforcePeople, SapPeople
from tests.waiting import first

T = TypeVar("T")
#: Seconds after which a test that waits for something waits no longer.
DEADLINE_S = 30.0
#: Seconds between two looks.
LOOK_S = 0.05


def eventually(look: Callable[[], T | None], what: str, within_s: float = DEADLINE_S) -> T:
    """The first thing found that is neither None nor False. Raises AssertionError saying what never came."""
    found = first(look, within_s, LOOK_S)
    if found is None:
        raise AssertionError(f"not within {within_s:.0f} s: {what}")
    return found


@dataclass(frozen=True, slots=True)
class Done:
    """A command that ended."""

    code: int
    out: str
    err: str

    @property
    def data(self) -> Any:
        """The JSON document on stdout."""
        return json.loads(self.out)


def isthmus(*arguments: str, environment: dict[str, str] | None = None) -> Done:
    """Run the command line as people do."""
    done = subprocess.run(
        [sys.executable, "-m", "agent.cli", *arguments],
        env=environment or dict(os.environ),
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
        timeout=120,
    )
    return Done(done.returncode, done.stdout, done.stderr)


class Site:
    """Everything of one stage, open. ``close`` closes all of it.

    ``database``: the ODBC connection string of another database for the ERP, as its users open it.
    """

    def __init__(self, folder: Path, seed: int = 1, database: str | None = None) -> None:
        self.stage = Stage(folder, seed, max_request_s=1.5, database=database)
        self._closing: list[Callable[[], None]] = [self.stage.close]
        self._numbers = iter(range(1, 1000))
        try:
            self.stage.open()
            self.crm = SalesforcePeople(self.stage.org)
            self._closing.append(self.crm.close)
            self.sap = SapPeople(self.stage.sap)
            self._closing.append(self.sap.close)
            self.erp = SampleErp(self.stage.erp)
            self._closing.append(self.erp.close)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Stop everything, the agent first."""
        while self._closing:
            self._closing.pop()()

    def start(self, failpoints: str = "") -> None:
        """Start the agent and wait until it answers."""
        self.stage.start_agent(failpoints)
        self.stage.wait_for_agent()

    def again_in_salesforce(self) -> SalesforcePeople:
        """People in Salesforce sign in anew, after all their sessions ended."""
        self.crm = SalesforcePeople(self.stage.org)
        self._closing.append(self.crm.close)
        return self.crm

    def cli(self, *arguments: str) -> Done:
        """A verb with the site's configuration."""
        return isthmus(*arguments, "--config", str(self.stage.config), environment=self.stage.environment)

    @contextmanager
    def nobody_looking(self) -> Iterator[None]:
        """The agent is halted while the block runs, so that it sees all that was done there at once."""
        agent = self.stage.agent
        assert agent is not None
        agent.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            agent.send_signal(signal.SIGCONT)

    @property
    def log(self) -> str:
        """What the agent said so far."""
        return (self.stage.folder / "agent.log").read_text()

    def account(self, **fields: str) -> tuple[str, str]:
        """Somebody enters a customer in Salesforce: its number and its id there."""
        number = f"C-{next(self._numbers):06d}"
        typed = {
            "Name": f"Birke Handel {number}",
            "Phone": f"+49 30 55{number[2:]}",
            "BillingStreet": f"Lindenweg {int(number[2:])}",
            "BillingCity": "Köln",
            "BillingPostalCode": "50667",
            "BillingCountry": "DE",
        }
        return number, self.crm.create("Account", AccountNumber=number, **(typed | fields))

    def customer(self) -> Customer:
        """A customer that was entered in Salesforce and has arrived everywhere."""
        number, account = self.account()
        in_erp = eventually(lambda: self.in_erp(number), f"{number} in the ERP")
        in_sap = eventually(lambda: self.in_sap(number), f"{number} in SAP")
        eventually(lambda: self.crm.account(account)["Isthmus_Id__c"], f"{number} stamped in Salesforce")
        found = Customer(number, account, int(in_erp["customer_id"]), str(in_sap["kunnr"]))
        eventually(lambda: self.at_rest(number), f"{number} at rest")
        return found

    def in_erp(self, number: str) -> Row | None:
        """The ERP's row of a customer."""
        return next((row for row in self.erp.rows("customer") if row["number"] == number), None)

    def in_sap(self, number: str) -> Row | None:
        """SAP's row of a customer."""
        return next(iter(self.sap.customers(number)), None)

    def invoice(self, number: str) -> Row | None:
        """Salesforce's record of an invoice."""
        return next(iter(self.invoices(f"Invoice_Number__c = '{number}'")), None)

    def invoices(self, condition: str) -> list[Row]:
        """Salesforce's records of invoices."""
        names = (
            "Id, Account__c, Invoice_Number__c, Invoice_Date__c, Due_Date__c, Currency__c, Net_Amount__c,"
            " Tax_Amount__c, Gross_Amount__c, Status__c, Isthmus_Id__c"
        )
        return self.crm.query(f"SELECT {names} FROM Invoice__c WHERE {condition}")

    def story(self, key: str) -> Record:
        """The one record that a key leads to, as the running agent tells it."""
        record = ask(self._socket, lambda client: client.trace(key)).record
        assert record is not None, f"{key} leads to no record"
        return record

    def at_rest(self, key: str) -> bool:
        """Whether nothing about a record stands open and every image of it is fresh."""
        record = ask(self._socket, lambda client: client.trace(key)).record
        if record is None or any(command.state in OPEN for command in record.commands):
            return False
        return all(image.fresh for image in record.images)

    def exceptions(self, kind: str, state: str = "open") -> list[ExceptionItem]:
        """Exceptions of a kind, as the running agent lists them."""
        page = ask(self._socket, lambda client: client.exceptions(state))
        return [item for item in page.items if item.kind == kind]

    def losers(self, number: str) -> list[str]:
        """Values of a customer that recorded decisions set aside."""
        kept = throughput.losers(self.stage.state / FILE)
        return [str(json.loads(one.value)) for one in kept if one.business_key == number]

    @property
    def _socket(self) -> Path:
        return self.stage.state / "control.sock"
