"""The runner behind `make test` runs every stage, counts what pytest ran, and its verdict is the truth."""

import json
from pathlib import Path
from types import ModuleType

import pytest

from tests.architecture.scripts import script


@pytest.fixture
def stages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    module = script("stages", monkeypatch)
    report = tmp_path / "junit.xml"
    (tmp_path / "test_two.py").write_text("def test_good(): pass\ndef test_bad(): assert False\n")
    (tmp_path / "pytest.ini").write_text("[pytest]\nasyncio_default_fixture_loop_scope = function\n")
    pytest_stage = [
        "pytest",
        "-p",
        "no:cacheprovider",
        "-c",
        str(tmp_path / "pytest.ini"),
        f"--junit-xml={report}",
    ]
    commands = {
        "broken": ["python", "-c", "raise SystemExit(1)"],
        "sound": ["python", "-c", "print('all well')"],
        "tests": [*pytest_stage, str(tmp_path)],
    }
    monkeypatch.setattr(module, "STAGES", commands)
    monkeypatch.setattr(module, "JUNIT", report)
    return module


def test_a_failing_stage_stops_no_other_and_fails_the_whole(
    stages: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    assert stages.main(["make test", "broken", "sound"]) == 1
    shown = capsys.readouterr().out
    assert "all well" in shown
    assert shown.splitlines()[-1].startswith("make test: FAILED in broken after")


def test_passing_stages_pass_the_whole(stages: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    assert stages.main(["make lint", "sound"]) == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith("make lint: passed after")


def test_figures_hold_each_stage_and_the_counts_of_tests(
    stages: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    figures = tmp_path / "figures.json"
    assert stages.main(["make test", "sound", "tests", "--json", str(figures)]) == 1
    written = json.loads(figures.read_text())
    assert [(stage["name"], stage["passed"]) for stage in written["stages"]] == [
        ("sound", True),
        ("tests", False),
    ]
    assert written["passed"] is False
    assert written["tests"] == {"total": 2, "passed": 1, "failed": 1, "errors": 0, "skipped": 0}
    closing, verdict = capsys.readouterr().out.splitlines()[-2:]
    assert "1 failed, 1 passed in" in closing
    assert verdict.startswith("make test: FAILED in tests")


def test_options_behind_two_dashes_go_to_pytest(
    stages: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    assert stages.main(["make test", "tests", "--", "-k", "good"]) == 0
    assert "1 passed, 1 deselected" in capsys.readouterr().out
