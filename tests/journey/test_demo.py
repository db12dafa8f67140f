"""The demo as everybody runs it: one line of JSON, an honest verdict, and nothing personal in its log."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.journey.people import personal_data
from tests.journey.site import isthmus

#: What programs outside this repository may rely on.
PROMISED = {
    "equal",
    "entities_compared",
    "fields_compared",
    "events_in",
    "deliveries",
    "conservation",
    "conflicts",
    "exceptions",
    "lag_p50_ms",
    "lag_p99_ms",
}


def test_the_demo_is_equal_and_says_so_in_one_line_of_json(tmp_path: Path) -> None:
    done = isthmus("demo", "--headless", "--for", "6s", "--json", "--keep", str(tmp_path))
    assert done.code == 0, done.err
    assert done.out.count("\n") == 1
    summary = done.data
    assert summary.keys() >= PROMISED
    assert summary["equal"] is True
    assert summary["conservation"] is True
    assert summary["entities_compared"] > 0
    assert summary["fields_compared"] > summary["entities_compared"]
    assert sum(summary["deliveries"].values()) > 0
    assert summary["lag_p50_ms"] <= summary["lag_p99_ms"]
    typed = personal_data(tmp_path / "edits.jsonl")
    log = (tmp_path / "agent.log").read_text()
    assert typed
    assert log
    assert not {value for value in typed if value in log}


def test_one_row_altered_unseen_turns_the_verdict_red() -> None:
    done = isthmus("demo", "--headless", "--for", "3s", "--tamper", "--json")
    assert done.code == 1, done.err
    assert done.data["equal"] is False
    assert [finding["field"] for finding in done.data["different"]] == ["city"]


@pytest.mark.parametrize("wrong", ["soon", "3h", "-1s", ""])
def test_a_duration_that_is_none_is_refused(wrong: str) -> None:
    done = isthmus("demo", "--headless", f"--for={wrong}")
    assert done.code == 2
    assert "30s or 2m" in done.err
    assert not done.out
