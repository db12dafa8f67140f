"""Errors that a person may read. Each names what happened, where, and what to do.

IsthmusError
├── ConfigError        the configuration cannot be used; lists every problem at once (exit 2)
├── InputError         a file or argument cannot be read (exit 2)
├── RemoteError        a system refused or could not be reached (exit 3)
│   ├── Unreachable    no answer; try again later
│   ├── Refused        it answered no: credentials, permission, missing object; a person must act
│   └── PositionLost   the stored position is unknown to the source; its scopes become stale
├── StoreError         the store cannot be used (exit 2)
│   ├── Fenced         another agent owns the store, or a later life of it has begun
│   └── RolledBack     the store is older than what was done with it; it has to begin a new epoch
└── Denied             the operator may not do this (exit 4)
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass


class IsthmusError(Exception):
    """Base of all errors with a text for people. ``remedy`` says what the operator should do."""

    exit_code = 1

    def __init__(self, message: str, *, where: str = "", remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.where = where
        self.remedy = remedy

    def __str__(self) -> str:
        text = f"{self.where}: {self.message}" if self.where else self.message
        return f"{text} ({self.remedy})" if self.remedy else text


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong in the configuration: file, dotted key, what, and the nearest valid name if any."""

    file: str
    key: str
    text: str
    nearest: str | None = None

    def __str__(self) -> str:
        hint = f"; did you mean '{self.nearest}'?" if self.nearest else ""
        return f"{self.file}: {self.key}: {self.text}{hint}"


class ConfigError(IsthmusError):
    """All problems of a configuration at once."""

    exit_code = 2

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = problems
        super().__init__("\n".join(str(problem) for problem in problems))


class InputError(IsthmusError):
    """A file or an argument cannot be read."""

    exit_code = 2


class RemoteError(IsthmusError):
    """A remote system refused or could not be reached."""

    exit_code = 3


class Unreachable(RemoteError):
    """No answer from the system; tried again with back-off. ``retry_after`` in seconds, if it said so."""

    def __init__(
        self, message: str, *, where: str = "", remedy: str = "", retry_after: float | None = None
    ) -> None:
        super().__init__(message, where=where, remedy=remedy)
        self.retry_after = retry_after


class Refused(RemoteError):
    """The system answered no (credentials, permission, missing object). Retried rarely; a person must act."""


class PositionLost(RemoteError):
    """The stored position is unknown to the source (expired, reset, foreign). Never a jump to the tip.

    ``objects``: what the stream tells of; None where it is everything that the system has.
    """

    def __init__(
        self,
        message: str,
        *,
        stream: str,
        objects: Collection[str] | None = None,
        where: str = "",
        remedy: str = "",
    ) -> None:
        super().__init__(message, where=where, remedy=remedy)
        self.stream = stream
        self.objects = objects


class StoreError(IsthmusError):
    """The store cannot be opened or written."""

    exit_code = 2


class Fenced(StoreError):
    """Another agent owns this store, or a later life of it has begun."""


class RolledBack(StoreError):
    """A system has seen more than this store knows. ``epoch`` is the highest that was seen anywhere."""

    def __init__(self, message: str, *, epoch: int, where: str = "", remedy: str = "") -> None:
        super().__init__(message, where=where, remedy=remedy)
        self.epoch = epoch


class Denied(IsthmusError):
    """The operator's role does not allow this."""

    exit_code = 4
