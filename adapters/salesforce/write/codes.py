"""What an error code of a write means: the table by which refusals are judged.

Codes: SOAP API developer guide, "StatusCode"; REST API developer guide, "Status Codes and Error Responses".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from agent.core.delivery import OutcomeKind, Reason


@dataclass(frozen=True, slots=True)
class Meaning:
    """What follows from a code.

    wait     seconds until the next try, where the server names none
    phrase   said instead of the server's own text, which may quote the value: that may be personal
    """

    kind: OutcomeKind
    reason: Reason | None = None
    wait: float | None = None
    phrase: str = ""


def _again(wait: float) -> Meaning:
    """Refused before, or rolled back with certainty."""
    return Meaning(OutcomeKind.RETRY, wait=wait)


_BUSINESS = Meaning(OutcomeKind.REJECTED, Reason.BUSINESS)
_GONE = Meaning(
    OutcomeKind.REJECTED,
    Reason.GONE,
    phrase="there is no such record any more; one in the recycle bin can be restored there, not over the API",
)
_VALUE = Meaning(OutcomeKind.REJECTED, Reason.INVALID, phrase="the value cannot be stored")
_FIELD = Meaning(OutcomeKind.REJECTED, Reason.INVALID)
_UNCLEAR = Meaning(OutcomeKind.UNCERTAIN)

LOCKED = "UNABLE_TO_LOCK_ROW"
#: Refusals of a trigger or a flow, which pass on what really went wrong in their text.
WRAPPERS = frozenset({"CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", "CANNOT_EXECUTE_FLOW_TRIGGER"})

CODES: Mapping[str, Meaning] = {
    LOCKED: _again(2.0),
    "ALL_OR_NONE_OPERATION_ROLLED_BACK": _again(2.0),
    "PROCESSING_HALTED": _again(2.0),
    "REQUEST_LIMIT_EXCEEDED": _again(10.0),
    "SERVER_UNAVAILABLE": _again(30.0),
    "QUERY_TIMEOUT": _again(10.0),
    "REQUEST_RUNNING_TOO_LONG": _again(10.0),
    "INVALID_SESSION_ID": _again(60.0),
    "API_CURRENTLY_DISABLED": _again(300.0),
    "API_DISABLED_FOR_ORG": _again(3600.0),
    "STORAGE_LIMIT_EXCEEDED": _again(900.0),
    "UNKNOWN_EXCEPTION": _UNCLEAR,
    "ENTITY_IS_DELETED": _GONE,
    "NOT_FOUND": _GONE,
    "PRECONDITION_FAILED": Meaning(OutcomeKind.REJECTED, Reason.PRECONDITION),
    "DUPLICATES_DETECTED": Meaning(
        OutcomeKind.REJECTED, Reason.BUSINESS, phrase="a duplicate rule found a like record"
    ),
    "DUPLICATE_VALUE": Meaning(
        OutcomeKind.REJECTED, Reason.BUSINESS, phrase="another record has the same value"
    ),
    "DUPLICATE_EXTERNAL_ID": Meaning(
        OutcomeKind.REJECTED,
        Reason.BUSINESS,
        phrase="several records have this external id; the field must be unique",
    ),
    "FIELD_CUSTOM_VALIDATION_EXCEPTION": _BUSINESS,
    "REQUIRED_FIELD_MISSING": _BUSINESS,
    "INVALID_FIELD_FOR_INSERT_UPDATE": _BUSINESS,
    "INSUFFICIENT_ACCESS_OR_READONLY": _BUSINESS,
    "INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY": _BUSINESS,
    "INVALID_CROSS_REFERENCE_KEY": _BUSINESS,
    "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY": _BUSINESS,
    "CANNOT_EXECUTE_FLOW_TRIGGER": _BUSINESS,
    "ENTITY_IS_LOCKED": _BUSINESS,
    "DELETE_FAILED": _BUSINESS,
    "STRING_TOO_LONG": _VALUE,
    "NUMBER_OUTSIDE_VALID_RANGE": _VALUE,
    "INVALID_EMAIL_ADDRESS": _VALUE,
    "INVALID_TYPE_ON_FIELD_IN_RECORD": _VALUE,
    "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST": _VALUE,
    "FIELD_INTEGRITY_EXCEPTION": _VALUE,
    "MALFORMED_ID": _VALUE,
    "JSON_PARSER_ERROR": _VALUE,
    "JSON_VALIDATION_ERROR": _VALUE,
    "INVALID_FIELD": _FIELD,
    "INVALID_TYPE": _FIELD,
}
#: Refusals that may name a field which the object does not have for our user.
FIELD_CODES = frozenset({"INVALID_FIELD", "INVALID_FIELD_FOR_INSERT_UPDATE"})


def meaning(code: str, text: str = "") -> Meaning:
    """What a code means; a person has to look at one that is not known.

    A row that was locked inside of a trigger or a flow is a locked row.
    """
    if code in WRAPPERS and LOCKED in text:
        return CODES[LOCKED]
    if code.startswith("HTTP_5"):
        return _UNCLEAR
    return CODES.get(code, _BUSINESS)
