"""What nobody declared harmless is personal: fields and types that are not configured (any more), too."""

from __future__ import annotations

from dataclasses import replace

import pytest

from agent.core.contract import EntityRules
from agent.core.rulebook import Rulebook
from agent.operations.privacy import Privacy
from agent.operations.wire.cells import MASKED
from tests.core.samples import FIELDS, customer

pytestmark = pytest.mark.invariant("I32")
VALUE = "Müllerstraße 12"


@pytest.fixture
def privacy() -> Privacy:
    """A customer whose phone is personal and whose name is not."""
    fields = {**FIELDS, "phone": replace(FIELDS["phone"], pii=True)}
    rules: EntityRules = customer(fields)
    return Privacy(Rulebook({"customer": rules}))


@pytest.mark.parametrize(
    ("type_", "field", "shown"),
    [
        ("customer", "name", VALUE),
        ("customer", "phone", MASKED),
        ("customer", "taken_out_of_the_configuration", MASKED),
        ("supplier", "name", MASKED),
    ],
)
def test_only_what_is_declared_harmless_is_shown(
    privacy: Privacy, type_: str, field: str, shown: str
) -> None:
    assert privacy.cell(type_, field, VALUE) == shown


def test_values_of_what_is_not_configured_are_taken_out_of_texts(privacy: Privacy) -> None:
    secrets = privacy.secrets("customer", ['{"name": "Adler Works", "formerly": "' + VALUE + '"}'])
    text = privacy.text(f"Adler Works does not live in {VALUE}", secrets)
    assert text == f"Adler Works does not live in {MASKED}"


def test_a_business_key_of_an_unknown_type_is_masked(privacy: Privacy) -> None:
    assert privacy.business_key("supplier", VALUE) == MASKED


def test_a_word_of_a_personal_value_is_taken_out_of_texts_too(privacy: Privacy) -> None:
    """A system that refuses a value may repeat only the part that it minds."""
    secrets = privacy.secrets("customer", ['{"phone": "' + VALUE + '"}'])
    assert privacy.text("no such street: Müllerstraße", secrets) == f"no such street: {MASKED}"
