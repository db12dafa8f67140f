r"""The IDoc format, on its own: read, write, inspect, convert and validate.

Needs the standard library only and nothing of this product. A file is read as a stream of items, so that its
size does not matter; ``assemble`` makes trees of them, one IDoc at a time.

>>> import io
>>> from adapters.idoc.format import Conversion, Findings, Form, Opened, assemble, convert
>>> from adapters.idoc.format import read_decimal, read_table
>>> dictionary = read_table(io.BytesIO(
...     b"segment,definition,field,length,parent,idoctype,min\n"
...     b"E1HEAD,E2HEAD001,NUMBER,10,,ZORDER01,1\n"
...     b"E1ITEM,E2ITEM000,MATERIAL,18,E1HEAD,ZORDER01,1\n"
...     b"E1ITEM,E2ITEM000,PRICE,12,E1HEAD,ZORDER01,1\n"
... ))
>>> xml = (
...     b"<ZORDER01><IDOC BEGIN='1'><EDI_DC40 SEGMENT='1'><IDOCTYP>ZORDER01</IDOCTYP><MESTYP>ZORDER</MESTYP>"
...     b"</EDI_DC40><E1HEAD SEGMENT='1'><NUMBER>4711</NUMBER><E1ITEM SEGMENT='1'><MATERIAL>A-1</MATERIAL>"
...     b"<PRICE>12.50-</PRICE></E1ITEM></E1HEAD></IDOC></ZORDER01>"
... )
>>> (idoc,) = assemble(Opened(io.BytesIO(xml), dictionary=dictionary))
>>> [(segment.type, segment.filled(dictionary)) for segment in idoc.walk()]
[('E1HEAD', {'NUMBER': '4711'}), ('E1ITEM', {'MATERIAL': 'A-1', 'PRICE': '12.50-'})]
>>> read_decimal(idoc.segments[0].children[0].value("PRICE", dictionary))
Decimal('-12.50')

Converting tells of every problem, and its result is whole only if there is no error:

>>> found = Findings()
>>> opened = Opened(io.BytesIO(xml), dictionary=dictionary, report=found.add)
>>> flat = b"".join(convert(opened, Conversion(Form.FLAT), dictionary, found.add))
>>> found.errors, flat.splitlines()[2].decode()[:30].rstrip(), flat.splitlines()[2][63:].decode()
(0, 'E2ITEM000', 'A-1               12.50-      ')

Where to look: ``Opened`` reads any form; ``FlatReader``, ``XmlReader``, ``read_json`` one of them;
``FlatWriter``, ``XmlWriter``, ``JsonWriter`` write; ``load_dictionary`` takes parser exports, schemas and
tables; ``Validator`` checks what streams by; ``values`` has numbers, dates and keys in IDoc form. Problems go
to a ``report``: ``refuse`` raises ReadFault at the first, ``Findings().add`` keeps them all.
"""

from __future__ import annotations

from adapters.idoc.format.codepage import codec_of
from adapters.idoc.format.conversion import Conversion, convert
from adapters.idoc.format.dictionary import Dictionary, type_by_rule
from adapters.idoc.format.document import Entry, Head, Idoc, Item, Origin, Segment, assemble, items_of
from adapters.idoc.format.flat import FlatReader, read_idocs, read_status
from adapters.idoc.format.flat_writing import FlatForm, FlatWriter, write_idoc, write_status
from adapters.idoc.format.framing import Framing, LastLine, Numbering, Padding
from adapters.idoc.format.grammar import IdocType, Node
from adapters.idoc.format.json_form import JsonWriter, read_json, segment_fields, to_json
from adapters.idoc.format.layout import Field, Layout, layout_of
from adapters.idoc.format.loading import load_dictionary
from adapters.idoc.format.opening import Form, Opened, form_of
from adapters.idoc.format.parser_export import read_parser_export
from adapters.idoc.format.problems import (
    Findings,
    IdocFault,
    Problem,
    ReadFault,
    Report,
    Severity,
    ValueFault,
    refuse,
)
from adapters.idoc.format.records import CONTROL, DATA_HEADER, STATUS
from adapters.idoc.format.schema import read_schema
from adapters.idoc.format.segments import standard_dictionary
from adapters.idoc.format.table import read_table
from adapters.idoc.format.validation import Validator
from adapters.idoc.format.values import (
    NODATA,
    iso_unit,
    long_value,
    pad_key,
    read_date,
    read_decimal,
    read_floating,
    read_moment,
    read_numc,
    read_time,
    trim_key,
    write_date,
    write_decimal,
    write_long,
    write_numc,
)
from adapters.idoc.format.xml import XmlReader, XmlStyle, read_xml
from adapters.idoc.format.xml_writing import XmlForm, XmlWriter, write_xml

__all__ = [
    "CONTROL",
    "DATA_HEADER",
    "NODATA",
    "STATUS",
    "Conversion",
    "Dictionary",
    "Entry",
    "Field",
    "Findings",
    "FlatForm",
    "FlatReader",
    "FlatWriter",
    "Form",
    "Framing",
    "Head",
    "Idoc",
    "IdocFault",
    "IdocType",
    "Item",
    "JsonWriter",
    "LastLine",
    "Layout",
    "Node",
    "Numbering",
    "Opened",
    "Origin",
    "Padding",
    "Problem",
    "ReadFault",
    "Report",
    "Segment",
    "Severity",
    "Validator",
    "ValueFault",
    "XmlForm",
    "XmlReader",
    "XmlStyle",
    "XmlWriter",
    "assemble",
    "codec_of",
    "convert",
    "form_of",
    "iso_unit",
    "items_of",
    "layout_of",
    "load_dictionary",
    "long_value",
    "pad_key",
    "read_date",
    "read_decimal",
    "read_floating",
    "read_idocs",
    "read_json",
    "read_moment",
    "read_numc",
    "read_parser_export",
    "read_schema",
    "read_status",
    "read_table",
    "read_time",
    "read_xml",
    "refuse",
    "segment_fields",
    "standard_dictionary",
    "to_json",
    "trim_key",
    "type_by_rule",
    "write_date",
    "write_decimal",
    "write_idoc",
    "write_long",
    "write_numc",
    "write_status",
    "write_xml",
]
