"""One command stops all writes, over a restart, another lets them go on; a flood stops by itself."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from agent.api.client import ask
from agent.operations.wire import SystemStatus
from tests.journey.site import Site, eventually


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A site where more than five customers within the window are a flood."""
    opened = Site(tmp_path_factory.mktemp("holding"))
    try:
        config = opened.stage.config
        births = 'births = ["salesforce"]\n'
        text = config.read_text()
        assert text.count(births) == 1
        config.write_text(
            text.replace(births, births + "mass_change_floor = 5\nmass_change_share = 0.1\n").replace(
                "mass_window_s = 60.0", "mass_window_s = 900.0"
            )
        )
        opened.start()
        yield opened
    finally:
        opened.close()


def system(site: Site, name: str) -> SystemStatus:
    """One system of the status."""
    return next(one for one in site.stage.status().systems if one.name == name)


def scopes(site: Site) -> set[str]:
    """What waits for an approval."""
    return {one.scope for one in ask(site.stage.state / "control.sock", lambda client: client.flow()).scopes}


def test_a_held_erp_gets_nothing_over_a_restart_and_everything_after_the_release(site: Site) -> None:
    here = site.customer()
    eventually(lambda: site.at_rest(here.number), "rest")
    held = site.cli("flow", "hold", "erp", "--reason", "the ERP is restored")
    assert held.code == 0, held.err
    assert "erp: nothing more is sent from now on" in held.out
    site.crm.edit("Account", here.account, Phone="+49 221 4444")
    eventually(lambda: system(site, "erp").queue.ready == 1, "the command stands ready")
    site.stage.stop_agent()
    offline = site.cli("flow", "list", "--json")
    assert offline.code == 0, offline.err
    site.start()
    eventually(lambda: system(site, "erp").state == "up", "the agent again")
    status = site.cli("status")
    assert status.code == 1
    assert "the ERP is restored" in status.out.splitlines()[0]
    assert "HELD for" in status.out
    (found,) = [one for one in site.cli("status", "--json").data["systems"] if one["name"] == "erp"]
    assert (found["held"]["reason"], found["queue"]["ready"]) == ("the ERP is restored", 1)
    assert (site.in_erp(here.number) or {})["phone"] != "+49 221 4444"
    released = site.cli("flow", "release", "--reason", "it is back")
    assert released.out == "released: erp\n"
    eventually(lambda: (site.in_erp(here.number) or {})["phone"] == "+49 221 4444", "the phone in the ERP")
    eventually(lambda: system(site, "erp").held is None, "no hold")


def test_a_hold_set_while_the_service_is_down_holds_from_its_start_on(site: Site) -> None:
    here = site.customer()
    eventually(lambda: site.at_rest(here.number), "rest")
    site.stage.stop_agent()
    held = site.cli("flow", "hold", "--json")
    assert held.code == 0, held.err
    assert "the service does not run: written into its store" in held.err
    site.start()
    assert [one["held"]["scope"] for one in site.cli("flow", "list", "--json").data["systems"]] == ["*"] * 3
    assert site.cli("flow", "release").out == "released: all systems\n"


def test_a_flood_of_customers_waits_for_one_approval_for_each_system(site: Site) -> None:
    numbers = [site.account()[0] for _ in range(8)]
    floods = {"customer@erp:create", "customer@sap:create"}
    eventually(lambda: scopes(site) >= floods, "the scopes are held")
    assert all(site.in_erp(number) is None for number in numbers[6:])
    assert {one.kind for one in site.exceptions("mass-change")} == {"mass-change"}
    refused = site.cli("flow", "release", "customer@erp")
    assert refused.code == 2
    assert "an approval needs a reason" in refused.err
    for place in ("customer@erp", "customer@sap", "customer@salesforce"):
        assert site.cli("flow", "release", place, "--reason", "the spring fair").code == 0
    eventually(lambda: all(site.in_erp(number) for number in numbers), "all customers in the ERP")
    eventually(lambda: all(site.at_rest(number) for number in numbers), "rest")
    assert site.exceptions("mass-change") == []
    assert site.cli("status", "--json").data["conservation"]["balanced"]
