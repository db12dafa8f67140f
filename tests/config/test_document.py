"""The file as a whole: TOML, unknown and missing keys, types, and all problems in one go."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapters.registry import settings_model
from agent.config import load
from agent.config.document import positions
from agent.errors import ConfigError
from tests.config.sample import SAMPLE, changed, loaded, problems, section, told


def test_the_sample_loads(tmp_path: Path) -> None:
    config = loaded(tmp_path)
    assert set(config.systems) == {"crm", "erp", "sap"}
    assert set(config.entities) == {"customer", "invoice"}
    assert config.agent.socket == tmp_path / "state" / "control.sock"


def test_relative_paths_are_meant_from_the_folder_of_the_file(tmp_path: Path) -> None:
    config = loaded(tmp_path)
    assert config.agent.state_dir == tmp_path / "state"
    assert config.systems["sap"].settings.model_dump()["outbound_dir"] == tmp_path / "sap" / "out"


def test_toml_syntax_error_names_line_and_column(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, '[agent]\nstate_dir = "state"\nname = = 5\n')
    assert problem.key == "line 3, column 8"
    assert problem.text == "invalid value"


def test_syntax_error_at_the_end_names_line_and_column(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, '[agent]\nstate_dir = """open')
    assert problem.key.startswith("line 2, column ")


def test_a_key_written_twice_is_a_syntax_error(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, '[agent]\nname = "a"\nname = "b"\n')
    assert problem.key.startswith("line 3")


def test_a_file_that_is_not_there_is_a_problem(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load(tmp_path / "none.toml", settings_model)


def test_a_file_that_is_not_utf8_is_a_problem(tmp_path: Path) -> None:
    path = tmp_path / "latin.toml"
    path.write_bytes('[agent]\nname = "Müller"\n'.encode("latin-1"))
    with pytest.raises(ConfigError, match="not UTF-8 at byte 17"):
        load(path, settings_model)


@pytest.mark.parametrize(
    ("old", "new", "key", "nearest"),
    [
        ("[agent]\n", "[agent]\nnaem = 'x'\n", "agent.naem", "name"),
        ("username =", "usrname =", "systems.crm.usrname", "username"),
        ("[systems.sap]\n", "[systems.sap]\npol_only = true\n", "systems.sap.pol_only", "poll_only"),
        ("births = [", "birth = [", "entities.customer.birth", "births"),
        ("scale = 2", "scael = 2", "entities.customer.fields.limit.scael", "scale"),
        ("prefer = ", "prefers = ", "entities.customer.fields.phone.survivorship.prefers", "prefer"),
        ("external_id =", "externalid =", "entities.customer.systems.crm.externalid", "external_id"),
        ("{ source = ", "{ sourc = ", "entities.customer.systems.erp.fields.blocked.sourc", "source"),
    ],
)
def test_unknown_key_anywhere_is_told_with_the_nearest_name(
    tmp_path: Path, old: str, new: str, key: str, nearest: str
) -> None:
    found = {problem.key: problem for problem in problems(tmp_path, changed((old, new)))}
    assert found[key].text == "unknown key"
    assert found[key].nearest == nearest


def test_unknown_key_in_an_ownership_row(tmp_path: Path) -> None:
    text = changed(
        ('owner = "crm"', 'owners = [{ owner = "crm" }, { owner = "erp", valid_form = 2027-01-01 }]')
    )
    found = problems(tmp_path, text)
    assert [(p.key, p.nearest) for p in found] == [
        ("entities.customer.fields.number.owners[1].valid_form", "valid_from")
    ]


def test_unknown_section_is_told_with_the_nearest_name(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, SAMPLE + "\n[entitys.order]\n")
    assert (problem.key, problem.nearest) == ("entitys", "entities")


def test_missing_keys_are_told(tmp_path: Path) -> None:
    text = changed(('state_dir = "state"', ""), ('client_id = "app"', ""), ('object = "Account"', ""))
    assert told(tmp_path, text) == [
        ("agent.state_dir", "missing key"),
        ("systems.crm.client_id", "missing key"),
        ("entities.customer.systems.crm.object", "missing key"),
    ]


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ("[agent]\n", '[agent]\nsweep_s = "30"\n', "agent.sweep_s"),
        ("[agent]\n", "[agent]\nsweep_s = true\n", "agent.sweep_s"),
        ("[agent]\n", "[agent]\nsweep_s = 0\n", "agent.sweep_s"),
        ("[agent]\n", "[agent]\nsweep_s = nan\n", "agent.sweep_s"),
        ("[agent]\n", "[agent]\nname = 5\n", "agent.name"),
        ("scale = 2", 'scale = "2"', "entities.customer.fields.limit.scale"),
        ('births = ["crm"]', 'births = "crm"', "entities.customer.births"),
        ("create = true", 'create = "yes"', "entities.customer.systems.erp.create"),
        ('phone = "Phone"', "phone = 5", "entities.customer.systems.crm.fields.phone"),
        ('true = "X"', "true = 1", "entities.customer.systems.erp.fields.blocked.values.true"),
        ('connection = "env:ERP"', "connection = 5", "systems.erp.connection"),
    ],
)
def test_wrong_type_or_size_is_told(tmp_path: Path, old: str, new: str, key: str) -> None:
    found = told(tmp_path, changed((old, new)))
    assert [where for where, _ in found] == [key]
    assert "must be" in found[0][1] or "should" in found[0][1]


