"""Whoever refers to a record is found in the order in which it was seen, which is the order of its lane."""

from __future__ import annotations

import pytest

from agent.store import entities, links, references
from tests.store.test_planned import opened

#: Seen one after the other; by their ids they stand in another order.
SEEN = ("document-9", "document-5", "document-7", "document-1")


@pytest.mark.invariant("I17")
def test_those_who_refer_to_a_record_come_in_the_order_in_which_they_were_seen() -> None:
    with opened() as (store, _), store.transaction("test") as tx:
        for seq, document in enumerate(SEEN, 1):
            entities.add(tx, entities.Born(document, "document", "erp", seq))
            links.put(tx, document, ["customer-1"])
            references.note(tx, document, ["@erp:e2"])
        assert tuple(links.dependants(tx, "customer-1")) == SEEN
        assert tuple(references.take(tx, "@erp:e2")) == SEEN
        assert references.take(tx, "@erp:e2") == []
