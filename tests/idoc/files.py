"""IDoc files as their senders write them, for the tests of this folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from adapters.idoc.format.document import Idoc, Segment
from adapters.idoc.format.flat_writing import write_idoc
from adapters.idoc.format.segments import standard_dictionary
from adapters.idoc.settings import Settings
from agent.core.delivery import Delivery, DeliveryKind
from agent.core.objects import FieldSpec, FieldType, ObjectSpec

DICTIONARY = standard_dictionary()

DEBMAS = ObjectSpec(
    name="DEBMAS",
    key="E1KNA1M.KUNNR",
    fields=(
        FieldSpec("E1KNA1M.NAME1"),
        FieldSpec("E1KNA1M.ORT01"),
        FieldSpec("E1KNA1M.SORTL"),
        FieldSpec("E1KNA1M.AUFSD"),
    ),
)


def settings(folder: Path, **changed: object) -> Settings:
    """Settings with real directories below a folder."""
    for name in ("out", "in", "archive", "quarantine"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    values: dict[str, object] = {
        "outbound_dir": folder / "out",
        "inbound_dir": folder / "in",
        "archive_dir": folder / "archive",
        "quarantine_dir": folder / "quarantine",
        "client": "100",
        "receiver_partner": "SAPCLNT100",
        "receiver_port": "SAPS4H",
        "scan_s": 0.2,
        "stable_s": 0.02,
        **changed,
    }
    return Settings.model_validate(values)


def control(number: int = 1, **changed: str) -> dict[str, str]:
    """A control record as SAP sends it to us."""
    return {
        "TABNAM": "EDI_DC40_U",
        "MANDT": "100",
        "DOCNUM": f"{number:016d}",
        "DIRECT": "1",
        "IDOCTYP": "DEBMAS06",
        "MESTYP": "DEBMAS",
        "SNDPRT": "LS",
        "SNDPRN": "SAPCLNT100",
        "RCVPRT": "LS",
        "RCVPRN": "ISTHMUS",
        "CREDAT": "20260314",
        "CRETIM": "101500",
        **changed,
    }


def segment(kind: str, values: Mapping[str, str], *children: Segment) -> Segment:
    """A segment of the standard dictionary."""
    layout = DICTIONARY.layout(kind)
    assert layout is not None
    return Segment(kind, layout.definition, layout.write(values, pad=False), children, layout.level)


def customer(number: int = 1, *children: Segment, function: str = "005", **fields: str) -> Idoc:
    """A DEBMAS of SAP."""
    values = {"MSGFN": function, "KUNNR": "0000100001", "NAME1": "Alder Works", **fields}
    return Idoc(control(number), (segment("E1KNA1M", values, *children),))


def confirmation(number: int, *states: Segment) -> Idoc:
    """An ALEAUD of SAP."""
    head = control(number, IDOCTYP="ALEAUD01", MESTYP="ALEAUD")
    return Idoc(head, (segment("E1ADHDR", {"MESTYP": "DEBMAS"}, *states),))


def state(handle: str, status: str, text: str = "", key: str = "", **parameters: str) -> Segment:
    """What SAP made of one of our IDocs."""
    report = {"DOCNUM": "0000000000700009", "LOGSYS": "SAPCLNT100"}
    if key:
        report |= {"OBJTYPE": "KNA1", "OBJKEY": key}
    values = {"DOCNUM": handle, "STATUS": status, "STATXT": text, **parameters}
    return segment("E1STATE", values, segment("E1PRTOB", report))


def flat(*idocs: Idoc) -> bytes:
    """A file of IDocs in UTF-8."""
    return b"".join(write_idoc(idoc) for idoc in idocs)


def delivery(number: int = 42, **changed: object) -> Delivery:
    """A command of the engine: a new customer."""
    values: dict[str, object] = {
        "message_id": f"1-{number}",
        "entity_type": "customer",
        "object": "DEBMAS",
        "kind": DeliveryKind.CREATE,
        "key": None,
        "reference": "c-1",
        "fields": {"E1KNA1M.NAME1": "Alder Works", "E1KNA1M.SORTL": "C-000001"},
        "number": number,
        "epoch": 1,
        **changed,
    }
    return Delivery(**values)  # type: ignore[arg-type]  # the values above are those of the class


__all__ = [
    "DEBMAS",
    "DICTIONARY",
    "FieldSpec",
    "FieldType",
    "confirmation",
    "control",
    "customer",
    "delivery",
]
