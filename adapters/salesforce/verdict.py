"""What Salesforce's answers to a write mean: error codes to outcomes.

Codes: SOAP API developer guide, "StatusCode"; REST API developer guide, "Status Codes and Error Responses".
"""

from __future__ import annotations

from adapters.salesforce.rest import Fault, Reply, limit_wait, read_faults
from agent.core.delivery import Delivery, DeliveryKind, Outcome, OutcomeKind, Reason

#: Refused before or rolled back with certainty: code → seconds to wait where the server names none.
_AGAIN = {
    "UNABLE_TO_LOCK_ROW": 2.0,
    "SERVER_UNAVAILABLE": 30.0,
    "QUERY_TIMEOUT": 10.0,
    "ALL_OR_NONE_OPERATION_ROLLED_BACK": 2.0,
    "PROCESSING_HALTED": 2.0,
    "INVALID_SESSION_ID": 60.0,
    "API_CURRENTLY_DISABLED": 300.0,
    "API_DISABLED_FOR_ORG": 3600.0,
}
_GONE = frozenset({"ENTITY_IS_DELETED", "NOT_FOUND"})
_PRECONDITION = frozenset({"PRECONDITION_FAILED"})
#: The record cannot hold the value, or the field cannot be written like this at all.
_INVALID = frozenset(
    {
        "STRING_TOO_LONG",
        "NUMBER_OUTSIDE_VALID_RANGE",
        "INVALID_EMAIL_ADDRESS",
        "INVALID_TYPE_ON_FIELD_IN_RECORD",
        "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST",
        "INVALID_FIELD",
        "INVALID_TYPE",
        "MALFORMED_ID",
        "JSON_PARSER_ERROR",
        "JSON_VALIDATION_ERROR",
    }
)
#: Their texts quote the value, which may be personal: the field's name must do.
_QUOTES_VALUE = _INVALID - {"INVALID_FIELD", "INVALID_TYPE"}


def refused(fault: Fault, delivery: Delivery) -> Outcome | None:
    """The outcome for an error code, or None for one that does not tell whether the write was done."""
    text = _text(fault)
    if fault.code == "REQUEST_LIMIT_EXCEEDED":
        return _outcome(OutcomeKind.RETRY, fault, text, retry_after=limit_wait(fault.text))
    if fault.code in _AGAIN:
        return _outcome(OutcomeKind.RETRY, fault, text, retry_after=_AGAIN[fault.code])
    if fault.code == "UNKNOWN_EXCEPTION" or fault.code.startswith("HTTP_5"):
        return None
    return _outcome(OutcomeKind.REJECTED, fault, text, reason=_reason(fault, delivery))


def of_reply(reply: Reply, delivery: Delivery) -> Outcome:
    """The outcome of a request for a single record."""
    if reply.ok:
        return accepted(reply.body, delivery, reply)
    if reply.status == 300:
        return Outcome(
            OutcomeKind.REJECTED,
            reason=Reason.BUSINESS,
            code="MULTIPLE_CHOICES",
            text="several records have this external id; the field must be unique",
        )
    fault = reply.faults()[0]
    if reply.status == 429:
        outcome = not_sent(fault.code, fault.text, 30.0)
    elif reply.status == 412:
        outcome = Outcome(
            OutcomeKind.REJECTED, reason=Reason.PRECONDITION, code=fault.code, text=_text(fault)
        )
    else:
        outcome = refused(fault, delivery) or uncertain(fault.code, _text(fault))
    return _with_wait(outcome, reply.retry_after)


def of_item(item: object, delivery: Delivery, reply: Reply) -> Outcome:
    """The outcome of one result of a collection; a result that is none leaves the write uncertain."""
    if not isinstance(item, dict):
        return uncertain("NO_RESULT", "the answer has no result for this record")
    if item.get("success") is True:
        return accepted(item, delivery, reply)
    faults = read_faults(item.get("errors"))
    if not faults:
        return uncertain("NO_RESULT", "the answer says neither done nor refused")
    return refused(faults[0], delivery) or uncertain(faults[0].code, _text(faults[0]))


def accepted(body: object, delivery: Delivery, reply: Reply) -> Outcome:
    """Done. The key is the record's; ``evidence`` says when by the server's clock, and if it was new."""
    key, created = delivery.key, ""
    if isinstance(body, dict):
        key = str(body.get("id") or key or "") or None
        created = f" created={str(body['created']).lower()}" if "created" in body else ""
    at = reply.date.isoformat() if reply.date else "?"
    return Outcome(OutcomeKind.ACCEPTED, key=key, evidence=f"http {reply.status} at {at}{created}")


def uncertain(code: str, text: str) -> Outcome:
    """Sent, and nothing tells what came of it."""
    return Outcome(OutcomeKind.UNCERTAIN, code=code, text=text)


def not_sent(code: str, text: str, wait: float | None = None) -> Outcome:
    """Never left, or refused at the door."""
    return Outcome(OutcomeKind.RETRY, code=code, text=text, retry_after=wait)


def unsendable(code: str, text: str) -> Outcome:
    """The command itself cannot be expressed at Salesforce."""
    return Outcome(OutcomeKind.REJECTED, reason=Reason.INVALID, code=code, text=text)


def _reason(fault: Fault, delivery: Delivery) -> Reason:
    if fault.code in _PRECONDITION:
        return Reason.PRECONDITION
    if delivery.kind is not DeliveryKind.CREATE:
        # A collection answers an id that is no record with an invalid cross reference that names no field.
        if fault.code in _GONE or (fault.code == "INVALID_CROSS_REFERENCE_KEY" and not fault.fields):
            return Reason.GONE
    elif fault.code == "ENTITY_IS_DELETED":
        return Reason.GONE
    return Reason.INVALID if fault.code in _INVALID else Reason.BUSINESS


def _text(fault: Fault) -> str:
    named = ", ".join(fault.fields)
    if fault.code in _QUOTES_VALUE:
        return f"the value cannot be stored{f' in {named}' if named else ''}"
    return f"{fault.text} ({named})" if named else fault.text


def _outcome(
    kind: OutcomeKind, fault: Fault, text: str, reason: Reason | None = None, retry_after: float | None = None
) -> Outcome:
    return Outcome(kind, reason=reason, code=fault.code, text=text, retry_after=retry_after)


def _with_wait(outcome: Outcome, wait: float | None) -> Outcome:
    """The server's own waiting time counts more than ours."""
    if outcome.kind is not OutcomeKind.RETRY or wait is None:
        return outcome
    return Outcome(outcome.kind, code=outcome.code, text=outcome.text, retry_after=wait)
