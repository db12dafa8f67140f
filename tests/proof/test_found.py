"""Scripts that broke a promise once."""

from __future__ import annotations

import pytest

from tests.flow.stories import Operation
from tests.proof.deaths import verdict

#: What was found, by what was wrong.
FOUND: dict[str, list[Operation]] = {
    "a start that ends before its first effect forgets which mark the system had": [
        ("doom", (("delivery.outcome.after_commit", 8), ("recovery.before_commit", 1))),
        ("create", ()),
        ("settle", ()),
        ("reject", ()),
        ("create", ()),
        ("edit_erp", (0, "terms")),
        ("intake", ("sf",)),
        ("deliver", ("erp",)),
        ("deliver", ("sf",)),
        ("edit_cloud", (1, "Phone")),
    ],
    "an attempt that was withdrawn leaves the exception of the one before it": [
        ("create", ()),
        ("settle", ()),
        ("delete_cloud", (1,)),
        ("book_document", (1,)),
        ("intake", ("erp",)),
        ("happens_at", ("sf.apply", "hold", "sf")),
        ("deliver", ("sf",)),
        ("pay_document", (0,)),
    ],
    "values that never arrived count as values that the target alters": [
        ("create", ()),
        ("settle", ()),
        ("edit_erp", (1, "phone")),
        *[("fault", ("sf", kind)) for kind in ("refused", *["never-arrived"] * 3, "refused")],
        *[("fault", ("erp", kind)) for kind in ("busy", "busy", "answer-lost")],
        ("edit_sap", (0, "AUFSD")),
        ("edit_sap", (0, "AUFSD")),
        ("edit_erp", (0, "terms")),
    ],
    "documents of a merged customer overtake each other on their way to the other lane": [
        ("create", ()),
        ("create", ()),
        ("settle", ()),
        *[("book_document", (customer,)) for customer in (0, 1, 1)],
        ("edit_cloud", (0, "Terms")),
        ("book_document", (1,)),
        ("edit_cloud", (0, "Note")),
        ("merge_cloud", (1,)),
    ],
    "what users wrote while a conflict waited is gone with the record without a trace": [
        ("create", ()),
        ("settle", ()),
        ("happens_at", ("sf.read", "edit_cloud", 0, "Note")),
        ("intake", ("sf",)),
        ("delete_cloud", (0,)),
        ("edit_erp", (0, "note")),
        ("intake", ("sf",)),
        ("deliver", ("erp",)),
        ("confirm", ("erp",)),
        ("edit_erp", (0, "note")),
    ],
    "a null that nobody wrote is in conflict with the first value that somebody wrote": [
        ("create", ()),
        ("gap", (0,)),
        ("intake", ("sf",)),
        ("hide", ("Phone", True)),
        ("confirm", ("sf",)),
    ],
}


@pytest.mark.invariant("I22")
@pytest.mark.parametrize("name", FOUND)
def test_what_was_once_found_stays_found(name: str) -> None:
    assert verdict(FOUND[name]).said is None
