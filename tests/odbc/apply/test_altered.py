"""Tables that are altered between two commands."""

from __future__ import annotations

from adapters.odbc.dialects import POSTGRESQL
from agent.core.delivery import OutcomeKind, Reason
from tests.odbc.site import Site, apply_one, update


async def test_a_column_that_is_put_back_is_written_again(server_site: Site) -> None:
    """What is remembered of a table is no reason to withhold a field: it is looked at again first."""
    site = server_site
    key = str(site.business.create_customer("Adler"))
    system = site.system()
    users = site.user()
    users.execute("ALTER TABLE customer DROP COLUMN street")
    refused = await apply_one(system, update("m1", key, street="Am Markt"))
    assert (refused.kind, refused.reason) == (OutcomeKind.REJECTED, Reason.FIELD)
    assert refused.fields == {"street"}
    users.execute("ALTER TABLE customer ADD COLUMN street VARCHAR(80)")
    assert (await apply_one(system, update("m2", key, street="Am Markt"))).kind is OutcomeKind.ACCEPTED
    assert site.one("SELECT street FROM customer") == "Am Markt"


async def test_a_column_that_is_made_shorter_refuses_only_what_does_not_fit(server_site: Site) -> None:
    site = server_site
    key = str(site.business.create_customer("Adler"))
    system = site.system()
    assert (await apply_one(system, update("m1", key, phone="030"))).kind is OutcomeKind.ACCEPTED
    word = "ALTER COLUMN phone TYPE" if site.dialect is POSTGRESQL else "MODIFY phone"
    site.user().execute(f"ALTER TABLE customer {word} VARCHAR(5)")
    refused = await apply_one(system, update("m2", key, phone="030 123456"))
    assert (refused.kind, refused.reason) == (OutcomeKind.REJECTED, Reason.INVALID)
    assert "123456" not in refused.text
    assert (await apply_one(system, update("m3", key, phone="03012"))).kind is OutcomeKind.ACCEPTED
