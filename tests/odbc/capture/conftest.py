"""Sites of capture tests."""

from __future__ import annotations

import pytest

from tests.odbc.site import Site


@pytest.fixture(params=["postgresql", "mariadb"])
def server_site(request: pytest.FixtureRequest) -> Site:
    """A database in which several users write at the same time."""
    found: Site = request.getfixturevalue(f"{request.param}_site")
    return found