@pytest.mark.parametrize(
    ("old", "new", "key", "nearest"),
    [
        ('type = "decimal"', 'type = "decmal"', "entities.customer.fields.limit.type", "decimal"),
        ('transfer = "event"', 'transfer = "evnt"', "entities.invoice.transfer", "event"),
        ('rule = "prefer"', 'rule = "perfer"', "entities.customer.fields.phone.survivorship.rule", "prefer"),
        ("[agent]\n", '[agent]\nlog_format = "jsn"\n', "agent.log_format", "json"),
        ('kind = "odbc"', 'kind = "obdc"', "systems.erp.kind", "odbc"),
    ],
)
def test_unknown_word_is_told_with_the_nearest_word(
    tmp_path: Path, old: str, new: str, key: str, nearest: str
) -> None:
    (problem,) = problems(tmp_path, changed((old, new)))
    assert (problem.key, problem.nearest) == (key, nearest)


def test_all_problems_are_told_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    text = changed(
        ("[agent]\n", "[agent]\nnaem = 'x'\n"),
        ('kind = "odbc"', 'kind = "obdc"'),
        ('births = ["crm"]', 'births = ["cmr"]'),
        ("scale = 2\n", ""),
        ('object = "Account"', 'objct = "Account"'),
        ('lane = "customer"', 'lane = "custmer"'),
        ('currency = "currency"\n', ""),
        ('part = "status"', 'part = "stat"'),
    )
    assert [problem.key for problem in problems(tmp_path, text)] == [
        "agent.naem",
        "systems.erp.kind",
        "entities.customer.births[0]",
        "entities.customer.fields.limit.scale",
        "entities.customer.systems.crm.objct",
        "entities.invoice.currency",
        "entities.invoice.lane",
        "entities.invoice.fields.status.part",
    ]


def test_what_rests_on_a_faulty_key_is_not_told(tmp_path: Path) -> None:
    found = told(tmp_path, changed(('type = "decimal"', 'type = "decmal"')))
    assert [key for key, _ in found] == ["entities.customer.fields.limit.type"]


def test_each_problem_names_file_and_line(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, changed(('kind = "odbc"', 'kind = "obdc"')))
    line = SAMPLE.split("\n").index('kind = "odbc"') + 1
    assert problem.file == f"{tmp_path / 'isthmus.toml'}:{line}"


def test_a_missing_key_names_the_line_of_its_table(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, changed(('object = "Account"\n', "")))
    line = SAMPLE.split("\n").index("[entities.customer.systems.crm]") + 1
    assert problem.file.endswith(f":{line}")


def test_positions_survive_multi_line_values_and_comments() -> None:
    text = 'a = [\n  1, # [x]\n  2,\n]\n# c = 1\nb = """\nc = 5\n"""\n[t.u]\nd.e = { f = 1 }\n'
    assert positions(text) == {
        ("a",): 1,
        ("b",): 6,
        ("t",): 9,
        ("t", "u"): 9,
        ("t", "u", "d"): 10,
        ("t", "u", "d", "e"): 10,
        ("t", "u", "d", "e", "f"): 10,
    }


def test_positions_in_arrays_of_tables() -> None:
    assert positions("[[a]]\nb = 1\n[[a]]\nb = 2\n") == {("a",): 1, ("a", "b"): 2}


def test_missing_sections_are_told(tmp_path: Path) -> None:
    assert [key for key, _ in told(tmp_path, "")] == ["agent.state_dir", "systems", "entities"]


def test_sections_that_are_no_tables_are_told(tmp_path: Path) -> None:
    found = told(tmp_path, 'agent = 1\nentities = { a = 1 }\n[systems]\nb = "x"\n')
    assert found == [
        ("agent", "must be a table"),
        ("entities.a", "must be a table"),
        ("systems.b", "must be a table"),
    ]


def test_the_hash_does_not_change_with_comments_and_layout(tmp_path: Path) -> None:
    one = loaded(tmp_path)
    two = loaded(tmp_path, "# a comment\n" + changed(('client_id = "app"', 'client_id    =   "app" # x')))
    assert one.config_hash == two.config_hash
    assert one.versions == two.versions


def test_the_rules_version_changes_with_the_entity_and_only_with_it(tmp_path: Path) -> None:
    one = loaded(tmp_path)
    two = loaded(tmp_path, section("entities.customer.fields.limit", ("scale = 2", "scale = 3")))
    assert one.config_hash != two.config_hash
    assert one.versions["customer"] != two.versions["customer"]
    assert one.versions["invoice"] == two.versions["invoice"]
