"""What the configuration says of tables: near names are told, keys that would be ignored are refused."""

from __future__ import annotations

from typing import Any

import pytest

from adapters.odbc import Settings, connect
from adapters.odbc.tables import TableSettings
from adapters.registry import settings_model
from agent.core.objects import ObjectSpec
from agent.errors import ConfigError
from tests.config.sample import problems as told
from tests.config.sample import section


def _connect(tables: dict[str, Any]) -> None:
    settings = Settings.model_validate({"connection": "Driver=psqlodbcw.so", "tables": tables})
    connect("erp", settings, [ObjectSpec("customer", "id", ())], str)


def test_a_table_that_nothing_is_mapped_to_is_told_with_the_nearest() -> None:
    with pytest.raises(ConfigError) as wrong:
        _connect({"custmer": {"capture": "difference"}})
    (problem,) = wrong.value.problems
    assert problem.key == "systems.erp.tables.custmer"
    assert problem.nearest == "customer"


def test_unknown_keys_and_choices_are_told_with_the_nearest(tmp_path: Any) -> None:
    text = section(
        "systems.erp",
        ('"env:ERP"', '"env:ERP"\n\n[systems.erp.tables.customer]\ncapture = "diference"\nsegment_row = 10'),
    )
    found = {problem.key: problem.nearest for problem in told(tmp_path, text)}
    assert found == {
        "systems.erp.tables.customer.capture": "difference",
        "systems.erp.tables.customer.segment_row": "segment_rows",
    }


def test_a_key_that_would_be_ignored_is_refused() -> None:
    with pytest.raises(ValueError, match="overlap_s would be ignored: for capture = 'high-water' only"):
        TableSettings.model_validate({"overlap_s": 100})


def test_a_table_without_a_choice_is_captured_by_the_journal() -> None:
    model = settings_model("odbc")
    assert model.model_validate({"connection": "x"}).model_dump()["tables"] == {}
    assert TableSettings().capture == "journal"
