"""The records of the flat form: control (EDI_DC40), data (EDI_DD40) and status (EDI_DS40).

Layouts are those of release 4.0 and later (SAP: "record type version 3"), the same in every release since.
Release 3.x ("version 2": EDI_DC, EDI_DD) is recognised by its name and refused.
"""

from __future__ import annotations

import re

from adapters.idoc.format.layout import (
    CONTROL_LENGTH,
    DATA_LENGTH,
    HEADER_LENGTH,
    SDATA_LENGTH,
    layout_of,
)

CONTROL = layout_of(
    "EDI_DC40",
    """TABNAM:10 MANDT:3 DOCNUM:16 DOCREL:4 STATUS:2 DIRECT:1 OUTMOD:1 EXPRSS:1 TEST:1 IDOCTYP:30
    CIMTYP:30 MESTYP:30 MESCOD:3 MESFCT:3 STD:1 STDVRS:6 STDMES:6 SNDPOR:10 SNDPRT:2 SNDPFC:2 SNDPRN:10
    SNDSAD:21 SNDLAD:70 RCVPOR:10 RCVPRT:2 RCVPFC:2 RCVPRN:10 RCVSAD:21 RCVLAD:70 CREDAT:8 CRETIM:6
    REFINT:14 REFGRP:14 REFMES:14 ARCKEY:70 SERIAL:20""",
)

DATA_HEADER = layout_of("EDI_DD40", "SEGNAM:30 MANDT:3 DOCNUM:16 SEGNUM:6 PSGNUM:6 HLEVEL:2")

STATUS = layout_of(
    "EDI_DS40",
    """TABNAM:10 MANDT:3 DOCNUM:16 LOGDAT:8 LOGTIM:6 STATUS:2 STAMQU:3 STAMID:20 STAMNO:3 STATYP:1 STAPA1:50
    STAPA2:50 STAPA3:50 STAPA4:50 STATXT:70 UNAME:12 REPID:30 ROUTID:30 SEGNUM:6 SEGFLD:30 REFINT:14 REFGRP:14
    REFMES:14 ARCKEY:70""",
)

#: What TABNAM says in flat files: a Unicode system appends _U.
CONTROL_NAMES = frozenset({"EDI_DC40", "EDI_DC40_U"})
#: No segment may be called so: the record would be another kind of record.
RECORD_NAMES = ("EDI_DC", "EDI_DD", "EDI_DS")
#: What tools call the control record in XML.
XML_CONTROL_NAMES = frozenset({*CONTROL_NAMES, "EDI_DC"})
#: Without these nobody can tell what an IDoc is.
REQUIRED = ("IDOCTYP", "MESTYP")


def old_release(start: str) -> str:
    """Why a record is refused that begins so, if it is of release 3.x; "" if it is not."""
    name = start[:6]
    if name not in RECORD_NAMES or start[6:8] == "40":
        return ""
    return (
        f"{name} is the record layout of release 3.x (a control record of 464 characters), which is not read"
    )


#: What SEGNAM may hold.
SEGMENT_NAME = re.compile(r"[A-Z0-9_/]{1,30}")
#: What to do about release 3.x.
OLD_RELEASE_REMEDY = "set the port to record type version 3 (WE21), which writes EDI_DC40"

__all__ = [
    "CONTROL",
    "CONTROL_LENGTH",
    "CONTROL_NAMES",
    "DATA_HEADER",
    "DATA_LENGTH",
    "HEADER_LENGTH",
    "OLD_RELEASE_REMEDY",
    "RECORD_NAMES",
    "REQUIRED",
    "SDATA_LENGTH",
    "SEGMENT_NAME",
    "STATUS",
    "XML_CONTROL_NAMES",
    "old_release",
]
