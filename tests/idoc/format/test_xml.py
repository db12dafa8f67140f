"""Reading and writing the XML form, in every form real senders use."""

from __future__ import annotations

import io
import re

import lxml.etree
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.idoc.format import codepage
from adapters.idoc.format.document import Head, Idoc, Segment, assemble
from adapters.idoc.format.flat_writing import write_idoc
from adapters.idoc.format.opening import Opened
from adapters.idoc.format.problems import Findings, ReadFault, ValueFault
from adapters.idoc.format.records import CONTROL
from adapters.idoc.format.xml import XmlReader, read_xml
from adapters.idoc.format.xml_writing import XmlForm, XmlWriter, write_xml
from tests.idoc.format.exports import SAMPLES, orders_dictionary, shape

HEAD = "<EDI_DC40 SEGMENT='1'><IDOCTYP>ORDERS05</IDOCTYP><MESTYP>ORDERS</MESTYP></EDI_DC40>"
ONE = f"<ORDERS05><IDOC BEGIN='1'>{HEAD}<E1EDK01 SEGMENT='1'><CURCY>EUR</CURCY></E1EDK01></IDOC></ORDERS05>"


def read(text: str | bytes, encoding: str = "") -> list[Idoc]:
    content = text.encode() if isinstance(text, str) else text
    return list(read_xml(io.BytesIO(content), encoding=encoding, dictionary=orders_dictionary()))


def told(text: str | bytes) -> list[str]:
    found = Findings()
    content = text.encode() if isinstance(text, str) else text
    for _ in XmlReader(io.BytesIO(content), dictionary=orders_dictionary(), report=found.add):
        pass
    return [str(problem) for problem in found]


def body(inside: str) -> str:
    return f"<ORDERS05><IDOC BEGIN='1'>{HEAD}{inside}</IDOC></ORDERS05>"


@pytest.mark.parametrize("name", ["MATMAS05_s4.xml", "ORDRSP_ORDERS05.xml"])
def test_a_real_document_is_written_back_byte_for_byte(name: str) -> None:
    content = (SAMPLES / f"sap_recipes_{name}").read_bytes()
    reader = XmlReader(io.BytesIO(content))
    again = XmlWriter(XmlForm(style=reader.style, blanks=True)).write(reader)
    assert b"".join(again) == content


@pytest.mark.parametrize("name", ["INVOIC02_a.xml", "ORDERS05.xml"])
def test_a_real_document_of_irregular_layout_keeps_every_value(name: str) -> None:
    first = list(read_xml(io.BytesIO((SAMPLES / f"sap_recipes_{name}").read_bytes())))
    assert list(read_xml(io.BytesIO(write_xml(first)))) == first


def test_a_real_document_has_its_items_below_each_other() -> None:
    (idoc,) = read((SAMPLES / "sap_recipes_ORDRSP_ORDERS05.xml").read_bytes())
    item = next(segment for segment in idoc.segments if segment.type == "E1EDP01")
    assert {"E1EDP02", "E1EDP20", "E1EDP19"} <= {child.type for child in item.children}
    assert idoc.message_type == "ORDRSP"


def test_several_idocs_of_a_document_come_one_by_one() -> None:
    inner = ONE.removeprefix("<ORDERS05>").removesuffix("</ORDERS05>")
    assert len(read(f"<ORDERS05>{inner * 3}</ORDERS05>")) == 3


def test_the_root_may_be_the_name_of_the_extension() -> None:
    (idoc,) = read(
        ONE.replace("ORDERS05>", "ZINV_ARDO>").replace("<IDOCTYP>ZINV_ARDO>", "<IDOCTYP>ORDERS05<")
    )
    assert idoc.segments[0].type == "E1EDK01"


