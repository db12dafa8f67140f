"""Who is signed in: the results of login, getUserInfo and getServerTimestamp.

Clients take parts of the login result by position: serverUrl is the 4th, sessionId the 5th, userInfo the 7th,
and in it organizationId the 9th.
"""

from __future__ import annotations

from adapters.sandbox.salesforce.org.actor import User
from adapters.sandbox.salesforce.org.org import Org
from adapters.sandbox.salesforce.soap.texts import joined, tag

SESSION_S = 7200


def login(org: Org, user: User, token: str, base: str, version: str) -> str:
    """The result of login."""
    place = f"{version}/{org.id[:15]}"
    return tag(
        "result",
        joined(
            (
                tag("metadataServerUrl", f"{base}/services/Soap/m/{place}"),
                tag("passwordExpired", False),
                tag("sandbox", True),
                tag("serverUrl", f"{base}/services/Soap/u/{place}"),
                tag("sessionId", token),
                tag("userId", user.id),
                tag("userInfo", joined(_user_info(org, user))),
            )
        ),
    )


def user_info(org: Org, user: User) -> str:
    """The result of getUserInfo."""
    return tag("result", joined(_user_info(org, user)))


def timestamp(org: Org) -> str:
    """The result of getServerTimestamp."""
    return tag("result", joined((tag("timestamp", org.clock.now().strftime("%Y-%m-%dT%H:%M:%S.000Z")),)))


def _user_info(org: Org, user: User) -> list[str]:
    pairs: tuple[tuple[str, object], ...] = (
        ("accessibilityMode", False),
        ("chatterExternal", False),
        ("currencySymbol", "€"),
        ("orgAttachmentFileSizeLimit", 5_242_880),
        ("orgDefaultCurrencyIsoCode", "EUR"),
        ("orgDefaultCurrencyLocale", "de_DE_EURO"),
        ("orgDisallowHtmlAttachments", False),
        ("orgHasPersonAccounts", False),
        ("organizationId", org.id),
        ("organizationMultiCurrency", False),
        ("organizationName", "Isthmus sandbox"),
        ("profileId", "00e5g000001D000AAA"),
        ("roleId", None),
        ("sessionSecondsValid", SESSION_S),
        ("userDefaultCurrencyIsoCode", None),
        ("userEmail", user.username),
        ("userFullName", user.name),
        ("userId", user.id),
        ("userLanguage", "en_US"),
        ("userLocale", "en_GB"),
        ("userName", user.username),
        ("userTimeZone", "Europe/Berlin"),
        ("userType", "Standard"),
        ("userUiSkin", "Theme3"),
    )
    return [tag(name, value) for name, value in pairs]
