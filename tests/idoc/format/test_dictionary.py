"""Loading what SAP exports about an IDoc type: parser texts, schemas, and our own table."""

from __future__ import annotations

import io
import os
import threading
import time
from pathlib import Path

import pytest

from adapters.idoc.format.dictionary import Dictionary
from adapters.idoc.format.grammar import UNBOUNDED
from adapters.idoc.format.loading import load_dictionary
from adapters.idoc.format.parser_export import read_parser_export
from adapters.idoc.format.problems import Findings, ReadFault
from adapters.idoc.format.schema import read_schema
from adapters.idoc.format.table import read_table
from tests.idoc.format.exports import ORDERS, SAMPLES, orders_dictionary, parser_text


def parsed(text: str, encoding: str = "utf-8") -> Dictionary:
    return read_parser_export(io.BytesIO(text.encode(encoding)))


def problems(text: str) -> list[str]:
    found = Findings()
    read_parser_export(io.BytesIO(text.encode()), report=found.add)
    return [str(problem) for problem in found]


def test_positions_of_a_parser_export_count_from_one_and_include_the_header() -> None:
    layout = orders_dictionary().layout("E2EDKA1003")
    assert layout is not None
    assert (layout.name, layout.field("PARVW").offset, layout.field("LIFNR").offset) == ("E1EDKA1", 0, 20)
    assert layout.length == 107


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_texts_of_a_parser_export_are_in_the_code_page_of_the_pc_and_its_lines_end_as_they_like(
    encoding: str, end: str
) -> None:
    layout = parsed(parser_text(end=end), encoding).layout("E1EDK14")
    assert layout is not None
    assert layout.field("QUALF").text == "Text of QUALF, für jeden"


def test_the_cardinality_of_a_group_goes_to_its_first_segment_and_the_others_hang_below_it() -> None:
    orders = orders_dictionary().idoc_type("ORDERS05")
    assert orders is not None
    item = orders.root.child("E1EDP01")
    assert item is not None
    assert (item.least, item.most, item.level) == (0, UNBOUNDED, 2)
    assert [child.type for child in item.children] == ["E1EDP02", "E1EDP20", "E1EDP19"]
    head = orders.root.child("E1EDK01")
    assert head is not None
    assert (head.least, head.most) == (1, 1)


def test_loopmin_of_an_optional_segment_only_says_how_often_if_at_all() -> None:
    orders = orders_dictionary().idoc_type("ORDERS05")
    assert orders is not None
    optional = orders.root.child("E1EDK14")
    assert optional is not None
    assert (optional.least, optional.most) == (0, 12)


def test_an_extension_is_known_by_both_names_and_the_basic_type_is_no_substitute_for_it() -> None:
    known = parsed(parser_text(name="ORDERS05", extension="ZORDERS_EX"))
    assert known.idoc_type("ORDERS05", "ZORDERS_EX") is not None
    assert known.idoc_type("ORDERS05") is None
    assert orders_dictionary().idoc_type("ORDERS05", "ZORDERS_EX") is None


def test_a_namespaced_idoc_type_and_its_segments_are_read() -> None:
    tree = (("/RB04/YP3_E1EDK01_XML001", "/RB04/YP3_E1EDK01_XML", 1, True, 1, "A:3", ()),)
    known = parsed(parser_text(tree, name="/RB04/ORDERS"))
    assert known.type_of("/RB04/YP3_E1EDK01_XML001") == "/RB04/YP3_E1EDK01_XML"
    assert known.idoc_type("/RB04/ORDERS") is not None


def test_old_exports_say_byte_instead_of_character() -> None:
    text = parser_text().replace("CHARACTER_FIRST", "BYTE_FIRST").replace("CHARACTER_LAST", "BYTE_LAST")
    layout = parsed(text).layout("E1EDKA1")
    assert layout is not None
    assert layout.field("NAME1").offset == 37
    moved = parser_text((ORDERS[1],)).replace("CHARACTER_FIRST    000067", "BYTE_FIRST    000070")
    moved = moved.replace("CHARACTER_LAST     000101", "BYTE_LAST          000104")
    layout = parsed(moved).layout("E1EDK14")
    assert layout is not None
    assert layout.field("ORGID").offset == 6


def test_fixed_values_may_follow_a_field() -> None:
    text = parser_text().replace(
        "CHARACTER_LAST     000066\n\n",
        "CHARACTER_LAST     000066\n        VALUE              006\n        VALUE_TEXT         Division\n"
        "        VALUE              007\n        VALUE_TEXT         Channel\n\n",
    )
    layout = parsed(text).layout("E1EDK14")
    assert layout is not None
    assert [entry.values for entry in layout.fields] == [("006", "007"), ()]


