"""What is released from the journal is exactly what was read, whatever commits meanwhile."""

from __future__ import annotations

import pytest

from tests.odbc.site import Site, batch_of, changes_until


@pytest.fixture(params=["postgresql", "mariadb"])
def server_site(request: pytest.FixtureRequest) -> Site:
    """A database in which several users write at the same time."""
    found: Site = request.getfixturevalue(f"{request.param}_site")
    return found


@pytest.mark.invariant("I1")
async def test_a_row_that_commits_between_the_look_and_the_release_is_kept(server_site: Site) -> None:
    """Its number is lower than the one that is released, and nobody has read it yet."""
    site = server_site
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


@pytest.mark.invariant("I34")
@pytest.mark.parametrize("count", [1, 3, 10, 60, 250])
async def test_a_release_does_not_wait_for_rows_that_are_still_open(server_site: Site, count: int) -> None:
    """A list of numbers may be read as a range of them, which has every row in it that a user holds."""
    site = server_site
    system = site.system(capture_batch=500, lock_timeout_s=0.2)
    await system.source.open({})
    slow = site.user(autocommit=False)
    slow.execute("INSERT INTO customer (name) VALUES ('slow')")
    users = site.user(autocommit=False)
    for number in range(count):
        users.execute("INSERT INTO customer (name) VALUES (?)", f"n{number}")
    users.commit()
    batch = await batch_of(system)
    assert len(batch.changes) == count
    await system.source.ack(batch)
    slow.commit()
    (late,) = await changes_until(system, 1)
    assert late.fields["name"] == "slow"
