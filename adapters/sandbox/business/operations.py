"""What people do, a method for each kind of operation: True when done, False with nothing to do."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from adapters.sandbox.business.backoffice import SapDesk
from adapters.sandbox.business.crm import Again, AnswerLost, Look, SalesforceUser
from adapters.sandbox.business.edits import EditJournal, Outcome, Place
from adapters.sandbox.business.ledger import Customer, ErpDesk
from adapters.sandbox.business.people import Typist

_TRIES = 10
_PAUSE_S = 0.05
_SHARED = frozenset({"Phone"})


class Operations:
    """The people of three systems. Each record of a system is edited by one of them at a time."""

    def __init__(self, crm: SalesforceUser, erp: ErpDesk, sap: SapDesk, journal: EditJournal) -> None:
        self._crm = crm
        self._erp = erp
        self._sap = sap
        self._journal = journal
        self._locks: defaultdict[Place, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._accounts: dict[str, str] = {}
        self._last_number = 0
        self.retries = 0
        self.unknown = 0

    async def begin(self) -> None:
        """Look which customers there are; new numbers go on from theirs."""
        rows = await self._patiently_find("SELECT Id, AccountNumber FROM Account ORDER BY AccountNumber")
        for row in rows:
            number = str(row["AccountNumber"] or "")
            if number:
                self._accounts[number] = str(row["Id"])
                self._last_number = max(self._last_number, int(number.rpartition("-")[2]))

    async def customer(self, typist: Typist) -> bool:
        """A customer is born in Salesforce."""
        self._last_number += 1
        number = f"C-{self._last_number:06d}"
        fields = {"AccountNumber": number, "Name": typist.name(), "Phone": typist.phone(), **typist.address()}
        place = Place("salesforce", "customer", number)
        async with self._locks[place]:
            identifier = await self._create(number, fields)
            self._journal.note(place, fields, seen={"Phone": None})
        self._accounts[number] = identifier
        return True

    async def master_data(self, typist: Typist) -> bool:
        """Name or address."""
        values = {"Name": typist.name()} if typist.dice.random() < 0.4 else typist.address()
        return await self._edit_some_account(typist, values)

    async def amendment(self, typist: Typist) -> bool:
        """Several fields at once, in Salesforce or in the ERP."""
        if typist.dice.random() < 0.5:
            return await self._edit_some_account(typist, {"Name": typist.name(), **typist.address()})
        columns = {"credit_limit": typist.limit(), "payment_terms": typist.terms()}
        return await self._edit_some_customer(typist, columns)

    async def phone(self, typist: Typist) -> bool:
        """In one system."""
        if typist.dice.random() < 0.5:
            return await self._edit_some_account(typist, {"Phone": typist.phone()})
        customer = await self._arrived(typist)
        if customer is not None:
            await self._phone_in_erp(customer, typist.phone())
        return customer is not None

    async def phone_clash(self, typist: Typist) -> bool:
        """The same customer's, in both systems at once."""
        customer = await self._arrived(typist)
        if customer is None or customer.number not in self._accounts:
            return False
        await asyncio.gather(
            self._phone_in_erp(customer, typist.phone()),
            self._edit_account(customer.number, {"Phone": typist.phone()}),
        )
        return True

    async def credit_limit(self, typist: Typist) -> bool:
        """In the ERP."""
        return await self._edit_some_customer(typist, {"credit_limit": typist.limit()})

    async def payment_terms(self, typist: Typist) -> bool:
        """In the ERP."""
        return await self._edit_some_customer(typist, {"payment_terms": typist.terms()})

    async def order_block(self, typist: Typist) -> bool:
        """Set or cleared in SAP."""
        customers = await self._sap.customers()
        if not customers:
            return False
        number = typist.dice.choice(list(customers))
        code = typist.dice.choice(("01", ""))
        place = Place("sap", "customer", number)
        async with self._locks[place]:
            await self._sap.block(customers[number], code)
            self._journal.note(place, {"AUFSD": code})
        return True

    async def invoice(self, typist: Typist) -> bool:
        """The ERP bills a customer."""
        customer = await self._arrived(typist)
        if customer is None:
            return False
        number = await self._erp.bill(customer, typist.dice)
        self._journal.note(Place("erp", "invoice", number), {"invoice_no": number, "status": "O"})
        return True

    async def payment(self, typist: Typist) -> bool:
        """Some open invoice is paid."""
        return await self._settle(typist, paid=True)

    async def cancellation(self, typist: Typist) -> bool:
        """Some open invoice is cancelled."""
        return await self._settle(typist, paid=False)

    async def _settle(self, typist: Typist, *, paid: bool) -> bool:
        number = await self._erp.settle(typist.dice, paid=paid)
        if number is not None:
            self._journal.note(Place("erp", "invoice", number), {"status": "P" if paid else "C"})
        return number is not None

    async def _arrived(self, typist: Typist) -> Customer | None:
        customers = await self._erp.customers()
        return typist.dice.choice(customers) if customers else None

    async def _edit_some_customer(self, typist: Typist, columns: dict[str, Any]) -> bool:
        customer = await self._arrived(typist)
        if customer is None:
            return False
        place = Place("erp", "customer", customer.number)
        async with self._locks[place]:
            await self._erp.change(customer, **columns)
            self._journal.note(place, columns)
        return True

    async def _phone_in_erp(self, customer: Customer, phone: str) -> None:
        place = Place("erp", "customer", customer.number)
        async with self._locks[place]:
            seen = await self._erp.change_phone(customer, phone)
            self._journal.note(place, {"phone": phone}, seen={"phone": seen})

    async def _edit_some_account(self, typist: Typist, values: Mapping[str, str]) -> bool:
        if not self._accounts:
            return False
        await self._edit_account(typist.dice.choice(list(self._accounts)), values)
        return True

    async def _edit_account(self, number: str, values: Mapping[str, str]) -> None:
        """Look, write on what was seen, and after a lost answer look whether it was saved."""
        place = Place("salesforce", "customer", number)
        unsure: Look | None = None
        async with self._locks[place]:
            for attempt in range(_TRIES):
                await self._wait_before(attempt)
                try:
                    look = await self._crm.look("Account", self._accounts[number], *values)
                    if unsure is not None and look.fields == dict(values):
                        self._journal.note(place, values, seen=_shared(unsure))
                        return
                    unsure = look
                    await self._crm.write("Account", self._accounts[number], values, look.version)
                except AnswerLost:
                    self.unknown += 1
                    self._journal.note(place, values, _shared(unsure), Outcome.UNKNOWN)
                except Again:
                    unsure = None
                else:
                    self._journal.note(place, values, seen=_shared(look))
                    return
        raise TimeoutError(f"Salesforce did not take an edit of {number} in {_TRIES} tries")

    async def _create(self, number: str, fields: Mapping[str, str]) -> str:
        """The new record's id; after a lost answer people look before they type it all again."""
        for attempt in range(_TRIES):
            await self._wait_before(attempt)
            try:
                if attempt:
                    found = await self._crm.find(f"SELECT Id FROM Account WHERE AccountNumber = '{number}'")  # noqa: S608
                    if found:
                        return str(found[0]["Id"])
                return await self._crm.create("Account", fields)
            except (Again, AnswerLost):
                continue
        raise TimeoutError(f"Salesforce did not take customer {number} in {_TRIES} tries")

    async def _patiently_find(self, soql: str) -> list[dict[str, Any]]:
        for attempt in range(_TRIES):
            await self._wait_before(attempt)
            try:
                return await self._crm.find(soql)
            except Again:
                continue
        raise TimeoutError(f"Salesforce did not answer in {_TRIES} tries")

    async def _wait_before(self, attempt: int) -> None:
        if attempt:
            self.retries += 1
            await asyncio.sleep(_PAUSE_S * 2 ** min(attempt, 6))


def _shared(look: Look | None) -> dict[str, Any]:
    """What was seen of fields that several systems' users write."""
    return {} if look is None else {name: value for name, value in look.fields.items() if name in _SHARED}
