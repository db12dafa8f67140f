"""One running site for all tests of a module."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.journey.site import Site


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The org, the ERP, SAP and an agent between them that runs."""
    opened = Site(tmp_path_factory.mktemp("site"))
    try:
        opened.start()
        yield opened
    finally:
        opened.close()
