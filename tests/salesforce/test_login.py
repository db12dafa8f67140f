"""Logging in: JWT bearer and client credentials, one at a time, and what a refusal says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from email.utils import formatdate
from typing import Any
from urllib.parse import parse_qs

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from adapters.salesforce.connection.auth import MOST_LOGINS, WITHIN_S, Login
from adapters.salesforce.connection.http import HttpLink
from adapters.salesforce.connection.proxy import Ways
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

    def login(self, secret: Callable[[str], str] | None = None, **changes: Any) -> Login:
        settings = self.settings(**changes)
        resolve = secret or (lambda reference: self.key)
        link = HttpLink(settings, Ways(settings, resolve))
        self.links.append(link)
        return Login("crm", settings, link, resolve, self.clock, self.monotonic)

    def pass_time(self, seconds: float) -> None:
        self.clock.now += seconds
        self.monotonic.now += seconds

    def in_minutes(self, minutes: int) -> str:
        """The time of day then, rounded up to minutes."""
        return f"{datetime.fromtimestamp(self.clock.now + minutes * 60 + 59, UTC):%H:%M} UTC"

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


async def test_a_rotated_secret_is_used_at_the_next_login(site: Site) -> None:
    """References are resolved at every login: nobody restarts the agent for a new secret."""
    site.key = "first"
    login = site.login(auth="client-credentials", client_secret="env:X")
    asked: list[str] = []

    def answer(request: Asked) -> Answer:
        asked.append(parse_qs(request.body.decode())["client_secret"][0])
        return 200, {"access_token": "t", "instance_url": site.peer.url, "id": ""}, {}

    site.peer.login_answer = answer
    session = await login.session()
    site.key = "second"
    await login.renew(session)
    assert asked == ["first", "second"]


async def test_the_audience_is_the_login_address_where_none_is_set(site: Site) -> None:
    """Without a slash at its end: Salesforce compares the text."""
    asked: list[Asked] = []

    def answer(request: Asked) -> Answer:
        asked.append(request)
        return 200, {"access_token": "t", "instance_url": site.peer.url, "id": ""}, {}

    site.peer.login_answer = answer
    await site.login(login_url=site.peer.url + "/").session()
    assertion = parse_qs(asked[0].body.decode())["assertion"][0]
    claims = jwt.decode(assertion, options={"verify_signature": False})
    assert claims["aud"] == site.peer.url
    assert isinstance(claims["exp"], int)


async def test_the_org_is_known_by_the_token_where_the_answer_names_no_identity(site: Site) -> None:
    site.peer.login_answer = lambda asked: (
        200,
        {"access_token": "00D000000000001!x", "instance_url": site.peer.url},
        {},
    )
    assert (await site.login().session()).tenant_id == "00D000000000001"


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


async def test_a_wrong_clock_is_not_blamed_for_what_the_org_names_itself(site: Site) -> None:
    body = {"error": "invalid_grant", "error_description": "user hasn't approved this consumer"}
    site.peer.login_answer = lambda asked: (
        400,
        body,
        {"Date": formatdate(site.clock.now - 900, usegmt=True)},
    )
    with pytest.raises(Refused, match="Edit Policies"):
        await site.login().session()


async def test_a_refusal_is_no_storm_and_the_rest_grows(site: Site) -> None:
    """Every failed login counts towards locking the user out."""
    asked = site.refuse("invalid_grant")
    login = site.login()
    for logins, seconds in enumerate([60, 300, 1800, 7200, 21_600, 21_600], start=1):
        for _ in range(10):
            with pytest.raises(Refused):
                await login.session()
        assert len(asked) == logins
        site.pass_time(seconds - 1)
        with pytest.raises(Refused):
            await login.session()
        assert len(asked) == logins
        site.pass_time(2)
    site.peer.login_answer = None
    assert (await login.session()).token
    site.refuse("invalid_grant")
    with pytest.raises(Refused, match=site.in_minutes(1)):
        await login.renew(await login.session())


async def test_a_day_of_refusals_is_eight_logins_however_many_ask(site: Site) -> None:
    asked = site.refuse("inactive_user")
    login = site.login()
    for _ in range(24 * 60):
        with pytest.raises(Refused):
            await login.session()
        site.pass_time(60)
    assert len(asked) == 8


async def test_another_secret_is_tried_at_once(site: Site) -> None:
    """A person put it there: the rest is over, and there is one try for it."""
    site.key = "old"
    asked = site.refuse("invalid_client")
    login = site.login(auth="client-credentials", client_secret="env:X")
    for _ in range(3):
        with pytest.raises(Refused):
            await login.session()
    site.key = "new"
    for _ in range(3):
        with pytest.raises(Refused):
            await login.session()
    assert [parse_qs(one.body.decode())["client_secret"] for one in asked] == [["old"], ["new"]]
    site.key = "newest"
    site.peer.login_answer = None
    assert (await login.session()).token


async def test_a_clock_that_was_set_ends_the_rest(site: Site) -> None:
    asked = site.refuse("invalid_grant", date=site.clock.now - 3600)
    login = site.login()
    for _ in range(3):
        with pytest.raises(Refused, match="3600 s ahead"):
            await login.session()
    assert len(asked) == 1
    site.clock.now -= 3600
    site.peer.login_answer = None
    assert (await login.session()).token


@pytest.mark.parametrize(
    ("error", "text", "hint"),
    [
        ("invalid_grant", "user hasn't approved this consumer", "Edit Policies"),
        ("invalid_grant", "invalid assertion", "certificate of this key"),
        ("invalid_grant", "audience is invalid", "audience"),
        ("invalid_grant", "user is locked", "Unlock"),
        ("inactive_user", "user is inactive", "Users > sync@example.com > Edit > Active"),
        ("inactive_org", "organization is locked, closed, or suspended", "support"),
        ("invalid_app_access", "user is not admin approved to access this app", "Edit Policies"),
        ("invalid_client_id", "client identifier invalid", "client_id"),
        ("unauthorized_client", "flow not enabled", "OAuth Settings"),
        ("something_new", "never seen", "Login History"),
    ],
)
async def test_a_refusal_names_the_place_to_mend_it_and_the_next_login(
    site: Site, error: str, text: str, hint: str
) -> None:
    date = {"Date": formatdate(site.clock.now, usegmt=True)}
    site.peer.login_answer = lambda asked: (400, {"error": error, "error_description": text}, date)
    with pytest.raises(Refused) as refused:
        await site.login().session()
    assert refused.value.message == f"login: {error}: {text}"
    assert hint in refused.value.remedy
    assert site.in_minutes(1) in refused.value.remedy
    assert len(str(refused.value)) < 300


@pytest.mark.parametrize("code", ["unknown_error", "server_error", "temporarily_unavailable"])
async def test_an_org_that_cannot_decide_now_is_asked_again(site: Site, code: str) -> None:
    """ "retry your request" says nothing about the user, so nothing rests."""
    site.refuse(code)
    login = site.login()
    with pytest.raises(Unreachable, match=code):
        await login.session()
    site.peer.login_answer = None
    assert (await login.session()).number == 1


@pytest.mark.parametrize(("status", "body"), [(403, None), (404, {}), (400, []), (200, "<html>")])
async def test_a_block_page_in_place_of_the_login_is_asked_again(site: Site, status: int, body: Any) -> None:
    """It comes from a proxy; no user is locked by it."""
    site.peer.login_answer = lambda asked: (status, body, {})
    login = site.login()
    with pytest.raises(Unreachable):
        await login.session()
    site.peer.login_answer = None
    assert (await login.session()).number == 1


async def test_too_many_logins_of_a_user_are_waited_out(site: Site) -> None:
    site.peer.login_answer = lambda asked: (
        400,
        {"error": "invalid_grant", "error_description": "login rate exceeded"},
        {},
    )
    with pytest.raises(Unreachable) as unreachable:
        await site.login().session()
    assert unreachable.value.retry_after == 3600


async def test_sessions_that_end_as_soon_as_they_begin_do_not_use_up_the_logins_of_the_user(
    site: Site,
) -> None:
    login = site.login()
    session = await login.session()
    for _ in range(MOST_LOGINS - 1):
        session = await login.renew(session)
    with pytest.raises(Unreachable, match="sessions ended") as unreachable:
        await login.renew(session)
    assert site.peer.logins == MOST_LOGINS
    assert unreachable.value.retry_after == WITHIN_S
    site.pass_time(WITHIN_S)
    assert (await login.renew(session)).number == MOST_LOGINS + 1


async def test_a_new_session_that_one_door_refuses_costs_one_login_and_then_none(site: Site) -> None:
    """The others go on with it, and the door is tried again after a rest that grows."""
    login = site.login()
    first = await login.session()
    second = await login.renew(first, "events")
    refusal = login.rejected("events", "not for you")
    assert "API Enabled" in refusal.remedy
    for _ in range(10):
        with pytest.raises(Refused, match="refused at once: not for you"):
            await login.renew(second, "events")
    assert (await login.session()) == second
    assert site.peer.logins == 2
    third = await login.renew(second, "REST")
    assert await login.renew(second, "events") == third
    site.pass_time(61)
    assert (await login.renew(third, "events")).number == 4
    login.accepted("events")
    login.rejected("events", "again")
    site.pass_time(61)
    assert (await login.renew(await login.session(), "events")).number == 5


async def test_many_that_a_door_refuses_at_once_count_as_one_refusal(site: Site) -> None:
    """Else twenty readers would make the first rest one of hours."""
    login = site.login()
    session = await login.session()
    assert {login.rejected("REST", "no").remedy.count(site.in_minutes(1)) for _ in range(20)} == {1}
    site.pass_time(61)
    assert (await login.renew(session)).number == 2


async def test_callers_share_the_failure_of_one_login(site: Site) -> None:
    """Each asking for itself would wait for the others' time-outs one after the other."""
    asked: list[Asked] = []

    def hang_up(request: Asked) -> Answer:
        asked.append(request)
        return None

    site.peer.login_answer = hang_up
    login = site.login()
    found = await asyncio.gather(*(login.session() for _ in range(50)), return_exceptions=True)
    assert {type(one) for one in found} == {Unreachable}
    assert len(asked) == 1


