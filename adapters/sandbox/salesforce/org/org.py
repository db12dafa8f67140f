"""The org: its objects, records, users, rules and event bus. Everything the servers show or change is
here."""

from __future__ import annotations

import random
import re
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

from adapters.sandbox.salesforce.cdc.channels import ALL_CHANGES, Channels, Member, Topic
from adapters.sandbox.salesforce.cdc.events import Change, Commit
from adapters.sandbox.salesforce.cdc.managed import ManagedSubscriptions
from adapters.sandbox.salesforce.cdc.publisher import Publisher
from adapters.sandbox.salesforce.cdc.schema import EventSchema, change_schema, notice_schema
from adapters.sandbox.salesforce.cdc.stream import StoredEvent, Stream, Subscribed
from adapters.sandbox.salesforce.control.faults import Faults
from adapters.sandbox.salesforce.org import definitions
from adapters.sandbox.salesforce.org.access import Access
from adapters.sandbox.salesforce.org.actor import Actor
from adapters.sandbox.salesforce.org.allowance import Allowance
from adapters.sandbox.salesforce.org.clock import OrgClock
from adapters.sandbox.salesforce.org.definitions import Definitions
from adapters.sandbox.salesforce.org.errors import ApiError
from adapters.sandbox.salesforce.org.fields import Field, FieldType, ObjectType
from adapters.sandbox.salesforce.org.ids import IdMaker
from adapters.sandbox.salesforce.org.journal import Journal
from adapters.sandbox.salesforce.org.record import Record, Row, Table
from adapters.sandbox.salesforce.org.rules import DuplicateRule, Flow, Rules, Validation
from adapters.sandbox.salesforce.org.staff import Staff, hire
from adapters.sandbox.salesforce.org.transaction import Transaction
from adapters.sandbox.salesforce.org.values import Value
from adapters.sandbox.salesforce.soql import grammar
from adapters.sandbox.salesforce.soql.conditions import Search

_COUNTER = re.compile(r"\{(0+)\}")
Saved = Callable[[Iterable[Record]], None]
Removed = Callable[[str, str], None]


