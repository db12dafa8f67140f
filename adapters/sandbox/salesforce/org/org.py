"""The org: its objects, records, users, rules and event stream. Everything the servers show or change is
here."""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from adapters.sandbox.salesforce.cdc import events, schema
from adapters.sandbox.salesforce.cdc.events import Change, Commit
from adapters.sandbox.salesforce.cdc.schema import EventSchema
from adapters.sandbox.salesforce.cdc.stream import StoredEvent, Stream
from adapters.sandbox.salesforce.control.faults import AT_ONCE, Faults
from adapters.sandbox.salesforce.org.actor import Actor, User
from adapters.sandbox.salesforce.org.clock import OrgClock
from adapters.sandbox.salesforce.org.errors import ApiError
from adapters.sandbox.salesforce.org.fields import Field, ObjectType
from adapters.sandbox.salesforce.org.ids import IdMaker
from adapters.sandbox.salesforce.org.journal import Journal
from adapters.sandbox.salesforce.org.objects import STANDARD
from adapters.sandbox.salesforce.org.record import Record, Table
from adapters.sandbox.salesforce.org.rules import Rules
from adapters.sandbox.salesforce.org.transaction import Transaction
from adapters.sandbox.salesforce.org.values import Value

ALL_CHANGES = "/data/ChangeEvents"


@dataclass(frozen=True, slots=True)
class Staff:
    """The users of the org: the agent's, two people, and the org's own."""

    integration: User
    sales: User
    finance: User
    automated: User

    def find(self, username: str) -> User | None:
        """The user with that username or its part before the ``@``."""
        wanted = username.lower()
        for user in (self.integration, self.sales, self.finance, self.automated):
            if wanted in (user.username, user.username.partition("@")[0]):
                return user
        return None


