"""The server's clock around a read of several queries: it holds for the rows of all of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tests.salesforce.conftest import Org
from tests.salesforce.peers import Answer, Asked

#: When the server answered the first query, and the second one.
FIRST, LAST = (datetime(2026, 11, 23, 1, 45, second, tzinfo=UTC) for second in (40, 55))


@pytest.mark.invariant("I8")
async def test_the_window_begins_before_the_first_query_and_ends_behind_the_last(org: Org) -> None:
    """An event between the two is neither older than every row nor newer than every row."""
    moments = [FIRST, LAST]

    def answer(asked: Asked) -> Answer:
        said = moments.pop(0).strftime("%a, %d %b %Y %H:%M:%S GMT")
        return 200, {"totalSize": 0, "done": True, "records": []}, {"Date": said}

    org.http.answer = answer
    reader = org.connect(slack_s=0).reader
    assert reader is not None
    result = await reader.read("Account", [f"001000000000{number:03d}AAA" for number in range(201)])
    assert moments == []
    assert result.not_before is not None
    assert result.not_before < FIRST
    assert result.not_after == LAST + timedelta(seconds=1)
