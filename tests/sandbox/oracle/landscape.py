"""A sandbox org, a sample ERP and a sample SAP that hold the same customers, each as it would by itself."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx2

from adapters.sandbox.erp import Line, SampleErp
from tests.sandbox.sap.process import RunningSap, running

REPOSITORY = Path(__file__).resolve().parents[3]
ORACLE = REPOSITORY / "adapters" / "sandbox" / "oracle"
_TERMS = {"Z014": "NET14", "Z030": "NET30", "Z045": "NET45", "Z060": "NET60"}


@dataclass(frozen=True, slots=True)
class Answer:
    """What the judge said: exit code, JSON (empty without one), text and narration."""

    code: int
    verdict: dict[str, Any]
    text: str
    narration: str


@dataclass(frozen=True, slots=True)
class Landscape:
    """Three running systems."""

    folder: Path
    org: dict[str, str]
    http: httpx2.AsyncClient
    erp: SampleErp
    erp_connection: str
    sap: RunningSap

    async def transaction(self, *writes: dict[str, Any]) -> list[str]:
        """Somebody writes in Salesforce; the ids of the records."""
        answer = await self.http.post("/_sandbox/transaction", json={"user": "sales", "writes": list(writes)})
        answer.raise_for_status()
        ids: list[str] = answer.json()["ids"]
        return ids

    async def share_customers(self) -> None:
        """Bring SAP's customers to Salesforce and the ERP, whole."""
        for row in (await self.sap.http.get("/customers")).json():
            address = {"street": row["stras"], "city": row["ort01"], "postal_code": row["pstlz"]}
            key = self.erp.create_customer(
                row["name1"], number=row["sortl"], country=row["land1"], phone=row["telf1"], **address
            )
            fields = {
                "AccountNumber": row["sortl"],
                "Name": row["name1"],
                "BillingStreet": row["stras"],
                "BillingCity": row["ort01"],
                "BillingPostalCode": row["pstlz"],
                "BillingCountry": row["land1"],
                "Phone": row["telf1"],
                "Credit_Limit__c": 0,
                "Payment_Terms__c": "NET30",
                "Order_Block__c": False,
                "Isthmus_Id__c": f"customer-{key}",
            }
            await self.transaction({"op": "create", "object": "Account", "fields": fields})

    async def share_invoice(self, key: int) -> str:
        """Bill a customer in the ERP and bring the invoice to Salesforce; its number."""
        lines = [Line("PLAN-S", 3, Decimal("59.70"))]
        number = self.erp.create_invoice(key, lines, invoice_date=date(2026, 11, 2))
        invoice = next(row for row in self.erp.rows("invoice") if row["invoice_no"] == number)
        customer = next(row for row in self.erp.rows("customer") if int(row["customer_id"]) == key)
        fields = {
            "Invoice_Number__c": number,
            "Account__c": await self.account(customer["number"]),
            "Invoice_Date__c": invoice["invoice_date"],
            "Due_Date__c": invoice["due_date"],
            "Currency__c": invoice["currency"],
            "Net_Amount__c": invoice["net_amount"],
            "Tax_Amount__c": invoice["tax_amount"],
            "Gross_Amount__c": invoice["gross_amount"],
            "Status__c": "open",
            "Isthmus_Id__c": f"invoice-{number}",
        }
        await self.transaction({"op": "create", "object": "Invoice__c", "fields": fields})
        return number

    async def account(self, number: str) -> str:
        """Salesforce's id of a customer."""
        log = (await self.http.get("/_sandbox/log")).json()["writes"]
        return next(str(row["id"]) for row in log if row["fields"].get("AccountNumber") == number)

    async def judge(self, *options: str, as_json: bool = True) -> Answer:
        """Run the judge as its own process."""
        command = [sys.executable, str(ORACLE), *self.options(), *options, *(["--json"] if as_json else [])]
        process = await asyncio.create_subprocess_exec(
            *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, cwd=self.folder
        )
        out, narration = await process.communicate()
        text = out.decode()
        found = json.loads(text) if as_json and text else {}
        return Answer(process.returncode or 0, found, text, narration.decode())

    def options(self) -> list[str]:
        """Where the systems are, for the judge."""
        return [
            *("--salesforce", self.org["http"], "--client-id", self.org["client_id"]),
            *("--client-secret", self.org["client_secret"]),
            *("--erp", self.erp_connection, "--sap", self.sap.told["dir"]),
        ]


@asynccontextmanager
async def landscape(folder: Path, customers: int) -> AsyncIterator[Landscape]:
    """Start all three; SAP begins with so many customers, which the others hold too."""
    connection = f"Driver=SQLite3;Database={folder / 'erp.db'}"
    erp = SampleErp(connection)
    try:
        erp.install()
        async with (
            salesforce() as org,
            running(folder / "sap", "--customers", str(customers)) as sap,
            httpx2.AsyncClient(base_url=org["http"]) as http,
        ):
            found = Landscape(folder, org, http, erp, connection, sap)
            await found.share_customers()
            yield found
    finally:
        erp.close()


@asynccontextmanager
async def salesforce() -> AsyncIterator[dict[str, str]]:
    """A sandbox org as a process."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "adapters.sandbox.salesforce"), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(60):
            details: dict[str, str] = json.loads(await process.stdout.readline())
        yield details
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        await process.communicate()
    assert process.returncode == 0