def test_one_type_has_several_definitions_and_the_newest_reads_all_of_them() -> None:
    known = orders_dictionary()
    older = (("E2EDP01008", "E1EDP01", 2, False, 9, "POSEX:6 ACTION:3", ()),)
    known.extend(parsed(parser_text(older, name="INVOIC02")))
    assert known.definitions_of("E1EDP01") == ("E2EDP01011", "E2EDP01008")
    newest, old = known.layout("E1EDP01"), known.layout("E2EDP01008")
    assert newest is not None
    assert old is not None
    assert (newest.definition, old.length) == ("E2EDP01011", 9)
    assert known.layout("E2EDP01005") is newest
    assert known.definition_of("E1EDP01") == "E2EDP01011"


def test_the_dictionary_comes_before_the_rule_of_three_digits() -> None:
    tree = (("Z2ABC100", "Z1ABC100", 1, True, 1, "A:3", ()),)
    assert parsed(parser_text(tree)).type_of("Z2ABC100") == "Z1ABC100"
    assert Dictionary().type_of("Z2ABC100") == "Z1ABC"


@pytest.mark.parametrize(
    ("before", "after", "reason"),
    [
        ("LENGTH             000035", "LENGTH             ABC", "no number"),
        ("CHARACTER_LAST     000101", "CHARACTER_LAST     000999", "length is not that of its place"),
        ("CHARACTER_FIRST    000067", "CHARACTER_FIRST    000064", "on top of another"),
        ("        LENGTH             000035\n", "", "no LENGTH"),
        ("  END_IDOC\n", "", "END_SEGMENT_SECTION ends no BEGIN"),
        ("      SEGMENTTYPE        E1EDK14\n", "      !!\n", "no keyword"),
        ("NAME               ORGID", "NAME               QUALF", "two fields of this name"),
    ],
)
def test_a_wrong_parser_export_is_told_of_with_its_line(before: str, after: str, reason: str) -> None:
    text = parser_text((ORDERS[1],))
    assert before in text
    told = problems(text.replace(before, after))
    assert any(reason in problem and "line" in problem for problem in told), told


def test_a_cut_parser_export_is_told_of() -> None:
    assert any("has no end" in told for told in problems(parser_text()[:-400]))


def test_all_problems_of_a_dictionary_are_told_of_at_once() -> None:
    text = parser_text().replace("LENGTH             000035", "LENGTH             X")
    assert sum("no number" in told for told in problems(text)) >= 3


@pytest.mark.parametrize(
    ("name", "idoc_type", "segment", "length", "deep"),
    [
        ("sap_recipes_ORDERS05.wsdl", ("ORDERS05", ""), "E1EDKA1", 995, "E1EDP01"),
        ("sap_recipes_ZZ_DEBMAS_360.xsd", ("DEBMAS07", "ZZ_DEBMAS_360"), "E1KNKKM", 136, "E1KNA1M"),
    ],
)
def test_schemas_of_both_kinds_tell_types_hierarchy_and_running_offsets(
    name: str, idoc_type: tuple[str, str], segment: str, length: int, deep: str
) -> None:
    known = read_schema(io.BytesIO((SAMPLES / name).read_bytes()))
    layout, found = known.layout(segment), known.idoc_type(*idoc_type)
    assert layout is not None
    assert found is not None
    assert layout.length == length
    node = found.find(deep)
    assert node is not None
    assert node.children


def test_a_schema_knows_no_definitions_so_the_rule_finds_its_layout_for_a_flat_record() -> None:
    known = read_schema(io.BytesIO((SAMPLES / "sap_recipes_ORDERS05.wsdl").read_bytes()))
    assert known.definition_of("E1EDKA1") is None
    assert known.layout("E2EDKA1003") is known.layout("E1EDKA1")


def test_a_schema_next_to_a_parser_export_leaves_its_definitions_alone() -> None:
    known = orders_dictionary()
    known.extend(read_schema(io.BytesIO((SAMPLES / "sap_recipes_ORDERS05.wsdl").read_bytes())))
    assert known.definition_of("E1EDKA1") == "E2EDKA1003"


