"""Nothing of a connection string's credentials is repeated by what a driver or server says (I32)."""

from __future__ import annotations

import pytest

from agent.errors import Refused
from tests.odbc.site import Site

pytestmark = pytest.mark.invariant("I32")
#: A user that no database has.
STRANGER = "keeper_of_nothing"


async def test_a_user_whom_the_database_names_in_its_refusal_is_not_told(postgresql_site: Site) -> None:
    """PostgreSQL answers: role "keeper_of_nothing" does not exist."""
    site = postgresql_site
    known = site.connection.split("Uid=")[1].split(";")[0]
    site.adapter_connection = site.connection.replace(f"Uid={known}", f"Uid={STRANGER}")
    with pytest.raises(Refused) as raised:
        await site.system().source.open({})
    assert "does not exist" in str(raised.value), "the server's own words are passed on"
    assert "***" in str(raised.value)
    assert STRANGER not in str(raised.value)
