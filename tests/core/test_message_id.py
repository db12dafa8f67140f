"""Identities that other stores and ledgers keep: they never come out otherwise than they did."""

from __future__ import annotations

import hashlib
import json

from hypothesis import given
from hypothesis import strategies as st

from agent.core.delivery import DeliveryKind
from agent.core.message_id import payload_hash
from agent.core.value import Canonical
from tests.core.samples import EVERY_TIME_THE_SAME

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
VALUE: st.SearchStrategy[Canonical] = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**63), 2**63 - 1), TEXT
)


@EVERY_TIME_THE_SAME
@given(st.sampled_from(DeliveryKind), st.none() | TEXT, st.dictionaries(TEXT, VALUE))
def test_a_payload_has_the_hash_of_its_compact_json_in_order_of_names(
    kind: DeliveryKind, key: str | None, fields: dict[str, Canonical]
) -> None:
    text = json.dumps([kind, key, dict(sorted(fields.items()))], ensure_ascii=False, separators=(",", ":"))
    assert payload_hash(kind, key, fields) == hashlib.sha256(text.encode()).hexdigest()


def test_the_hash_of_a_payload_is_what_it_was_in_the_first_version() -> None:
    said = payload_hash("update", "4711", {"name": 'Ä "1"\n\x7f\x1f', "amount": "12.50", "open": True})
    assert (
        said
        == hashlib.sha256(
            b'["update","4711",{"amount":"12.50","name":"\xc3\x84 \\"1\\"\\n\x7f\\u001f","open":true}]'
        ).hexdigest()
    )
