"""One connection of the worker and the rules that keep a broken one from lying. Used by one thread only."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import cached_property
from types import ModuleType
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from adapters.odbc.catalog import Column, Table, members_of, reflect, retyped
from adapters.odbc.dialect import Dialect, Fault, Verdict
from adapters.odbc.dialects import DIALECTS
from adapters.odbc.driver import complete, load_driver_manager, redact, unloadable
from adapters.odbc.forms import Sets
from adapters.odbc.settings import Erp
from agent.core.objects import ObjectSpec
from agent.errors import Refused, Unreachable

_CURSORS = 64
#: What is to be done where there is no connection.
AGAIN = "tried again by itself; check the server and the network if it stays so"
_T = TypeVar("_T")


class SqlFault(Exception):
    """A database error, classified; its text holds no row values and no secrets."""

    def __init__(self, verdict: Verdict) -> None:
        super().__init__(f"{verdict.code}: {verdict.text}")
        self.verdict = verdict


class Session:
    """A connection with its cursors (one per statement text: a cursor caches one prepared statement).

    After any error the transaction is ``broken`` until it was rolled back, and ``commit`` refuses: some
    drivers answer a commit after a lost connection with success and store nothing.

    A session that writes is in the ERP's own time zone: CURRENT_TIMESTAMP in a column without a zone, by a
    default or a trigger, then means what it means in the rows of the ERP's users. One that reads is in UTC.
    """

    def __init__(
        self, erp: Erp, *, autocommit: bool, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self.erp = erp
        self.dialect: Dialect = DIALECTS[erp.dialect]
        self.zone = ZoneInfo(erp.timezone)
        self._odbc: ModuleType = load_driver_manager(self.dialect, where=erp.name)
        self._autocommit = autocommit
        self._connection: Any = self._connect(autocommit)
        self._cursors: dict[str, Any] = {}
        self._tables: dict[str, Table] = {}
        self._clock = clock
        self._zone_set = ""
        self._between = False
        self._prepared = False
        self.broken = False
        self.lost = False
        try:
            for statement in self.dialect.session:
                self.run(statement.format(**self._figures()))
            if not autocommit:
                self._keep_zone()
                self.commit()
        except SqlFault as fault:
            self.close()
            raise Unreachable(str(fault), where=erp.name, remedy=AGAIN) from fault

    def _keep_zone(self) -> None:
        """An offset holds until clocks are changed; a name for ever."""
        now = self._clock().astimezone(self.zone)
        offset = now.isoformat()[-6:]
        statement = self.dialect.zone.format(name=self.zone.key, offset=offset)
        if statement == self._zone_set:
            return
        try:
            self._execute(statement, ())
        except self._odbc.Error as error:
            fault = self._fault(error)
            if fault.verdict.fault is Fault.LOST:
                raise fault from None
            self.close()
            raise Refused(
                f"the database does not take the time zone {self.zone.key}: {fault.verdict.text}",
                where=self.erp.name,
                remedy="set timezone to a name that the database knows, or bring its zone tables up to date",
            ) from None
        self._zone_set = statement

    def _begun(self) -> None:
        """Before the first statement of each transaction."""
        if self._between:
            self._between = False
            self._keep_zone()

    def _figures(self) -> dict[str, int]:
        return {
            "lock_ms": max(1, int(self.erp.lock_timeout_s * 1000)),
            "lock_s": math.ceil(self.erp.lock_timeout_s),
            "deadline_ms": max(1, int(self.erp.deadline_s * 1000)),
            "deadline_s": math.ceil(self.erp.deadline_s),
            # before the agent gives the worker up: its connection outlives a statement that takes too long
            "statement_ms": max(1, int(self.erp.deadline_s * 800)),
            "statement_s": max(1, int(self.erp.deadline_s * 0.8)),
            "login_s": max(1, int(self.erp.deadline_s / 2)),
            "connect_s": max(2, int(self.erp.deadline_s)),
        }

    def _connect(self, autocommit: bool) -> Any:
        text = complete(self.erp.connection, self.dialect, self._figures(), self._odbc.drivers())
        try:
            timeout = self._figures()["login_s"] if self.dialect.driver.limits else 0
            connection = self._odbc.connect(text, autocommit=autocommit, timeout=timeout)
        except self._odbc.Error as error:
            raise self._no_connection(error) from None
        if self.dialect.driver.max_write is not None:
            connection.maxwrite = self.dialect.driver.max_write
        if self.dialect.driver.narrow:
            for kind in (self._odbc.SQL_CHAR, self._odbc.SQL_WCHAR):
                connection.setdecoding(kind, encoding=self.dialect.driver.narrow, ctype=self._odbc.SQL_CHAR)
            connection.setencoding(encoding=self.dialect.driver.narrow, ctype=self._odbc.SQL_CHAR)
        if self.dialect.driver.limits:
            connection.timeout = self._figures()["statement_s"]
        return connection

    def _no_connection(self, error: Exception) -> Refused | Unreachable:
        state, message = _state_and_message(error)
        if state == "IM002" or "Can't open lib" in message:
            return unloadable(self.erp.connection, self.dialect, where=self.erp.name)
        verdict = self.dialect.classify(state, redact(message, self.erp.connection))
        if verdict.fault is Fault.SETUP:
            return Refused(
                f"the database refused the connection: {verdict.text}",
                where=self.erp.name,
                remedy="check server, database, user and password of the connection string",
            )
        return Unreachable(f"no connection: {verdict.text}", where=self.erp.name, remedy=AGAIN)

    def rows(self, sql: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """All rows of a query. Raises SqlFault."""
        return self._asked(sql, parameters, lambda cursor: [tuple(row) for row in cursor.fetchall()])

    def run(self, sql: str, parameters: Sequence[object] = ()) -> int:
        """The number of rows a statement touched. Raises SqlFault."""
        return self._asked(sql, parameters, lambda cursor: int(cursor.rowcount))

    def _asked(self, sql: str, parameters: Sequence[object], take: Callable[[Any], _T]) -> _T:
        """What is taken from a statement's first result. An error may stand behind it: all are fetched."""
        self._begun()
        try:
            cursor = self._execute(sql, parameters)
            taken = take(cursor)
            while self.dialect.driver.drains and cursor.nextset():
                pass
        except self._odbc.Error as error:
            raise self._fault(error) from None
        except UnicodeEncodeError:
            raise self._unsent() from None
        return taken

    def call(self, sql: str, parameters: Sequence[object]) -> list[list[tuple[Any, ...]]]:
        """All result sets of a procedure. An error behind them shows only when all were asked for.

        Raises SqlFault.
        """
        found = []
        self._begun()
        try:
            cursor = self._execute(sql, parameters)
            while True:
                if cursor.description is not None:
                    found.append([tuple(row) for row in cursor.fetchall()])
                if not cursor.nextset():
                    return found
        except self._odbc.Error as error:
            raise self._fault(error) from None
        except UnicodeEncodeError:
            raise self._unsent() from None

    def _execute(self, sql: str, parameters: Sequence[object]) -> Any:
        cursor = self._cursors.get(sql)
        self._prepared = cursor is not None
        if cursor is None:
            if len(self._cursors) >= _CURSORS:
                self._drop_cursors()
            cursor = self._cursors[sql] = self._connection.cursor()
        return cursor.execute(sql, tuple(parameters))

    def commit(self) -> None:
        """Make the transaction durable. Raises SqlFault; its verdict LOST or UNKNOWN means: nobody knows."""
        if self.broken:
            raise SqlFault(Verdict(Fault.UNKNOWN, "broken", "a commit after an error was prevented"))
        try:
            self._connection.commit()
        except self._odbc.Error as error:
            raise self._fault(error) from None
        self._between = not self._autocommit
        try:
            self._unmark()
        except self._odbc.Error:
            self.lost = True  # what was committed stands; the mark goes with the connection

    def rollback(self) -> None:
        """End the transaction without effect; a connection that is not proven alive after an error is lost.

        A driver may answer a rollback on a dead connection with success, too, hence the query.
        """
        if self.lost:
            return
        try:
            self._connection.rollback()
            if self.broken:
                self._execute(f"SELECT 1{self.dialect.nothing}", ()).fetchall()
                self._connection.rollback()
            self._unmark()
            self.broken = False
            self._between = not self._autocommit
        except self._odbc.Error:
            self.lost = True

    def _unmark(self) -> None:
        """No later write of this connection may pass for the one that was marked."""
        if self.dialect.unmark and not self._autocommit:
            self._execute(self.dialect.unmark, ())

    def table(self, name: str) -> Table:
        """The reflected table. Raises Refused when the ERP has none of that name for this user."""
        if name not in self._tables:
            table = self.reflect(name)
            if table is None:
                raise Refused(
                    f"no table '{name}'",
                    where=self.erp.name,
                    remedy="check the object's name and case, and the user's right to read it",
                )
            if not table.rolls_back and not self._autocommit:
                raise Refused(
                    f"the storage engine of '{name}' cannot take back a transaction",
                    where=self.erp.name,
                    remedy=f"ALTER TABLE {self.dialect.quote(name)} ENGINE = InnoDB, or do not deliver to it",
                )
            self._tables[name] = table
            if not self._autocommit:
                self.rollback()  # SQLite cannot turn a reading transaction into a writing one
        return self._tables[name]

    def forget(self, name: str) -> None:
        """Reflect the table anew at its next use: it is not as it was seen."""
        self._tables.pop(name, None)

    def reflect(self, name: str) -> Table | None:
        """The table's shape now, or None."""
        cursor = self._connection.cursor()
        try:
            table = reflect(cursor, self.placed(name), self.dialect.home, self.dialect.column)
            return table and self._completed(replace(table, name=name), cursor)
        except self._odbc.Error as error:
            raise self._fault(error) from None
        finally:
            cursor.close()

    def placed(self, name: str) -> str:
        """A table's name with the schema that it means, where the driver's catalog tells of all of them."""
        asked = self.dialect.dictionary.place
        found = self._connection.execute(asked, (name,)).fetchall() if asked and "." not in name else []
        return f"{found[0][0]}.{name}" if found else name

    def _completed(self, table: Table, cursor: Any) -> Table:
        """What the driver's catalog does not tell. Somebody may alter the table between the queries."""
        place, _, bare = table.name.rpartition(".")
        columns, rolls_back = dict(table.columns), True
        asked = self.dialect.dictionary
        told: tuple[tuple[str, Callable[[Column, Any], Column]], ...] = (
            (asked.types, retyped),
            (asked.fractions, lambda column, row: replace(column, fraction=row[1])),
            (asked.collations, lambda column, row: replace(column, collation=row[1])),
            (asked.members, lambda column, row: replace(column, members=members_of(row[1]))),
            (asked.named, lambda column, row: replace(column, type_name=row[1], length=row[2])),
        )
        for query, change in told:
            found = cursor.execute(query, (place or None, bare)).fetchall() if query else []
            columns |= {row[0]: change(columns[row[0]], row) for row in found if row[0] in columns}
        if asked.unsafe:
            rolls_back = not cursor.execute(asked.unsafe, (place or None, bare)).fetchall()
        return replace(table, columns=columns, rolls_back=rolls_back)

    def cursor(self) -> Any:
        """A bare cursor for catalog functions; the caller closes it."""
        return self._connection.cursor()

    @property
    def driver_error(self) -> type[Exception]:
        """The driver's base exception, for callers of ``cursor``."""
        error: type[Exception] = self._odbc.Error
        return error

    def product(self) -> tuple[str, str]:
        """Name and version of the server, as the driver tells them."""
        ask = self._connection.getinfo
        return str(ask(self._odbc.SQL_DBMS_NAME)), str(ask(self._odbc.SQL_DBMS_VER))

    @cached_property
    def sets(self) -> Sets | None:
        """Statements for many records, where this server is new enough for them."""
        form = self.dialect.sets
        version = tuple(int(part) for part in re.findall(r"\d+", self.product()[1])[:2])
        return form if form is not None and version >= form.minimum else None

    def describe(self) -> str:
        """Database and driver, for people."""
        ask = self._connection.getinfo
        odbc = self._odbc
        return (
            f"{ask(odbc.SQL_DBMS_NAME)} {ask(odbc.SQL_DBMS_VER)} through {ask(odbc.SQL_DRIVER_NAME)}"
            f" {ask(odbc.SQL_DRIVER_VER)}"
        )

    def close(self) -> None:
        """Close; safe on a lost connection."""
        try:
            self._drop_cursors()
            self._connection.close()
        except self._odbc.Error:
            self.lost = True

    def _drop_cursors(self) -> None:
        for cursor in self._cursors.values():
            cursor.close()
        self._cursors.clear()

    def _unsent(self) -> SqlFault:
        self.broken = True
        return SqlFault(Verdict(Fault.INVALID, "surrogate", "a text that contains a lone surrogate"))

    def _fault(self, error: Exception) -> SqlFault:
        self.broken = True
        state, message = _state_and_message(error)
        verdict = self.dialect.classify(state, redact(message, self.erp.connection))
        if self._prepared and verdict.code in self.dialect.stale:
            verdict = replace(verdict, fault=Fault.LOST)
        if verdict.fault is Fault.LOST:
            self.lost = True
        return SqlFault(verdict)


def _state_and_message(error: Exception) -> tuple[str, str]:
    arguments = [str(argument) for argument in error.args]
    return (arguments[0] if arguments else "", arguments[-1] if arguments else str(error))


def mapped_columns(table: Table, spec: ObjectSpec, *, where: str) -> tuple[str, ...]:
    """Names of the columns to read. Raises Refused naming those that the table lacks."""
    names = [item.name for item in spec.fields]
    if spec.external_id and spec.external_id not in names:
        names.append(spec.external_id)
    missing = [name for name in (spec.key, *names) if name not in table.columns]
    if missing:
        raise Refused(
            f"table '{table.name}' has no column {', '.join(missing)}",
            where=where,
            remedy="check the field map against the table",
        )
    return tuple(names)
