"""One way to make a system, and no driver loaded that nobody asked for."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import BaseModel

from adapters import registry
from adapters.salesforce.settings import Settings
from agent.core.objects import FieldSpec, ObjectSpec
from agent.errors import ConfigError
from tests.salesforce.samples import ACCOUNT

SETTINGS = Settings(client_id="app", username="u@example.com", key="env:KEY")


class Foreign(BaseModel):
    """Settings of no kind."""


def no_secret(reference: str) -> str:
    raise AssertionError(f"asked for {reference} without a login")


def test_connect_makes_a_system_without_talking_or_asking_for_secrets() -> None:
    system = registry.connect("salesforce", "crm", SETTINGS, [ACCOUNT], no_secret)
    assert (system.name, system.kind) == ("crm", "salesforce")
    assert system.reader is not None


def test_settings_models_refuse_unknown_keys() -> None:
    for kind in registry.KINDS:
        assert registry.settings_model(kind).model_config["extra"] == "forbid"


def test_unknown_kind_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match="did you mean 'salesforce'"):
        registry.settings_model("saleforce")


def test_settings_of_another_kind_are_refused() -> None:
    with pytest.raises(ConfigError, match="no settings of kind"):
        registry.connect("salesforce", "crm", Foreign(), [], no_secret)


def test_every_problem_of_the_objects_is_listed_at_once() -> None:
    objects = [
        ObjectSpec("Account", "AccountNumber", (FieldSpec("Name"),)),
        ObjectSpec("Account", "Id", (FieldSpec("Name FROM User"),)),
    ]
    settings = Settings(client_id="app", username="u@example.com", key="env:KEY", ca_file=Path("missing.pem"))
    with pytest.raises(ConfigError) as refused:
        registry.connect("salesforce", "crm", settings, objects, no_secret)
    assert len(refused.value.problems) == 4


def test_a_file_of_roots_without_certificates_is_told_before_anything_is_called(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("no certificate")
    settings = Settings(client_id="app", username="u@example.com", key="env:KEY", ca_file=tmp_path / "ca.pem")
    with pytest.raises(ConfigError, match=r"systems\.crm\.ca_file: no certificates in PEM form"):
        registry.connect("salesforce", "crm", settings, [ACCOUNT], no_secret)


def test_no_driver_is_loaded_for_a_kind_that_is_not_used() -> None:
    code = (
        "import sys; from adapters import registry; registry.settings_model('salesforce');"
        "print([name for name in ('pyodbc', 'watchdog') if name in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
    code = (
        "import sys; from adapters import registry; print('grpc' in sys.modules or 'httpx2' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"
