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
}


@pytest.mark.invariant("I22")
@pytest.mark.parametrize("name", FOUND)
def test_what_was_once_found_stays_found(name: str) -> None:
    assert verdict(FOUND[name]).said is None
