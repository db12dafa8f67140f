"""Ownership: exactly one owner or one survivorship rule in every context (I5)."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from agent.core.contract import Context, ContractField, OwnerRow, Survivorship, SurvivorshipKind
from agent.core.ownership import faults, fits, owner, possible_owners, rank
from tests.core.samples import EVERY_TIME_THE_SAME

COLUMN = st.sampled_from([None, "DE01", "US01"])
DAYS = st.dates(date(2026, 1, 1), date(2026, 1, 4))
ROWS = st.builds(
    OwnerRow,
    owner=st.sampled_from(["ecc", "s4", "cloud"]),
    legal_entity=COLUMN,
    lifecycle_state=COLUMN,
    wave=COLUMN,
    valid_from=st.none() | DAYS,
)
TABLES = st.lists(ROWS, max_size=3).map(tuple)
CONTEXTS = st.builds(Context, today=DAYS, legal_entity=COLUMN, lifecycle_state=COLUMN, wave=COLUMN)


@pytest.mark.invariant("I5")
@EVERY_TIME_THE_SAME
@given(st.sampled_from(["ecc", "s4"]), TABLES, CONTEXTS)
def test_a_table_without_faults_names_exactly_one_owner_everywhere(
    default: str, rows: tuple[OwnerRow, ...], context: Context
) -> None:
    field = ContractField("terms", owners=(OwnerRow(default), *rows))
    assume(not faults(field))
    fitting = [row for row in field.owners if fits(row, context)]
    strongest = max(map(rank, fitting))
    assert {row.owner for row in fitting if rank(row) == strongest} == {owner(field, context)}
    assert owner(field, context) in possible_owners(field)


@pytest.mark.invariant("I5")
@EVERY_TIME_THE_SAME
@given(TABLES, CONTEXTS, st.randoms(use_true_random=False))
def test_the_order_of_the_rows_of_a_faultless_table_makes_no_difference(
    rows: tuple[OwnerRow, ...], context: Context, chance: object
) -> None:
    field = ContractField("terms", owners=(OwnerRow("ecc"), *rows))
    assume(not faults(field))
    turned = ContractField("terms", owners=tuple(reversed(field.owners)))
    assert owner(field, context) == owner(turned, context)


def test_the_more_specific_row_holds_and_of_equal_ones_the_later() -> None:
    field = ContractField(
        "terms",
        owners=(
            OwnerRow("ecc"),
            OwnerRow("s4", legal_entity="DE01"),
            OwnerRow("cloud", legal_entity="DE01", lifecycle_state="draft"),
            OwnerRow("s4", valid_from=date(2027, 1, 1)),
        ),
    )
    assert not faults(field)
    assert owner(field, Context(date(2026, 1, 1))) == "ecc"
    assert owner(field, Context(date(2026, 1, 1), legal_entity="DE01")) == "s4"
    assert owner(field, Context(date(2026, 1, 1), "DE01", "draft")) == "cloud"
    assert owner(field, Context(date(2027, 1, 1))) == "s4"


@pytest.mark.parametrize(
    ("field", "fault"),
    [
        (ContractField("terms"), "neither"),
        (ContractField("terms", owners=(OwnerRow("ecc", wave="1"),)), "no row that holds everywhere"),
        (ContractField("terms", owners=(OwnerRow("ecc"), OwnerRow("s4"))), "equal weight"),
        (
            ContractField(
                "terms",
                owners=(OwnerRow("ecc"), OwnerRow("ecc", wave="1"), OwnerRow("s4", legal_entity="DE01")),
            ),
            "equal weight",
        ),
        (
            ContractField(
                "terms", owners=(OwnerRow("ecc"),), survivorship=Survivorship(SurvivorshipKind.MANUAL)
            ),
            "both",
        ),
    ],
)
def test_a_table_that_leaves_a_doubt_is_named(field: ContractField, fault: str) -> None:
    assert any(fault in found for found in faults(field))


def test_a_shared_field_has_a_rule_and_no_owner() -> None:
    field = ContractField("phone", survivorship=Survivorship(SurvivorshipKind.PREFER, "cloud"))
    assert not faults(field)
    assert owner(field, Context(date(2026, 1, 1))) is None


def test_a_context_that_no_row_speaks_about_is_an_error_not_a_guess() -> None:
    field = ContractField("terms", owners=(OwnerRow("ecc", wave="1"),))
    with pytest.raises(LookupError, match="no owner"):
        owner(field, Context(date(2026, 1, 1)))
