"""A failpoint stands on both sides of every commit, rename and send, so that tests can stop there."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent import failpoints
from agent.store.database import Store
from tests.architecture.source import Source, listed, python_sources
from tests.flow.flanked import unflanked, unlabelled
from tests.flow.systems.time import TestClock


def _product() -> list[Source]:
    found = python_sources("agent", "adapters")
    return [source for source in found if not source.path.startswith("adapters/sandbox/")]


def test_every_rename_and_send_has_a_failpoint_on_both_sides() -> None:
    assert not listed(unflanked(_product()))


def test_every_transaction_and_unit_of_work_has_a_label() -> None:
    assert not listed(unlabelled(_product()))


@pytest.mark.parametrize(
    "text",
    [
        "import os\ndef f(a, b):\n    os.replace(a, b)",
        "def f(self):\n    self.file.rename(self.goal)",
        "from agent import failpoints\ndef f(self):\n    failpoints.hit('x')\n    self.a.rename(self.b)",
        "from agent import failpoints\ndef f(self):\n    self.a.replace(self.b)\n    failpoints.hit('x')",
        "async def f(self, batch):\n    return await self._system.target.apply(batch)",
        "async def f(target, batch):\n    return await target.apply(batch)",
        "def move(a, b):\n    a.rename(b)\n\ndef g(self):\n    move(self.a, self.b)",
    ],
)
def test_a_rename_or_send_without_failpoints_is_caught(text: str) -> None:
    assert listed(unflanked([Source("agent/flow/planted.py", text)]))


@pytest.mark.parametrize(
    "text",
    [
        "from agent import failpoints\ndef f(self):\n    failpoints.hit('b')\n    self.a.rename(self.b)\n"
        "    failpoints.hit('a')",
        "def f(text, moment):\n    return text.replace('a', 'b'), moment.replace(tzinfo=None)",
        "from dataclasses import replace\ndef f(image):\n    return replace(image, fresh=True)",
        "from agent import failpoints\ndef move(a, b):\n    a.rename(b)\n\ndef g(self):\n"
        "    failpoints.hit('b')\n    move(self.a, self.b)\n    failpoints.hit('a')",
    ],
)
def test_what_is_flanked_or_no_rename_passes(text: str) -> None:
    assert not listed(unflanked([Source("agent/flow/planted.py", text)]))


@pytest.mark.parametrize(
    "text",
    [
        "def f(store):\n    with store.transaction() as tx: ...",
        "async def f(e):\n    await e.work('', print)",
    ],
)
def test_a_commit_without_a_label_is_caught(text: str) -> None:
    assert listed(unlabelled([Source("agent/flow/planted.py", text)]))


def test_a_label_makes_a_failpoint_on_each_side_of_the_commit(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "store", TestClock())
    failpoints.watch()
    try:
        with store.transaction("first", "second") as tx:
            assert not failpoints.hits
            tx.run("UPDATE meta SET value = value")
        expected = {
            f"{label}.{side}" for label in ("first", "second") for side in ("before_commit", "after_commit")
        }
        assert failpoints.hits == dict.fromkeys(expected, 1)
    finally:
        failpoints.disarm()
        store.close()


@pytest.mark.parametrize(("side", "kept"), [("before_commit", False), ("after_commit", True)])
def test_what_dies_before_the_commit_is_gone_and_after_it_is_kept(
    tmp_path: Path, side: str, kept: bool
) -> None:
    store = Store.open(tmp_path / "store", TestClock())
    failpoints.arm(f"label.{side}", failpoints.Action.CRASH)
    try:
        with pytest.raises(failpoints.Crash), store.transaction("label") as tx:
            tx.run("INSERT INTO meta (key, value) VALUES ('mark', 'here')")
        with store.transaction("look") as tx:
            assert (tx.one("SELECT 1 FROM meta WHERE key = 'mark'") is not None) == kept
    finally:
        failpoints.disarm()
        store.close()