XSD = '<xsd:schema xmlns:xsd="http://www.w3.org/2001/XMLSchema">{}</xsd:schema>'
BOMB = XSD.format(
    '<xsd:element name="R"><xsd:complexType><xsd:sequence><xsd:element name="IDOC"><xsd:complexType>'
    '<xsd:sequence><xsd:element name="S0" type="T0"/></xsd:sequence></xsd:complexType></xsd:element>'
    "</xsd:sequence></xsd:complexType></xsd:element>"
    + "".join(
        f'<xsd:complexType name="T{at}"><xsd:sequence><xsd:element name="A" type="T{at + 1}"/>'
        f'<xsd:element name="B" type="T{at + 1}"/></xsd:sequence></xsd:complexType>'
        for at in range(40)
    )
    + '<xsd:complexType name="T40"><xsd:sequence/></xsd:complexType>'
)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (BOMB, "more than 50000 segments"),
        (BOMB.replace('type="T1"', 'type="T0"'), "part of itself"),
        (XSD.format('<xsd:include schemaLocation="file:///etc/passwd"/>'), "describes no IDoc"),
        ('<!DOCTYPE x SYSTEM "http://x/y.dtd"><x/>', "external DTD"),
        ('<!DOCTYPE x [<!ENTITY a "b">]><x/>', "entity"),
        (
            XSD.format("").replace(" xm", " targetNamespace='http://Microsoft.LobServices.Sap/' xm"),
            "BizTalk",
        ),
        ("<a><b></a>", "not well-formed"),
    ],
)
def test_a_schema_that_grows_or_fetches_or_is_none_is_refused(text: str, reason: str) -> None:
    with pytest.raises(ReadFault, match=reason):
        read_schema(io.BytesIO(text.encode()))


TABLE = """segment;definition;field;length;type;parent;idoctype;min;max;values
E1HEAD;E2HEAD001;QUALF;3;CHAR;;ZTYPE01;1;1;001 002
E1HEAD;E2HEAD001;DAY;8;DATS;;ZTYPE01;1;1;
E1ITEM;E2ITEM000;AMOUNT;18;CURR;E1HEAD;ZTYPE01;0;99;
"""


def test_a_table_tells_everything_in_columns_of_any_order_and_separator() -> None:
    known = read_table(io.BytesIO(b"\xef\xbb\xbf" + TABLE.replace(";", "\t").encode()))
    layout, kind = known.layout("E2HEAD001"), known.idoc_type("ZTYPE01")
    assert layout is not None
    assert kind is not None
    assert (layout.field("DAY").offset, layout.field("DAY").kind) == (3, "DATS")
    assert layout.field("QUALF").values == ("001", "002")
    assert [node.type for node in kind.root.walk()] == ["", "E1HEAD", "E1ITEM"]


@pytest.mark.parametrize(
    ("before", "after", "reason"),
    [
        (";18;", ";long;", "length is no number"),
        (";E1HEAD;ZTYPE01", ";E1NONE;ZTYPE01", "does not come before it"),
        ("segment;", "segmnt;", "lacks the column segment"),
        (";18;", ";1800;", "does not fit"),
        ("E1ITEM;E2", ";E2", "without segment"),
        (";values", ";vaules", "unknown or repeated column"),
    ],
)
def test_a_wrong_table_is_told_of_with_its_line(before: str, after: str, reason: str) -> None:
    with pytest.raises(ReadFault, match=reason) as fault:
        read_table(io.BytesIO(TABLE.replace(before, after, 1).encode()))
    assert fault.value.line >= 1


def test_every_form_of_dictionary_is_known_by_its_first_bytes_and_files_add_up(tmp_path: Path) -> None:
    (tmp_path / "orders.txt").write_text(parser_text())
    (tmp_path / "own.csv").write_text(TABLE)
    schema = SAMPLES / "sap_recipes_ZZ_DEBMAS_360.xsd"
    known = load_dictionary([tmp_path / "orders.txt", tmp_path / "own.csv", schema])
    assert {"E1EDK01", "E1HEAD", "E1KNKKM", "E1STATE"} <= set(known.types())
    (tmp_path / "letter.txt").write_text("Dear customer")
    with pytest.raises(ReadFault, match=r"letter.txt: the file is no parser export"):
        load_dictionary([tmp_path / "letter.txt"])


def test_a_flag_without_a_value_says_nothing_wrong() -> None:
    text = parser_text().replace("      LOOPMIN", "      QUALIFIED\n      LOOPMIN")
    assert problems(text) == []


def test_a_parser_export_that_describes_a_segment_in_two_ways_is_refused() -> None:
    twice = (ORDERS[1], (*ORDERS[1][:5], "QUALF:4 ORGID:34", ()))
    assert any("described twice, with different fields" in told for told in problems(parser_text(twice)))
    longer = (ORDERS[1], (*ORDERS[1][:5], "QUALF:3 ORGID:35 NEW:2", ()))
    assert problems(parser_text(longer)) == []


@pytest.mark.parametrize("kind", ["parser", "table"])
def test_a_dictionary_without_end_takes_no_longer_than_another(kind: str) -> None:
    begun = time.process_time()
    if kind == "parser":
        lines = "".join(f"NAME A{at}\nLENGTH 3\n" for at in range(50_000))
        start = "BEGIN_SEGMENT_SECTION\nBEGIN_IDOC X\nBEGIN_SEGMENT E2A000\nBEGIN_FIELDS\n"
        told = problems(f"{start}{lines}END_FIELDS\nEND_SEGMENT\nEND_IDOC\nEND_SEGMENT_SECTION\n")
        assert any("more than 1000 fields" in each for each in told)
    else:
        rows = "".join(f"E1S{at},A,1,Z1\n" for at in range(50_000))
        known = read_table(io.BytesIO(f"segment,field,length,idoctype\n{rows}".encode()))
        assert len(known.types()) == 50_000
    assert time.process_time() - begun < 20


