"""The benchmarks run, at a size of seconds; what is made for them is what the product makes."""

from __future__ import annotations

import asyncio
import io
import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from agent.clock import SystemClock
from agent.core.plan import Agree, Surroundings, plan
from agent.core.rulebook import context_of
from agent.flow.confirm import Confirm
from agent.flow.recovery import recover
from agent.operations.offline import offline
from agent.store import entities
from agent.store.database import FILE
from tests.benchmarks import __main__ as benchmarks
from tests.benchmarks import filled
from tests.benchmarks.bare import bare, looking, marks, written_since
from tests.benchmarks.contract import CLOUD, ERP, OBJECT, TYPE, rulebook
from tests.benchmarks.figures import Figure, Goal, Rounds, Table
from tests.benchmarks.filled import Layout, NoRoom, fill
from tests.benchmarks.pattern import COUNTED, TABLES, rows_of, settled
from tests.benchmarks.running import Run, stores
from tests.benchmarks.scanning import scanned
from tests.benchmarks.site import opened, peers
from tests.benchmarks.workload import Events, batches, canonical_id, cloud_key
from tests.proof.narration import Narration

IMAGES = 200


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("bench") / "store"
    fill(directory, Layout(IMAGES), lambda _done, _total: None)
    return directory


@pytest.mark.parametrize("name", benchmarks.CORE)
def test_every_part_runs_at_a_tiny_size(name: str) -> None:
    with stores(Narration(io.StringIO(), 1.0)) as shared:
        run = Run(400, shared, shared.narration, profile=name == "delivering")
        figures = list(benchmarks.CORE[name](run))
    assert figures
    assert all(figure.part == name for figure in figures)
    assert name != "delivering" or "execute" in run.profiles[0]


