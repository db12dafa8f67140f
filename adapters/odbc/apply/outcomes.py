"""Outcomes in the words of this adapter."""

from __future__ import annotations

from adapters.odbc.dialect import Verdict
from agent.core.delivery import Outcome, OutcomeKind, Reason


class Stop(Exception):
    """The transaction ends without effect, with this outcome."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.code)
        self.outcome = outcome


def retry(code: str, text: str) -> Outcome:
    """It was certainly not applied, and may be tried again."""
    return Outcome(OutcomeKind.RETRY, code=code, text=text)


def unanswered(verdict: Verdict) -> Outcome:
    """The commit was sent and nobody knows what became of it."""
    return Outcome(OutcomeKind.UNCERTAIN, code=verdict.code, text=f"commit not answered: {verdict.text}")


def rejected(reason: Reason, code: str, text: str) -> Outcome:
    """The ERP said no, or it cannot be asked."""
    return Outcome(OutcomeKind.REJECTED, reason=reason, code=code, text=text)


def invalid(code: str, text: str) -> Outcome:
    """The table cannot hold it."""
    return rejected(Reason.INVALID, code, text)


def business(code: str, text: str) -> Outcome:
    """A rule of the ERP."""
    return rejected(Reason.BUSINESS, code, text)
