"""A journal that somebody dropped, and that was installed again."""

from __future__ import annotations

from adapters.odbc import administer
from agent.core.change import ChangeKind
from tests.odbc.capture.sites import Reading
from tests.odbc.site import Site


async def _install(site: Site) -> None:
    administration = administer("erp", site.settings(), site.objects, str)
    await administration.install()
    await administration.close()


async def test_a_journal_that_was_dropped_and_installed_anew_is_another_one(server_site: Site) -> None:
    """It counts its rows from one again: they may not pass for those that were taken before."""
    site = server_site
    site.business.create_customer("Adler")
    reading = await Reading(site, {}).open()
    (before,) = await reading.until(1)
    site.user().execute("DROP TABLE isthmus_journal")
    await _install(site)
    site.business.create_customer("Birke")
    await reading.restart()
    found = await reading.until(4)
    unknown = {change.object for change in found if change.kind is ChangeKind.OVERFLOW}
    assert unknown == {"customer", "invoice", "sample"}
    (change,) = [change for change in found if change.kind is ChangeKind.READ]
    assert change.fields["name"] == "Birke" and change.source_id != before.source_id
