"""Change events tell everything: folded one by one they give the records that REST shows, and a transaction
that is undone leaves no trace."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime
from typing import Any

import pytest

from adapters.sandbox.salesforce.org.actor import page_actor
from adapters.sandbox.salesforce.org.errors import ApiError
from adapters.sandbox.salesforce.org.org import Org
from tests.sandbox.salesforce.client import Client, Event

OBJECTS = ("Account", "Contact", "Invoice__c")
STEPS = 60
Fields = dict[str, Any]
LONG = "\n".join(f"line {number}, which is long enough to make the whole text long" for number in range(30))


def body(rng: random.Random, name: str, accounts: list[str]) -> Fields:
    """Some fields of an object with values that fit, or null."""
    common: dict[str, list[Any]] = {
        "Account": [
            *(("Phone", "1"), ("Phone", None), ("BillingCity", "Ulm"), ("BillingStreet", None)),
            *(("Credit_Limit__c", 10.25), ("Order_Block__c", True), ("Depot__Latitude__s", 1.5)),
            *(("Rating", "Hot"), ("Tier__c", "Gold")),
            *(("Description", LONG), ("Description", LONG.replace("line 7", "line seven"))),
        ],
        "Contact": [("FirstName", "Zoë"), ("FirstName", None), ("Birthdate", "2000-02-29"), ("Title", "CFO")],
        "Invoice__c": [
            ("Gross_Amount__c", 9.95),
            ("Paid_At__c", "2026-05-05T10:00Z"),
            ("Status__c", None),
        ],
    }
    fields = dict(rng.sample(common[name], rng.randrange(1, 4)))
    fields |= {"Account": {"Name": f"A{rng.randrange(50)}"}, "Contact": {"LastName": "L"}}.get(name, {})
    if name != "Account" and accounts:
        fields["AccountId" if name == "Contact" else "Account__c"] = rng.choice(accounts)
    return fields


def writes(rng: random.Random, live: dict[str, list[str]], gone: list[tuple[str, str]]) -> list[Fields]:
    """The writes of one transaction."""
    made: list[Fields] = []
    for _ in range(rng.randrange(1, 5)):
        name = rng.choice(OBJECTS)
        kind = rng.choice(("create", "create", "update", "update", "update", "delete", "undelete"))
        write: Fields = {"op": kind, "object": name, "fields": body(rng, name, live["Account"])}
        if kind == "undelete":
            if not gone:
                continue
            write["object"], write["id"] = rng.choice(gone)
        elif kind != "create":
            if not live[name]:
                continue
            write["id"] = rng.choice(live[name])
        made.append(write)
    return made


async def survey(client: Client) -> tuple[dict[str, list[str]], list[tuple[str, str]]]:
    """Ids of live records by object, and those in the bin."""
    live: dict[str, list[str]] = {}
    gone: list[tuple[str, str]] = []
    for name in OBJECTS:
        rows = (await client.query(f"SELECT Id, IsDeleted FROM {name}", "queryAll"))["records"]
        live[name] = [row["Id"] for row in rows if not row["IsDeleted"]]
        gone += [(name, row["Id"]) for row in rows if row["IsDeleted"]]
    return live, gone


def fold(records: dict[str, Fields], event: Event) -> None:
    """Applies one event to the copy."""
    header = event.header
    flat: Fields = {}
    for name, value in event.body.items():
        parts = value.items() if isinstance(value, dict) else ()
        flat |= {f"{name}.{part}": inner for part, inner in parts} if parts else {name: value}
    for identifier in header["recordIds"]:
        if header["changeType"] in ("CREATE", "UNDELETE"):
            records[identifier] = {name: value for name, value in flat.items() if value is not None}
        elif header["changeType"] == "DELETE":
            del records[identifier]
        else:
            nulled, diffs = set(event.names("nulledFields")), set(event.names("diffFields"))
            for name in event.names("changedFields"):
                if name in nulled:
                    records[identifier].pop(name, None)
                else:
                    records[identifier][name] = LONG.replace("7", "?") if name in diffs else flat[name]


def shown(value: Any, kind: str) -> Any:
    """A value of REST as events carry it."""
    if kind == "datetime":
        return int(datetime.fromisoformat(value).timestamp() * 1000)
    if kind == "date":
        day = date.fromisoformat(value)
        return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp() * 1000)
    return value


async def held(client: Client, name: str) -> dict[str, Fields]:
    """The live records of an object, named and valued as in events."""
    described = (await client.call("GET", f"sobjects/{name}/describe")).json()["fields"]
    kinds = {each["name"]: each for each in described if each["type"] not in ("address", "location", "id")}
    rows = (await client.query(f"SELECT {', '.join(kinds)} FROM {name}"))["records"]
    ids = (await client.query(f"SELECT Id FROM {name}"))["records"]
    found: dict[str, Fields] = {}
    for row, key in zip(rows, ids, strict=True):
        fields: Fields = {}
        for field, about in kinds.items():
            untold = field in ("IsDeleted", "SystemModstamp") or (name == "Contact" and field == "Name")
            if row[field] is None or untold:
                continue
            compound = about["compoundFieldName"]
            stem = (compound or "").removesuffix("Address").removesuffix("__c")
            part = field.removeprefix(stem).strip("_").removesuffix("__s") if stem != "Name" else field
            fields[f"{compound}.{part}" if compound else field] = shown(row[field], about["type"])
        found[key["Id"]] = fields
    return found


@pytest.mark.parametrize("seed", [1, 2])
async def test_events_folded_one_by_one_give_the_records(empty: Client, seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(STEPS):
        live, gone = await survey(empty)
        body = {"user": rng.choice(("sales", "finance")), "writes": writes(rng, live, gone)}
        await empty.http.post("/_sandbox/transaction", json=body)
        await empty.http.post("/_sandbox/clock", json={"advance": 1})
    count = 0
    records: dict[str, dict[str, Fields]] = {name: {} for name in OBJECTS}
    marker = await empty.create(Name="the end")
    for event in await everything(empty):
        fold(records[event.header["entityName"]], event)
        count += 1
    assert marker in records["Account"]
    assert count > STEPS // 2
    for name in OBJECTS:
        expected = await held(empty, name)
        for fields in (*expected.values(), *records[name].values()):
            fields.pop("Description", None)
        assert records[name] == expected


async def everything(client: Client) -> list[Event]:
    """All events up to the marker."""
    found: list[Event] = []
    while not found or found[-1].body.get("Name") != "the end":
        found += await client.events(1, after=found[-1].replay_id if found else None)
    return found


def test_a_part_that_fails_leaves_no_trace() -> None:
    org = Org(3)
    rng = random.Random(3)
    live: dict[str, list[str]] = {name: [] for name in OBJECTS}
    for _ in range(40):
        before, tip = trace(org), org.stream.position
        with pytest.raises(ApiError, match="undone"):
            undone(org, rng, live)
        assert trace(org) == before
        assert org.stream.position == tip
        with org.transaction(page_actor(org.staff.sales)) as work:
            change(org, work, rng, live)
        live = {name: [each.id for each in org.tables[name] if not each.deleted] for name in OBJECTS}


def undone(org: Org, rng: random.Random, live: dict[str, list[str]]) -> None:
    """Writes, and then not."""
    with org.transaction(page_actor(org.staff.sales)) as work:
        change(org, work, rng, live)
        raise ApiError("UNKNOWN_EXCEPTION", "undone")


def trace(org: Org) -> object:
    """Every record, and what it is found by."""
    tables = [org.tables[name] for name in OBJECTS]
    accounts = [each.id for each in org.tables["Account"]]
    children = zip(tables[1:], ("AccountId", "Account__c"), strict=True)
    parents = [[(one, *table.matching(field, one)) for one in accounts] for table, field in children]
    return [{each.id: each for each in table} for table in tables], parents


def change(org: Org, work: Any, rng: random.Random, live: dict[str, list[str]]) -> None:
    """Some writes, some of which may be refused."""
    for _ in range(4):
        name = rng.choice(OBJECTS)
        fields = body(rng, name, live["Account"])
        try:
            if live[name] and rng.random() < 0.5:
                work.update(name, rng.choice(live[name]), fields)
            else:
                work.create(name, fields)
        except ApiError:
            continue
