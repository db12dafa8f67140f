"""The rests between looks: short while changes come, long where nothing happens, rare after slow looks."""

from __future__ import annotations

from collections.abc import Sequence

from adapters.odbc.capture.pace import Pace
from adapters.odbc.settings import Settings

_POLL_S = float(Settings.model_fields["poll_s"].default)


def _looks(changes: Sequence[float], until: float, took_s: float = 0.001) -> tuple[int, list[float]]:
    """How many looks a reader makes, and how long each change waited for the one that found it."""
    pace, now, looks, waited = Pace(_POLL_S), 0.0, 0, []
    left = list(changes)
    while now < until:
        looks += 1
        found = [at for at in left if at <= now]
        waited += [now - at for at in found]
        left = left[len(found) :]
        now += took_s
        if found:
            pace.found(now)
        else:
            now += pace.rest(now, took_s)
    return looks, waited


def test_an_erp_where_nothing_happens_is_looked_at_five_times_a_second() -> None:
    looks, _ = _looks([], 60.0)
    assert 295 <= looks <= 301


def test_changes_that_come_steadily_wait_a_tenth_of_a_quiet_reader_s_rest() -> None:
    looks, waited = _looks([5.0 + number * 0.0997 for number in range(600)], 65.0)
    assert len(waited) == 600
    behind_the_first = waited[1:]
    assert sum(behind_the_first) / len(behind_the_first) < 0.1 * _POLL_S
    assert max(behind_the_first) < 0.2 * _POLL_S
    assert looks < 100 * 65


def test_behind_the_last_change_looks_thin_out_within_a_second() -> None:
    busy, _ = _looks([1.0], 3.0)
    quiet, _ = _looks([], 3.0)
    assert busy - quiet < 30


def test_slow_looks_are_rare_looks() -> None:
    took = 0.04
    looks, _ = _looks([1.0 + number / 10 for number in range(100)], 11.0, took)
    assert looks * took < 0.45 * 11.0
    pace = Pace(_POLL_S)
    pace.found(0.0)
    assert pace.rest(0.0, took) == 4 * took


def test_an_operator_who_asks_for_long_rests_gets_no_bursts() -> None:
    pace = Pace(60.0)
    pace.found(0.0)
    assert pace.rest(0.0, 0.001) == 3.0
    assert pace.rest(1_000.0, 0.001) == 60.0
