"""Bulk API 1.0 behind a site's proxy: the package tunnels as everything else does, and locks no account."""

from __future__ import annotations

import pytest

from agent.errors import Unreachable
from tests.salesforce.orgprocess import keys_of, taken
from tests.salesforce.test_proxy import HOST, Site, authority, org, site

__all__ = ["authority", "org", "site"]
pytestmark = pytest.mark.invariant("I32")
TUNNEL = f"CONNECT {HOST}:443"


async def whole(site: Site, **changes: str) -> list[str]:
    """All accounts, by the package."""
    reader = site.connect(snapshot="bulk", **changes).reader
    assert reader is not None
    return keys_of(await taken(reader.page("Account")))


async def test_a_whole_object_comes_through_the_tunnel(site: Site) -> None:
    site.gateway.users = {"Jörg:": "p@ss:wörd"}
    assert len(await whole(site, proxy_user="env:USER", proxy_password="env:WORD")) == 2
    assert set(site.gateway.asked) == {TUNNEL}
    # One for the other client, one for the package: every call on the same.
    assert len(site.gateway.asked) == 2
    assert site.gateway.refused == 0


async def test_credentials_that_the_proxy_refuses_are_shown_once(site: Site) -> None:
    reader = site.connect(snapshot="bulk").reader
    assert reader is not None
    await reader.read("Account", ["001000000000001AAA"])
    site.gateway.users = {"u": "w"}
    for _ in range(3):
        with pytest.raises(Unreachable, match="407") as error:
            await taken(reader.page("Account"))
        assert "proxy_user" in error.value.remedy
    assert site.gateway.refused == 1


async def test_what_the_proxy_forbids_or_does_not_find_is_said(site: Site) -> None:
    reader = site.connect(snapshot="bulk").reader
    assert reader is not None
    await reader.read("Account", ["001000000000001AAA"])
    site.gateway.forbidden = {f"{HOST}:443"}
    with pytest.raises(Unreachable, match=r"bulk: the proxy .* forbids it"):
        await taken(reader.page("Account"))
    site.gateway.forbidden = set()
    site.gateway.hosts.clear()
    with pytest.raises(Unreachable, match=r"bulk: the proxy .* can't reach it"):
        await taken(reader.page("Account"))