def test_the_command_prints_the_table_and_writes_the_figures(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "figures.json"
    words = ["bench", "--only", "deciding", "--records", "400", "--minutes", "0.01", "--json", str(file)]
    monkeypatch.setattr("sys.argv", words)
    assert benchmarks.main() == 0
    assert "nothing fell behind" in capsys.readouterr().out.splitlines()[-1]
    assert len(json.loads(file.read_text())["figures"]) == 4


def test_a_part_that_cannot_run_is_told_and_falls_short(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(filled, "BYTES", 10**15)
    monkeypatch.setattr("sys.argv", ["bench", "--only", "starting", "--records", "400"])
    assert benchmarks.main() == 1
    assert "starting could not be run: NoRoom" in capsys.readouterr().out


def test_programs_below_are_found_by_their_entry() -> None:
    assert set(benchmarks.CORE) <= set(benchmarks.parts())
    below = {path.parent.name for path in Path(benchmarks.__file__).parent.glob("*/__main__.py")}
    assert below <= set(benchmarks.parts())


def test_only_a_goal_that_was_reached_fails_the_run() -> None:
    ahead = Figure("p", "n", 1.0, "µs", goal=Goal("1", "≥ 1", met=False))
    lost = Figure("p", "n", 1.0, "µs", goal=Goal("1", "≥ 1", met=False, held=True))
    assert Table((ahead,), {}, 1.0).holds
    assert "not met yet" in Table((ahead,), {}, 1.0).text()
    assert not Table((lost,), {}, 1.0).holds
    assert "MISSED" in Table((lost,), {}, 1.0).text()


def test_the_ratio_is_the_median_of_the_rounds_and_one_bad_round_moves_only_the_spread() -> None:
    rounds = Rounds([2.0, 2.0, 20.0], [1.0, 1.0, 1.0])
    assert rounds.ratio == 0.5
    assert rounds.spread == (0.05, 0.5)


def test_a_filled_store_is_whole_and_its_account_balances(store: Path) -> None:
    with closing(sqlite3.connect(store / FILE)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        layout = Layout(IMAGES)
        states = dict(connection.execute("SELECT state, count(*) FROM outbox GROUP BY state").fetchall())
        assert (states["sent"], states["ready"]) == (len(layout.sent), len(layout.ready))
        assert connection.execute("SELECT count(*) FROM image").fetchone() == (IMAGES,)
        for table in TABLES:
            text = "\n".join(str(row) for row in connection.execute(f"SELECT * FROM {table}"))
            assert "555555555555" not in text, f"a mark of the pattern is left in {table}"
            assert not any(str(start)[:4] + "00000" in text for start in COUNTED.values())

    async def account() -> bool:
        async with offline(store, rulebook(peers()), SystemClock()) as reads:
            return (await reads.status()).conservation.balanced

    assert asyncio.run(account())


def test_a_filled_record_is_the_one_that_the_product_makes(store: Path) -> None:
    with opened(store, threaded=False) as site, site.engine.store.transaction("look") as tx:
        record = Layout(IMAGES).settled.stop - 1
        entity = entities.get(tx, canonical_id(record))
        assert entity.keys[CLOUD] == cloud_key(record)
        rules = site.engine.book.of(TYPE)
        context = context_of(entity, rules, site.engine.clock.now().date())
        for target in (CLOUD, ERP):
            assert isinstance(plan(entity, target, rules, context, Surroundings()), Agree)


def test_the_engine_goes_on_from_a_filled_store(store: Path) -> None:
    with opened(store, threaded=False) as site:
        layout = Layout(IMAGES)
        found = asyncio.run(recover(site.engine))
        assert (found.uncertain, found.planned) == (len(layout.sent), len(layout.waiting))
        moved = asyncio.run(site.delivery.step())
        assert moved == len(layout.sent) + len(layout.ready)
        for record in range(layout.waiting.start):
            site.erp.rows.setdefault(f"{ERP}{record:012d}", {})
        assert asyncio.run(Confirm(site.engine, site.engine.systems[ERP]).step()) > 0


def test_the_bare_chain_writes_exactly_the_rows_of_the_engine(tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    for directory in (here, there):
        fill(directory, Layout(IMAGES), lambda _done, _total: None)
    coming = batches(Events(Layout(IMAGES).settled, mixed=True).take(20), 10)
    before = marks(here)
    with opened(here) as site:
        site.cloud.coming.extend(coming)
        for _ in coming:
            asyncio.run(site.intake.step())
        written = written_since(here, before)
    assert written.count > 20 * 5
    with bare(there) as plain:
        plain.transactions(written, len(coming))
        for table, rows in written.rows.items():
            kept = set(plain.connection.execute(f"SELECT * FROM {table}"))
            assert set(rows) <= kept, f"{table} is not as the engine left it"


def test_a_store_for_which_there_is_no_room_is_not_begun(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(filled, "BYTES", 10**15)
    with pytest.raises(NoRoom):
        fill(tmp_path / "store", Layout(IMAGES), lambda _done, _total: None)
    assert not (tmp_path / "store" / FILE).exists()


@pytest.mark.parametrize(
    ("statement", "tables"),
    [
        ("SELECT * FROM binding AS b WHERE b.valid_from = 1", {"binding"}),
        ("SELECT count(*) FROM inbox", {"inbox"}),
        ("SELECT * FROM entity WHERE id = :id", set()),
        ("SELECT 1 FROM obligation WHERE state = 'open'", set()),
        ("SELECT * FROM meta", set()),
        ("BEGIN IMMEDIATE", set()),
    ],
)
def test_a_statement_that_goes_through_a_growing_table_is_told(
    store: Path, statement: str, tables: set[str]
) -> None:
    with looking(store) as connection:
        assert scanned(connection, statement) == tables


def test_a_pattern_holds_the_rows_of_one_record() -> None:
    rows = rows_of(settled)
    assert len(rows["image"].values) == filled.IMAGES
    assert OBJECT in rows["inbox"].values[0]