def test_the_root_that_is_written_is_the_name_of_the_extension_where_there_is_one() -> None:
    (idoc,) = read(ONE.replace("<MESTYP>", "<CIMTYP>/RB04/ZORD</CIMTYP><MESTYP>"))
    assert b"<_-RB04_-ZORD>" in write_xml([idoc])
    (plain,) = read(ONE)
    assert b"<ORDERS05>" in write_xml([plain])


@pytest.mark.parametrize("name", ["EDI_DC40_U", "EDI_DC"])
def test_tools_call_the_control_record_otherwise(name: str) -> None:
    (idoc,) = read(ONE.replace("EDI_DC40", name))
    assert idoc.control["IDOCTYP"] == "ORDERS05"


def test_release_3_is_refused_by_its_field() -> None:
    with pytest.raises(ReadFault, match=r"release 3\.x"):
        read(ONE.replace("<MESTYP>", "<DOCTYP>ORDERS02</DOCTYP><MESTYP>"))


def test_slashes_of_a_namespace_are_underscore_and_hyphen_in_xml() -> None:
    (idoc,) = read(body("<_-RB04_-X SEGMENT='1'><_-RB04_-F>1</_-RB04_-F></_-RB04_-X>"))
    assert (idoc.segments[0].type, idoc.segments[0].named) == ("/RB04/X", {"/RB04/F": "1"})
    assert b"<_-RB04_-X SEGMENT" in write_xml([idoc])


def test_an_empty_segment_is_kept_with_and_without_its_attribute() -> None:
    (idoc,) = read(body("<E1EDK01 SEGMENT='1'/><E1EDK14/><E1EDP01 SEGMENT='1'><E1EDP02/></E1EDP01>"))
    assert shape(idoc) == [("E1EDK01", 0), ("E1EDK14", 0), ("E1EDP01", 0), ("E1EDP02", 1)]


def test_segments_without_attributes_are_known_by_their_children_and_told_of() -> None:
    text = body("<E1EDP01><POSEX>1</POSEX><E1EDP02><QUALF>001</QUALF></E1EDP02></E1EDP01>")
    (idoc,) = read(text)
    assert shape(idoc) == [("E1EDP01", 0), ("E1EDP02", 1)]
    assert idoc.segments[0].named == {"POSEX": "1"}
    assert any("no attribute SEGMENT" in problem for problem in told(text))


def test_only_trailing_blanks_are_cut_because_leading_ones_are_data() -> None:
    (idoc,) = read(body("<E1EDK01 SEGMENT='1'><BELNR>  0   </BELNR></E1EDK01>"))
    assert idoc.segments[0].named == {"BELNR": "  0"}


def test_control_fields_padded_to_their_length_are_read() -> None:
    (idoc,) = read(ONE.replace("ORDERS<", "ORDERS                        <"))
    assert idoc.message_type == "ORDERS"


def test_stray_text_beside_child_segments_is_told_of_and_not_read() -> None:
    text = body("<E1EDP01 SEGMENT='1'>è<POSEX>1</POSEX><E1EDP02 SEGMENT='1'/></E1EDP01>")
    assert read(text)[0].segments[0].named == {"POSEX": "1"}
    assert any("text stands between segments" in problem for problem in told(text))


