"""``isthmus check`` on a database: grants to print, samples to write and take back."""

from __future__ import annotations

import json
from pathlib import Path

from adapters.odbc.dialects import SQLITE
from adapters.odbc.driver import find_driver
from adapters.sandbox.erp import Business
from agent.cli.demo.settings import Places, write
from tests.journey.site import isthmus


def _config(folder: Path, erp: str) -> Path:
    for name in ("sap/in", "sap/out"):
        (folder / name).mkdir(parents=True)
    org = {"http": "http://127.0.0.1:9", "grpc": "127.0.0.1:9", "client_id": "app", "ca_file": "/none"}
    sap = {"inbound": str(folder / "sap/in"), "outbound": str(folder / "sap/out")}
    sap |= {"client": "100", "system": "SAPCLNT100", "port": "SAPS4H"}
    file = folder / "isthmus.toml"
    write(file, Places(folder, org, sap, erp, "NO_SECRET", 3.0))
    file.write_text(file.read_text().replace('ca_file = "/none"\n', ""))
    return file


def test_the_printed_grants_follow_the_field_owners_and_need_no_connection(tmp_path: Path) -> None:
    config = _config(tmp_path, "Driver=/nowhere/psqlodbcw.so;Server=erp.example;Uid=agent")
    done = isthmus("check", "--print-grants", "--config", str(config))
    assert done.code == 0, done.err
    (update,) = [
        line for line in done.out.splitlines() if line.startswith("GRANT UPDATE") and '"customer"' in line
    ]
    assert '"name"' in update and '"credit_limit"' not in update  # the ERP owns it
    told = json.loads(isthmus("check", "--print-grants", "--json", "--config", str(config)).out)
    assert told == {"grants": {"erp": done.out.removesuffix("\n")}}


def test_the_printed_installation_ends_with_the_grants(tmp_path: Path) -> None:
    config = _config(tmp_path, "Driver=/nowhere/psqlodbcw.so;Uid=agent")
    done = isthmus("journal", "install", "erp", "--print", "--config", str(config))
    assert done.code == 0, done.err
    assert done.out.index("CREATE TABLE IF NOT EXISTS") < done.out.index("GRANT SELECT")


def test_a_password_in_the_configuration_is_a_problem_of_it_and_not_repeated(tmp_path: Path) -> None:
    config = _config(tmp_path, "Driver=/nowhere/psqlodbcw.so;Uid=agent;Pwd=hunter2")
    done = isthmus("check", "--offline", "--config", str(config))
    assert done.code == 2
    assert "systems.erp.connection" in done.err and "holds a secret" in done.err
    assert "hunter2" not in done.err


def test_samples_go_through_every_mapped_column_and_leave_nothing(tmp_path: Path) -> None:
    database = tmp_path / "erp.db"
    database.touch()
    erp = f"Driver={find_driver(SQLITE)};Database={database}"
    business = Business(erp)
    business.install()
    business.close()
    config = _config(tmp_path / "site", erp)
    before = database.read_bytes()
    done = isthmus("check", "--roundtrip", "--json", "--config", str(config))
    checks = {one["name"]: one for one in json.loads(done.out)["checks"] if one["system"] == "erp"}
    tried = {name: one for name, one in checks.items() if name.startswith("round trip customer.")}
    assert len(tried) > 3 and all(one["ok"] for one in tried.values()), tried
    assert database.read_bytes() == before
