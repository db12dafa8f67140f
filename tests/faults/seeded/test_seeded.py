"""Seeded bugs fit the source of now, and those that are tried are caught by the suite."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.seeded import witness
from tests.faults.seeded.__main__ import sample, table
from tests.faults.seeded.bug import Bug, Change, Unfit, bugs, load
from tests.faults.seeded.copy import REPOSITORY, Copy, NoVerdict, copy
from tests.faults.seeded.trial import attempt, attempts

SEED = int(os.environ.get("ISTHMUS_SEED", "1"))
#: There are at least so many.
LEAST = 24


@pytest.fixture(scope="module")
def tree() -> Iterator[Copy]:
    """A copy of the source."""
    with copy() as made:
        yield made


def problem(bug: Bug) -> str:
    """Why a bug does not fit the source and the tests of now; "" when it does."""
    try:
        bug.texts(REPOSITORY)
        bug.check_tests(REPOSITORY)
    except Unfit as error:
        return str(error)
    return ""


def harmless() -> Bug:
    """A change that nobody can notice."""
    change = Change("agent/core/message_id.py", '"""Identities: of', '"""Names: of')
    return Bug("1_harmless", "nothing", ("I14",), ("tests/core/test_transitions.py",), (change,))


def test_every_bug_fits_the_source_and_the_tests_of_now() -> None:
    found = bugs()
    assert len(found) >= LEAST
    assert [said for said in map(problem, found) if said] == []
    assert all(re.fullmatch(r"I\d+", one) for bug in found for one in bug.invariants)
    assert len({bug.promise for bug in found}) == len(found)


def test_a_few_bugs_are_caught(capsys: pytest.CaptureFixture[str]) -> None:
    tried = list(attempts(sample(SEED, bugs())))
    with capsys.disabled():
        print(f"\nseed {SEED} (ISTHMUS_SEED sets another)\n{table(tried)}")
    assert [one.bug.name for one in tried if not one.caught] == []
    assert len(tried) == 3


def test_a_bug_that_nobody_catches_is_told(tree: Copy) -> None:
    tried = attempt(harmless(), tree)
    assert not tried.caught
    assert "survived" in tried.said
    assert "NOT CAUGHT" in table([tried])


def test_a_bug_leaves_no_trace_in_the_copy_and_none_in_the_source(tree: Copy) -> None:
    bug = harmless()
    [file] = bug.texts(REPOSITORY)
    before = (REPOSITORY / file).read_bytes()
    with tree.with_bug(bug):
        assert (tree.folder / file).read_bytes() != before
        assert (REPOSITORY / file).read_bytes() == before
    assert (tree.folder / file).read_bytes() == before


def test_the_copy_is_what_a_process_of_it_imports(tree: Copy, tmp_path: Path) -> None:
    code, output = tree.call(
        [sys.executable, "-c", "import agent, adapters; print(agent.__file__, adapters.__file__)"], tmp_path
    )
    assert code == 0
    assert all(file.startswith(str(tree.folder)) for file in output.split())


def test_a_run_of_anything_but_the_copy_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(witness.TREE, str(tmp_path))
    with pytest.raises(pytest.exit.Exception, match="not from the copy"):
        witness.pytest_sessionstart()


def test_a_run_without_a_test_says_nothing(tree: Copy) -> None:
    with pytest.raises(NoVerdict):
        tree.run(["tests/core/test_transitions.py::test_that_is_not_there"])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (Change("agent/core/message_id.py", "def nobody_knows(", "def x("), "0 times"),
        (Change("agent/core/message_id.py", "import", "from"), "times, not once"),
        (Change("agent/core/gone.py", "a", "b"), "No such file"),
        (Change("agent/core/message_id.py", "def entity_id(", "def entity_id(("), "makes no Python"),
        (Change("tests/core/samples.py", "a", "b"), "not the product's source"),
    ],
)
def test_a_bug_that_does_not_fit_any_more_is_told(change: Change, said: str) -> None:
    bug = Bug("stale", "nothing", ("I1",), ("tests/core/test_plan.py",), (change,))
    with pytest.raises(Unfit, match=said):
        bug.texts(REPOSITORY)


def test_a_bug_whose_test_is_gone_is_told() -> None:
    bug = Bug("stale", "nothing", ("I1",), ("tests/core/test_plan.py::test_that_is_not_there",), ())
    with pytest.raises(Unfit, match="no test_that_is_not_there any more"):
        bug.check_tests(REPOSITORY)


@pytest.mark.parametrize("text", ["promise = 1", 'promise = "a"\nnonsense = 2\nchange = []', "= ="])
def test_a_file_that_is_no_bug_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "01_x.toml").write_text(text)
    with pytest.raises(Unfit, match="01_x"):
        load(tmp_path / "01_x.toml")
