"""Faults that a test or a demo arms in the running org: what can go wrong, where, how often and after how
many."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Any

KINDS: dict[str, str] = {
    "gap": "the next matching change event becomes GAP_*, header only",
    "overflow": "the matching changes of the next transaction become one GAP_OVERFLOW, without ids",
    "merge": "the matching changes of the next transaction become one event per kind of change with all "
    "record "
    "ids, a gap where they differ",
    "wildcard": "the matching changes of the next transaction become one GAP_UPDATE of every record (001*)",
    "duplicate": "the next matching change event is delivered twice, with another replay id",
    "delay": "the bus holds the next matching change event, and all behind it, back for 'delay' seconds",
    "lose": "the next matching change event never reaches the bus",
    "reorder": "the bus tells the next matching change event behind the next one of another record",
    "piecemeal": "the next response that holds a matching event holds that event only",
    "undecodable": "the payload of the next matching change event is garbled; its schema id stays",
    "schema": "a field is added to the object just before the next matching change event",
    "geocode": "the next matching address change is followed by an event of the org's own with coordinates "
    "only",
    "expire": "every replay id handed out so far becomes unknown and its events are gone",
    "reset": "the stream starts anew: all replay ids unknown, events gone, open streams dropped",
    "break": "all open streams are dropped",
    "half-open": "all open gRPC connections go dead: they stay open, nothing passes, pings are not answered",
    "silent": "all open streams say nothing more, no keepalive either; their connections live on",
    "refuse-stream": "the next subscription to a matching topic is refused as INVALID_ARGUMENT with the code "
    "in 'detail' ('subscription.fetch.topic.name.invalid: text')",
    "event-limit": "the next delivery of a matching event ends its stream: allocation of events used up",
    "revoke": "all access tokens become invalid; open streams live on",
    "deny-login": "the next sign-in is refused with the OAuth error in 'detail' ('inactive_user: text')",
    "lock-row": "the next matching record write fails with UNABLE_TO_LOCK_ROW",
    "unavailable": "the next matching call is answered 503 SERVER_UNAVAILABLE",
    "limit": "the next matching call is answered 403 REQUEST_LIMIT_EXCEEDED",
    "refuse": "the next matching call is refused with the code in 'detail' ('QUERY_TIMEOUT: text')",
    "answer-lost": "the next matching call is carried out, then the connection is closed without an answer",
    "answer-late": "the next matching call is carried out, then answered after 'delay' seconds",
    "job-failed": "the next bulk batch or job of a matching object fails as a whole",
    "job-late": "the next bulk batch or job of a matching object, and all behind it, waits 'delay' seconds",
}
AT_ONCE = ("expire", "reset", "break", "half-open", "silent", "revoke")
LONGEST_DELAY_S = 86_400
_KEYS = ("kind", "scope", "count", "after", "method", "client", "delay", "detail")


class UnknownFault(ValueError):
    """The request to arm a fault cannot be used; the text names the nearest valid word."""


@dataclass(slots=True)
class Fault:
    """One armed fault. ``scope`` is an object name or ``*``; ``after`` matching occasions pass unharmed,
    then it
    strikes ``count`` times. ``method`` and ``client`` (as callers name themselves in ``Sforce-Call-Options``)
    narrow HTTP faults; ``delay`` is in seconds; ``detail`` replaces the text.
    """

    kind: str
    scope: str = "*"
    count: int = 1
    after: int = 0
    method: str = ""
    client: str = ""
    delay: float = 1.0
    detail: str = ""

    def concerns(self, names: Iterable[str], method: str, client: str = "") -> bool:
        """Whether an occasion with these object names, this HTTP method and caller is one of its own."""
        if self.client and self.client != client:
            return False
        if self.method and method and self.method.upper() != method.upper():
            return False
        return self.scope == "*" or self.scope.lower() in {name.lower() for name in names}


def parse(body: object) -> Fault:
    """Reads the JSON body of the arming call. Raises UnknownFault."""
    if not isinstance(body, dict):
        raise UnknownFault("a fault is an object with the key 'kind'")
    for key in body:
        if key not in _KEYS:
            raise UnknownFault(f"unknown key '{key}'{_nearest(str(key), _KEYS)}")
    kind = body.get("kind")
    if not isinstance(kind, str) or kind not in KINDS:
        raise UnknownFault(f"unknown kind '{kind}'{_nearest(str(kind), KINDS)}")
    fault = Fault(
        kind=kind,
        scope=str(body.get("scope", "*")),
        count=_whole(body, "count", 1),
        after=_whole(body, "after", 0),
        method=str(body.get("method", "")),
        client=str(body.get("client", "")),
        detail=str(body.get("detail", "")),
    )
    if "delay" in body:
        delay = body["delay"]
        if (
            isinstance(delay, bool)
            or not isinstance(delay, int | float | Decimal)
            or not 0 <= delay <= LONGEST_DELAY_S
        ):
            raise UnknownFault(f"'delay' is a number of seconds, 0 to {LONGEST_DELAY_S}")
        fault.delay = float(body["delay"])
    return fault


def _whole(body: dict[str, Any], key: str, default: int) -> int:
    value = body.get(key, default)
    if not isinstance(value, int) or isinstance(value, bool) or value < (1 if key == "count" else 0):
        raise UnknownFault(f"'{key}' is a whole number, {1 if key == 'count' else 0} or more")
    return value


def _nearest(word: str, valid: Iterable[str]) -> str:
    found = difflib.get_close_matches(word, list(valid), n=1, cutoff=0.4)
    return f"; did you mean '{found[0]}'?" if found else f"; valid are {', '.join(valid)}"


class Faults:
    """The armed faults, in the order of arming."""

    def __init__(self) -> None:
        self._armed: list[Fault] = []

    def arm(self, fault: Fault) -> None:
        """Adds a fault."""
        self._armed.append(fault)

    def clear(self) -> int:
        """Disarms everything; returns how many there were."""
        count = len(self._armed)
        self._armed.clear()
        return count

    def armed(self) -> list[dict[str, Any]]:
        """What is armed, with the counts that are left."""
        return [asdict(fault) for fault in self._armed]

    def strike(self, kind: str, names: Iterable[str], method: str = "", client: str = "") -> Fault | None:
        """Uses up one occasion of that kind; the fault when it strikes now."""
        for fault in self._armed:
            if fault.kind != kind or not fault.concerns(names, method, client):
                continue
            if fault.after:
                fault.after -= 1
                return None
            fault.count -= 1
            if not fault.count:
                self._armed.remove(fault)
            return fault
        return None