def test_segments_as_deep_as_any_export_nests_them_are_read() -> None:
    head = "BEGIN_SEGMENT E2A{:03d}000\nBEGIN_FIELDS\nNAME A\nLENGTH 3\nEND_FIELDS\nEND_SEGMENT\n"
    begin = "".join(f"BEGIN_GROUP {at}\n{head.format(at)}" for at in range(390))
    end = "END_GROUP\n" * 390
    known = parsed(f"BEGIN_SEGMENT_SECTION\nBEGIN_IDOC X\n{begin}{end}END_IDOC\nEND_SEGMENT_SECTION\n")
    assert len(known.types()) == 390


FIELD = (
    '<xsd:element name="{}"><xsd:simpleType><xsd:restriction base="xsd:string"><xsd:maxLength value="{}"/>'
    "</xsd:restriction></xsd:simpleType></xsd:element>"
)


def schema(inside: str, beside: str = "") -> str:
    """A schema of an IDoc type with these segments."""
    return XSD.format(
        '<xsd:element name="R"><xsd:complexType><xsd:sequence><xsd:element name="IDOC"><xsd:complexType>'
        f"<xsd:sequence>{inside}</xsd:sequence></xsd:complexType></xsd:element></xsd:sequence></xsd:complexType>"
        f"</xsd:element>{beside}"
    )


def described(name: str, *lengths: int, occurs: str = "") -> str:
    """A segment with so many fields."""
    fields = "".join(FIELD.format(f"F{at}", length) for at, length in enumerate(lengths))
    inside = f"<xsd:complexType><xsd:sequence>{fields}</xsd:sequence></xsd:complexType>"
    return f'<xsd:element name="{name}" {occurs}>{inside}</xsd:element>'


def schema_problems(text: str) -> list[str]:
    found = Findings()
    read_schema(io.BytesIO(text.encode()), report=found.add)
    return [str(problem) for problem in found]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (schema(described("A", 3, 4) + described("B", 1) + described("A", 4, 4)), "described twice"),
        (schema(described("A", 3, occurs='minOccurs="2" maxOccurs="1"')), "minOccurs is greater"),
        (schema('<xsd:element ref="t:NONE"/>'), "which it refers to, is not in the file"),
        (schema('<xsd:group ref="t:G"/>'), "'group' is not understood"),
        (
            schema(
                '<xsd:element ref="A"/>',
                described("A", 3).replace("<xsd:sequence>", '<xsd:sequence><xsd:element ref="A"/>'),
            ),
            "part of itself",
        ),
    ],
)
def test_a_schema_that_contradicts_itself_or_hides_something_is_refused(text: str, reason: str) -> None:
    told = schema_problems(text)
    assert any(reason in each and "line" in each for each in told), told


def test_a_schema_may_refer_to_elements_extend_types_and_offer_a_choice() -> None:
    base = f'<xsd:complexType name="T"><xsd:sequence>{FIELD.format("F0", 3)}</xsd:sequence></xsd:complexType>'
    more = (
        '<xsd:element name="B"><xsd:complexType><xsd:complexContent><xsd:extension base="T"><xsd:sequence>'
        f"{FIELD.format('F1', 5)}</xsd:sequence></xsd:extension></xsd:complexContent></xsd:complexType>"
        "</xsd:element>"
    )
    choice = f'<xsd:choice maxOccurs="unbounded">{described("C", 1)}{described("D", 1)}</xsd:choice>'
    text = schema(f'<xsd:element ref="A" minOccurs="0"/>{more}{choice}', described("A", 3) + base)
    assert schema_problems(text) == []
    known = read_schema(io.BytesIO(text.encode()))
    layout, kind = known.layout("B"), known.idoc_type("R")
    assert layout is not None
    assert kind is not None
    assert [(entry.name, entry.offset) for entry in layout.fields] == [("F0", 0), ("F1", 3)]
    nodes = {node.type: (node.least, node.most) for node in kind.root.children}
    assert nodes == {"A": (0, 1), "B": (1, 1), "C": (0, UNBOUNDED), "D": (0, UNBOUNDED)}


def test_a_dictionary_may_come_from_a_pipe(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    writer = threading.Thread(target=(tmp_path / "pipe").write_text, args=(parser_text(),))
    writer.start()
    assert load_dictionary([tmp_path / "pipe"]).idoc_type("ORDERS05") is not None
    writer.join()
