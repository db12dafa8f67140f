"""A world of its own for every test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.flow.world import World


@pytest.fixture
def world() -> Iterator[World]:
    """Three systems and an agent, taken away afterwards."""
    made = World()
    try:
        yield made
    finally:
        made.close()
