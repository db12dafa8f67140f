"""What Salesforce's answers to a write mean: replies, results of collections and error codes to outcomes."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from dataclasses import replace

from adapters.salesforce.connection.rest import Fault, Reply, limit_wait, read_faults
from adapters.salesforce.table import columns_named, long_id
from adapters.salesforce.write import rivals
from adapters.salesforce.write.codes import CODES, FIELD_CODES, LOCKED, meaning
from agent.core.delivery import Delivery, DeliveryKind, Outcome, OutcomeKind, Reason
from agent.errors import IsthmusError, Unreachable

#: A value shorter than this says nothing about anybody, and would blot out half of a text.
_TELLING = 4
#: Seconds to wait after an answer 429 that names none.
_TOO_MANY_S = 30.0
#: The request could not be read, or is too large.
_UNREADABLE = (400, 413)
#: Seconds until a request that was refused as a whole is tried again.
_WHOLE_S = 300.0
#: The same where the next request goes without what this one was refused for.
_WITHOUT_S = 2.0
#: Seconds until a login that was refused, or a read before a write, is tried again.
_REFUSED_S = 60.0


def of_reply(reply: Reply, delivery: Delivery) -> Outcome:
    """The outcome of a request for a single record."""
    if reply.ok:
        return accepted(reply.body, delivery, reply)
    if reply.status == 300:
        return _ambiguous(reply)
    fault = reply.faults()[0]
    if reply.status == 429:
        outcome = not_sent(fault.code, _text(fault, delivery, ""), _TOO_MANY_S)
    elif reply.status == 412:
        outcome = Outcome(
            OutcomeKind.REJECTED,
            reason=Reason.PRECONDITION,
            code=fault.code,
            text=_text(fault, delivery, ""),
        )
    else:
        outcome = of_fault(fault, delivery)
    if outcome.kind is OutcomeKind.RETRY and reply.retry_after is not None:
        # The server's own waiting time counts more than ours.
        return replace(outcome, retry_after=reply.retry_after)
    return outcome


def unreadable(reply: Reply, sent: Iterable[Delivery]) -> bool:
    """Whether a request for many was refused for what is in it: with fewer records it may be no trouble."""
    fault = reply.faults()[0]
    if any(_lacking(fault, delivery) for delivery in sent):
        return False  # each command knows whether it is one of its own
    return reply.status in _UNREADABLE and meaning(fault.code, fault.text).kind is OutcomeKind.REJECTED


def whole(reply: Reply, delivery: Delivery) -> Outcome:
    """The outcome for one of many whose request was refused as a whole: it need not be the faulty one."""
    outcome = of_reply(reply, delivery)
    if outcome.kind is not OutcomeKind.REJECTED or outcome.reason is Reason.FIELD:
        return outcome
    wait = _WITHOUT_S if _names_a_field(reply.faults()[0]) else _WHOLE_S
    return not_sent(outcome.code, f"the whole request was refused: {outcome.text}", wait)


def of_item(item: object, delivery: Delivery, reply: Reply) -> Outcome:
    """The outcome of one result of a collection; a result that is none leaves the write uncertain."""
    if not isinstance(item, dict):
        return uncertain("NO_RESULT", "the answer has no result for this record")
    if item.get("success") is True:
        told = item.get("id")
        if delivery.key is not None and isinstance(told, str) and long_id(told) != long_id(delivery.key):
            return uncertain("NO_RESULT", "the answer is about another record")
        return accepted(item, delivery, reply)
    faults = read_faults(item.get("errors"))
    if not faults:
        return uncertain("NO_RESULT", "the answer says neither done nor refused")
    return of_fault(faults[0], delivery)


def of_fault(fault: Fault, delivery: Delivery) -> Outcome:
    """The outcome for an error code; uncertain for one that does not tell whether the write was done."""
    found = meaning(fault.code, fault.text)
    reason, phrase = found.reason, found.phrase
    if delivery.kind is DeliveryKind.CREATE and fault.code == "NOT_FOUND":
        reason, phrase = Reason.BUSINESS, ""  # the external id field is not there
    elif fault.code == "INVALID_CROSS_REFERENCE_KEY" and not fault.fields:
        # A collection answers an id that is no record like this; one in a field is named.
        reason = reason if delivery.kind is DeliveryKind.CREATE else Reason.GONE
    lacking = _lacking(fault, delivery)
    if lacking:
        reason = Reason.FIELD
    others = rivals.of_fault(fault)
    locked = found is CODES[LOCKED]
    return Outcome(
        found.kind,
        reason=reason,
        code=LOCKED if locked else fault.code,
        text=_text(fault, delivery, phrase) + others.text(),
        evidence=others.evidence(),
        fields=lacking,
        retry_after=_apart(found.wait, delivery) if locked else _wait(fault, found.wait),
    )


def _names_a_field(fault: Fault) -> bool:
    return fault.code in FIELD_CODES and bool(fault.fields or columns_named(fault.text))


def _lacking(fault: Fault, delivery: Delivery) -> frozenset[str]:
    """Fields of the command that the object does not have for our user: the same for every record."""
    if fault.code not in FIELD_CODES:
        return frozenset()
    named = {name.lower() for name in (*fault.fields, *columns_named(fault.text))}
    return frozenset(name for name in (*delivery.fields, *delivery.pending) if name.lower() in named)


def accepted(body: object, delivery: Delivery, reply: Reply) -> Outcome:
    """Done. The key is the record's; ``evidence`` says when by the server's clock, and if it was new."""
    key, created = delivery.key, ""
    if isinstance(body, dict):
        key = str(body.get("id") or key or "") or None
        created = f" created={str(body['created']).lower()}" if "created" in body else ""
    at = reply.date.isoformat() if reply.date else "?"
    return Outcome(OutcomeKind.ACCEPTED, key=key, evidence=f"http {reply.status} at {at}{created}")


def written(key: str, created: str, delivery: Delivery) -> Outcome:
    """Done by a bulk job, whose result says under which key and whether the record is new."""
    new = f" created={created.lower()}" if delivery.kind is DeliveryKind.CREATE and created else ""
    return Outcome(OutcomeKind.ACCEPTED, key=key or delivery.key, evidence=f"bulk{new}")


def uncertain(code: str, text: str) -> Outcome:
    """Sent, and nothing tells what came of it."""
    return Outcome(OutcomeKind.UNCERTAIN, code=code, text=text)


def no_answer(why: str) -> Outcome:
    """Sent, and the line was silent or broke."""
    text = f"no answer ({why}); what came of it is read. If this lasts, check proxy and firewall"
    return uncertain("NO_ANSWER", text)


def not_sent(code: str, text: str, wait: float | None = None) -> Outcome:
    """Never left, or refused at the door."""
    return Outcome(OutcomeKind.RETRY, code=code, text=text, retry_after=wait)


def rolled_back() -> Outcome:
    """Undone together with a record that was refused."""
    code = "ALL_OR_NONE_OPERATION_ROLLED_BACK"
    return not_sent(code, "undone together with a record that was refused", CODES[code].wait)


def withheld(error: IsthmusError) -> Outcome:
    """The budget, the login, or the read before a conditional write said no: the write has not left."""
    wait = error.retry_after if isinstance(error, Unreachable) else _REFUSED_S
    return not_sent(type(error).__name__.upper(), str(error), wait)


def unsendable(code: str, text: str) -> Outcome:
    """The command itself cannot be expressed at Salesforce."""
    return Outcome(OutcomeKind.REJECTED, reason=Reason.INVALID, code=code, text=text)


def _ambiguous(reply: Reply) -> Outcome:
    found = rivals.of_addresses(reply.body)
    return Outcome(
        OutcomeKind.REJECTED,
        reason=Reason.BUSINESS,
        code="MULTIPLE_CHOICES",
        text=f"several records have this external id; the field must be unique{found.text()}",
        evidence=found.evidence(),
    )


def _wait(fault: Fault, wait: float | None) -> float | None:
    return limit_wait(fault.text) if fault.code == "REQUEST_LIMIT_EXCEEDED" else wait


def _apart(wait: float | None, delivery: Delivery) -> float:
    """Seconds: rows that met at one lock come back apart, each by a part of the time that is its own."""
    spread = zlib.crc32(delivery.message_id.encode()) / 2**32
    return round((wait or 0.0) * (0.5 + spread), 3)


def _text(fault: Fault, delivery: Delivery, phrase: str) -> str:
    """What people are told: our own words where the server's could quote a value, never a value of ours."""
    named = ", ".join(fault.fields)
    if phrase:
        return f"{phrase}{f' in {named}' if named else ''}"
    text = fault.text
    for value in delivery.fields.values():
        if not isinstance(value, bool) and value is not None and len(str(value)) >= _TELLING:
            text = text.replace(str(value), "…")
    return f"{text} ({named})" if named else text