class Org:
    """In-memory state; the same seed gives the same ids, keys and replay ids."""

    def __init__(
        self,
        seed: int = 1,
        retention: timedelta = timedelta(hours=72),
        defined: Definitions | None = None,
    ) -> None:
        defined = defined or definitions.read()
        self._rng = random.Random(seed)
        self.clock = OrgClock()
        self.calls = Allowance(self.clock)
        self.ids = IdMaker("5g0000")
        self.id = self.ids.make("00D")
        self.objects: dict[str, ObjectType] = {}
        self.tables: dict[str, Table] = {}
        self.notices: dict[str, ObjectType] = {kind.name: kind for kind in defined.events}
        self.schemas: dict[str, EventSchema] = {}
        self._current: dict[str, str] = {}
        self._names: dict[str, str] = {}
        self._counters: Counter[tuple[str, str]] = Counter()
        self._record_types: dict[tuple[str, str], str] = {}
        self.subscriptions: list[Subscribed] = []
        self.bulk_batches = 0
        self.bulk_queries = 0
        self.alterations: list[tuple[str, str, Field | str]] = []
        self._life = 0
        self.cleared: dict[str, list[tuple[str, str, str]]] = {}
        self.faults = Faults()
        self.rules = Rules()
        self.journal = Journal()
        self.channels = Channels()
        self.managed = ManagedSubscriptions()
        self.stream = Stream(self.clock, random.Random(seed + 1), retention)
        self.publisher = Publisher(self, random.Random(seed + 2))
        self.saved: Saved = _unsaved
        self.removed: Removed = _unremoved
        self.at_once: dict[str, Callable[[], None]] = {
            "expire": self.stream.expire,
            "reset": self.stream.reset,
            "break": self.stream.drop,
            "silent": self.stream.silence,
        }
        self._commit_number = 10_000_000_000 + self._rng.randrange(10**9)
        for definition in defined.objects:
            matched = frozenset(str(rule["match"][0]) for rule in definition.rules["duplicates"])
            self._install(definition.kind, matched)
        for kind in defined.events:
            self._publish_schema(kind, notice_schema(kind))
        for definition in defined.objects:
            self._install_rules(definition.kind, definition.rules)
        self.staff: Staff = hire(self.tables["User"], self.ids, self.clock.second())
        for definition in defined.objects:
            self._install_record_types(definition.kind)
        self.access = Access(self.tables, self.ids, self.staff.integration, self.clock.second())

    def table(self, object_name: str) -> Table:
        """The records of an object; the name is case-insensitive. Raises ApiError NOT_FOUND."""
        name = self._names.get(object_name.lower())
        if name is None:
            raise ApiError("NOT_FOUND", "The requested resource does not exist")
        return self.tables[name]

    def table_of(self, identifier: str) -> Table | None:
        """The table whose ids begin like this one."""
        prefix = identifier[:3]
        return next((each for each in self.tables.values() if each.kind.prefix == prefix), None)

    def schema_of(self, source: str) -> EventSchema:
        """The schema that change events of an object, or notices of that name, are written under now."""
        return self.schemas[self._current[source]]

    def topic(self, name: str) -> Topic | None:
        """What a topic carries; None for an unknown topic (case-sensitive).

        Of several objects it carries those that the user may see.
        """
        selected = {
            kind.topic: kind.name
            for kind in self.objects.values()
            if kind.change_events and kind.name not in self.access.unselected
        }
        if name == ALL_CHANGES:
            seen = [each for each in selected.values() if self.access.sees_all(each)]
            return Topic(name, dict.fromkeys(seen), single=False)
        if name in selected:
            return Topic(name, {selected[name]: None}, single=True)
        if name.startswith("/event/") and name.removeprefix("/event/") in self.notices:
            return Topic(name, {name.removeprefix("/event/"): None}, single=True, publishable=True)
        found = self.channels.topic(name)
        if found is None:
            return None
        members = {each: member for each, member in found.members.items() if self.access.sees_all(each)}
        return replace(found, members=members)

    def record_type(self, object_name: str, developer_name: str) -> str:
        """Id of a record type."""
        return self._record_types[object_name, developer_name]

    def auto_number(self, kind: ObjectType, field: Field) -> str:
        """The next number of an auto-number field."""
        self._counters[kind.name, field.name] += 1
        number = self._counters[kind.name, field.name]
        return _COUNTER.sub(lambda match: str(number).zfill(len(match[1])), field.auto_number)

    def add_field(self, object_name: str, field: Field) -> None:
        """An administrator's change: later events carry a new schema, earlier ones keep theirs."""
        table = self.table(object_name)
        if field.type is FieldType.BOOLEAN:
            for record in list(table):
                table.put(Record(record.object_name, record.id, Row({**record.values, field.name: False})))
        self._redefine(table, table.kind.with_field(field))
        table.reindex(field.name)
        self.alterations.append(("add", table.kind.name, field))

    def remove_field(self, object_name: str, field_name: str) -> None:
        """An administrator's change: the field and its values are gone."""
        table = self.table(object_name)
        self._redefine(table, table.kind.without_field(field_name))
        for record in list(table):
            kept = {name: value for name, value in record.values.items() if name != field_name}
            table.put(Record(record.object_name, record.id, Row(kept)))
        self.alterations.append(("remove", table.kind.name, field_name))

    def forget(self, object_name: str, identifier: str) -> None:
        """Removes a record for good. No change event tells of it."""
        self.tables[object_name].forget(identifier)
        self.removed(object_name, identifier)

    def counters(self) -> dict[str, object]:
        """What an org that goes on later must not count anew."""
        numbers = [[*key, value] for key, value in self._counters.items()]
        return {
            "org_id": self.id,
            "life": self._life,
            "ids": self.ids.counters(),
            "auto_numbers": numbers,
            "commit_number": self._commit_number,
            "position": self.stream.position,
        }

    def resume(self, counters: dict[str, Any], events: list[StoredEvent]) -> None:
        """Goes on from the counters and events of an earlier life."""
        self._life = int(counters["life"]) + 1
        self._rng.seed(f"{self.id} life {self._life}")
        self.publisher.reseed(f"{self.id} events {self._life}")
        self.ids.resume(counters["ids"])
        self._counters = Counter({(name, field): value for name, field, value in counters["auto_numbers"]})
        self._commit_number = int(counters["commit_number"])
        self.stream.resume(int(counters["position"]), events)

    def join(self, channel: str, object_name: str, enriched: Sequence[str], condition: str) -> Member:
        """Puts an object's changes on a channel. Raises ApiError."""
        kind = self.table(object_name).kind
        if not kind.change_events:
            raise ApiError("INVALID_FIELD", f"{kind.name} has no change events", ("SelectedEntity",))
        names: list[str] = []
        for each in enriched:
            field = kind.find(each)
            parts = [part.name for part in kind.parts(each)] or ([field.name] if field else [])
            if not parts:
                raise ApiError("INVALID_FIELD", f"no field {each} on {kind.name}", ("EnrichedFields",))
            names += parts
        test = None
        if condition:
            search = Search(kind, self.tables, self.clock)
            test = search.test(grammar.parse_condition(condition))
        member = Member(kind.name, tuple(enriched), tuple(names), condition, test)
        self.channels.join(channel, member)
        return member

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

    def committed(self, records: list[tuple[Table, str]], changes: list[Change], commit: Commit) -> None:
        """Publishes what a transaction changed, and saves it where the org is kept."""
        self.publisher.publish(changes, commit)
        self.saved(found for table, each in records if (found := table.get(each)) is not None)

    def transaction_key(self) -> str:
        """A new key for the events of one transaction."""
        return str(uuid.UUID(int=self._rng.getrandbits(128), version=4))

    def commit_number(self) -> int:
        """The next commit number: rising, not contiguous."""
        self._commit_number += self._rng.randrange(3, 40)
        return self._commit_number

    def _install(self, kind: ObjectType, matched: frozenset[str]) -> None:
        self.objects[kind.name] = kind
        self.tables[kind.name] = Table(kind, matched)
        self._names[kind.name.lower()] = kind.name
        if kind.change_events:
            self._publish_schema(kind, change_schema(kind))

    def _install_rules(self, kind: ObjectType, written: dict[str, list[dict[str, object]]]) -> None:
        search = Search(kind, self.tables, self.clock)
        for rule in written["validations"]:
            condition = str(rule["when"])
            try:
                test = search.test(grammar.parse_condition(condition))
            except ApiError as error:
                text = f"{kind.name}: validation '{condition}': {error.message}"
                raise ApiError(error.code, text) from None
            self.rules.validations.append(
                Validation(kind.name, condition, str(rule["message"]), str(rule.get("field", "")), test)
            )
        for rule in written["duplicates"]:
            match = rule["match"]
            names = tuple(str(each) for each in match) if isinstance(match, list) else (str(match),)
            self.rules.duplicates.append(
                DuplicateRule(kind.name, str(rule["name"]), names, rule.get("block") is True)
            )
        for rule in written["flows"]:
            self.rules.flows.append(Flow(kind.name, str(rule["when"]), str(rule["set"]), str(rule["value"])))

    def _install_record_types(self, kind: ObjectType) -> None:
        at, user = self.clock.second(), self.staff.automated.id
        for name in kind.record_types:
            identifier = self.ids.make("012")
            self._record_types[kind.name, name] = identifier
            values: dict[str, Value] = {
                "Id": identifier,
                "Name": name.replace("_", " "),
                "DeveloperName": name,
                "SobjectType": kind.name,
                "IsActive": True,
                "IsDeleted": False,
                **dict.fromkeys(("CreatedDate", "LastModifiedDate", "SystemModstamp"), at),
                **dict.fromkeys(("CreatedById", "LastModifiedById"), user),
            }
            self.tables["RecordType"].put(Record("RecordType", identifier, Row(values)))

    def _redefine(self, table: Table, kind: ObjectType) -> None:
        table.kind = kind
        self.objects[kind.name] = kind
        if kind.change_events:
            self._publish_schema(kind, change_schema(kind))

    def _publish_schema(self, kind: ObjectType, built: EventSchema) -> None:
        self.schemas[built.id] = built
        self._current[kind.name] = built.id


def _unsaved(records: Iterable[Record]) -> None:
    """An org that is kept in memory only."""


def _unremoved(object_name: str, identifier: str) -> None:
    """As above."""
