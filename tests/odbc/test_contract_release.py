"""What is released from the journal is exactly what was read, whatever commits meanwhile."""

from __future__ import annotations

import pytest

from tests.odbc.site import Site, batch_of, changes_until


@pytest.mark.invariant("I1")
async def test_a_row_that_commits_between_the_look_and_the_release_is_kept(postgresql_site: Site) -> None:
    """Its number is lower than the one that is released, and nobody has read it yet."""
    site = postgresql_site
    system = site.system()
    await system.source.open({})
    slow = site.user(autocommit=False)
    slow.execute("INSERT INTO customer (name) VALUES ('slow')")
    site.business.create_customer("fast")
    batch = await batch_of(system)
    slow.commit()
    await system.source.ack(batch)
    (late,) = await changes_until(system, 1)
    assert late.fields["name"] == "slow"
    assert late.order < batch.changes[0].order
