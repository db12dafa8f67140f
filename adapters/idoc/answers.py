"""What SAP made of an IDoc of ours, from its audit confirmations (ALEAUD01) and status files (EDI_DS40).

Only 53 is success. A status 51 is not final: SAP's staff run the same IDoc again, hours or days later, and it
becomes 53; sending it again would make a second document. Only 68 (and 31) says that nobody will.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum

from adapters.idoc.format.dictionary import Dictionary
from adapters.idoc.format.document import Segment
from adapters.idoc.format.problems import ValueFault
from adapters.idoc.format.values import pad_key
from agent.core.change import Answer


class Verdict(StrEnum):
    """The words of ``Answer.outcome``."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    PENDING = "pending"


_VERDICTS = {
    "53": Verdict.ACCEPTED,  # posted
    "41": Verdict.ACCEPTED,  # created in the receiving system
    "68": Verdict.REJECTED,  # error, no further processing: a person closed it
    "31": Verdict.REJECTED,  # no further processing
}

_MEANINGS = {
    "39": "in the receiving system",
    "40": "not created in the receiving system",
    "50": "added",
    "51": "not posted",
    "52": "not fully posted",
    "53": "posted",
    "56": "added with errors: no partner profile for this message",
    "60": "syntax error",
    "61": "processed despite a syntax error",
    "62": "passed to the application",
    "63": "error when passing to the application",
    "64": "ready, waits for SAP's background job",
    "65": "error in the ALE service",
    "66": "waits for the IDoc before it",
    "68": "error, no further processing",
    "69": "was edited",
    "70": "original of an IDoc that was edited",
    "75": "in the inbound queue",
}

#: KUNNR has ten digits.
_CUSTOMER_KEY = 10


def verdict_of(status: str) -> Verdict:
    """What a status of the receiver says; every status that may still change is pending."""
    return _VERDICTS.get(status, Verdict.PENDING)


def answer_of(state: Segment, dictionary: Dictionary) -> Answer:
    """The answer of one E1STATE. Raises ValueFault where it names no IDoc of ours."""
    values = state.values(dictionary)
    key: str | None = None
    for report in state.below("E1PRTOB"):
        made = report.values(dictionary)
        if made["OBJKEY"] and (key is None or made["OBJTYPE"] == "KNA1"):
            key = pad_key(made["OBJKEY"], _CUSTOMER_KEY) if made["OBJTYPE"] == "KNA1" else made["OBJKEY"]
    parameters = [values[f"STAPA{at}"] for at in range(1, 5)]
    return _answer("E1STATE", values, values["STATXT"], parameters, key)


def status_answer(fields: Mapping[str, str]) -> Answer:
    """The answer of one record of a status file. Raises ValueFault where it names no IDoc of ours."""
    parameters = [fields[f"STAPA{at}"] for at in range(1, 5)]
    return _answer("EDI_DS40", fields, fields["STATXT"], parameters, None)


def _answer(
    record: str, fields: Mapping[str, str], text: str, parameters: list[str], key: str | None
) -> Answer:
    handle, status = fields["DOCNUM"].strip(), fields["STATUS"]
    if not handle.strip("0"):
        raise ValueFault(
            "the answer names no document number",
            field=f"{record}.DOCNUM",
            remedy="SAP must keep the sender's DOCNUM of a file",
        )
    verdict = verdict_of(status)
    return Answer(
        handle=handle.zfill(16),
        outcome=verdict.value,
        code=status,
        text=_filled(text, parameters) or _MEANINGS.get(status, ""),
        key=key if verdict is Verdict.ACCEPTED else None,
    )


def _filled(text: str, parameters: list[str]) -> str:
    """The message with its parameters in the places of & and &1 to &4."""
    rest = iter(parameters)

    def parameter(match: re.Match[str]) -> str:
        return parameters[int(match[1]) - 1] if match[1] else next(rest, "&")

    return re.sub("&([1-4]?)", parameter, text).strip()
