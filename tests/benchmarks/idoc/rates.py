"""Segments a second, ours and the bare reference's in turns, by the processor's time."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterator
from statistics import median

from lxml import etree

from adapters.idoc.format.document import Entry, Item
from adapters.idoc.format.flat import FlatReader
from adapters.idoc.format.flat_writing import FlatWriter
from adapters.idoc.format.problems import Findings
from adapters.idoc.format.validation import Validator
from adapters.idoc.format.xml import XmlReader
from adapters.idoc.format.xml_writing import XmlWriter
from tests.benchmarks.idoc.samples import DICTIONARY, orders
from tests.benchmarks.streaming.figure import Figure, beside

_CUTS = {
    name: tuple((entry.name, 63 + entry.offset, 63 + entry.end) for entry in layout.fields)
    for name in ("E2EDK01005", "E2EDP01011", "E2EDP20002", "E2EDP19003")
    if (layout := DICTIONARY.layout(name)) is not None
}


def rates(segments: int, rounds: int) -> Iterator[Figure]:
    """The lines of the table."""
    items = list(orders(segments))
    count = sum(1 for item in items if isinstance(item, Entry))
    flat = b"".join(FlatWriter(None, DICTIONARY).write(items))
    xml = b"".join(XmlWriter(None, DICTIONARY).write(items))
    loop = "a bare slicing loop"
    cases: list[tuple[str, Callable[[], object], Callable[[], object], str]] = [
        ("flat: read", lambda: _read_flat(flat), lambda: _slice(flat), loop),
        (
            "flat: read, every field",
            lambda: _fields(flat),
            lambda: _slice_fields(flat),
            loop,
        ),
        (
            "flat: read and validate",
            lambda: _validate(flat),
            lambda: _slice_fields(flat),
            loop,
        ),
        ("flat: write", lambda: _write_flat(items), lambda: _join(items), "joining padded strings"),
        ("XML: read", lambda: _read_xml(xml), lambda: _read_lxml(xml), "lxml.iterparse"),
        ("XML: write", lambda: _write_xml(items), lambda: _write_lxml(items), "lxml.xmlfile"),
    ]
    for name, ours, bare, what in cases:
        pairs = [(_seconds(ours), _seconds(bare)) for _ in range(rounds)]
        mine = count / median(pair[0] for pair in pairs)
        yield beside(f"{name}, segments", "1/s", mine, count / median(pair[1] for pair in pairs), what)


def _seconds(work: Callable[[], object]) -> float:
    started = time.process_time()
    work()
    return max(time.process_time() - started, 1e-9)


def _read_flat(content: bytes) -> int:
    return sum(1 for _ in FlatReader(io.BytesIO(content), dictionary=DICTIONARY))


def _fields(content: bytes) -> int:
    reader = FlatReader(io.BytesIO(content), dictionary=DICTIONARY)
    return sum(len(item.segment.filled(DICTIONARY)) for item in reader if isinstance(item, Entry))


def _validate(content: bytes) -> int:
    found = Findings()
    reader = FlatReader(io.BytesIO(content), dictionary=DICTIONARY, report=found.add)
    return sum(1 for _ in Validator(DICTIONARY, found.add).check(reader)) + found.errors


def _slice(content: bytes) -> int:
    """What nobody can do without: decode, split, cut the header."""
    rows = []
    for line in content.decode().split("\n"):
        if line.startswith("EDI_DC40"):
            rows.append((line[:10], line[13:29], line[39:69], ""))
        elif line:
            rows.append((line[:30].rstrip(), line[49:55], line[55:61], line[63:].rstrip()))
    return len(rows)


def _slice_fields(content: bytes) -> int:
    count = 0
    for line in content.decode().split("\n"):
        cuts = _CUTS.get(line[:30].rstrip())
        if cuts:
            found = {name: line[start:end].rstrip() for name, start, end in cuts}
            count += sum(1 for text in found.values() if text)
    return count


def _write_flat(items: list[Item]) -> int:
    return sum(map(len, FlatWriter(None, DICTIONARY).write(items)))


def _join(items: list[Item]) -> int:
    lines = []
    for item in items:
        if isinstance(item, Entry):
            name = item.segment.definition
            head = f"{name:<30}{'100':<3}{'':16}{item.at:06d}{item.parent:06d}{item.depth:02d}"
            lines.append(head + item.segment.data.ljust(_CUTS[name][-1][2] - 63))
        else:
            lines.append("".join(item.control.values()).ljust(524))
    return len("\n".join(lines).encode())


def _read_xml(content: bytes) -> int:
    return sum(1 for _ in XmlReader(io.BytesIO(content), dictionary=DICTIONARY))


def _read_lxml(content: bytes) -> int:
    count = 0
    for _, element in etree.iterparse(io.BytesIO(content), events=("end",)):
        if "SEGMENT" in element.attrib:
            found = {child.tag: child.text for child in element if "SEGMENT" not in child.attrib}
            count += len(found) > 0
            element.clear()
    return count


def _write_xml(items: list[Item]) -> int:
    return sum(map(len, XmlWriter(None, DICTIONARY).write(items)))


def _write_lxml(items: list[Item]) -> int:
    """The same fields by lxml's writer; flat below one root, which is less than an IDoc needs."""
    target = io.BytesIO()
    with etree.xmlfile(target, encoding="utf-8") as file, file.element("ORDERS05"):
        for item in items:
            if not isinstance(item, Entry):
                continue
            element = etree.Element(item.segment.type, SEGMENT="1")
            for name, text in item.segment.filled(DICTIONARY).items():
                etree.SubElement(element, name).text = text
            file.write(element)
    return len(target.getvalue())
