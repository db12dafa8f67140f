"""Points in time in columns without a zone are the ERP's own local time, read and written."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from agent.core.delivery import OutcomeKind
from tests.odbc.site import Site, apply_one, create, read_one


@pytest.mark.invariant("I13")
@pytest.mark.parametrize(
    ("moment", "stored"),
    [
        (datetime(2026, 7, 1, 10, 30, tzinfo=UTC), "2026-07-01 12:30:00"),
        (datetime(2026, 12, 31, 23, 30, tzinfo=UTC), "2027-01-01 00:30:00"),
    ],
)
async def test_a_moment_is_written_in_the_erps_own_zone_and_read_back_the_same(
    sqlite_site: Site, moment: datetime, stored: str
) -> None:
    site = sqlite_site
    system = site.system(timezone="Europe/Berlin")
    written = replace(create("m1", ""), object="sample", key="A1", fields={"moment": moment})
    assert (await apply_one(system, written)).kind is OutcomeKind.ACCEPTED
    assert site.one("SELECT CAST(moment AS TEXT) FROM sample") == stored
    row = await read_one(system, "sample", "A1")
    assert row.fields is not None
    assert row.fields["moment"] == moment
