"""The adapter against the sandbox org, over the wire, with TLS and a JWT, as against a real one."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx2
import pytest

from adapters.salesforce.settings import Settings
from adapters.salesforce.system import connect
from agent.core.change import Change, ChangeKind, Operation, Row
from agent.core.delivery import Delivery, DeliveryKind, Guard, Outcome, OutcomeKind, Reason
from agent.core.objects import FieldSpec, FieldType, ObjectSpec
from agent.errors import PositionLost, Unreachable
from agent.ports import System

ACCOUNT = ObjectSpec(
    name="Account",
    key="Id",
    external_id="Isthmus_Id__c",
    fields=(
        *(FieldSpec(name) for name in ("Name", "AccountNumber", "Phone", "BillingStreet", "BillingCity")),
        FieldSpec("Credit_Limit__c", FieldType.DECIMAL),
        FieldSpec("Order_Block__c", FieldType.BOOLEAN),
    ),
)
INVOICE = ObjectSpec(
    name="Invoice__c",
    key="Id",
    external_id="Isthmus_Id__c",
    fields=(
        FieldSpec("Name"),
        FieldSpec("Account__c", FieldType.REFERENCE),
        FieldSpec("Due_Date__c", FieldType.DATE),
        FieldSpec("Gross_Amount__c", FieldType.DECIMAL),
        FieldSpec("Paid_At__c", FieldType.DATETIME),
    ),
)
TOPIC = "/data/AccountChangeEvent"
_numbers = itertools.count(1)
#: Changes that were read and not yet looked at, by system.
_left: dict[int, deque[Change]] = {}


@dataclass
class Sandbox:
    """A running sandbox and the systems connected to it."""

    info: dict[str, Any]
    systems: list[System] = field(default_factory=list)

    def connect(self, client: str = "isthmus") -> System:
        settings = Settings(
            login_url=self.info["https"],
            auth="jwt",
            client_id=self.info["client_id"],
            username=self.info["username"],
            key="file:key",
            pubsub_endpoint=self.info["grpc"],
            ca_file=self.info["ca_file"],
            client=client,
            slack_s=0,
        )

        def secret(reference: str) -> str:
            return Path(self.info["jwt_key_file"]).read_text(encoding="ascii")

        system = connect("crm", settings, [ACCOUNT, INVOICE], secret)
        self.systems.append(system)
        return system

    async def arm(self, kind: str, **more: Any) -> None:
        async with httpx2.AsyncClient(trust_env=False) as client:
            answer = await client.post(f"{self.info['http']}/_sandbox/faults", json={"kind": kind, **more})
            answer.raise_for_status()

    async def clear(self) -> None:
        async with httpx2.AsyncClient(trust_env=False) as client:
            (await client.delete(f"{self.info['http']}/_sandbox/faults")).raise_for_status()


@pytest.fixture(scope="module")
def process() -> Iterator[dict[str, Any]]:
    """One sandbox for the module; what it prints says where it listens."""
    ports = ("--http-port", "--https-port", "--grpc-port", "--plaintext-grpc-port")
    arguments = [word for port in ports for word in (port, "0")]
    command = [
        sys.executable,
        "-m",
        "adapters.sandbox.salesforce",
        *arguments,
        "--seed",
        "7",
        "--accounts",
        "3",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as running:
        assert running.stdout is not None
        try:
            yield json.loads(running.stdout.readline())
        finally:
            running.terminate()


@pytest.fixture
async def sandbox(process: dict[str, Any]) -> AsyncIterator[Sandbox]:
    sandbox = Sandbox(process)
    yield sandbox
    _left.clear()
    for system in sandbox.systems:
        await system.source.close()
        await system.target.close()
    await sandbox.clear()


def command(kind: DeliveryKind, key: str | None, reference: str = "", **changes: Any) -> Delivery:
    plain: dict[str, Any] = {
        "message_id": f"1-{next(_numbers)}",
        "entity_type": "customer",
        "object": "Account",
        "kind": kind,
        "key": key,
        "reference": reference or "none",
        "fields": {},
    }
    return Delivery(**(plain | changes))


async def apply(system: System, delivery: Delivery) -> Outcome:
    (outcome,) = await system.target.apply([delivery])
    return outcome


async def born(system: System, **fields: Any) -> tuple[str, str]:
    """Create an account; returns its key and its external id."""
    reference = f"cust-{next(_numbers):06d}"
    values = {"Name": f"Nordlicht {reference}", **fields}
    outcome = await apply(system, command(DeliveryKind.CREATE, None, reference, fields=values))
    assert (outcome.kind, outcome.text) == (OutcomeKind.ACCEPTED, "")
    assert outcome.key is not None
    return outcome.key, reference


async def row(system: System, key: str, object: str = "Account") -> Row:
    assert system.reader is not None
    return (await system.reader.read(object, [key])).rows[0]


async def changes_until(system: System, wanted: Callable[[Change], bool]) -> list[Change]:
    """Read the stream up to the first change that is wanted, which is the last one returned.

    What a batch holds behind it is kept for the next call.
    """
    seen: list[Change] = []
    left = _left.setdefault(id(system), deque())
    while True:
        while left:
            seen.append(left.popleft())
            if wanted(seen[-1]):
                return seen
        left.extend((await system.source.read()).changes)


async def change_of(system: System, key: str, operation: Operation) -> Change:
    seen = await changes_until(system, lambda change: key in change.keys and change.operation is operation)
    return seen[-1]


async def tip(system: System) -> bytes:
    """Write a record and read up to its event; returns the position there."""
    key, _ = await born(system)
    while True:
        batch = await system.source.read()
        if any(key in change.keys for change in batch.changes):
            assert batch.position is not None
            return batch.position


async def test_check_finds_everything_right(sandbox: Sandbox) -> None:
    checks = await sandbox.connect().probe.check()
    assert [check for check in checks if not check.ok] == []
    assert len(checks) > 15


async def test_created_record_comes_back_as_event_and_read_with_equal_values(sandbox: Sandbox) -> None:
    system = sandbox.connect("isthmus-9")
    await system.source.open({})
    key, reference = await born(
        system, BillingStreet="Hafenweg 1", Credit_Limit__c=Decimal("50000.10"), Order_Block__c=False
    )
    change = await change_of(system, key, Operation.CREATE)
    found = await row(system, key)
    assert found.fields is not None
    assert dict(change.fields) == dict(found.fields)
    assert change.fields["Isthmus_Id__c"] == reference
    assert change.fields["Credit_Limit__c"] == Decimal("50000.10")
    assert (change.version, change.origin, change.stream) == (found.version, "isthmus-9", TOPIC)


async def test_update_and_nulled_field(sandbox: Sandbox) -> None:
    system = sandbox.connect()
    await system.source.open({})
    key, _ = await born(system, Phone="1", BillingCity="Kiel")
    fields = {"Phone": None, "BillingCity": "Lübeck", "Credit_Limit__c": Decimal("0.30")}
    assert (
        await apply(system, command(DeliveryKind.UPDATE, key, fields=fields))
    ).kind is OutcomeKind.ACCEPTED
    change = await change_of(system, key, Operation.UPDATE)
    assert dict(change.fields) == fields


async def test_invoice_dates_and_amounts_are_equal_in_event_and_read(sandbox: Sandbox) -> None:
    system = sandbox.connect()
    await system.source.open({})
    customer, _ = await born(system)
    fields = {
        "Name": "90000001",
        "Account__c": customer,
        "Due_Date__c": date(2026, 12, 31),
        "Gross_Amount__c": Decimal("1190.00"),
        "Paid_At__c": datetime(2026, 11, 23, 12, 30, tzinfo=UTC),
    }
    outcome = await apply(
        system, command(DeliveryKind.CREATE, None, "inv-90000001", object="Invoice__c", fields=fields)
    )
    assert outcome.key is not None
    change = await change_of(system, outcome.key, Operation.CREATE)
    found = await row(system, outcome.key, "Invoice__c")
    assert found.fields is not None
    assert {name: change.fields[name] for name in fields} == fields
    assert dict(found.fields) == dict(change.fields)


async def test_condition_fails_after_another_write(sandbox: Sandbox) -> None:
    system = sandbox.connect()
    key, _ = await born(system)
    stale = Guard(version="2020-01-01T00:00:00.000Z")
    outcome = await apply(system, command(DeliveryKind.UPDATE, key, fields={"Phone": "2"}, guard=stale))
    assert (outcome.kind, outcome.reason) == (OutcomeKind.REJECTED, Reason.PRECONDITION)
    fresh = Guard(version=(await row(system, key)).version)
    outcome = await apply(system, command(DeliveryKind.UPDATE, key, fields={"Phone": "2"}, guard=fresh))
    assert outcome.kind is OutcomeKind.ACCEPTED


async def test_deleted_record_is_gone_everywhere(sandbox: Sandbox) -> None:
    system = sandbox.connect()
    await system.source.open({})
    key, _ = await born(system)
    other, _ = await born(system)
    assert (await apply(system, command(DeliveryKind.DELETE, key))).kind is OutcomeKind.ACCEPTED
    assert (await change_of(system, key, Operation.DELETE)).fields == {}
    assert (await row(system, key)).fields is None
    plain = [command(DeliveryKind.UPDATE, each, fields={"Phone": "3"}) for each in (key, other)]
    assert (await apply(system, plain[0])).reason is Reason.GONE
    together = await system.target.apply(plain)
    assert (together[0].reason, together[1].kind) == (Reason.GONE, OutcomeKind.ACCEPTED)


async def test_a_value_too_long_rejects_only_its_own_record(sandbox: Sandbox) -> None:
    system = sandbox.connect()
    keys = [(await born(system))[0] for _ in range(2)]
    outcomes = await system.target.apply(
        [
            command(DeliveryKind.UPDATE, keys[0], fields={"Phone": "9" * 41}),
            command(DeliveryKind.UPDATE, keys[1], fields={"Phone": "9"}),
        ]
    )
    assert (outcomes[0].reason, outcomes[0].code) == (Reason.INVALID, "STRING_TOO_LONG")
    assert outcomes[1].kind is OutcomeKind.ACCEPTED


@pytest.mark.parametrize("fault", ["expire", "reset"])
async def test_lost_position_is_told_and_the_stream_starts_again(sandbox: Sandbox, fault: str) -> None:
    system = sandbox.connect()
    await system.source.open({})
    position = await tip(system)
    await system.source.close()
    await sandbox.arm(fault)
    await system.source.open({TOPIC: position})
    with pytest.raises(PositionLost) as lost:
        await system.source.read()
    assert lost.value.stream == TOPIC
    await system.source.open({})
    await tip(system)


async def test_broken_stream_is_resumed_without_loss(sandbox: Sandbox) -> None:
    system = sandbox.connect()
    await system.source.open({})
    position = await tip(system)
    await sandbox.arm("break")
    with pytest.raises(Unreachable):
        await changes_until(system, lambda change: False)
    missed, _ = await born(system)
    await system.source.open({TOPIC: position})
    seen = await changes_until(system, lambda change: missed in change.keys)
    assert [change.keys for change in seen] == [(missed,)]


async def test_revoked_tokens_are_replaced(sandbox: Sandbox) -> None:
    system = sandbox.connect()
    await system.source.open({})
    key, _ = await born(system)
    await sandbox.arm("revoke")
    assert (await row(system, key)).fields is not None
    await change_of(system, key, Operation.CREATE)


async def test_duplicate_has_the_same_identity(sandbox: Sandbox) -> None:
    system = sandbox.connect()
    await system.source.open({})
    await tip(system)
    await sandbox.arm("duplicate", scope="Account")
    key, _ = await born(system)
    first = await change_of(system, key, Operation.CREATE)
    again = await change_of(system, key, Operation.CREATE)
    assert first.source_id == again.source_id


async def test_gap_overflow_and_undecodable_are_told_and_the_stream_goes_on(sandbox: Sandbox) -> None:
    system = sandbox.connect()
    await system.source.open({})
    await tip(system)
    await sandbox.arm("gap", scope="Account")
    key, _ = await born(system)
    gap = (await changes_until(system, lambda change: key in change.keys))[-1]
    assert (gap.kind, gap.operation, dict(gap.fields)) == (ChangeKind.GAP, Operation.CREATE, {})
    await sandbox.arm("overflow", scope="Account")
    await born(system)
    overflow = (await changes_until(system, lambda change: not change.keys))[-1]
    assert (overflow.kind, overflow.object) == (ChangeKind.OVERFLOW, "Account")
    await sandbox.arm("undecodable", scope="Account")
    await born(system)
    garbled = (await changes_until(system, lambda change: change.kind is ChangeKind.UNDECODABLE))[-1]
    assert garbled.raw
    await tip(system)


async def test_locked_row_and_limits_are_retried_and_nothing_was_written(sandbox: Sandbox) -> None:
    system, other = sandbox.connect(), sandbox.connect()
    key, _ = await born(system, Phone="1")
    update = command(DeliveryKind.UPDATE, key, fields={"Phone": "2"})
    for fault in ("lock-row", "unavailable", "limit"):
        await sandbox.arm(fault)
        outcome = await apply(system, update)
        assert outcome.kind is OutcomeKind.RETRY, fault
        assert outcome.retry_after is not None
        fields = (await row(other, key)).fields
        assert fields is not None
        assert fields["Phone"] == "1"
    assert (await apply(other, update)).kind is OutcomeKind.ACCEPTED


async def test_lost_answer_is_uncertain_though_it_was_written(sandbox: Sandbox) -> None:
    system = sandbox.connect()
    key, _ = await born(system, Phone="1")
    await sandbox.arm("answer-lost", scope="Account", method="PATCH")
    outcome = await apply(system, command(DeliveryKind.UPDATE, key, fields={"Phone": "2"}))
    assert outcome.kind is OutcomeKind.UNCERTAIN
    fields = (await row(system, key)).fields
    assert fields is not None
    assert fields["Phone"] == "2"


async def test_uncertain_create_sent_again_makes_one_record(sandbox: Sandbox) -> None:
    system = sandbox.connect()
    await born(system)
    reference = "cust-lost-1"
    create = command(DeliveryKind.CREATE, None, reference, fields={"Name": "Einmal"})
    await sandbox.arm("answer-lost", scope="Account", method="PATCH")
    assert (await apply(system, create)).kind is OutcomeKind.UNCERTAIN
    again = await apply(
        system, command(DeliveryKind.CREATE, None, reference, fields=create.fields, uncertain=True)
    )
    assert again.kind is OutcomeKind.ACCEPTED
    rows = await system.target.find("Account", {"Isthmus_Id__c": reference})
    assert [one.key for one in rows] == [again.key]


async def test_creates_in_one_request_are_repeatable(sandbox: Sandbox) -> None:
    system = sandbox.connect()
    creates = [
        command(DeliveryKind.CREATE, None, f"cust-batch-{number}", fields={"Name": f"Batch {number}"})
        for number in range(3)
    ]
    first = await system.target.apply(creates)
    again = await system.target.apply(creates)
    assert [outcome.kind for outcome in (*first, *again)] == [OutcomeKind.ACCEPTED] * 6
    assert [outcome.key for outcome in first] == [outcome.key for outcome in again]
    assert ["created=true" in outcome.evidence for outcome in (*first, *again)] == [True] * 3 + [False] * 3


async def test_pages_hold_every_record_in_key_order(sandbox: Sandbox) -> None:
    system = sandbox.connect()
    key, _ = await born(system)
    assert system.reader is not None
    keys = [one.key async for page in system.reader.page("Account") for one in page.rows]
    assert key in keys
    assert keys == sorted(set(keys))


async def test_window_of_a_read_holds_the_writes_before_it(sandbox: Sandbox) -> None:
    system = sandbox.connect()
    await system.source.open({})
    key, _ = await born(system)
    change = await change_of(system, key, Operation.CREATE)
    assert system.reader is not None
    result = await system.reader.read("Account", [key])
    assert change.at is not None
    assert result.not_before is not None
    assert result.not_after is not None
    assert result.not_before < result.not_after
    assert change.at < result.not_after
