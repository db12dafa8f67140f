"""Who may write a field in a context (I5: exactly one owner or one survivorship rule)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from agent.core.contract import Context, ContractField, OwnerRow


def owner(field: ContractField, context: Context) -> str | None:
    """The owning system, or None where a survivorship rule decides.

    The row with the most filled columns that fits the context holds; of several, the one valid last.
    Raises LookupError when no row fits: the configuration check makes that impossible.
    """
    if field.survivorship is not None:
        return None
    if len(field.owners) == 1 and fits(field.owners[0], context):  # nearly every field
        return field.owners[0].owner
    fitting = [row for row in field.owners if fits(row, context)]
    if not fitting:
        raise LookupError(f"field '{field.name}' has no owner in {context}")
    return max(fitting, key=rank).owner


def fits(row: OwnerRow, context: Context) -> bool:
    """Whether a line of the ownership table speaks about this context."""
    return (
        row.legal_entity in (None, context.legal_entity)
        and row.lifecycle_state in (None, context.lifecycle_state)
        and row.wave in (None, context.wave)
        and (row.valid_from is None or row.valid_from <= context.today)
    )


def rank(row: OwnerRow) -> tuple[int, date]:
    """How strongly a row holds: filled columns first, then the later start."""
    filled = sum(column is not None for column in (row.legal_entity, row.lifecycle_state, row.wave))
    return filled, row.valid_from or date.min


def possible_owners(field: ContractField) -> frozenset[str]:
    """Every system that owns the field in some context."""
    return frozenset(row.owner for row in field.owners)


def faults(field: ContractField) -> list[str]:
    """What keeps the table from naming exactly one owner in every context; empty when it does."""
    if field.survivorship is not None:
        return ["has both an owner and a survivorship rule"] if field.owners else []
    if not field.owners:
        return ["has neither an owner nor a survivorship rule"]
    found = []
    if not any(rank(row) == (0, date.min) for row in field.owners):
        found.append("has no row that holds everywhere and from the start (a row with only an owner)")
    found.extend(_ambiguous(field.owners))
    return found


def _ambiguous(rows: Sequence[OwnerRow]) -> list[str]:
    found = []
    for index, one in enumerate(rows):
        for other in rows[index + 1 :]:
            if one.owner != other.owner and rank(one) == rank(other) and _overlap(one, other):
                found.append(f"two rows of equal weight name '{one.owner}' and '{other.owner}'")
    return found


def _overlap(one: OwnerRow, other: OwnerRow) -> bool:
    pairs = (
        (one.legal_entity, other.legal_entity),
        (one.lifecycle_state, other.lifecycle_state),
        (one.wave, other.wave),
    )
    return all(a is None or b is None or a == b for a, b in pairs)
