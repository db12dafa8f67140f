"""What adapters find wrong when they are made: with file, line and key, together with everything else."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapters import registry
from agent.config import Config, labelled, objects, rules
from agent.config.problems import Fault
from agent.core.contract import EntityRules
from agent.errors import ConfigError, Problem
from tests.config.sample import SAMPLE, changed, loaded, section


def no_secret(reference: str) -> str:
    raise AssertionError(f"asked for {reference}")


def assembled(config: Config) -> dict[str, EntityRules]:
    """Every system made, then the rules, as the agent does it."""
    found: list[Fault] = []
    asks = {}
    for name, chosen in config.systems.items():
        try:
            made = registry.connect(chosen.kind, name, chosen.settings, objects(config, name), no_secret)
        except ConfigError as error:
            found += labelled(error, config, name)
        else:
            asks[name] = made.target.guarantees
    return rules(config, asks, found)


def refused(folder: Path, text: str) -> list[Problem]:
    """Everything told about a configuration that loads, and cannot be used."""
    with pytest.raises(ConfigError) as caught:
        assembled(loaded(folder, text))
    return caught.value.problems


def line(text: str, content: str) -> int:
    """Where a line of the file starts with this content, counted from one."""
    return next(n for n, one in enumerate(text.splitlines(), start=1) if one.startswith(content))


def test_the_sample_can_be_assembled(tmp_path: Path) -> None:
    assert set(assembled(loaded(tmp_path))) == {"customer", "invoice"}


def test_a_wrong_setting_is_told_with_file_and_line(tmp_path: Path) -> None:
    text = changed(('client_id = "app"', 'client_id = "app"\nca_file = "/none/ca.pem"'))
    (problem,) = refused(tmp_path, text)
    assert problem.file == f"{tmp_path / 'isthmus.toml'}:{line(text, 'ca_file')}"
    assert (problem.key, problem.text) == ("systems.crm.ca_file", "there is no such file")


@pytest.mark.parametrize(
    ("old", "new", "key", "nearest"),
    [
        ('"E1KNA1M.SORTL"', '"E1KNA1M.SORTT"', "fields.number", "SORTL"),
        ('"E1KNA1M.SORTL"', '"E1KNA9M.SORTL"', "fields.number", "E1KNA1M"),
        ('"E1KNA1M.KUNNR"', '"E1KNA1M.KUNRN"', "key", "KUNNR"),
    ],
)
def test_a_wrong_name_is_told_at_the_key_that_maps_it(
    tmp_path: Path, old: str, new: str, key: str, nearest: str
) -> None:
    text = changed((old, new))
    (problem,) = refused(tmp_path, text)
    assert problem.file == f"{tmp_path / 'isthmus.toml'}:{line(text, key.split('.')[-1] + ' = ' + new)}"
    assert problem.key == f"entities.customer.systems.sap.{key}"
    assert problem.nearest == nearest


def test_a_wrong_object_key_or_field_at_salesforce_is_told_where_it_is_written(tmp_path: Path) -> None:
    text = section("entities.customer.systems.crm", ('key = "Id"', 'key = "AccountNumber"'))
    text = section("entities.invoice.systems.crm", ('"Invoice__c"', '"Invoice c"'), text=text)
    text = section("entities.invoice.systems.crm.fields", ('"Gross__c"', '"Gross c"'), text=text)
    assert [problem.key for problem in refused(tmp_path, text)] == [
        "entities.customer.systems.crm.key",
        "entities.invoice.systems.crm.object",
        "entities.invoice.systems.crm.fields.gross",
    ]


def test_a_message_without_a_basic_type_is_told_at_its_system(tmp_path: Path) -> None:
    text = section("entities.customer.systems.sap", ('"DEBMAS"', '"MATMAS"'))
    found = refused(tmp_path, text)
    assert [problem.key for problem in found] == ["systems.sap.basic_types"]
    assert found[0].file.endswith(f":{line(text, '[systems.sap]')}")
    assert "MATMAS" in found[0].text


def test_an_external_id_that_files_cannot_hold_is_told_at_its_key(tmp_path: Path) -> None:
    text = section("entities.customer.systems.sap", ('create = "blind"', 'external_id = "E1KNA1M.NAME2"'))
    assert [problem.key for problem in refused(tmp_path, text)] == [
        "entities.customer.systems.sap.external_id"
    ]


def test_all_systems_and_the_rules_of_the_others_are_told_at_once_in_the_order_of_the_file(
    tmp_path: Path,
) -> None:
    text = changed(
        ('client_id = "app"', 'client_id = "app"\nca_file = "/none/ca.pem"'),
        ('"env:ERP"', '"DSN=erp"'),
        ('"E1KNA1M.SORTL"', '"E1KNA1M.SORTL"\nphone = "E1KNA1M.TELF1"'),
    )
    found = refused(tmp_path, text)
    assert [problem.key for problem in found] == [
        "systems.crm.ca_file",
        "systems.erp.connection",
        "entities.customer.fields.phone.survivorship",
    ]
    places = [int(problem.file.rpartition(":")[2]) for problem in found]
    assert places == sorted(places)


def test_a_table_called_like_a_setting_leaves_the_setting_its_key(tmp_path: Path) -> None:
    text = section("entities.invoice.systems.erp", ('"invoice"', '"connection"'), text=SAMPLE)
    text = changed(('"env:ERP"', '"DSN=erp"'), text=text)
    assert [problem.key for problem in refused(tmp_path, text)] == ["systems.erp.connection"]