def test_an_internal_dtd_without_entities_is_legal() -> None:
    dtd = "<!DOCTYPE ORDERS05 [<!ELEMENT IDOC ANY><!ATTLIST IDOC BEGIN CDATA #FIXED '1'>]>"
    (idoc,) = read(dtd + ONE.replace(" BEGIN='1'", ""))
    assert idoc.segments[0].type == "E1EDK01"
    assert told(dtd + ONE.replace(" BEGIN='1'", "")) == []


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("<!DOCTYPE a [<!ENTITY x 'y'>]>" + ONE, "entity"),
        ("<!DOCTYPE a [<!ENTITY % x SYSTEM 'file:///etc/passwd'>%x;]>" + ONE, "entity"),
        ("<!DOCTYPE a [<!ENTITY x SYSTEM 'file:///etc/passwd'>]>" + ONE, "entity"),
        ("<!DOCTYPE a SYSTEM 'http://127.0.0.1/a.dtd'>" + ONE, "external DTD"),
        ("<!DOCTYPE a PUBLIC '-//x' 'a.dtd' [<!ELEMENT a ANY>]>" + ONE, "external DTD"),
        ("<!DOCTYPE a [<!NOTATION x SYSTEM 'y'>]>" + ONE, "entity or a notation"),
        (ONE.replace("EUR", "&eur;"), "undefined entity"),
        (ONE.replace("EUR", "A & B"), "not well-formed"),
        ("\n" + "<?xml version='1.0'?>" + ONE, "not well-formed"),
        (ONE[:-20], "not well-formed"),
        (ONE + "x", "not well-formed"),
        ("<?xml version='1.0' encoding='utf-99'?>" + ONE, "unknown code page"),
        ("<?xml version='1.0' encoding='UTF-16'?>" + ONE, "unknown code page|not written in it"),
        (body("<A>" * 200), "deeper than 120"),
        (body("<E1EDK01 SEGMENT='1'><CURCY>" + "x" * 90000), "value of more than"),
        ("<a " + "b" * 3_000_000, "a tag, comment or declaration"),
        ("<ORDERS05/>", "no element IDOC"),
        ("<ORDERS05><IDOC BEGIN='1'/></ORDERS05>", "without control record"),
        (body(""), "without segments"),
        (ONE.replace(HEAD, ""), "before any control record"),
        (ONE.replace("<CURCY>", "<CURCY>USD</CURCY><CURCY>"), "stands twice"),
        (body("<E1EDP01 SEGMENT='1'><E1EDP02 SEGMENT='1'/><POSEX>1</POSEX></E1EDP01>"), "behind a child"),
        (
            '<INVOIC02 xmlns="http://Microsoft.LobServices.Sap/2007/03/Types/Idoc/3/INVOIC02"/>',
            "BizTalk form",
        ),
    ],
)
def test_a_document_that_is_not_an_idoc_is_refused_with_line_and_reason(text: str, reason: str) -> None:
    with pytest.raises(ReadFault, match=reason) as fault:
        read(text)
    assert fault.value.line >= 1


def test_a_fault_names_line_column_and_byte() -> None:
    with pytest.raises(ReadFault) as fault:
        read(ONE.replace("<CURCY>EUR", "\n  <CURCY>A & B"))
    assert (fault.value.line, fault.value.problem.column) == (2, 13)


@pytest.mark.parametrize("codec", ["utf-8", "iso8859-1", "cp1252", "utf-16-le", "utf-16-be"])
def test_a_declared_encoding_is_kept_to(codec: str) -> None:
    name = {"utf-16-le": "UTF-16", "utf-16-be": "UTF-16"}.get(codec, codec)
    mark = "\ufeff" if codec.startswith("utf-16") else ""
    text = f"{mark}<?xml version='1.0' encoding='{name}'?>" + ONE.replace("EUR", "Größe")
    assert read(text.encode(codec))[0].segments[0].named == {"CURCY": "Größe"}


@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_without_declaration_a_document_is_utf_8_or_what_its_mark_or_the_caller_says(mark: str) -> None:
    text = mark + ONE.replace("EUR", "Größe")
    assert read(text.encode())[0].segments[0].named == {"CURCY": "Größe"}
    assert read(text.encode("utf-16-le"))[0].segments[0].named == {"CURCY": "Größe"}
    if not mark:
        assert read(text.encode("latin-1"), "1100")[0].segments[0].named == {"CURCY": "Größe"}


def test_a_byte_outside_the_declared_encoding_is_named_at_its_place() -> None:
    content = ONE.encode().replace(b"EUR", b"\xe9")
    with pytest.raises(ReadFault, match="not valid in utf-8") as fault:
        read(content)
    assert content[fault.value.offset] == 0xE9


