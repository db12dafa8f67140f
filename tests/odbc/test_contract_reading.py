"""Reading and values: what drivers alter silently arrives as it was stored."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal

import pytest

from agent.core.change import RawValue
from agent.core.delivery import DeliveryKind, Outcome, OutcomeKind, Reason
from agent.errors import Refused
from agent.ports import System
from tests.odbc.site import Site, apply_one, create, read_one


async def _write(system: System, key: str, **fields: RawValue) -> Outcome:
    delivery = replace(create(f"m-{key}", ""), object="sample", key=key, fields=fields)
    return await apply_one(system, delivery)


async def _round_trip(site: Site, **fields: RawValue) -> dict[str, RawValue]:
    system = site.system()
    outcome = await _write(system, "A1", **fields)
    assert outcome.kind is OutcomeKind.ACCEPTED, outcome
    row = await read_one(system, "sample", "A1")
    assert row.fields is not None
    return {name: row.fields[name] for name in fields}


@pytest.mark.parametrize("value", [2**53 + 1, 2**31 + 5, -(2**63), 2**63 - 1, 0])
async def test_big_integers_survive(site: Site, value: int) -> None:
    assert await _round_trip(site, big=value) == {"big": value}


async def test_big_integers_survive_sqlite_for_other_writers(sqlite_site: Site) -> None:
    sqlite_site.user().execute("INSERT INTO sample (code, big) VALUES ('A1', 9007199254740993)")
    row = await read_one(sqlite_site.system(), "sample", "A1")
    assert row.fields is not None and row.fields["big"] == 9007199254740993


@pytest.mark.parametrize("text", ["12345678901234.5678", "0.0001", "-1.5000", "100"])
async def test_decimals_are_exact(site: Site, text: str) -> None:
    found = await _round_trip(site, amount=Decimal(text))
    assert found["amount"] == Decimal(text) and type(found["amount"]) is Decimal


async def test_microseconds_and_zones_survive(site: Site) -> None:
    moment = datetime(2026, 3, 29, 2, 30, 0, 123456, tzinfo=timezone(timedelta(hours=2)))
    found = await _round_trip(site, moment=moment, day=date(2026, 2, 28))
    assert found == {"moment": moment.astimezone(UTC), "day": date(2026, 2, 28)}
    assert isinstance(found["moment"], datetime) and found["moment"].tzinfo is UTC


async def test_date_times_without_a_zone_are_the_erps_local_time(site: Site) -> None:
    key = site.business.create_customer("Adler")
    site.user().execute("UPDATE customer SET changed_at = '2026-07-01 12:00:00' WHERE customer_id = ?", key)
    row = await read_one(site.system(timezone="Europe/Berlin"), "customer", str(key))
    assert row.fields is not None
    assert row.fields["changed_at"] == datetime(2026, 7, 1, 10, 0, tzinfo=UTC)


async def test_booleans_are_booleans(site: Site) -> None:
    assert await _round_trip(site, flag=True) == {"flag": True}
    system = site.system()
    await _write(system, "B", flag=False)
    row = await read_one(system, "sample", "B")
    assert row.fields is not None and row.fields["flag"] is False


async def test_blank_padding_means_nothing_and_null_is_not_empty(site: Site) -> None:
    assert await _round_trip(site, padded="ab", note="") == {"padded": "ab", "note": ""}
    system = site.system()
    await _write(system, "B", padded=None, note=None)
    row = await read_one(system, "sample", "B")
    assert row.key == "B" and row.fields is not None
    assert row.fields["padded"] is None and row.fields["note"] is None


@pytest.mark.parametrize("text", ["ü€😀" * 200, "x" * 255, "y" * 70000, "a'b\"c\\d;--\n", " lead and trail "])
async def test_text_survives_whatever_its_length(site: Site, text: str) -> None:
    assert await _round_trip(site, note=text) == {"note": text}


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"note": "a\0b"}, "nul"),
        ({"note": "\ud800"}, "surrogate"),
        ({"padded": "x" * 11}, "too-long"),
        ({"big": "many"}, "unreadable"),
        ({"day": "31.12.2026"}, "unreadable"),
        ({"amount": Decimal("NaN")}, "unreadable"),
    ],
)
async def test_values_that_would_be_altered_are_refused_before_they_are_sent(
    site: Site, fields: dict[str, RawValue], code: str
) -> None:
    outcome = await _write(site.system(), "A1", **fields)
    assert (outcome.kind, outcome.reason, outcome.code) == (OutcomeKind.REJECTED, Reason.INVALID, code)
    assert site.one("SELECT count(*) FROM sample") == 0


async def test_digits_beyond_the_columns_scale_are_refused_not_rounded(postgresql_site: Site) -> None:
    outcome = await _write(postgresql_site.system(), "A1", amount=Decimal("1.00005"))
    assert (outcome.reason, outcome.code) == (Reason.INVALID, "scale")


async def test_an_integer_beyond_the_column_is_invalid(postgresql_site: Site) -> None:
    outcome = await _write(postgresql_site.system(), "A1", big=2**70)
    assert (outcome.reason, outcome.code) == (Reason.INVALID, "22003")


async def test_read_gives_one_row_per_key_in_the_order_asked(site: Site) -> None:
    first, second = (str(site.business.create_customer(name)) for name in ("a", "b"))
    system = site.system()
    assert system.reader is not None
    asked = [second, "999999", first, "x", second]
    result = await system.reader.read("customer", asked)
    assert [row.key for row in result.rows] == asked
    names = [row.fields and row.fields["name"] for row in result.rows]
    assert names == ["b", None, "a", None, "b"]
    assert result.not_before is None and result.not_after is None


async def test_many_keys_are_read_in_chunks(site: Site) -> None:
    keys = [str(site.business.create_customer(f"n{number}")) for number in range(205)]
    system = site.system()
    assert system.reader is not None
    result = await system.reader.read("customer", keys)
    assert [row.fields and row.fields["name"] for row in result.rows] == [f"n{n}" for n in range(205)]


async def test_pages_hold_every_record_once_in_key_order(site: Site) -> None:
    keys = [site.business.create_customer(f"n{number}") for number in range(3)]
    connection = site.user(autocommit=False)
    for number in range(1100):
        connection.execute("INSERT INTO sample (code) VALUES (?)", f"K{number:05d}")
    connection.commit()
    system = site.system()
    assert system.reader is not None
    pages = [page async for page in system.reader.page("sample")]
    assert [len(page.rows) for page in pages] == [500, 500, 100]
    assert [row.key for page in pages for row in page.rows] == [f"K{number:05d}" for number in range(1100)]
    (customers,) = [page async for page in system.reader.page("customer")]
    assert [int(row.key) for row in customers.rows] == keys
    (empty,) = [page async for page in system.reader.page("invoice")]
    assert empty.rows == ()


async def test_integer_keys_are_paged_as_numbers(site: Site) -> None:
    connection = site.user()
    for key in (9, 10, 100, 2):
        connection.execute("INSERT INTO customer (customer_id, name) VALUES (?, 'x')", key)
    system = site.system()
    assert system.reader is not None
    (page,) = [page async for page in system.reader.page("customer")]
    assert [row.key for row in page.rows] == ["2", "9", "10", "100"]


async def test_an_unknown_object_is_refused(site: Site) -> None:
    with pytest.raises(Refused, match="no object 'nothing'"):
        await read_one(site.system(), "nothing", "1")


async def test_a_value_is_never_part_of_the_statement(site: Site) -> None:
    system = site.system()
    hostile = "'); DROP TABLE sample; --"
    assert (await _write(system, "A1", note=hostile)).kind is OutcomeKind.ACCEPTED
    assert await system.target.find("sample", {"note": hostile})
    assert (await read_one(system, "sample", hostile)).fields is None
    update = replace(create("m2", ""), object="sample", key=hostile, kind=DeliveryKind.DELETE)
    assert (await apply_one(system, update)).reason is Reason.GONE
