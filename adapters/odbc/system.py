"""The ports of an ERP behind ODBC, on top of its worker process."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from adapters.odbc.grants import grant_script
from adapters.odbc.journal import install_script, remove_script
from adapters.odbc.link import Link, PortClosed, User, WorkerLost
from adapters.odbc.wire import Lane
from agent.core.change import ReadResult, Row, Touched
from agent.core.delivery import Delivery, Guarantees, Outcome, OutcomeKind, Resolution
from agent.errors import RemoteError
from agent.ports import Check

_PAGE = 500


class LedgerTarget:
    """Commands with a ledger row in the ERP's own transaction: an uncertain one is simply sent again."""

    def __init__(self, link: Link) -> None:
        self.link = link

    def guarantees(self, object: str) -> Guarantees:
        """The same for every table.

        A lost request needs no waiting out: while it runs it holds its ledger row, afterwards the row tells.
        """
        return Guarantees(
            compare_and_set=True,
            read_back=True,
            delete=True,
            answers=False,
            on_uncertain_update=Resolution.RESEND,
            on_uncertain_create=Resolution.RESEND,
            batch=100,
        )

    async def prepare(self, deliveries: Sequence[Delivery]) -> None:
        """Nothing to do: the ledger is written with the effect."""

    async def apply(self, deliveries: Sequence[Delivery]) -> Sequence[Outcome]:
        """One transaction per delivery, in order.

        When the worker dies, outcomes already given stand, the one delivery it was at is uncertain, and
        those behind it were not begun. When this port is closed, the worker may go on with all of them.
        """
        outcomes: list[Outcome] = []
        code, text = "", ""
        unclear = 0
        self.link.hold(User.TARGET)
        try:
            async for outcome in self.link.stream(User.TARGET, Lane.APPLY, "apply", tuple(deliveries)):
                if outcome is not None:
                    outcomes.append(outcome)
        except WorkerLost as error:
            unclear, code, text = 1, "worker-lost", error.message
        except PortClosed as error:
            unclear, code, text = len(deliveries), "closed", error.message
        except RemoteError as error:
            code, text = "unreachable", error.message
        for place in range(len(deliveries) - len(outcomes)):
            kind = OutcomeKind.UNCERTAIN if place < unclear else OutcomeKind.RETRY
            outcomes.append(Outcome(kind, code=code, text=text))
        return outcomes

    async def find(self, object: str, fields: Mapping[str, object]) -> Sequence[Row]:
        """Records (at most 100) with these values."""
        self.link.hold(User.TARGET)
        rows: list[Row] = await self.link.call(User.TARGET, Lane.READ, "find", object, dict(fields))
        return rows

    async def find_many(
        self, object: str, questions: Sequence[Mapping[str, object]]
    ) -> Sequence[Sequence[Row]]:
        """The same for each question."""
        return [await self.find(object, fields) for fields in questions]

    async def close(self) -> None:
        """Give the worker up, for reads too; the next call takes it again. Safe to call twice."""
        await self.link.release(User.TARGET)


class TableReader:
    """Records by key or page by page. The ERP's clock is not used: reads carry no times.

    It has no end of its own: closing the target gives up the worker for reads too.
    """

    def __init__(self, link: Link) -> None:
        self.link = link

    async def read(self, object: str, keys: Sequence[str]) -> ReadResult:
        """One row per key, in the order asked."""
        self.link.hold(User.TARGET)
        rows: list[Row] = await self.link.call(User.TARGET, Lane.READ, "read", object, tuple(keys))
        return ReadResult(tuple(rows))

    async def page(self, object: str, resume: str = "") -> AsyncIterator[ReadResult]:
        """All records in key order, at most 500 a page; the first page may be empty."""
        behind: str | None = resume or None
        while True:
            self.link.hold(User.TARGET)
            rows: list[Row] = await self.link.call(User.TARGET, Lane.READ, "page", object, behind, _PAGE)
            if rows or behind is None:
                yield ReadResult(tuple(rows), resume=rows[-1].key if rows else "")
            if len(rows) < _PAGE:
                return
            behind = rows[-1].key

    async def touched(self, object: str, since: datetime) -> Touched | None:
        """A table does not tell when its rows were written."""
        return None


class OdbcProbe:
    """``isthmus check`` for one ERP; close the target afterwards."""

    def __init__(self, link: Link) -> None:
        self.link = link

    async def check(self) -> Sequence[Check]:
        """Connection, tables, columns, keys, journal and ledger."""
        self.link.hold(User.TARGET)
        try:
            checks: list[Check] = await self.link.call(User.TARGET, Lane.ADMIN, "check")
        except RemoteError as error:
            return [Check("connect", ok=False, detail=error.message, remedy=error.remedy)]
        return checks


class JournalAdministration:
    """``isthmus journal install|verify|remove`` for one ERP, and the scripts for a DBA who runs them."""

    def __init__(self, link: Link) -> None:
        self.link = link

    def install_script(self) -> str:
        """What ``install`` runs, to print. Needs no connection. Raises Refused without a dialect."""
        return _script(install_script(self.link.erp))

    def remove_script(self) -> str:
        """What ``remove`` runs, to print. Needs no connection. Raises Refused without a dialect."""
        return _script(remove_script(self.link.erp))

    def grant_script(self) -> str:
        """The least rights of the agent's user, to print. Needs no connection. Raises Refused."""
        return _script(grant_script(self.link.erp))

    async def round_trip(self) -> Sequence[Check]:
        """Sample values through each mapped column and back; leaves nothing. Raises Refused, Unreachable."""
        checks: list[Check] = await self._ask("roundtrip")
        return checks

    async def install(self) -> None:
        """Create tables and triggers; repeatable. Raises Refused or Unreachable."""
        await self._ask("install")

    async def verify(self) -> Sequence[Check]:
        """Whether all of it is there and enabled. Raises Refused or Unreachable."""
        checks: list[Check] = await self._ask("verify")
        return checks

    async def remove(self) -> None:
        """Drop everything of the agent; repeatable. Raises Refused or Unreachable."""
        await self._ask("remove")

    async def close(self) -> None:
        """End the worker."""
        await self.link.close()

    async def _ask(self, verb: str) -> Any:
        self.link.hold(User.ADMINISTRATION)
        return await self.link.call(User.ADMINISTRATION, Lane.ADMIN, verb)


def _script(statements: Sequence[str]) -> str:
    """A procedural statement that ends with its own semicolon is run by the slash behind it."""
    ends = {True: "\n/\n", False: ";\n"}
    return "".join(
        line + ("\n" if line.startswith("--") else ends[line.endswith(";")]) for line in statements
    )
