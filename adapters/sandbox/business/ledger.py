"""The ERP's users: they work through the sample ERP, one at a time, each edit on what they just saw."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import TypeVar

from adapters.sandbox.business.people import PRODUCTS
from adapters.sandbox.erp import Line, SampleErp

_T = TypeVar("_T")
_TRIES = 60
_BUSY = ("locked", "busy", "deadlock", "serialize")
_BUSY_STATES = frozenset({"40001", "40P01", "55P03", "HYT00"})
_LOST = ("connection", "gone away", "connect to", "broken pipe", "starting up", "shut")


@dataclass(frozen=True, slots=True)
class Customer:
    """A customer that has arrived in the ERP."""

    customer_id: int
    number: str


class ErpDesk:
    """The ERP on a connection and a thread of its own.

    A busy database is tried again, as a user would; so is one that is gone, on a new connection.
    """

    def __init__(self, connection: str) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="erp")
        self._connection = connection
        self._erp: SampleErp | None = None
        self._known: list[Customer] = []
        self._open: list[str] = []
        self._lost = False
        self.retries = 0

    async def open(self) -> None:
        """Connect, and see which invoices are open."""
        self._erp = await self._in_thread(lambda: SampleErp(self._connection))
        self._open = await self._work(lambda erp: erp.open_invoices())

    async def close(self) -> None:
        """Disconnect and end the thread."""
        if self._erp is not None:
            await self._in_thread(self._erp.close)
        self._thread.shutdown()

    async def customers(self) -> list[Customer]:
        """Customers that have a number, as they arrived."""
        return await self._work(self._arrived)

    async def change(self, customer: Customer, **columns: str | Decimal) -> None:
        """Set columns. Raises Refusal."""
        await self._work(lambda erp: erp.change_customer(customer.customer_id, **columns))

    async def change_phone(self, customer: Customer, phone: str) -> str | None:
        """Set the phone number on what is seen in the same transaction; returns what was seen."""

        def change(erp: SampleErp) -> str | None:
            lock = "" if erp.database.kind == "sqlite" else " FOR UPDATE"
            with erp.database.transaction() as database:
                found = database.rows(
                    f"SELECT phone FROM customer WHERE customer_id = ?{lock}",  # noqa: S608
                    customer.customer_id,
                )
                database.run(
                    "UPDATE customer SET phone = ?, changed_at = CURRENT_TIMESTAMP WHERE customer_id = ?",
                    phone,
                    customer.customer_id,
                )
            return None if found[0][0] is None else str(found[0][0])

        return await self._work(change)

    async def bill(self, customer: Customer, dice: random.Random) -> str:
        """Book an invoice of one to four lines; returns its number. Raises Refusal."""
        lines: list[Line] = []
        for _ in range(dice.randint(1, 4)):
            product, price = dice.choice(PRODUCTS)
            quantity = dice.randint(1, 20)
            lines.append(Line(product, quantity, price * quantity))
        today = datetime.now(UTC).date()
        number = await self._work(
            lambda erp: erp.create_invoice(customer.customer_id, lines, invoice_date=today)
        )
        self._open.append(number)
        return number

    async def settle(self, dice: random.Random, *, paid: bool) -> str | None:
        """Pay or cancel some open invoice; returns its number, None when none is open. Raises Refusal."""
        if not self._open:
            return None
        number = self._open.pop(dice.randrange(len(self._open)))
        now = datetime.now(UTC)
        await self._work(lambda erp: erp.pay(number, now) if paid else erp.cancel(number))
        return number

    def _arrived(self, erp: SampleErp) -> list[Customer]:
        last = self._known[-1].customer_id if self._known else 0
        with erp.database.transaction() as database:
            found = database.rows(
                "SELECT customer_id, number FROM customer WHERE customer_id > ? AND number IS NOT NULL"
                " ORDER BY customer_id",
                last,
            )
        self._known += [Customer(int(key), str(number)) for key, number in found]
        return list(self._known)

    async def _work(self, act: Callable[[SampleErp], _T]) -> _T:
        erp = self._erp
        if erp is None:
            raise RuntimeError("open() first")
        for attempt in range(_TRIES):
            try:
                return await self._in_thread(lambda: self._do(act))
            except erp.database.error as error:
                self._lost = self._lost or _is_lost(error)
                if not (self._lost or _is_busy(error)) or attempt == _TRIES - 1:
                    raise
            self.retries += 1
            await asyncio.sleep(0.02 * (attempt + 1))
        raise RuntimeError("unreachable: the last try returns or raises")

    def _do(self, act: Callable[[SampleErp], _T]) -> _T:
        """In the thread: on a new connection where the last one was lost."""
        if self._erp is None or self._lost:
            self._erp = SampleErp(self._connection)
            self._lost = False
        return act(self._erp)

    async def _in_thread(self, act: Callable[[], _T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, act)


def _is_busy(error: Exception) -> bool:
    """Whether another transaction stood in the way and nothing was written."""
    state: str = str(error.args[0]) if error.args else ""
    words: Sequence[str] = [str(part).lower() for part in error.args]
    return state in _BUSY_STATES or any(word in part for part in words for word in _BUSY)


def _is_lost(error: Exception) -> bool:
    """Whether the connection is gone, or none is to be had now."""
    state: str = str(error.args[0]) if error.args else ""
    words: Sequence[str] = [str(part).lower() for part in error.args]
    return state[:2] in {"08", "57"} or any(word in part for part in words for word in _LOST)
