"""Whom the agent talks to: a server whose certificate nobody vouches for gets no word of it."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from adapters.salesforce.connection.proxy import Ways
from adapters.salesforce.connection.tls import Untrusted, certificate, http_trust, soonest
from adapters.salesforce.settings import Settings
from agent.errors import Refused, Unreachable
from tests.salesforce.authority import Authority, Leaf
from tests.salesforce.conftest import Org
from tests.salesforce.peers import HttpPeer, PubSubPeer

pytestmark = pytest.mark.invariant("I32")

#: What is wrong with a certificate → what is said of it, and what to do.
FAULTS = {
    "another authority": ("not trusted", "ca_file"),
    "expired": ("has expired", "renew"),
    "not yet": ("not valid yet", "date"),
    "another name": ("for another host name", "address"),
}


class SecurePeer(HttpPeer):
    """An org's HTTP side behind TLS."""

    def __init__(self, leaf: Leaf) -> None:
        super().__init__()
        self._context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._context.load_cert_chain(leaf.certificate, leaf.key)

    @property
    def url(self) -> str:
        return f"https://localhost:{self.port}"

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "localhost", 0, ssl=self._context)
        self.port = self._server.sockets[0].getsockname()[1]


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ours"))


@pytest.fixture(scope="module")
def theirs(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("theirs"), "Others")


@pytest.fixture
async def peer(ours: Authority) -> AsyncIterator[SecurePeer]:
    """A server with a certificate of our authority."""
    started = SecurePeer(ours.sign("localhost", "127.0.0.1"))
    await started.start()
    yield started
    await started.stop()


def faulty(fault: str, ours: Authority, theirs: Authority) -> Leaf:
    """A certificate with that fault."""
    return {
        "another authority": lambda: theirs.sign("localhost"),
        "expired": lambda: ours.sign("localhost", begin=-20, end=-1),
        "not yet": lambda: ours.sign("localhost", begin=1, end=20),
        "another name": lambda: ours.sign("elsewhere.example"),
    }[fault]()


async def log_in(org: Org, peer: SecurePeer, ca_file: Path) -> None:
    """Open the source of a system at the peer: the login is the first thing that it sends."""
    system = org.connect(login_url=peer.url, insecure_http=False, ca_file=ca_file)
    await system.source.open({})


async def test_a_certificate_of_the_trusted_authority_is_accepted(
    org: Org, peer: SecurePeer, ours: Authority
) -> None:
    await log_in(org, peer, ours.ca)
    assert peer.logins == 1


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_certificate_that_must_not_be_trusted_is_refused_before_the_secret_is_sent(
    org: Org, ours: Authority, theirs: Authority, fault: str
) -> None:
    peer = SecurePeer(faulty(fault, ours, theirs))
    await peer.start()
    what, remedy = FAULTS[fault]
    with pytest.raises(Unreachable, match=f"localhost: the certificate (is )?{what}") as error:
        await log_in(org, peer, ours.ca)
    assert remedy in error.value.remedy
    assert (peer.logins, peer.asked) == (0, [])
    await peer.stop()


@pytest.mark.parametrize("fault", FAULTS)
async def test_an_event_bus_that_must_not_be_trusted_never_sees_the_token(
    org: Org, peer: SecurePeer, ours: Authority, theirs: Authority, fault: str
) -> None:
    bus = PubSubPeer()
    await bus.start(leaf=faulty(fault, ours, theirs))
    endpoint = f"localhost:{bus.port}"
    system = org.connect(
        login_url=peer.url,
        insecure_http=False,
        ca_file=ours.ca,
        pubsub_endpoint=endpoint,
        pubsub_plaintext=False,
    )
    what, remedy = FAULTS[fault]
    with pytest.raises(Unreachable, match=f"{endpoint}: the certificate (is )?{what}") as error:
        await system.source.open({})
    assert remedy in error.value.remedy
    assert bus.calls == 0
    await bus.stop()


