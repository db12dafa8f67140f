"""The judge finds what is missing, doubled, out of order and altered."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.faults.kills.oracle import judge
from tests.faults.kills.site import Site


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """Two customers, two invoices and a rename that arrived everywhere."""
    made = Site(tmp_path / "site")
    made.found()
    for number in (1, 2):
        made.customer(number, f"first of {number}")
        sap(made, SAP, number)
        made.run(
            "books",
            "INSERT INTO client(number, name, block) VALUES (?, ?, '')",
            f"C{number}",
            f"first of {number}",
        )
    for number in (1, 2):
        made.invoice(number, customer=1)
        made.run("books", DOCUMENT, f"I{number}", f"{number}.50")
    made.rename(1, "second of 1")
    made.run("books", "UPDATE client SET name = 'second of 1' WHERE client_id = 1")
    made.sap.store.run("UPDATE customer SET name1 = 'second of 1' WHERE kunnr = '1'")
    yield made
    made.close()


SAP = "INSERT INTO customer(kunnr, name1, sortl, changed_at) VALUES (?, ?, ?, '')"
CLIENT = "INSERT INTO client(number, name, block) VALUES (?, ?, '')"
RENAME = "UPDATE client SET name = ? WHERE client_id = 1"
DOCUMENT = "INSERT INTO document(number, client_id, amount, status) VALUES (?, 1, ?, 'O')"
IDOC = (
    "INSERT INTO idoc(docnum, partner_docnum, arckey, direction, mestyp, status, text, file, content,"
    " received_at, changed_at) VALUES (?, '', 'm1', 2, 'DEBMAS', '53', '', '', '', '', 0)"
)


def sap(site: Site, statement: str, number: int) -> None:
    """SAP has a customer of the ERP."""
    site.sap.store.run(statement, str(number), f"first of {number}", f"C{number}")


def test_what_arrived_once_and_in_order_is_good(site: Site) -> None:
    assert judge(site.folder).good


def renamed(site: Site, *names: str) -> None:
    """Accounting's first client gets one name after the other."""
    for name in names:
        site.run("books", RENAME, name)


def handed_over_twice(site: Site) -> None:
    """SAP has posted two IDocs with one message id."""
    for docnum in ("1", "2"):
        site.sap.store.run(IDOC, docnum)


WRONG: dict[str, Callable[[Site], object]] = {
    "a document twice": lambda site: site.run("books", DOCUMENT, "I2", "2.50"),
    "nobody's document": lambda site: site.run("books", DOCUMENT, "I7", "7.50"),
    "a client twice": lambda site: site.run("books", CLIENT, "C1", "second of 1"),
    "another amount": lambda site: site.run("books", "UPDATE document SET amount = '3' WHERE number = 'I1'"),
    "another's document": lambda site: site.run("books", "UPDATE document SET client_id = 2"),
    "out of order": lambda site: site.run("books", "UPDATE document SET document_id = 9 WHERE number = 'I1'"),
    "an older name after a newer one": lambda site: renamed(site, "first of 1", "second of 1"),
    "a name twice": lambda site: renamed(site, "second of 1"),
    "a customer twice in SAP": lambda site: sap(site, SAP.replace("(?,", "('9' || ?,"), 2),
    "a message handed over twice": handed_over_twice,
}


@pytest.mark.parametrize("name", WRONG)
def test_what_can_never_be_right_again_is_wrong(site: Site, name: str) -> None:
    WRONG[name](site)
    assert judge(site.folder).wrong


MISSING: dict[str, Callable[[Site], object]] = {
    "an invoice": lambda s: s.invoice(3, customer=2),
    "a status": lambda s: s.pay(1, "P"),
    "a name": lambda s: s.rename(2, "second of 2"),
    "a customer": lambda s: s.customer(3, "first of 3"),
    "a block": lambda s: s.block(2),
}


@pytest.mark.parametrize("name", MISSING)
def test_what_has_not_arrived_is_missing(site: Site, name: str) -> None:
    MISSING[name](site)
    found = judge(site.folder)
    assert found.missing
    assert not found.wrong