def test_a_soap_envelope_around_the_document_is_no_hindrance() -> None:
    soap = (
        f'<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>{ONE}</s:Body></s:Envelope>'
    )
    assert len(read(soap)) == 1


def test_all_problems_of_a_document_are_told_of() -> None:
    inner = ONE.removeprefix("<ORDERS05>").removesuffix("</ORDERS05>").replace(HEAD, "")
    assert sum("before any control record" in problem for problem in told(f"<R>{inner * 3}</R>")) == 3


def test_sap_writes_attributes_always_and_blank_fields_never() -> None:
    idoc = Idoc(
        {"IDOCTYP": "ORDERS05", "MESTYP": "ORDERS", "MESCOD": ""},
        (Segment("E1EDK01", "E1EDK01", "", named={"CURCY": "", "BELNR": "1"}),),
    )
    text = write_xml([idoc]).decode()
    assert '<IDOC BEGIN="1">' in text
    assert '<E1EDK01 SEGMENT="1">' in text
    assert "MESCOD" not in text
    assert "CURCY" not in text


@pytest.mark.parametrize("text", ["a\x00b", "a\x1ab", "\ufffe", "a\x0bb"])
def test_a_character_that_xml_cannot_hold_is_refused_and_not_dropped(text: str) -> None:
    with pytest.raises(ValueFault, match="XML cannot hold"):
        write_xml([Idoc({"IDOCTYP": "A", "MESTYP": "A"}, (Segment("E1A", "E1A", "", named={"F": text}),))])


def test_idocs_of_two_types_are_not_put_under_one_root() -> None:
    idocs = [Idoc({"IDOCTYP": name, "MESTYP": "A"}, (Segment("E1A", "E1A", "x"),)) for name in ("A", "B")]
    with pytest.raises(ValueFault, match="do not fit into one document"):
        write_xml(idocs)


_NAMES = st.text("ABCXYZ019_/", min_size=1, max_size=12).map(lambda text: f"Z1{text}")
_VALUES = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff"), min_size=1, max_size=20
).map(lambda text: text.rstrip(" \t\r\n"))
_FIELDS = st.dictionaries(_NAMES, _VALUES.filter(bool), max_size=4)


def _segments(children: st.SearchStrategy[list[Segment]]) -> st.SearchStrategy[Segment]:
    return st.builds(
        lambda name, fields, below: Segment(f"{name}A", f"{name}A", "", tuple(below), named=fields),
        _NAMES,
        _FIELDS,
        children,
    )


_TREES = st.lists(
    st.recursive(_segments(st.just([])), lambda below: _segments(st.lists(below, max_size=3)), max_leaves=8),
    min_size=1,
    max_size=4,
)


@pytest.mark.invariant("I13")
@settings(max_examples=80, deadline=None)
@given(_TREES, st.sampled_from(["utf-8", "iso8859-1", "utf-16-le"]))
def test_decoding_what_was_encoded_is_the_identity(roots: list[Segment], encoding: str) -> None:
    sent = {"IDOCTYP": "ZTYPE01", "MESTYP": "ZTYPE", "TABNAM": "EDI_DC40"}
    idoc = Idoc({entry.name: sent.get(entry.name, "") for entry in CONTROL.fields}, tuple(roots))
    opened = Opened(io.BytesIO(write_xml([idoc], encoding=encoding)))
    assert list(assemble(opened)) == [idoc]


def test_where_a_segment_stood_is_known() -> None:
    reader = XmlReader(io.BytesIO(ONE.replace("<E1EDK01", "\n <E1EDK01").encode()))
    head, entry = list(reader)
    assert isinstance(head, Head)
    assert not isinstance(entry, Head)
    origin = entry.segment.origin
    assert origin is not None
    assert (origin.line, origin.column) == (2, 2)


def test_an_entity_that_only_an_unread_part_could_declare_is_refused_and_not_dropped() -> None:
    with pytest.raises(ReadFault, match="its text would be lost"):
        read("<!DOCTYPE ORDERS05 [ %more; ]>" + ONE.replace("EUR", "A &b; C"))


