"""A real ERP database with users, and the adapter on it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace
from typing import Any

from adapters.odbc import Settings, administer, connect
from adapters.odbc.apply.progress import Begun
from adapters.odbc.dialect import Dialect
from adapters.odbc.link import Link, User
from adapters.odbc.target import LedgerTarget
from adapters.odbc.wire import Lane
from adapters.sandbox.erp import Business
from agent.core.change import Batch, Change, RawValue, Row
from agent.core.delivery import Delivery, DeliveryKind, Guard, Outcome
from agent.core.objects import FieldSpec, FieldType, ObjectSpec
from agent.ports import System

#: Seconds after which a condition that never comes fails a test.
PATIENCE_S = 20.0

CUSTOMER = ObjectSpec(
    name="customer",
    key="customer_id",
    external_id="external_ref",
    fields=(
        FieldSpec("number"),
        FieldSpec("name"),
        FieldSpec("street"),
        FieldSpec("country"),
        FieldSpec("phone"),
        FieldSpec("credit_limit", FieldType.DECIMAL),
        FieldSpec("payment_terms"),
        FieldSpec("order_block"),
        FieldSpec("changed_at", FieldType.DATETIME, writable=False),
    ),
)
INVOICE = ObjectSpec(
    name="invoice",
    key="invoice_no",
    fields=(
        FieldSpec("customer_id", FieldType.REFERENCE),
        FieldSpec("invoice_date", FieldType.DATE),
        FieldSpec("currency"),
        FieldSpec("gross_amount", FieldType.DECIMAL),
        FieldSpec("status"),
        FieldSpec("paid_at", FieldType.DATETIME),
    ),
)
#: A table with one column per kind of value that drivers are known to alter.
SAMPLE = ObjectSpec(
    name="sample",
    key="code",
    fields=(
        FieldSpec("big", FieldType.INTEGER),
        FieldSpec("amount", FieldType.DECIMAL),
        FieldSpec("flag", FieldType.BOOLEAN),
        FieldSpec("day", FieldType.DATE),
        FieldSpec("moment", FieldType.DATETIME),
        FieldSpec("padded"),
        FieldSpec("note"),
        FieldSpec("parent", FieldType.REFERENCE),
    ),
)
_SAMPLE_TABLE = {
    "sqlite": "CREATE TABLE sample (code CHAR(8) NOT NULL PRIMARY KEY, big INTEGER, amount TEXT,"
    " flag BOOLEAN,"
    " day DATE, moment TIMESTAMP, padded CHAR(10), note TEXT,"
    " parent CHAR(8) REFERENCES sample (code) DEFERRABLE INITIALLY DEFERRED)",
    "postgresql": "CREATE TABLE sample (code CHAR(8) NOT NULL PRIMARY KEY, big BIGINT, amount NUMERIC(22,4),"
    " flag BOOLEAN, day DATE, moment TIMESTAMPTZ, padded CHAR(10), note TEXT,"
    " parent CHAR(8) REFERENCES sample (code) DEFERRABLE INITIALLY DEFERRED)",
    "mariadb": "CREATE TABLE sample (code CHAR(8) NOT NULL PRIMARY KEY, big BIGINT, amount DECIMAL(22,4),"
    " flag BOOLEAN, day DATE, moment TIMESTAMP(6) NULL, padded CHAR(10), note LONGTEXT,"
    " parent CHAR(8), FOREIGN KEY (parent) REFERENCES sample (code)) ENGINE = InnoDB CHARACTER SET utf8mb4",
}
#: What a user's own connection says beside its address.
_USER = {
    "sqlite": "BigInt=1;FKSupport=1;Timeout=5000;",
    "postgresql": "BoolsAsChar=0;",
    "mariadb": "OPTION=2;",
}


class Site:
    """One database: its users (``business``, ``user()``) and the adapter's systems on it."""

    def __init__(self, odbc: Any, dialect: Dialect, connection: str) -> None:
        self.odbc = odbc
        self.dialect = dialect
        self.connection = connection
        self.adapter_connection = connection
        self.objects: Sequence[ObjectSpec] = (CUSTOMER, INVOICE, SAMPLE)
        self.business: Business
        self._open: list[Any] = []
        self.links: list[Link] = []

    def start(self) -> Site:
        """Open the users' programs on an ERP that is installed."""
        self.business = Business(self.connection)
        return self

    def install_erp(self) -> None:
        """Install the ERP alone."""
        self.start().business.install()
        with self.business.database.transaction() as database:
            database.run(_SAMPLE_TABLE[self.dialect.name])

    async def install(self) -> None:
        """Install the ERP, then the journal."""
        self.install_erp()
        administration = administer("erp", self.settings(), self.objects, str)
        await administration.install()
        await administration.close()

    def settings(self, **changes: Any) -> Settings:
        """Settings for quick tests."""
        given: dict[str, Any] = {
            "connection": self.adapter_connection,
            "poll_s": 0.01,
            "lock_timeout_s": 0.5,
            "deadline_s": PATIENCE_S,
        }
        return Settings(**{**given, **changes})

    def system(self, **changes: Any) -> System:
        """The adapter on this database; closed at the end."""
        system = connect("erp", self.settings(**changes), self.objects, str)
        target = system.target
        assert isinstance(target, LedgerTarget)
        self.links.append(target.link)
        return system

    def link(self) -> Link:
        """The link of the system made last."""
        return self.links[-1]

    def begun(self) -> asyncio.Event:
        """Set as soon as the worker tells that a transaction of commands begins."""
        link, begun = self.link(), asyncio.Event()
        plain = link.stream

        async def watched(user: User, lane: Lane, verb: str, *arguments: Any) -> AsyncGenerator[Any, None]:
            async with contextlib.aclosing(plain(user, lane, verb, *arguments)) as answers:
                async for answer in answers:
                    if isinstance(answer, Begun):
                        begun.set()
                    yield answer

        link.stream = watched  # type: ignore[method-assign]  # passes everything on
        return begun

    def user(self, *, autocommit: bool = True) -> Any:
        """Another user's own connection; closed at the end."""
        text = self.connection + _USER[self.dialect.name]
        connection = self.odbc.connect(text, autocommit=autocommit)
        self._open.append(connection)
        return connection

    def forget(self, connection: Any) -> None:
        """A user's connection that the test has closed."""
        self._open.remove(connection)

    def reconnect(self) -> None:
        """The users' programs after a restart of the server."""
        self._open.clear()
        self.business = Business(self.connection)

    def one(self, sql: str, *parameters: object) -> Any:
        """The one value of a query, seen by another user."""
        connection = self.user()
        row = connection.execute(sql, parameters).fetchone()
        return None if row is None else row[0]

    async def close(self) -> None:
        """Close everything."""
        for link in self.links:
            await link.close()
        for connection in self._open:
            connection.close()
        self.business.close()


