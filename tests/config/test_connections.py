"""Systems: adapter settings, secrets by reference only, no remote twice."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import BaseModel, ConfigDict, Field

from adapters.registry import settings_model
from adapters.salesforce.settings import Settings as SalesforceSettings
from agent.config.connections import secret_faults
from tests.config.sample import changed, loaded, problems, section, told

SECRET = "hunter2-very-secret"


def test_adapter_settings_are_the_adapters_own_model(tmp_path: Path) -> None:
    system = loaded(tmp_path).systems["erp"]
    assert (system.name, system.kind) == ("erp", "odbc")
    assert type(system.settings) is settings_model("odbc")


def test_a_relative_file_of_roots_is_meant_from_the_folder_of_the_file(tmp_path: Path) -> None:
    text = section("systems.crm", ('client_id = "app"', 'client_id = "app"\nca_file = "tls/ca.pem"'))
    settings = loaded(tmp_path, text).systems["crm"].settings
    assert isinstance(settings, SalesforceSettings)
    assert settings.ca_file == tmp_path / "tls" / "ca.pem"


def test_an_unknown_kind_is_told_with_the_nearest(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, changed(('kind = "idoc"', 'kind = "idok"')))
    assert (problem.key, problem.nearest) == ("systems.sap.kind", "idoc")


def test_a_missing_kind_is_told(tmp_path: Path) -> None:
    assert told(tmp_path, changed(('kind = "odbc"\n', ""))) == [("systems.erp.kind", "missing key")]


def test_an_adapters_own_rule_is_told_at_its_system(tmp_path: Path) -> None:
    ((key, text),) = told(tmp_path, changed(('username = "integration@example.com"\n', "")))
    assert key == "systems.crm"
    assert text == "auth = 'jwt' needs username and key"


@pytest.mark.parametrize("name", ["isthmus", '"a b"'])
def test_a_system_name_that_cannot_be_used_is_refused(tmp_path: Path, name: str) -> None:
    text = changed(
        ("[systems.erp]", f'[systems.{name}]\nkind = "odbc"\nconnection = "env:X"\n\n[systems.erp]')
    )
    ((key, _),) = told(tmp_path, text)
    assert key == "systems." + name.strip('"')


@pytest.mark.invariant("I32")
def test_a_secret_written_as_a_value_is_refused_and_never_repeated(tmp_path: Path) -> None:
    found = problems(tmp_path, changed(("credential:crm-key", SECRET)))
    assert [problem.key for problem in found] == ["systems.crm.key"]
    assert "env:NAME, file:/absolute/path or credential:NAME" in found[0].text
    assert SECRET not in "\n".join(str(problem) for problem in found)


@pytest.mark.invariant("I32")
@pytest.mark.parametrize(
    "connection",
    [f"Driver=X;Server=erp;UID=u;PWD={SECRET}", f"Driver=X;password = {SECRET};"],
)
def test_a_password_in_a_connection_string_is_refused(tmp_path: Path, connection: str) -> None:
    found = problems(tmp_path, changed(("env:ERP", connection)))
    assert [problem.key for problem in found] == ["systems.erp.connection"]
    assert SECRET not in str(found[0])


def test_a_connection_string_without_a_password_is_taken(tmp_path: Path) -> None:
    loaded(tmp_path, changed(("env:ERP", "Driver=SQLite3;Database=/srv/erp.db")))


@pytest.mark.invariant("I32")
@pytest.mark.parametrize(
    "reference", ["env:", "file:relative/key.pem", "credential:../key", "credential:a/b", "keyring:crm"]
)
def test_a_reference_that_cannot_work_is_told_when_the_file_is_read(tmp_path: Path, reference: str) -> None:
    assert [key for key, _ in told(tmp_path, changed(("credential:crm-key", reference)))] == [
        "systems.crm.key"
    ]


class Login(BaseModel):
    """A nested table of settings with a secret in it."""

    model_config = ConfigDict(extra="forbid")

    user: str
    pin: str = Field(json_schema_extra={"secret": True})
    key: str = Field(default="", json_schema_extra={"secret": False})


class Nested(BaseModel):
    """Settings of an imagined adapter whose model marks its secrets."""

    model_config = ConfigDict(extra="forbid")

    login: Login | None = None
    certificate: str = ""


@pytest.mark.invariant("I32")
def test_a_secret_marked_by_the_model_is_found_in_nested_tables() -> None:
    found = list(secret_faults(Nested, {"login": {"user": "u", "pin": SECRET, "key": "a map's key"}}))
    assert [fault.loc for fault in found] == [("login", "pin")]
    assert list(secret_faults(Nested, {"login": {"user": "u", "pin": "env:PIN"}})) == []


@pytest.mark.invariant("I32")
def test_a_private_key_is_found_wherever_it_stands() -> None:
    text = "-----BEGIN RSA PRIVATE KEY-----\nMII..."
    assert [fault.loc for fault in secret_faults(Nested, {"certificate": text})] == [("certificate",)]


def test_the_same_directory_for_two_systems_is_refused(tmp_path: Path) -> None:
    (tmp_path / "sap").mkdir()
    (tmp_path / "also").symlink_to(tmp_path / "sap")
    second = (
        '[systems.sap2]\nkind = "idoc"\noutbound_dir = "o"\ninbound_dir = "also/in"\narchive_dir = "a"\n'
        'quarantine_dir = "q"\nclient = "200"\nreceiver_partner = "S"\nreceiver_port = "S"\n\n'
    )
    text = changed(("[entities.customer]\n", second + "[entities.customer]\n"))
    assert told(tmp_path, text) == [
        ("systems.sap2.inbound_dir", "is the same remote as systems.sap.inbound_dir")
    ]


def test_the_same_directory_in_both_directions_is_refused(tmp_path: Path) -> None:
    ((key, text),) = told(tmp_path, changed(('"sap/in"', '"sap/out"')))
    assert key.startswith("systems.sap")
    assert "outbound_dir" in text


def test_the_same_connection_for_two_systems_is_refused(tmp_path: Path) -> None:
    text = changed(
        ('"env:ERP"', '"DSN=erp;Database=sales"'),
        (
            "[systems.sap]",
            '[systems.erp2]\nkind = "odbc"\nconnection = "database=Sales; DSN=ERP;"\n\n[systems.sap]',
        ),
    )
    assert told(tmp_path, text) == [
        ("systems.erp2.connection", "is the same remote as systems.erp.connection")
    ]


def test_the_same_salesforce_user_for_two_systems_is_refused(tmp_path: Path) -> None:
    second = (
        '[systems.crm2]\nkind = "salesforce"\nclient_id = "app"\nusername = "integration@example.com"\n'
        'key = "env:OTHER"\n\n[systems.erp]'
    )
    assert told(tmp_path, changed(("[systems.erp]", second))) == [
        ("systems.crm2.login_url", "is the same remote as systems.crm.login_url")
    ]


def test_an_unused_system_is_no_fault(tmp_path: Path) -> None:
    text = section(
        "systems.erp", ('"env:ERP"', '"env:ERP"\n\n[systems.old]\nkind = "odbc"\nconnection = "env:OLD"')
    )
    assert "old" in loaded(tmp_path, text).systems