def test_entities_that_multiply_never_grow() -> None:
    laughs = "".join(f"<!ENTITY l{at} '{f'&l{at - 1};' * 10}'>" for at in range(1, 12))
    with pytest.raises(ReadFault, match="entity"):
        read(f"<!DOCTYPE a [<!ENTITY l0 'ha'>{laughs}]>" + ONE.replace("EUR", "&l11;"))


@pytest.mark.parametrize("name", ["EDI_DC40", "EDI_DC40_U", "IDOC"])
def test_a_second_control_record_or_idoc_within_one_is_told_of(name: str) -> None:
    text = body(f"<E1EDK01 SEGMENT='1'/><{name} SEGMENT='1'><SDATA>x</SDATA></{name}>")
    with pytest.raises(ReadFault, match="second time within one IDOC"):
        read(text)


def test_text_around_an_element_that_turns_out_to_be_a_segment_is_told_of() -> None:
    text = body("<E1EDP01><POSEX>1</POSEX><E1EDP02>lost<QUALF>001</QUALF></E1EDP02></E1EDP01>")
    assert any("text stands between segments" in problem for problem in told(text))


def test_comments_instructions_and_cdata_within_a_value_do_not_part_it() -> None:
    value = "A<!-- no -->B<?php no ?>C<![CDATA[<&]]>D"
    assert read(ONE.replace("EUR", value))[0].segments[0].named == {"CURCY": "ABC<&D"}


def test_a_tab_at_the_end_is_a_value_and_a_line_end_there_is_layout() -> None:
    text = body("<Z1A SEGMENT='1'><A>x\t</A><B>y\n\t  </B><C>z \u00a0</C></Z1A>")
    assert read(text)[0].segments[0].named == {"A": "x\t", "B": "y", "C": "z \u00a0"}


@pytest.mark.parametrize(
    "prolog",
    [
        "<!-- <a> -->",
        "<?xml version='1.0'?>\n<?note <b> ?>\n",
        "<!DOCTYPE ORDERS05 [<!-- <c> --><!ELEMENT ORDERS05 ANY>]>",
        f"<!-- {'x' * 70_000}<d> -->\n",
    ],
)
@pytest.mark.parametrize("tail", ["\n<!-- <e> -->\n", " " * 70_000, "<?end?>"])
def test_what_stands_before_and_behind_the_root_comes_back(prolog: str, tail: str) -> None:
    content = (prolog + ONE.replace("'", '"') + tail).encode()
    reader = XmlReader(io.BytesIO(content))
    items = list(reader)
    again = b"".join(XmlWriter(XmlForm(style=reader.style, blanks=True)).write(items))
    assert again[: len(content) - len(tail)] == content[: len(content) - len(tail)]
    assert again.endswith(tail.encode()[-60_000:])


def test_every_code_page_is_declared_by_a_name_that_other_parsers_know() -> None:
    plain = [Idoc({"IDOCTYP": "A", "MESTYP": "A"}, (Segment("E1A", "E1A", "", named={"F": "x"}),))]
    unknown: list[str] = []
    for codec in sorted(codepage.NAMED):
        content = write_xml(plain, encoding=codec)
        assert read(content)[0].segments == plain[0].segments
        name = re.search(r'encoding="([^"]+)"', content.decode(codec))
        assert name is not None
        try:
            lxml.etree.fromstring(content)
        except lxml.etree.XMLSyntaxError:
            unknown.append(name[1])
    assert set(unknown) <= {"IBM852", "Windows-31J"}  # registered, and not known everywhere


def test_a_control_record_without_its_name_is_written_with_it() -> None:
    assert b"<TABNAM>EDI_DC40</TABNAM>" in write_xml(read(ONE))
    assert write_idoc(read(ONE)[0], dictionary=orders_dictionary()).startswith(b"EDI_DC40  ")
