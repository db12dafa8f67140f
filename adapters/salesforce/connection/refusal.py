"""What a refused login means and where a person mends it: one remedy for each answer of the token endpoint.

Codes: RFC 6749 section 5.2 and Salesforce Help, "OAuth 2.0 Authorization Errors" and "Preauthorize User App
Access Through External Client App Policies". Paths: Lightning Experience.
"""

from __future__ import annotations

from datetime import UTC, datetime

from adapters.salesforce.settings import Settings

#: A clock off by more than this explains invalid_grant: an assertion is valid for minutes.
SKEW_S = 60.0
APP = "Setup > Apps > External Client Apps > External Client App Manager > (the app)"
_HISTORY = "Setup > Identity > Login History tells why"
#: Part of the description → remedy; the first that fits. ``{user}`` is the configured user.
_BY_TEXT = (
    ("organization", "the org is locked or closed: ask Salesforce support"),
    ("credentials user", f"name the user that it runs as: {APP} > Edit Policies > OAuth Flows"),
    ("approved", f"approve the user's permission set: {APP} > Edit Policies > OAuth Policies"),
    ("locked", "unlock the user: Setup > Users > Users > {user} > Unlock"),
    ("frozen", "unfreeze the user: Setup > Users > Users > {user} > Unfreeze"),
    ("inactive", "activate the user: Setup > Users > Users > {user} > Edit > Active"),
    ("audience", "set audience to https://login.salesforce.com, https://test.salesforce.com or My Domain"),
    ("assertion", f"put the certificate of this key on the app: {APP} > Settings > OAuth Settings"),
    ("expired", "check the clock, then audience and username"),
    ("ip restricted", f"allow this address: {APP} > Edit Policies > IP Relaxation"),
)
#: What a wrong clock may be behind.
_OF_TIME = ("", "assertion", "expired")
_BY_CODE = {
    "invalid_grant": f"check username, its approval for the app, and the certificate; {_HISTORY}",
    "inactive_user": "activate the user: Setup > Users > Users > {user} > Edit > Active",
    "inactive_org": "the org is locked or closed: ask Salesforce support",
    "invalid_client": "check client_secret or the key, and client_id (consumer key)",
    "invalid_client_id": "check client_id (consumer key); a new app takes some minutes to become known",
    "invalid_app_access": f"approve the user's permission set: {APP} > Edit Policies > OAuth Policies",
    "unauthorized_client": f"enable the flow: {APP} > Edit Settings > OAuth Settings",
    "unsupported_grant_type": f"enable the flow: {APP} > Edit Settings > OAuth Settings",
}


def remedy(code: str, text: str, settings: Settings, here: float, there: datetime | None) -> str:
    """What a person does about a refusal. ``here`` is our clock in seconds since the epoch, ``there`` theirs
    from the Date header, if it was told."""
    lower = text.lower()
    part, found = next(((part, hint) for part, hint in _BY_TEXT if part in lower), ("", ""))
    timed = code == "invalid_grant" and settings.auth == "jwt" and part in _OF_TIME
    if timed and there is not None and abs(here - there.timestamp()) > SKEW_S:
        return clock_remedy(here, there)
    hint = found or _BY_CODE.get(code, f"check login_url, client_id and the app; {_HISTORY}")
    return hint.format(user=settings.username or "(the user that the app runs as)")


def clock_remedy(here: float, there: datetime) -> str:
    """What to do about a clock that is wrong here."""
    skew = here - there.timestamp()
    ours = datetime.fromtimestamp(here, UTC)
    return (
        f"check the clock: {abs(skew):.0f} s {'ahead' if skew > 0 else 'behind'} "
        f"(here {ours:%H:%M:%S}, HTTP Date {there:%H:%M:%S} UTC)"
    )


def passing(code: str) -> bool:
    """Whether the org could not decide now ("retry your request"), which says nothing about the user."""
    return code in ("unknown_error", "server_error", "temporarily_unavailable")


def rate_limited(text: str) -> bool:
    """Whether the org refused because there were too many logins (3,600 an hour and user)."""
    lower = text.lower()
    return "rate" in lower and ("exceeded" in lower or "limit" in lower)
