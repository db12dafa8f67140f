"""Building the adapter from settings, and what ``isthmus check`` says about its directories."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from adapters.idoc import Settings, connect
from agent.core.objects import ObjectSpec
from agent.errors import ConfigError
from tests.idoc.files import DEBMAS, FieldSpec, settings


def no_secret(name: str) -> str:
    raise AssertionError(name)


def test_unknown_settings_and_code_pages_are_refused(tmp_path: Path) -> None:
    for wrong in ({"outbound": "x"}, {"encoding": "utf-16"}, {"encoding": "9999"}, {"client": "1"}):
        with pytest.raises(ValidationError):
            settings(tmp_path, **wrong)


def test_one_directory_for_two_purposes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="inbound_dir and outbound_dir are the same"):
        settings(tmp_path, inbound_dir=tmp_path / "out")


def test_names_that_no_segment_has_are_all_listed_with_the_nearest(tmp_path: Path) -> None:
    wrong = ObjectSpec("DEBMSA", "E1KNA1M.KUNNR", (FieldSpec("E1KNA1M.NAEM1"), FieldSpec("E1KNA9M.X")))
    with pytest.raises(ConfigError) as error:
        connect("sap", settings(tmp_path), (wrong,), no_secret)
    texts = [str(problem) for problem in error.value.problems]
    assert len(texts) == 3
    assert "did you mean 'NAME1'" in texts[1] and "did you mean 'E1KNA1M'" in texts[2]


async def test_the_probe_finds_what_would_hinder(tmp_path: Path) -> None:
    given: Settings = settings(tmp_path)
    system = connect("sap", given, (DEBMAS,), no_secret)
    assert system.kind == "idoc" and system.reader is None
    assert all(check.ok for check in await system.probe.check())
    given.quarantine_dir.rmdir()
    given.archive_dir.rmdir()
    given.archive_dir.symlink_to(tmp_path)
    failed = {check.name: check for check in await system.probe.check() if not check.ok}
    assert set(failed) >= {"archive_dir", "quarantine_dir"}
    assert all(check.remedy for check in failed.values())
