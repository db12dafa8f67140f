"""Logging in: JWT bearer and client credentials, one at a time, and what a refusal says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from email.utils import formatdate
from typing import Any
from urllib.parse import parse_qs

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from adapters.salesforce.auth import Login
from adapters.salesforce.http import HttpLink
from adapters.salesforce.settings import Settings
from agent.errors import InputError, Refused, Unreachable
from tests.salesforce.peers import Answer, Asked, HttpPeer

KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
PEM = KEY.private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
).decode()


class Clock:
    """Seconds that a test moves."""

    def __init__(self, now: float = 1_795_398_332.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


class Site:
    """A login against a peer."""

    def __init__(self, peer: HttpPeer) -> None:
        self.peer = peer
        self.clock = Clock()
        self.monotonic = Clock(0.0)
        self.key = PEM
        self.links: list[HttpLink] = []

    def settings(self, **changes: Any) -> Settings:
        plain: dict[str, Any] = {
            "login_url": self.peer.url,
            "insecure_http": True,
            "client_id": "app",
            "username": "sync@example.com",
            "key": "file:/key.pem",
        }
        return Settings(**(plain | changes))

    def login(self, **changes: Any) -> Login:
        settings = self.settings(**changes)
        link = HttpLink(settings)
        self.links.append(link)
        return Login("crm", settings, link, lambda reference: self.key, self.clock, self.monotonic)

    def refuse(self, error: str, date: float | None = None, status: int = 400) -> list[Asked]:
        asked: list[Asked] = []

        def answer(request: Asked) -> Answer:
            asked.append(request)
            headers = {} if date is None else {"Date": formatdate(date, usegmt=True)}
            return status, {"error": error, "error_description": "no"}, headers

        self.peer.login_answer = answer
        return asked


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    site = Site(HttpPeer())
    await site.peer.start()
    yield site
    for link in site.links:
        await link.release("nobody")
    await site.peer.stop()


async def test_jwt_bearer_sends_a_short_assertion_made_at_that_moment(site: Site) -> None:
    asked: list[Asked] = []

    def answer(request: Asked) -> Answer:
        asked.append(request)
        body = {
            "access_token": "hush-token",
            "instance_url": site.peer.url + "/",
            "id": "https://login.salesforce.com/id/00D000000000001EAA/005000000000001AAA",
        }
        return 200, body, {}

    site.peer.login_answer = answer
    login = site.login(audience="https://test.salesforce.com")
    site.clock.now += 1000
    session = await login.session()
    form = parse_qs(asked[0].body.decode())
    claims = jwt.decode(
        form["assertion"][0],
        KEY.public_key(),
        algorithms=["RS256"],
        audience="https://test.salesforce.com",
        options={"verify_exp": False},
    )
    assert form["grant_type"] == ["urn:ietf:params:oauth:grant-type:jwt-bearer"]
    assert (claims["iss"], claims["sub"]) == ("app", "sync@example.com")
    assert 0 < claims["exp"] - site.clock.now <= 300
    assert (session.tenant_id, session.user_id) == ("00D000000000001EAA", "005000000000001AAA")
    assert session.instance_url == site.peer.url
    assert "hush-token" not in repr(session)


async def test_client_credentials_are_sent_in_the_form(site: Site) -> None:
    site.key = "hush\n"
    asked = site.refuse("invalid_client")
    with pytest.raises(Refused) as refused:
        await site.login(auth="client-credentials", client_secret="env:X").session()
    form = parse_qs(asked[0].body.decode())
    assert (form["grant_type"], form["client_secret"]) == (["client_credentials"], ["hush"])
    assert "hush" not in str(refused.value)


async def test_callers_share_one_login(site: Site) -> None:
    login = site.login()
    sessions = await asyncio.gather(*(login.session() for _ in range(20)))
    assert {session.number for session in sessions} == {1}
    assert site.peer.logins == 1
    renewed = await asyncio.gather(*(login.renew(sessions[0]) for _ in range(20)))
    assert {session.number for session in renewed} == {2}
    assert site.peer.logins == 2


@pytest.mark.parametrize(("ahead", "text"), [(3600, "3600 s ahead"), (-900, "900 s behind")])
async def test_invalid_grant_names_a_wrong_clock(site: Site, ahead: int, text: str) -> None:
    site.refuse("invalid_grant", date=site.clock.now - ahead)
    with pytest.raises(Refused, match=text):
        await site.login().session()


async def test_invalid_grant_with_a_right_clock_names_the_app(site: Site) -> None:
    site.refuse("invalid_grant", date=site.clock.now + 5)
    with pytest.raises(Refused, match="approval"):
        await site.login().session()


async def test_a_refusal_is_no_storm(site: Site) -> None:
    asked = site.refuse("invalid_grant")
    login = site.login()
    for _ in range(10):
        with pytest.raises(Refused):
            await login.session()
    assert len(asked) == 1
    site.monotonic.now += 61
    with pytest.raises(Refused):
        await login.session()
    assert len(asked) == 2
    site.peer.login_answer = None
    site.monotonic.now += 61
    assert (await login.session()).token


async def test_a_busy_login_server_is_unreachable_and_asked_again(site: Site) -> None:
    site.refuse("server_error", status=503)
    login = site.login()
    with pytest.raises(Unreachable):
        await login.session()
    site.peer.login_answer = None
    assert (await login.session()).number == 1


async def test_unusable_key_is_refused_without_quoting_it(site: Site) -> None:
    site.key = "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----"
    with pytest.raises(Refused) as refused:
        await site.login().session()
    assert "c2VjcmV0" not in str(refused.value)
    assert "PEM" in str(refused.value)


async def test_a_secret_that_cannot_be_read_is_refused_with_its_remedy(site: Site) -> None:
    """Not the end of the agent: the other systems work on, and the file may be put there any time."""

    def secret(reference: str) -> str:
        raise InputError("cannot be opened: No such file", where=reference, remedy="the file must exist")

    login = Login("crm", site.settings(), HttpLink(site.settings()), secret, site.clock, site.monotonic)
    with pytest.raises(Refused) as refused:
        await login.session()
    assert str(refused.value) == (
        "crm: login: file:/key.pem: cannot be opened: No such file (the file must exist)"
    )
    assert site.peer.logins == 0


async def test_token_is_not_sent_to_an_unsafe_instance(site: Site) -> None:
    site.peer.login_answer = lambda asked: (
        200,
        {"access_token": "t", "instance_url": "http://example.com", "id": ""},
        {},
    )
    with pytest.raises(Refused, match="not https"):
        await site.login().session()


@pytest.mark.parametrize("body", [{}, [], {"access_token": "t"}])
async def test_an_answer_that_is_no_token_is_unreachable(site: Site, body: Any) -> None:
    site.peer.login_answer = lambda asked: (200, body, {})
    with pytest.raises(Unreachable):
        await site.login().session()
