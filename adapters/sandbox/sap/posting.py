"""What the sample SAP does with an IDoc: reads the customer segment, checks its rules, posts or refuses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from adapters.idoc.format.dictionary import Dictionary
from adapters.idoc.format.document import Idoc
from adapters.idoc.format.values import NODATA, pad_key
from adapters.sandbox.sap.options import Switches
from adapters.sandbox.sap.store import FIELDS, SapStore

POSTED = "53"
NOT_POSTED = "51"
NO_PROFILE = "56"
SYNTAX = "60"


@dataclass(frozen=True, slots=True)
class Posting:
    """What came of an IDoc: status, message text, and the customer that was made or changed."""

    status: str
    text: str
    kunnr: str = ""


class CustomerPosting:
    """Posts DEBMAS. It takes every field that the segment holds: a blank empties, only "/" is left alone."""

    def __init__(self, store: SapStore, dictionary: Dictionary, switches: Switches) -> None:
        self._store = store
        self._dictionary = dictionary
        self._switches = switches

    def post(self, idoc: Idoc, at: str) -> Posting:
        """Post one IDoc within the caller's transaction."""
        if idoc.message_type != "DEBMAS":
            return Posting(NO_PROFILE, "EDI: Partner profile not available")
        roots = [segment for segment in idoc.walk() if segment.type == "E1KNA1M"]
        if len(roots) != 1:
            return Posting(SYNTAX, "Mandatory segment E1KNA1M is missing or stands more than once")
        values = roots[0].values(self._dictionary)
        function = values["MSGFN"]
        kunnr = pad_key(values["KUNNR"], 10)
        if function == "003":
            return Posting(NOT_POSTED, "Deletion by IDoc is not supported")
        known = self._store.customer(kunnr) if kunnr else None
        if known is None and (kunnr or function != "009"):
            return Posting(NOT_POSTED, f"Customer {kunnr or '(blank)'} does not exist")
        said = {name: values[name] for name in FIELDS if values[name] != NODATA}
        refusal = self._refusal((known or {}) | said)
        if refusal:
            return Posting(NOT_POSTED, refusal)
        if known is None:
            kunnr = f"{self._store.next_number('kunnr'):010d}"
        changed = self._store.write_customer(kunnr, said, "IDOC", at)
        if changed and self._switches.echo:
            self._store.point(kunnr)
        return Posting(POSTED, f"Customer {kunnr} was {'created' if known is None else 'changed'}", kunnr)

    def _refusal(self, customer: Mapping[str, str]) -> str:
        if not customer.get("NAME1"):
            return "Fill all required fields SAPMF02D 0110 KNA1-NAME1"
        if self._switches.reject and "REJECT" in customer["NAME1"].upper():
            return "Customer is currently being processed by user SMITH"
        return ""