class Org:
    """In-memory state; the same seed gives the same ids, keys and replay ids."""

    def __init__(self, seed: int = 1, retention: timedelta = timedelta(hours=72)) -> None:
        self._rng = random.Random(seed)
        self.clock = OrgClock()
        self.ids = IdMaker("5g0000")
        self.id = self.ids.make("00D")
        self.objects: dict[str, ObjectType] = {kind.name: kind for kind in STANDARD}
        self.tables: dict[str, Table] = {kind.name: Table(kind) for kind in STANDARD}
        self.schemas: dict[str, EventSchema] = {}
        self._current: dict[str, str] = {}
        self.stream = Stream(self.clock, random.Random(seed + 1), retention)
        self.faults = Faults()
        self.rules = Rules()
        self.journal = Journal()
        self.staff = self._hire()
        self.at_once: dict[str, Callable[[], None]] = {
            "expire": self.stream.expire,
            "reset": self.stream.reset,
            "break": self.stream.drop,
        }
        self._commit_number = 10_000_000_000 + self._rng.randrange(10**9)
        for kind in STANDARD:
            self._publish_schema(kind)

    def table(self, object_name: str) -> Table:
        """The records of an object; the name is case-insensitive. Raises ApiError NOT_FOUND."""
        for name, table in self.tables.items():
            if name.lower() == object_name.lower():
                return table
        raise ApiError("NOT_FOUND", "The requested resource does not exist")

    def schema_of(self, object_name: str) -> EventSchema:
        """The schema that change events of the object are written under now."""
        return self.schemas[self._current[object_name]]

    def topic_objects(self, topic: str) -> frozenset[str] | None:
        """Names of the objects whose changes a topic carries; None for an unknown topic (case-sensitive)."""
        selected = {kind.topic: kind.name for kind in self.objects.values() if kind.change_events}
        if topic == ALL_CHANGES:
            return frozenset(selected.values())
        return frozenset({selected[topic]}) if topic in selected else None

    def add_field(self, object_name: str, field: Field) -> None:
        """An administrator's change: later events carry a new schema, earlier ones keep theirs."""
        table = self.table(object_name)
        kind = table.kind.with_field(field)
        empty: Value = False if field.type.value == "boolean" else None
        for record in list(table):
            table.put(Record(record.object_name, record.id, {**record.values, field.name: empty}))
        table.kind = kind
        self.objects[kind.name] = kind
        self._publish_schema(kind)

    @contextmanager
    def transaction(self, actor: Actor) -> Iterator[Transaction]:
        """A transaction that commits at the end of the block; an ApiError undoes it and goes on up."""
        transaction = Transaction(self, actor)
        try:
            yield transaction
        except ApiError as error:
            transaction.rollback(error)
            raise
        except BaseException:
            transaction.rollback(ApiError("UNKNOWN_EXCEPTION", "the transaction was abandoned"))
            raise
        transaction.commit()

    def transaction_key(self) -> str:
        """A new key for the events of one transaction."""
        return str(uuid.UUID(int=self._rng.getrandbits(128), version=4))

    def commit_number(self) -> int:
        """The next commit number: rising, not contiguous."""
        self._commit_number += self._rng.randrange(3, 40)
        return self._commit_number

    def publish(self, changes: list[Change], commit: Commit) -> None:
        """Puts the changes of a committed transaction on the stream, as armed faults let them."""
        changes = events.merge(changes)
        for name in {change.object_name: None for change in changes}:
            if self.faults.strike("overflow", (name,)):
                changes = events.overflow(changes, name)
        for sequence, change in enumerate(changes, 1):
            self._publish_one(change, commit, sequence)
        for change in changes:
            self._after_event(change)

    def _publish_one(self, change: Change, commit: Commit, sequence: int) -> None:
        names = (change.object_name,)
        if not change.change_type.startswith("GAP") and self.faults.strike("gap", names):
            change = change.as_gap()
        event_schema = self.schema_of(change.object_name)
        payload = events.encode(change, commit, sequence, event_schema, self.objects[change.object_name])
        if self.faults.strike("undecodable", names):
            payload = b"\xff" * 12 + payload[: len(payload) // 2]
        event_id = str(uuid.UUID(int=self._rng.getrandbits(128), version=4))
        for _ in range(2 if self.faults.strike("duplicate", names) else 1):
            self.stream.publish(
                StoredEvent(
                    self.stream.issue(),
                    change.object_name,
                    event_id,
                    event_schema.id,
                    payload,
                    self.clock.now(),
                )
            )

    def _after_event(self, change: Change) -> None:
        names = (change.object_name,)
        for kind in AT_ONCE:
            if self.faults.strike(kind, names):
                self.at_once[kind]()
        compound = self._changed_address(change)
        if compound and self.faults.strike("geocode", names):
            for identifier in change.record_ids:
                self._geocode(change.object_name, identifier, compound)

    def _changed_address(self, change: Change) -> str:
        if change.change_type not in ("CREATE", "UPDATE"):
            return ""
        for field in self.objects[change.object_name].fields:
            placed = field.compound and field.component not in ("Latitude", "Longitude", "GeocodeAccuracy")
            if placed and change.values.get(field.name) is not None:
                return field.compound
        return ""

    def _geocode(self, object_name: str, identifier: str, compound: str) -> None:
        record = self.tables[object_name].get(identifier)
        if record is None or record.deleted:
            return
        stem = compound.removesuffix("Address")
        values: dict[str, Value] = {
            f"{stem}Latitude": Decimal(self._rng.randrange(-60_000_000, 60_000_000)).scaleb(-6),
            f"{stem}Longitude": Decimal(self._rng.randrange(-170_000_000, 170_000_000)).scaleb(-6),
        }
        with self.transaction(Actor(self.staff.automated)) as transaction:
            transaction.derive(record, values)

    def _publish_schema(self, kind: ObjectType) -> None:
        if kind.change_events:
            built = schema.build(kind)
            self.schemas[built.id] = built
            self._current[kind.name] = built.id

    def _hire(self) -> Staff:
        table = self.tables["User"]

        def hire(username: str, name: str) -> User:
            user = User(self.ids.make("005"), f"{username}@isthmus.example", name)
            at = self.clock.second()
            values: dict[str, Value] = {
                "Id": user.id,
                "Username": user.username,
                "Name": name,
                "IsActive": True,
            }
            values |= {"CreatedDate": at, "LastModifiedDate": at, "SystemModstamp": at, "IsDeleted": False}
            table.put(Record("User", user.id, values | {"CreatedById": user.id, "LastModifiedById": user.id}))
            return user

        return Staff(
            hire("integration", "Integration User"),
            hire("sales", "Sofia Lindqvist"),
            hire("finance", "Tomasz Wójcik"),
            hire("automated", "Automated Process"),
        )
