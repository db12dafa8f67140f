"""Bad configurations, bad stores and remotes that are away: told at once, with a remedy, and survived."""

from __future__ import annotations

import os
import signal
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from agent.cli.demo.settings import Places, write
from agent.store.database import APPLICATION_ID, FILE, connect
from tests.journey.gate import Gate
from tests.journey.site import Site, eventually, isthmus

LOGIN = b"POST /services/oauth2/token"
#: Seconds for which a remote stays away.
AWAY_S = 5.0
#: What three loops may ask in that time: each waits half a second at least, and longer every time.
ATTEMPTS = 12


@pytest.fixture
def own_site(tmp_path: Path) -> Iterator[Site]:
    """A site of the test's own, its agent not started."""
    opened = Site(tmp_path)
    try:
        yield opened
    finally:
        opened.close()


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A sound configuration whose systems do not exist."""
    folder = tmp_path / "nowhere"
    for name in ("sap/in", "sap/out"):
        (folder / name).mkdir(parents=True)
    org = {"http": "http://127.0.0.1:9", "grpc": "127.0.0.1:9", "client_id": "app", "ca_file": ""}
    sap = {"inbound": str(folder / "sap/in"), "outbound": str(folder / "sap/out")}
    sap |= {"client": "100", "system": "SAPCLNT100", "port": "SAPS4H"}
    file = folder / "isthmus.toml"
    erp = f"Driver=SQLite3;Database={folder / 'erp.db'}"
    write(file, Places(folder, org, sap, erp, "NO_SECRET", 3.0))
    return edited(file, ('ca_file = ""\n', ""))


def edited(file: Path, *changes: tuple[str, str]) -> Path:
    """The file with texts replaced, each of which must be there."""
    text = file.read_text()
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new, 1)
    file.write_text(text)
    return file


def test_every_problem_of_a_configuration_is_told_at_once_with_the_nearest_name(config: Path) -> None:
    edited(
        config,
        ("sweep_s = 2.0", "sweeps = 2.0"),
        ("poll_s = 0.05", "pol_s = 0.05"),
        ('scale = 2\nowner = "erp"', 'scale = 2\nowner = "epr"'),
        (
            '"boolean"\nowner = "sap"',
            '"boolean"\nowner = "sap"\nsurvivorship = { rule = "prefer", prefer = "erp" }',
        ),
    )
    for verb in (["check"], ["check", "--offline"], ["run"], ["status"]):
        done = isthmus(*verb, "--config", str(config))
        assert (done.code, done.out) == (2, ""), verb
        assert "4 problem(s)" in done.err
        for key, nearest in (
            ("agent.sweeps", "sweep_s"),
            ("systems.erp.pol_s", "poll_s"),
            ("entities.customer.fields.credit_limit.owner", "erp"),
        ):
            line = next(line for line in done.err.splitlines() if f" {key}: " in line)
            assert f"{config}:" in line
            assert f"did you mean '{nearest}'?" in line
        assert "order_block: has both an owner and a survivorship rule" in done.err


def test_a_rule_that_a_target_cannot_keep_is_refused(config: Path) -> None:
    edited(config, ('name = "E1KNA1M.NAME1"', 'name = "E1KNA1M.NAME1"\nphone = "E1KNA1M.TELF1"'))
    done = isthmus("check", "--offline", "--config", str(config))
    assert done.code == 2
    assert "entities.customer.fields.phone.survivorship" in done.err
    assert "'sap' cannot" in done.err


@pytest.mark.parametrize("verb", ["run", "check", "status", "trace C-000001", "exceptions list", "tui"])
def test_a_configuration_that_is_not_there_is_wrong_use(tmp_path: Path, verb: str) -> None:
    done = isthmus(*verb.split(), "--config", str(tmp_path / "none.toml"))
    assert (done.code, done.out) == (2, "")
    assert "none.toml" in done.err
    assert "isthmus init" in done.err


def _of_another_program(file: Path) -> None:
    with closing(sqlite3.connect(file)) as database:
        database.execute("PRAGMA application_id = 77")
        database.execute("CREATE TABLE invoices (number TEXT)")


def _without_a_name(file: Path) -> None:
    with closing(sqlite3.connect(file)) as database:
        database.execute("CREATE TABLE invoices (number TEXT)")


def _of_a_later_release(file: Path) -> None:
    with closing(sqlite3.connect(file)) as database:
        database.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        database.execute("PRAGMA user_version = 99")


def _no_database(file: Path) -> None:
    file.write_bytes(b"dear diary " * 1000)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (_of_another_program, "another program's database"),
        (_of_a_later_release, "schema is version 99"),
        (_without_a_name, "another program's database"),
        (_no_database, "database"),
    ],
)
def test_a_store_that_is_not_ours_is_refused_and_left_alone(
    config: Path, make: Callable[[Path], None], said: str
) -> None:
    state = config.parent / "state"
    state.mkdir(mode=0o700)
    make(state / FILE)
    before = (state / FILE).read_bytes()
    done = isthmus("run", "--config", str(config))
    assert done.code == 2, done.err
    assert said in done.err
    assert str(state / FILE) in done.err
    assert "Traceback" not in done.err
    assert (state / FILE).read_bytes() == before


def test_a_second_agent_on_the_same_store_is_refused_and_told_who_holds_it(own_site: Site) -> None:
    own_site.start()
    assert own_site.stage.agent is not None
    done = own_site.cli("run")
    assert done.code == 2
    assert f"process {own_site.stage.agent.pid}" in done.err
    assert own_site.cli("status").code in (0, 1)


def test_an_unreachable_org_degrades_a_running_agent_which_goes_on_when_it_is_back(own_site: Site) -> None:
    with _gate(own_site) as gate:
        own_site.start()
        here = own_site.customer()
        gate.shut()
        own_site.crm.arm("revoke", "*")
        own_site.crm.arm("break", "*")
        eventually(lambda: _reason(own_site, "salesforce"), "salesforce down")
        status = own_site.cli("status")
        assert status.code == 1
        assert "salesforce is down" in status.out
        checked = own_site.cli("check", "--json")
        assert checked.code == 3
        assert {one["system"] for one in checked.data["checks"] if not one["ok"]} == {"salesforce"}
        before = gate.knocks
        _let_pass(AWAY_S)
        assert 0 < gate.knocks - before <= ATTEMPTS
        own_site.sap.edit(here.kunnr, AUFSD="01")
        eventually(lambda: (own_site.in_erp(here.number) or {})["order_block"] == "X", "SAP to ERP meanwhile")
        gate.open()
        people = own_site.again_in_salesforce()
        people.edit("Account", here.account, BillingCity="Graz")
        eventually(lambda: (own_site.in_erp(here.number) or {})["city"] == "Graz", "the city in the ERP", 60)
        eventually(lambda: people.account(here.account)["Order_Block__c"] is True, "the block in Salesforce")
        eventually(lambda: own_site.cli("status").code == 0, "healthy again", 60)


def test_every_failed_check_of_an_unreachable_org_says_what_to_do(config: Path) -> None:
    environment = {**os.environ, "NO_SECRET": "none"}
    checked = isthmus("check", "--json", "--config", str(config), environment=environment)
    assert checked.code == 3
    faults = [one for one in checked.data["checks"] if not one["ok"] and one["system"] == "salesforce"]
    assert faults
    assert [fault for fault in faults if not fault["remedy"]] == []


def test_an_org_that_refuses_is_asked_rarely_and_the_remedy_is_told(own_site: Site) -> None:
    secret = own_site.stage.folder / "secret"
    secret.write_text("wrong")
    secret.chmod(0o600)
    edited(own_site.stage.config, ("env:ISTHMUS_DEMO_SECRET", f"file:{secret}"))
    with _gate(own_site) as gate:
        checked = own_site.cli("check", "--json")
        assert checked.code == 3
        (fault,) = [one for one in checked.data["checks"] if not one["ok"]]
        assert (fault["system"], fault["name"]) == ("salesforce", "login")
        assert "check client_secret or the key, and client_id" in fault["remedy"]
        own_site.start()
        eventually(lambda: _reason(own_site, "salesforce"), "salesforce down")
        before = gate.seen
        _let_pass(AWAY_S)
        assert gate.seen - before <= 1
        status = own_site.cli("status")
        assert status.code == 1
        assert "invalid_client" in status.out
        assert "wrong" not in own_site.log
    secret.write_text(str(own_site.stage.org["client_secret"]))


def test_a_locked_erp_holds_up_nobody_else(own_site: Site) -> None:
    own_site.start()
    here = own_site.customer()
    with closing(sqlite3.connect(own_site.stage.folder / "erp.db", isolation_level=None)) as lock:
        lock.execute("BEGIN IMMEDIATE")
        own_site.crm.edit("Account", here.account, BillingCity="Graz")
        eventually(lambda: (own_site.in_sap(here.number) or {})["ort01"] == "Graz", "the city in SAP")
        own_site.sap.edit(here.kunnr, AUFSD="01")
        eventually(
            lambda: own_site.crm.account(here.account)["Order_Block__c"] is True, "the block in Salesforce"
        )
        eventually(lambda: own_site.cli("status").code == 1, "degraded")
        assert lock.execute("SELECT city FROM customer").fetchall() == [("Köln",)]
        lock.execute("ROLLBACK")
    eventually(lambda: (own_site.in_erp(here.number) or {})["city"] == "Graz", "the city in the ERP", 60)
    eventually(lambda: (own_site.in_erp(here.number) or {})["order_block"] == "X", "the block in the ERP", 60)
    eventually(lambda: own_site.cli("status").code == 0, "healthy again")


def test_a_stop_in_the_middle_of_work_is_orderly_and_everything_sent_is_explained(own_site: Site) -> None:
    own_site.start()
    numbers = [own_site.account()[0] for _ in range(15)]
    agent = own_site.stage.agent
    assert agent is not None
    eventually(lambda: own_site.in_erp(numbers[0]), "the first customer")
    agent.send_signal(signal.SIGTERM)
    assert agent.wait(20) == 0
    with closing(connect(own_site.stage.state / FILE, read_only=True)) as store:
        sent = [row[0] for row in store.execute("SELECT number FROM outbox WHERE state = 'sent'")]
    own_site.start()
    for number in numbers:
        eventually(lambda number=number: own_site.at_rest(number), f"{number} at rest")  # type: ignore[misc] # bound now
    with closing(connect(own_site.stage.state / FILE, read_only=True)) as store:
        explained = store.execute(
            "SELECT subject_id FROM journal WHERE subject = 'command' AND before = 'sent'"
            " AND after = 'uncertain' AND why = 'the agent stopped behind the send'"
        ).fetchall()
    assert {str(number) for number in sent} <= {row[0] for row in explained}
    for number in numbers:
        assert len([row for row in own_site.erp.rows("customer") if row["number"] == number]) == 1
        assert len(own_site.sap.customers(number)) == 1


def _gate(site: Site) -> Gate:
    """A gate between the agent and the org's HTTP port; the agent's configuration names it."""
    url = str(site.stage.org["http"])
    host, _, port = url.removeprefix("http://").partition(":")
    gate = Gate((host, int(port)), LOGIN)
    edited(site.stage.config, (f'login_url = "{url}"', f'login_url = "http://{gate.address}"'))
    return gate


def _reason(site: Site, name: str) -> str | None:
    """Why a system is not up; None while it is."""
    (found,) = [system for system in site.stage.status().systems if system.name == name]
    return None if found.state in ("up", "starting") else found.reason


def _let_pass(seconds: float) -> None:
    """Watch for so long what happens meanwhile."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(0.1)


def test_a_verb_that_does_not_exist_is_wrong_use() -> None:
    done = isthmus("sync")
    assert (done.code, done.out) == (2, "")
    assert "No such command 'sync'" in done.err
