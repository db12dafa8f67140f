"""The ports of an ERP behind ODBC, on top of its worker process."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from adapters.odbc.grants import grant_script
from adapters.odbc.journal import install_script, remove_script, tracking_left, tracking_script
from adapters.odbc.link import Link, User
from adapters.odbc.wire import Lane
from agent.core.change import ReadResult, Row, Touched
from agent.core.delivery import Mark
from agent.errors import RemoteError
from agent.ports import Check

_PAGE = 500


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
        erp = self.link.erp
        return _script(tracking_script(erp) + install_script(erp))

    def remove_script(self) -> str:
        """What ``remove`` runs, to print. Needs no connection. Raises Refused without a dialect."""
        erp = self.link.erp
        return _script(remove_script(erp) + tracking_left(erp))

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


class EpochRow:
    """The ERP as witness, on its worker."""

    def __init__(self, link: Link) -> None:
        self.link = link

    async def last(self) -> Mark:
        """What stands there. Raises Unreachable or Refused."""
        self.link.hold(User.TARGET)
        mark: Mark = await self.link.call(User.TARGET, Lane.READ, "mark")
        return mark

    async def take(self, mark: Mark, instead_of: Mark, past: Mapping[str, int]) -> bool:
        """Write the mark if the expected one stands there. The ledger tells what was done under any mark."""
        self.link.hold(User.TARGET)
        written: bool = await self.link.call(User.TARGET, Lane.READ, "take", mark, instead_of)
        return written
