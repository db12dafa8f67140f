"""What fuzzing begins with: small files of every form, and pieces of the real ones."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping

from adapters.idoc.format.dictionary import Dictionary
from adapters.idoc.format.document import assemble
from adapters.idoc.format.flat_writing import write_status
from adapters.idoc.format.json_form import to_json
from adapters.idoc.format.opening import Opened
from adapters.idoc.format.segments import standard_dictionary
from tests.idoc.format.exports import SAMPLES, flat_file, orders_dictionary, parser_text, record

#: An input is no longer than this.
LONGEST = 6_000
_HEAD = "<EDI_DC40 SEGMENT='1'><IDOCTYP>ORDERS05</IDOCTYP><MESTYP>ORDERS</MESTYP></EDI_DC40>"
_XML = (
    f"<?xml version='1.0' encoding='UTF-8'?><ORDERS05><IDOC BEGIN='1'>{_HEAD}<E1EDK01 SEGMENT='1'><CURCY>EUR"
    "</CURCY></E1EDK01><E1EDP01><POSEX>1</POSEX><E1EDP19 SEGMENT='1'><IDTNR>A &amp; B</IDTNR></E1EDP19>"
    "</E1EDP01></IDOC></ORDERS05>"
)
_TABLE = (
    "segment;definition;field;length;offset;type;parent;idoctype;min;max;level\nE1HEAD;E2HEAD001;QUALF;3;0;CHAR;;Z1;1;"
    "1;1\nE1HEAD;E2HEAD001;DAY;8;3;DATS;;Z1;1;1;1\nE1ITEM;E2ITEM000;SUM;18;0;CURR;E1HEAD;Z1;0;99;2\n"
)
_FIELD = (
    '<xsd:element name="F"><xsd:simpleType><xsd:restriction base="xsd:string"><xsd:maxLength value="3"/>'
    "</xsd:restriction></xsd:simpleType></xsd:element>"
)
_SEGMENT = (
    '<xsd:element name="S" minOccurs="0" maxOccurs="9"><xsd:complexType><xsd:sequence>'
    f"{_FIELD}</xsd:sequence></xsd:complexType></xsd:element>"
)
_XSD = (
    '<xsd:schema xmlns:xsd="http://www.w3.org/2001/XMLSchema"><xsd:element name="A"><xsd:complexType>'
    '<xsd:sequence><xsd:element name="IDOC" type="T"/></xsd:sequence></xsd:complexType></xsd:element>'
    f'<xsd:complexType name="T"><xsd:sequence>{_SEGMENT}</xsd:sequence></xsd:complexType></xsd:schema>'
)


def _dictionary() -> Dictionary:
    known = standard_dictionary()
    known.extend(orders_dictionary())
    return known


DICTIONARY = _dictionary()


def _orders() -> bytes:
    rows = (
        record("E2EDK01005", "000", "000001", "000000", "01"),
        record("E2EDP01011", "000010", "000002", "000000", "02"),
        record("E2EDP19003", "001A-1", "000003", "000002", "03"),
    )
    return flat_file(*rows)


def _blank() -> bytes:
    return flat_file(*(record(name) for name in ("E2EDK01005", "E2EDP01011", "E2EDP20002", "Z2OWN000")))


def _contiguous() -> bytes:
    lines = _blank().decode().split("\n")
    return "".join([lines[0], *(line.ljust(1063) for line in lines[1:3])]).encode()


def _sample(name: str) -> bytes:
    return (SAMPLES / name).read_bytes()[:LONGEST]


def _flat() -> list[bytes]:
    forms = [
        _orders(),
        _blank(),
        _contiguous(),
        _orders() + _blank(),
        _orders().replace(b"\n", b"\r\n") + b"\x1a",
    ]
    found = [b"\0" + form for form in forms]
    found.append(b"\0\xef\xbb\xbf" + _orders())
    found.append(b"\x03" + _blank().decode().encode("utf-16-le"))
    found.append(b"\x01" + _orders().replace(b"A-1", b"\xe9\xe8 "))
    found.append(b"\0" + _sample("sap_recipes_ORDERS05_flat_crlf.txt"))
    return found


def _json() -> list[bytes]:
    idocs = list(assemble(Opened(io.BytesIO(_orders()), dictionary=DICTIONARY)))
    return [to_json(idocs, DICTIONARY), json.dumps({"idocs": []}).encode()]


def seeds() -> Mapping[str, list[bytes]]:
    """Inputs to begin with, by target."""
    text = parser_text().encode()
    return {
        "flat": _flat(),
        "xml": [
            _XML.encode(),
            ("<!DOCTYPE A [<!ELEMENT A ANY>]>" + _XML[38:]).encode(),
            _XML.replace("UTF-8", "ISO-8859-1").replace("EUR", "é").encode("latin-1"),
            ("\ufeff" + _XML.replace("UTF-8", "UTF-16")).encode("utf-16-le"),
            _sample("sap_recipes_ORDERS05.xml"),
        ],
        "json": _json(),
        "status": [write_status([{"DOCNUM": "1", "STATUS": "53", "STATXT": "Posted"}])],
        "parser": [text[:LONGEST], text[text.index(b"BEGIN_SEGMENT_SECTION") :][:LONGEST]],
        "schema": [_XSD.encode(), _sample("sap_recipes_ZZ_DEBMAS_360.xsd")],
        "table": [_TABLE.encode(), _TABLE.replace(";", "\t").encode()],
    }


#: Words that a mutation may put in.
WORDS: Mapping[str, tuple[bytes, ...]] = {
    "flat": (
        b"EDI_DC40",
        b"EDI_DC40_U",
        b"EDI_DC    ",
        b"E2EDP01011",
        b"000001",
        b"\r\n",
        b"\x1a",
        b"\xef\xbb\xbf",
    ),
    "xml": (
        *(
            b"<IDOC BEGIN='1'>",
            b"</IDOC>",
            b" SEGMENT='1'",
            b"<EDI_DC40>",
            b"<!DOCTYPE",
            b"<!ENTITY",
            b"&#65;",
        ),
        *(b"]]>", b"<![CDATA[", b"<!--", b"E1EDP19", b"SDATA", b"encoding='cp1252'"),
    ),
    "json": (b'"idocs"', b'"fields"', b'"children"', b'"data"', b'"header"', b"\\ud800", b"[]", b"null"),
    "status": (b"EDI_DS40", b"\n", b"\x1a"),
    "parser": (
        *(b"BEGIN_GROUP 1\n", b"END_GROUP\n", b"BEGIN_SEGMENT E2X000\n", b"END_SEGMENT\n", b"BEGIN_FIELDS\n"),
        *(
            b"END_FIELDS\n",
            b"NAME X\n",
            b"LENGTH 000003\n",
            b"CHARACTER_FIRST 000064\n",
            b"END_IDOC\n",
            b"VALUE 1\n",
        ),
    ),
    "schema": (
        *(b"<xsd:sequence>", b"</xsd:sequence>", b'type="T"', b'name="IDOC"', b'maxOccurs="unbounded"'),
        *(b"<xsd:choice>", b'value="9999"', b"<!DOCTYPE", b"<!ENTITY"),
    ),
    "table": (b";", b"\n", b'"', b"E1HEAD", b"E1ITEM", b"Z1", b"99999999999", b"-1"),
}