async def changes_until(system: System, count: int) -> list[Change]:
    """At least ``count`` changes, released as they come."""
    found: list[Change] = []
    async with asyncio.timeout(PATIENCE_S):
        while len(found) < count:
            batch = await system.source.read()
            found += batch.changes
            await system.source.ack(batch)
    return found


async def batch_of(system: System) -> Batch:
    """The next batch that is not just a sign of life."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            batch = await system.source.read()
            if batch.changes:
                return batch


def create(message_id: str, reference: str, **fields: RawValue) -> Delivery:
    """A command that creates a customer."""
    return Delivery(
        message_id=message_id,
        entity_type="customer",
        object="customer",
        kind=DeliveryKind.CREATE,
        key=None,
        reference=reference,
        fields=fields,
        payload_hash=f"hash of {message_id}",
    )


def update(
    message_id: str, key: str, guard: dict[str, RawValue] | None = None, **fields: RawValue
) -> Delivery:
    """A command that updates a customer, under a guard if given."""
    return replace(
        create(message_id, "ref", **fields),
        kind=DeliveryKind.UPDATE,
        key=key,
        guard=Guard(values=guard) if guard is not None else None,
    )


async def apply_one(system: System, delivery: Delivery) -> Outcome:
    """The outcome of a batch of one."""
    (outcome,) = await system.target.apply([delivery])
    return outcome


async def read_one(system: System, name: str, key: str) -> Row:
    """One record by key."""
    assert system.reader is not None
    return (await system.reader.read(name, [key])).rows[0]
