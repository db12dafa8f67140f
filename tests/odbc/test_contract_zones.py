"""Points in time in columns without a zone are the ERP's own local time, read and written."""

from __future__ import annotations

import shutil
import zoneinfo
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from adapters.odbc.session import Session
from agent.core.delivery import OutcomeKind, Reason
from agent.errors import Refused
from tests.odbc.site import Site, apply_one, create, read_one, update

#: Clocks in Berlin are put back at 01:00 UTC: 02:30 comes twice.
_FIRST = datetime(2026, 10, 25, 0, 30, 0, 123456, tzinfo=UTC)
_SECOND = _FIRST + timedelta(hours=1)


@pytest.mark.invariant("I13")
@pytest.mark.parametrize(
    ("moment", "stored"),
    [
        (datetime(2026, 7, 1, 10, 30, tzinfo=UTC), "2026-07-01 12:30:00"),
        (datetime(2026, 12, 31, 23, 30, tzinfo=UTC), "2027-01-01 00:30:00"),
    ],
)
async def test_a_moment_is_written_in_the_erps_own_zone_and_read_back_the_same(
    site: Site, moment: datetime, stored: str
) -> None:
    written = replace(create("m1", ""), object="sample", key="A1", fields={"moment": moment})
    system = site.system(timezone="Europe/Berlin")
    assert (await apply_one(system, written)).kind is OutcomeKind.ACCEPTED
    if site.dialect.name == "sqlite":  # the others hold a point in time there
        assert site.one("SELECT CAST(moment AS TEXT) FROM sample") == stored
    row = await read_one(system, "sample", "A1")
    assert row.fields is not None
    assert row.fields["moment"] == moment


_LOCAL_AND_NOW = {
    "postgresql": "SELECT CAST(created_at AS TEXT), CAST(now() AT TIME ZONE 'UTC' AS TEXT) FROM customer",
    "mariadb": "SELECT CAST(created_at AS CHAR), CAST(UTC_TIMESTAMP() AS CHAR) FROM customer",
}


@pytest.mark.parametrize("zone", ["Asia/Kolkata", "UTC"])
async def test_a_default_of_now_means_what_it_means_in_the_users_rows(server_site: Site, zone: str) -> None:
    """The column has no zone: in a session in UTC the default would be hours away from every other row."""
    site = server_site
    system = site.system(timezone=zone)
    outcome = await apply_one(system, create("m1", "r1", name="Adler"))
    assert outcome.kind is OutcomeKind.ACCEPTED and outcome.key is not None
    local, now = site.user().execute(_LOCAL_AND_NOW[site.dialect.name]).fetchone()
    ahead = datetime.fromisoformat(local) - datetime.fromisoformat(now)
    wanted = timedelta(hours=5, minutes=30) if zone == "Asia/Kolkata" else timedelta()
    assert abs(ahead - wanted) < timedelta(minutes=1)
    row = await read_one(system, "customer", outcome.key)
    assert row.fields is not None and isinstance(row.fields["changed_at"], datetime)
    found = datetime.fromisoformat(now).replace(tzinfo=UTC)
    assert abs(row.fields["changed_at"] - found) < timedelta(minutes=1)


@pytest.mark.invariant("I13")
@pytest.mark.parametrize("moment", [_FIRST, _SECOND])
async def test_both_moments_of_the_hour_that_comes_twice_are_told_apart_where_the_column_has_a_zone(
    server_site: Site, moment: datetime
) -> None:
    site = server_site
    system = site.system(timezone="Europe/Berlin")
    made = replace(create("m1", ""), object="sample", key="A1", fields={"moment": moment})
    assert (await apply_one(system, made)).kind is OutcomeKind.ACCEPTED
    row = await read_one(system, "sample", "A1")
    assert row.fields is not None and row.fields["moment"] == moment
    assert [found.key for found in await system.target.find("sample", {"moment": moment})] == ["A1"]
    other = _FIRST if moment is _SECOND else _SECOND
    again = replace(update("m2", "A1", {"moment": other}, note="x"), object="sample")
    assert (await apply_one(system, again)).reason is Reason.PRECONDITION
    again = replace(update("m3", "A1", {"moment": moment}, note="x"), object="sample")
    assert (await apply_one(system, again)).kind is OutcomeKind.ACCEPTED


async def test_the_later_moment_of_the_hour_that_comes_twice_is_refused_where_the_column_has_no_zone(
    site: Site,
) -> None:
    """Local time there means the earlier one: it would be stored an hour away, without a word."""
    system = site.system(timezone="Europe/Berlin")
    outcome = await apply_one(
        system, replace(create("m1", ""), object="invoice", key="1", fields={"paid_at": _SECOND})
    )
    assert (outcome.reason, outcome.code) == (Reason.INVALID, "ambiguous")


async def test_the_offset_of_a_session_changes_when_the_clocks_do(mariadb_site: Site) -> None:
    """With the next transaction, not within one."""
    mariadb_site.system(timezone="Europe/Berlin")
    now = _FIRST
    session = Session(mariadb_site.link().erp, autocommit=False, clock=lambda: now)
    asked = "SELECT @@session.time_zone"
    try:
        assert session.rows(asked) == [("+02:00",)]
        now = _SECOND
        assert session.rows(asked) == [("+02:00",)]
        session.commit()
        assert session.rows(asked) == [("+01:00",)]
        now = datetime(2027, 3, 28, 1, tzinfo=UTC)
        session.rollback()
        assert session.rows(asked) == [("+02:00",)]
    finally:
        session.close()


async def test_a_session_keeps_its_zone_after_a_transaction_that_was_taken_back(
    postgresql_site: Site,
) -> None:
    """A rollback takes back the settings of its transaction too."""
    postgresql_site.system(timezone="Europe/Berlin")
    session = Session(postgresql_site.link().erp, autocommit=False)
    try:
        session.rollback()
        assert session.rows("SHOW TIME ZONE") == [("Europe/Berlin",)]
    finally:
        session.close()


async def test_a_session_that_reads_is_in_utc(postgresql_site: Site) -> None:
    postgresql_site.system(timezone="Europe/Berlin")
    session = Session(postgresql_site.link().erp, autocommit=True)
    try:
        assert session.rows("SHOW TIME ZONE") == [("UTC",)]
    finally:
        session.close()


@pytest.fixture
def zone_of_our_own(tmp_path: Path) -> Iterator[str]:
    """A time zone that this machine knows and no database does."""
    berlin = next(
        Path(place) / "Europe/Berlin" for place in zoneinfo.TZPATH if (Path(place) / "Europe/Berlin").exists()
    )
    (tmp_path / "Moon").mkdir()
    shutil.copy(berlin, tmp_path / "Moon" / "Base")
    before = zoneinfo.TZPATH
    zoneinfo.reset_tzpath([tmp_path, *before])
    yield "Moon/Base"
    zoneinfo.reset_tzpath(before)
    zoneinfo.ZoneInfo.clear_cache(only_keys=["Moon/Base"])


async def test_a_zone_that_the_database_does_not_know_is_named_with_what_to_do(
    postgresql_site: Site, zone_of_our_own: str
) -> None:
    postgresql_site.system(timezone=zone_of_our_own)
    with pytest.raises(Refused, match="does not take the time zone Moon/Base") as refused:
        Session(postgresql_site.link().erp, autocommit=False)
    assert "timezone" in refused.value.remedy
