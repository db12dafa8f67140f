"""Access tokens of the org: ``<15-character org id>!<random>``, each for one user until it expires or is
revoked."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from adapters.sandbox.salesforce.org.actor import User
from adapters.sandbox.salesforce.org.clock import OrgClock

#: From so many tokens on, those that expired are let go of before another one is issued.
MANY = 1000


@dataclass(frozen=True, slots=True)
class _Grant:
    user: User
    expires: datetime


class Tokens:
    """Issued tokens. Every use of a token moves its expiry, as a session time-out does."""

    def __init__(self, org_id: str, clock: OrgClock, lifetime: timedelta) -> None:
        self._prefix = org_id[:15]
        self._clock = clock
        self._lifetime = lifetime
        self._grants: dict[str, _Grant] = {}

    def issue(self, user: User) -> str:
        """A new token for the user."""
        if len(self._grants) >= MANY:
            now = self._clock.now()
            self._grants = {each: grant for each, grant in self._grants.items() if grant.expires > now}
        token = f"{self._prefix}!{secrets.token_urlsafe(48)}"
        self._grants[token] = _Grant(user, self._clock.now() + self._lifetime)
        return token

    def user(self, token: str) -> User | None:
        """Whose token it is, or None when it is unknown, revoked or expired."""
        grant = self._grants.get(token)
        if grant is None or grant.expires <= self._clock.now():
            return None
        self._grants[token] = _Grant(grant.user, self._clock.now() + self._lifetime)
        return grant.user

    def revoke(self, token: str) -> bool:
        """Ends one token; False when it was not known."""
        return self._grants.pop(token, None) is not None

    def revoke_all(self) -> None:
        """Ends every token."""
        self._grants.clear()