async def test_one_file_of_roots_holds_for_calls_and_events(
    org: Org, peer: SecurePeer, ours: Authority
) -> None:
    bus = PubSubPeer()
    await bus.start(leaf=ours.sign("localhost"))
    system = org.connect(
        login_url=peer.url,
        insecure_http=False,
        ca_file=ours.ca,
        pubsub_endpoint=f"localhost:{bus.port}",
        pubsub_plaintext=False,
    )
    bus.scripts = [lambda stream: stream.wait_cancelled()]
    await system.source.open({})
    assert bus.calls > 0
    await system.source.close()
    await bus.stop()


async def test_another_file_of_roots_is_read_without_a_restart(
    org: Org, peer: SecurePeer, ours: Authority, theirs: Authority, tmp_path: Path
) -> None:
    """The company's authority was replaced, and its file on this machine after that."""
    file = tmp_path / "roots.pem"
    file.write_bytes(theirs.ca.read_bytes())
    system = org.connect(login_url=peer.url, insecure_http=False, ca_file=file)
    with pytest.raises(Unreachable, match="not trusted"):
        await system.source.open({})
    file.write_bytes(ours.ca.read_bytes())
    await system.source.open({})
    assert peer.logins == 1


def test_verification_has_no_switch(ours: Authority) -> None:
    for trust in (http_trust(None), http_trust(ours.ca)):
        assert (trust.verify_mode, trust.check_hostname) == (ssl.CERT_REQUIRED, True)
        assert trust.minimum_version >= ssl.TLSVersion.TLSv1_2
    named = set(Settings.model_fields)
    assert not {name for name in named if "verify" in name or "insecure" in name} - {"insecure_http"}


async def test_a_redirect_does_not_take_the_token_along(org: Org) -> None:
    elsewhere = HttpPeer()
    await elsewhere.start()
    org.http.answer = lambda asked: (302, {}, {"Location": f"http://localhost:{elsewhere.port}{asked.path}"})
    system = org.connect()
    assert system.reader is not None
    with pytest.raises(Refused, match="HTTP_302"):
        await anext(aiter(system.reader.page("Account")))
    assert elsewhere.asked == []
    await elsewhere.stop()


async def test_the_token_goes_only_where_the_login_said(org: Org) -> None:
    """An answer that names another address for the next page is not followed there."""
    elsewhere = HttpPeer()
    await elsewhere.start()
    page = {"totalSize": 1, "done": False, "records": []}
    org.http.answer = lambda asked: (200, page | {"nextRecordsUrl": f"{elsewhere.url}/next"}, {})
    system = org.connect()
    assert system.reader is not None
    found = aiter(system.reader.page("Account"))
    with contextlib.suppress(Refused, Unreachable, StopAsyncIteration):
        await anext(found)
    assert elsewhere.asked == []
    await elsewhere.stop()


async def test_the_certificate_that_is_shown_tells_when_it_runs_out(
    peer: SecurePeer, ours: Authority, theirs: Authority
) -> None:
    ways = Ways(Settings(client_id="a", username="u", key="env:K"), str)
    shown = await certificate("localhost", peer.port, http_trust(ours.ca), ways, 10)
    days = (shown.expires - datetime.now(UTC)) / timedelta(days=1)
    assert 89 < days < 90
    assert shown.issuer == "Test Authority"
    with pytest.raises(Untrusted, match="not trusted"):
        await certificate("localhost", peer.port, http_trust(theirs.ca), ways, 10)


def test_the_first_root_to_run_out_counts(tmp_path: Path, ours: Authority) -> None:
    bundle = tmp_path / "bundle.pem"
    bundle.write_bytes(ours.ca.read_bytes() + Authority(tmp_path / "short", days=3).ca.read_bytes())
    assert soonest(bundle) < datetime.now(UTC) + timedelta(days=4)
