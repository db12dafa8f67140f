"""Dictionaries as SAP exports them, written from the published grammar and layouts; and IDocs that fit."""

from __future__ import annotations

import io
from pathlib import Path

from adapters.idoc.format.dictionary import Dictionary
from adapters.idoc.format.document import Idoc, Item
from adapters.idoc.format.opening import Opened
from adapters.idoc.format.parser_export import read_parser_export
from adapters.idoc.format.problems import Findings
from adapters.idoc.format.records import CONTROL
from adapters.idoc.format.validation import Validator

SAMPLES = Path(__file__).parents[2] / "data" / "idoc"

#: (definition, type, level, mandatory, most, fields, children)
Tree = tuple[str, str, int, bool, int, str, tuple["Tree", ...]]

ORDERS: tuple[Tree, ...] = (
    ("E2EDK01005", "E1EDK01", 1, True, 1, "ACTION:3 KZABS:1 CURCY:3 HWAER:3 WKURS:12 ZTERM:17 BELNR:35", ()),
    ("E2EDK14", "E1EDK14", 2, False, 12, "QUALF:3 ORGID:35", ()),
    ("E2EDKA1003", "E1EDKA1", 2, False, 99, "PARVW:3 PARTN:17 LIFNR:17 NAME1:35 NAME2:35", ()),
    (
        *("E2EDP01011", "E1EDP01", 2, False, 9999999999),
        "POSEX:6 ACTION:3 PSTYP:1 KZABS:1 MENGE:15 MENEE:3",
        (
            ("E2EDP02001", "E1EDP02", 3, False, 10, "QUALF:3 BELNR:35 ZEILE:6", ()),
            ("E2EDP20002", "E1EDP20", 3, False, 9999, "WMENG:15 AMENG:15 EDATU:8", ()),
            ("E2EDP19003", "E1EDP19", 3, False, 5, "QUALF:3 IDTNR:35 KTEXT:70 IDTNR_LONG:40", ()),
        ),
    ),
    ("E2EDS01", "E1EDS01", 2, False, 5, "SUMID:3 SUMME:18 SUNIT:3 WAERQ:3", ()),
)


def field_lines(text: str) -> list[str]:
    """BEGIN_FIELDS to END_FIELDS for ``NAME:length …``."""
    lines = ["      BEGIN_FIELDS"]
    at = 64
    for place, item in enumerate(text.split(), 1):
        name, length = item.split(":")
        last = at + int(length) - 1
        lines += [
            f"        NAME               {name}",
            f"        TEXT               Text of {name}, für jeden",
            "        TYPE               CHARACTER",
            f"        LENGTH             {int(length):06d}",
            f"        FIELD_POS          {place:04d}",
            f"        CHARACTER_FIRST    {at:06d}",
            f"        CHARACTER_LAST     {last:06d}",
            "",
        ]
        at = last + 1
    return [*lines, "      END_FIELDS"]


def _segment(tree: Tree, *, head: bool) -> list[str]:
    definition, kind, level, mandatory, most, fields, _ = tree
    status = "MANDATORY" if mandatory or head else "OPTIONAL"
    return [
        f"    BEGIN_SEGMENT        {definition}",
        f"      SEGMENTTYPE        {kind}",
        f"      LEVEL              {level:02d}",
        f"      STATUS             {status}",
        "      LOOPMIN            0000000001",
        f"      LOOPMAX            {1 if head else most:010d}",
        *field_lines(fields),
        "    END_SEGMENT",
    ]


def _branch(tree: Tree, number: list[int]) -> list[str]:
    if not tree[6]:
        return _segment(tree, head=False)
    number[0] += 1
    lines = [
        f"  BEGIN_GROUP            {number[0]}",
        f"    LEVEL                {tree[2]:02d}",
        f"    STATUS               {'MANDATORY' if tree[3] else 'OPTIONAL'}",
        "    LOOPMIN              0000000001",
        f"    LOOPMAX              {tree[4]:010d}",
        *_segment(tree, head=True),
    ]
    for child in tree[6]:
        lines += _branch(child, number)
    return [*lines, "  END_GROUP"]


def parser_text(
    trees: tuple[Tree, ...] = ORDERS, name: str = "ORDERS05", extension: str = "", end: str = "\n"
) -> str:
    """A parser export."""
    lines = [
        "BEGIN_RECORD_SECTION",
        "  BEGIN_CONTROL_RECORD",
        *field_lines("TABNAM:10 MANDT:3"),
        "  END_CONTROL_RECORD",
        "END_RECORD_SECTION",
        "",
        "BEGIN_SEGMENT_SECTION",
        f"  BEGIN_IDOC             {name}",
        *([f"    EXTENSION            {extension}"] if extension else []),
    ]
    number = [0]
    for tree in trees:
        lines += _branch(tree, number)
    return end.join([*lines, "  END_IDOC", "END_SEGMENT_SECTION", ""])


def orders_dictionary() -> Dictionary:
    """The dictionary of that export."""
    return read_parser_export(io.BytesIO(parser_text().encode("latin-1")))


def record(name: str, data: str = "", number: str = "", parent: str = "", level: str = "") -> str:
    """A data record without client and IDoc number."""
    return f"{name:<30}{'':19}{number:<6}{parent:<6}{level:<2}{data}"


def control_line(**changed: str) -> str:
    """A control record of ORDERS05."""
    fields = {
        "TABNAM": "EDI_DC40",
        "DIRECT": "2",
        "IDOCTYP": "ORDERS05",
        "MESTYP": "ORDERS",
        "SNDPRN": "SHOP",
        "RCVPRN": "SAPCLNT100",
        **changed,
    }
    return CONTROL.write(fields)


def flat_file(*records: str, **control: str) -> bytes:
    """A file of one IDoc."""
    return "".join(f"{line}\n" for line in (control_line(**control), *records)).encode()


def items(content: bytes, dictionary: Dictionary | None = None, encoding: str = "") -> list[Item]:
    """Everything in a file; the first problem raises."""
    return list(Opened(io.BytesIO(content), dictionary=dictionary, encoding=encoding))


def findings(content: bytes, dictionary: Dictionary | None = None, encoding: str = "") -> Findings:
    """Every problem of a file."""
    found = Findings()
    known = dictionary or orders_dictionary()
    opened = Opened(io.BytesIO(content), dictionary=known, encoding=encoding, report=found.add)
    for _ in Validator(known, found.add, codec=opened.codec).check(opened):
        pass
    return found


def shape(idoc: Idoc) -> list[tuple[str, int]]:
    """Types and depths of an IDoc's segments."""
    found: list[tuple[str, int]] = []
    stack = [(root, 0) for root in reversed(idoc.segments)]
    while stack:
        segment, depth = stack.pop()
        found.append((segment.type, depth))
        stack.extend((child, depth + 1) for child in reversed(segment.children))
    return found
