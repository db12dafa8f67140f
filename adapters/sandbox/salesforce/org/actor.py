"""Who writes, and through what: the user and the changeOrigin of a transaction."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class User:
    """A user of the org."""

    id: str
    username: str
    name: str


@dataclass(frozen=True, slots=True)
class Actor:
    """A user and the ``changeOrigin`` text of what the user does; blank inside the org (flows, batch).

    ``saves_duplicates`` tells that duplicate rules only warn (``Sforce-Duplicate-Rule-Header``).
    """

    user: User
    origin: str = ""
    client: str = ""
    saves_duplicates: bool = False


def api_actor(user: User, version: str, client: str, api: str = "rest") -> Actor:
    """A caller of an API (``rest``, ``soap``, ``bulkapi``, ``toolingrest``); ``client`` comes from
    ``Sforce-Call-Options`` and may be blank. ``version`` like ``62.0``."""
    origin = f"com/salesforce/api/{api}/{version}"
    return Actor(user, f"{origin};client={client}" if client else origin, client)


def page_actor(user: User) -> Actor:
    """A person at the user interface, with the origin text that a real org shows for it."""
    return Actor(user, "com/salesforce/api/soap/66.0;client=SfdcInternalAPI/", "SfdcInternalAPI")
