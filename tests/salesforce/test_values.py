"""A value is the same whether an event or a read tells it, in each of the ways to read.

Else every read would look like a change of the record, and every event like another one.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from adapters.salesforce.values import from_event, from_json
from agent.core.change import ChangeKind
from agent.core.objects import FieldSpec, FieldType, ObjectSpec
from tests.salesforce.fresh import fresh_org

NOON = 1_795_437_932_007  # 2026-11-23T12:45:32.007Z


@pytest.mark.parametrize(
    ("hint", "kind", "told", "read"),
    [
        ("DateOnly", FieldType.DATE, 1_795_392_000_000, "2026-11-23"),
        ("DateOnly", FieldType.TEXT, 1_795_392_000_000, "2026-11-23"),
        ("DateOnly", FieldType.TEXT, -86_400_000, "1969-12-31"),
        ("DateTime", FieldType.DATETIME, NOON, "2026-11-23T12:45:32.007+0000"),
        ("DateTime", FieldType.TEXT, NOON, "2026-11-23T12:45:32.007+0000"),
        ("DateTime", FieldType.TEXT, NOON - 7, "2026-11-23T12:45:32.000+0000"),
        ("TimeOnly", FieldType.TEXT, 30_600_000, "08:30:00.000Z"),
        ("TimeOnly", FieldType.TEXT, 1, "00:00:00.001Z"),
        ("TimeOnly", FieldType.TEXT, 86_399_999, "23:59:59.999Z"),
        ("Integer", FieldType.INTEGER, 7, 7),
        ("Integer", FieldType.DECIMAL, 7, 7),
        ("Boolean", FieldType.BOOLEAN, True, True),
        ("MultiEnum", FieldType.TEXT, "red;green", "red;green"),
    ],
)
def test_an_event_and_a_read_tell_the_same(hint: str, kind: FieldType, told: int, read: object) -> None:
    value = from_event(told, hint, kind)
    assert (type(value), value) == (type(from_json(read, kind)), from_json(read, kind))


@pytest.mark.parametrize("way", ["rest", "bulk", "bulk2"])
async def test_times_and_choices_of_a_record_are_equal_in_event_read_and_snapshot(
    tmp_path: Path, way: str
) -> None:
    texts = (FieldSpec("Name"), FieldSpec("Delivery_Window__c"), FieldSpec("Start_Date__c"))
    spec = ObjectSpec("Subscription__c", "Id", texts)
    async with fresh_org(tmp_path) as org:
        system = org.connect(spec, snapshot=way)
        await system.source.open({})
        fields = {"Delivery_Window__c": "08:30:00.000Z", "Start_Date__c": "2026-03-01"}
        one = {"op": "create", "object": "Subscription__c", "fields": fields}
        (key,) = (await org.control("transaction", {"writes": [one]}))["ids"]
        while True:
            found = [one for one in (await system.source.read()).changes if one.keys == (key,)]
            if found:
                break
        assert found[0].kind is ChangeKind.EVENT
        assert system.reader is not None
        (row,) = (await system.reader.read("Subscription__c", [key])).rows
        pages = [page async for page in system.reader.page("Subscription__c")]
        (listed,) = [row for page in pages for row in page.rows if row.key == key]
    assert row.fields is not None
    assert {name: row.fields[name] for name in fields} == fields
    assert dict(found[0].fields) == dict(row.fields) == dict(listed.fields or {})
