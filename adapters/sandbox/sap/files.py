"""The sample SAP's file ports: reads and deletes what it is given, writes customers and confirmations."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

from adapters.idoc.format.dictionary import Dictionary
from adapters.idoc.format.document import Idoc, Segment
from adapters.idoc.format.flat import read_idocs
from adapters.idoc.format.flat_writing import write_idoc
from adapters.idoc.format.problems import IdocFault
from adapters.sandbox.sap.options import SampleSap

#: RBDSTATE confirms at most so many IDocs in one.
PACK = 500


class FilePorts:
    """Both file ports."""

    def __init__(self, options: SampleSap, dictionary: Dictionary) -> None:
        self._options = options
        self._dictionary = dictionary
        options.inbound.mkdir(parents=True, exist_ok=True)
        options.outbound.mkdir(parents=True, exist_ok=True)

    def waiting(self) -> list[Path]:
        """Files to read, by name; those under way are left alone."""
        ends = (".tmp", ".part", ".broken")
        return sorted(
            path for path in self._options.inbound.iterdir() if path.is_file() and path.suffix not in ends
        )

    def read(self, content: bytes) -> tuple[list[Idoc], str]:
        """The IDocs of a file up to the first fault, and what it was ("" for none)."""
        idocs: list[Idoc] = []
        try:
            for idoc in read_idocs(
                io.BytesIO(content), encoding=self._options.encoding, dictionary=self._dictionary
            ):
                idocs.append(idoc)
        except IdocFault as fault:
            return idocs, str(fault)
        return idocs, ""

    def encode(self, idoc: Idoc) -> bytes:
        """An IDoc as the file port writes it."""
        return write_idoc(idoc, encoding=self._options.encoding, dictionary=self._dictionary)

    def write(self, name: str, content: bytes) -> None:
        """A file for the other side, under its final name when it is whole."""
        path = self._options.outbound / name
        temporary = path.with_name(f"{name}.tmp")
        temporary.write_bytes(content)
        temporary.rename(path)

    def customer(self, docnum: str, kunnr: str, fields: Mapping[str, str], now: datetime) -> Idoc:
        """A whole customer as change pointers send it (MSGFN 005)."""
        values = {"MSGFN": "005", "KUNNR": kunnr, **fields}
        return Idoc(self._control("DEBMAS", "DEBMAS06", docnum, now), (self._segment("E1KNA1M", values),))

    def confirmation(self, docnum: str, idocs: Sequence[Mapping[str, object]], now: datetime) -> Idoc:
        """What became of the other side's IDocs: rows of the store's ``idoc`` table of one message type."""
        states = tuple(self._state(row) for row in idocs)
        kind = str(idocs[0]["mestyp"])
        header = self._segment("E1ADHDR", {"MESTYP": kind[:6], "MESTYP_LNG": kind}, states)
        return Idoc(self._control("ALEAUD", "ALEAUD01", docnum, now), (header,))

    def _state(self, row: Mapping[str, object]) -> Segment:
        made = str(row["kunnr"])
        report = {"DOCNUM": str(row["docnum"]), "LOGSYS": self._options.system}
        if made:
            report |= {"OBJTYPE": "KNA1", "OBJKEY": made}
        below = (self._segment("E1PRTOB", report),)
        text = {
            "DOCNUM": str(row["partner_docnum"]),
            "STATUS": str(row["status"]),
            "STATXT": str(row["text"])[:70],
        }
        return self._segment("E1STATE", text, below)

    def _segment(
        self, segment_type: str, values: Mapping[str, str], children: tuple[Segment, ...] = ()
    ) -> Segment:
        layout = self._dictionary.layout(segment_type)
        if layout is None:
            raise KeyError(segment_type)
        data = layout.write(values, pad=False)
        return Segment(segment_type, layout.definition, data, children, layout.level)

    def _control(self, message: str, basic: str, docnum: str, now: datetime) -> dict[str, str]:
        options, stamp = self._options, now.strftime("%Y%m%d%H%M%S")
        return {
            "TABNAM": "EDI_DC40_U",
            "MANDT": options.client,
            "DOCNUM": docnum,
            "DOCREL": "756",
            "STATUS": "30",
            "DIRECT": "1",
            "OUTMOD": "2",
            "IDOCTYP": basic,
            "MESTYP": message,
            "SNDPOR": options.port,
            "SNDPRT": "LS",
            "SNDPRN": options.system,
            "RCVPOR": options.partner_port,
            "RCVPRT": "LS",
            "RCVPRN": options.partner,
            "CREDAT": stamp[:8],
            "CRETIM": stamp[8:],
            "SERIAL": stamp,
        }