async def test_a_login_server_that_says_when_is_left_alone_until_then(site: Site) -> None:
    asked: list[Asked] = []

    def answer(request: Asked) -> Answer:
        asked.append(request)
        return 503, {}, {"Retry-After": "120"}

    site.peer.login_answer = answer
    login = site.login()
    for _ in range(5):
        with pytest.raises(Unreachable) as unreachable:
            await login.session()
    assert (len(asked), unreachable.value.retry_after) == (1, 120)
    site.pass_time(121)
    with pytest.raises(Unreachable):
        await login.session()
    assert len(asked) == 2


async def test_a_cancelled_login_leaves_the_next_caller_free(site: Site) -> None:
    came, go = asyncio.Event(), asyncio.Event()

    async def waiting(request: Asked) -> Answer:
        came.set()
        await go.wait()
        return None

    site.peer.slow_login = waiting
    login = site.login()
    first = asyncio.create_task(login.session())
    await came.wait()
    second = asyncio.create_task(login.session())
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    site.peer.slow_login = None
    go.set()
    assert (await second).number == 1


async def test_a_redirect_of_the_login_is_not_followed(site: Site) -> None:
    """The assertion or the secret would go to a host that nobody configured."""
    elsewhere = HttpPeer()
    await elsewhere.start()
    site.peer.login_answer = lambda asked: (
        302,
        {},
        {"Location": f"http://localhost:{elsewhere.port}/services/oauth2/token"},
    )
    with pytest.raises(Unreachable, match="sends us on to localhost") as error:
        await site.login().session()
    assert (elsewhere.logins, elsewhere.asked) == (0, [])
    assert "login_url" in error.value.remedy
    await elsewhere.stop()


async def test_a_busy_login_server_is_unreachable_and_asked_again(site: Site) -> None:
    site.refuse("server_error", status=503)
    login = site.login()
    with pytest.raises(Unreachable):
        await login.session()
    site.peer.login_answer = None
    site.pass_time(10)
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

    login = site.login(secret=secret)
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
