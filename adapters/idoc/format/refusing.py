"""What a writer refuses, told of with the place where it came from; the same in every form."""

from __future__ import annotations

from collections.abc import Iterator

from adapters.idoc.format.document import Head, Item, Origin
from adapters.idoc.format.problems import Problem, ValueFault
from adapters.idoc.format.records import REQUIRED


def problems_of(fault: ValueFault, item: Item, idoc: int, number: str) -> Iterator[Problem]:
    """Every value of an item that cannot be written."""
    origin = item.origin if isinstance(item, Head) else item.segment.origin or Origin(0)
    segment = "EDI_DC40" if isinstance(item, Head) else item.segment.definition
    for each in fault.each:
        own = "." not in each.field and each.field == segment
        yield Problem(
            each.reason,
            idoc=idoc,
            number=number,
            segment=origin.path or segment,
            field="" if own and not origin.path else each.field,
            line=origin.line,
            column=origin.column,
            offset=origin.offset if origin.offset >= 0 else None,
            remedy=each.remedy,
        )


def blank(head: Head, *, told: bool) -> list[ValueFault]:
    """The fields of a control record that are blank, and without which nobody can tell what an IDoc is. None
    of one that was read from a file, where all that a reader finds is ``told``.
    """
    if told and (head.origin.line or head.origin.path):
        return []
    return [
        ValueFault("blank: nobody could tell what this IDoc is", field=f"EDI_DC40.{name}")
        for name in REQUIRED
        if not head.control.get(name, "").strip(" ")
    ]
