"""A field that a person decides: from the clash in two systems to one value in both, by the command line."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from agent.operations.wire import ExceptionItem
from tests.journey.people import Customer
from tests.journey.site import Site, eventually

IN_SALESFORCE, IN_ERP = "+49 221 1111", "+49 221 2222"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A site whose phones are decided by people."""
    opened = Site(tmp_path_factory.mktemp("ruling"))
    try:
        config = opened.stage.config
        text = config.read_text()
        preferred = 'survivorship = { rule = "prefer", prefer = "salesforce" }'
        assert text.count(preferred) == 1
        config.write_text(text.replace(preferred, 'survivorship = { rule = "manual" }'))
        opened.start()
        yield opened
    finally:
        opened.close()


def clash(site: Site) -> tuple[Customer, str]:
    """A customer whose phone was changed in both systems, and the number of the open conflict."""
    here = site.customer()
    eventually(lambda: site.crm.settled(here.account), "a later second than the record's last")
    with site.nobody_looking():
        site.crm.edit("Account", here.account, Phone=IN_SALESFORCE)
        site.erp.change_phone(here.customer_id, IN_ERP)
    item = eventually(lambda: _waiting(site, here), "the exception of the conflict")
    return here, str(item.conflict)


def _waiting(site: Site, here: Customer) -> ExceptionItem | None:
    """What waits for a person about a customer."""
    return next((one for one in site.exceptions("conflict") if one.business_key == here.number), None)


def phones(site: Site, here: Customer) -> set[str]:
    """What both systems hold."""
    return {site.crm.account(here.account)["Phone"], (site.in_erp(here.number) or {})["phone"]}


@pytest.mark.invariant("I8")
@pytest.mark.parametrize(("system", "phone"), [("salesforce", IN_SALESFORCE), ("erp", IN_ERP)])
def test_the_phone_of_the_system_that_is_kept_goes_to_the_other(site: Site, system: str, phone: str) -> None:
    here, number = clash(site)
    listed = site.cli("conflicts", "list")
    assert listed.code == 0, listed.err
    assert f"{number}  open  {here.number}  phone" in listed.out
    shown = site.cli("conflicts", "show", number)
    assert f"conflicts rule {number} --keep {system}" in shown.out
    ruled = site.cli("conflicts", "rule", number, "--keep", system, "--reason", "the customer said so")
    assert ruled.code == 0, ruled.err
    assert f"'phone' is what {system} holds" in ruled.out
    assert f"keep {system} '***'" in ruled.err
    eventually(lambda: phones(site, here) == {phone}, f"{phone} in both")
    eventually(lambda: site.at_rest(here.number), "rest")
    assert site.cli("conflicts", "list", "--json").data == {"total": 0, "items": []}
    decided = site.cli("conflicts", "show", number, "--json").data
    assert (decided["state"], decided["winner_system"]) == ("decided", system)
    assert decided["reason"] == "the customer said so"
    told = listed.out + shown.out + ruled.out + ruled.err + str(decided)
    assert IN_SALESFORCE not in told
    assert IN_ERP not in told
    assert not site.exceptions("conflict")
    assert site.cli("status", "--json").data["conservation"]["balanced"]


def test_a_phone_that_changed_meanwhile_is_not_ruled_until_somebody_looks_again(site: Site) -> None:
    here, number = clash(site)
    newer = "+49 221 3333"
    loser = site.cli("conflicts", "show", number, "--json").data["loser_system"]
    eventually(lambda: site.at_rest(here.number), "rest before")
    known = len(_told_by(site, here, loser))
    if loser == "erp":
        site.erp.change_phone(here.customer_id, newer)
    else:
        site.crm.edit("Account", here.account, Phone=newer)
    eventually(lambda: len(_told_by(site, here, loser)) > known, "the change")
    eventually(lambda: site.at_rest(here.number), "rest after")
    first = site.cli("conflicts", "rule", number, "--keep", "loser", "--reason", "as I saw it", "--json")
    assert first.code == 1
    assert first.data["done"] is False
    assert "has changed since it was shown: look again" in first.data["text"]
    second = site.cli("conflicts", "rule", number, "--keep", "loser", "--reason", "looked again", "--json")
    assert second.code == 0, second.out
    eventually(lambda: phones(site, here) == {newer}, f"{newer} in both")


def _told_by(site: Site, here: Customer, system: str) -> list[int]:
    """What the agent has seen of a customer at a system."""
    return [one.seq for one in site.story(here.number).observations if one.system == system]


def test_retrying_a_conflict_names_the_verb_and_a_wrong_side_the_nearest_name(site: Site) -> None:
    here, number = clash(site)
    item = _waiting(site, here)
    assert item is not None
    retried = site.cli("exceptions", "retry", str(item.id), "--reason", "impatience")
    assert retried.code == 1
    assert f"isthmus conflicts rule {number} --keep SYSTEM" in retried.out
    told = site.cli("exceptions", "show", str(item.id))
    assert f"isthmus conflicts rule {number} --keep SYSTEM" in told.out
    wrong = site.cli("conflicts", "rule", number, "--keep", "salesfroce", "--reason", "x")
    assert (wrong.code, wrong.out) == (2, "")
    assert "did you mean 'salesforce'?" in wrong.err
    assert "erp" in wrong.err
    unknown = site.cli("conflicts", "rule", "999", "--keep", "erp", "--reason", "x")
    assert unknown.code == 2
    assert "no conflict 999" in unknown.err
    assert site.cli("conflicts", "list", "--state", "closed").code == 2
    by_case = site.cli("conflicts", "rule", number, "--keep", "ERP", "--reason", "x")
    assert by_case.code == 0, by_case.err
    again = site.cli("conflicts", "rule", number, "--keep", "erp", "--reason", "x")
    assert (again.code, again.out) == (1, f"conflict {number} is decided already\n")


def test_with_the_agent_stopped_conflicts_are_listed_and_cannot_be_ruled(site: Site) -> None:
    here, number = clash(site)
    site.stage.stop_agent()
    listed = site.cli("conflicts", "list", "--json")
    assert listed.code == 0, listed.err
    assert [(str(c["id"]), c["business_key"]) for c in listed.data["items"]] == [(number, here.number)]
    assert site.cli("conflicts", "show", number).code == 0
    ruled = site.cli("conflicts", "rule", number, "--keep", "erp", "--reason", "x")
    assert (ruled.code, ruled.out) == (3, "")
    assert "isthmus run" in ruled.err
