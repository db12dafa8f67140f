"""Whom the agent talks to: a server whose certificate nobody vouches for gets no word of it."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from adapters.sandbox.salesforce.identity.certificates import KeyFiles, prepare
from agent.errors import Unreachable
from tests.salesforce.conftest import Org
from tests.salesforce.peers import HttpPeer

pytestmark = pytest.mark.invariant("I32")


class SecurePeer(HttpPeer):
    """An org's HTTP side behind TLS."""

    def __init__(self, keys: KeyFiles) -> None:
        super().__init__()
        self._context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._context.load_cert_chain(keys.leaf, keys.leaf_key)

    @property
    def url(self) -> str:
        return f"https://localhost:{self.port}"

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "localhost", 0, ssl=self._context)
        self.port = self._server.sockets[0].getsockname()[1]


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> tuple[KeyFiles, KeyFiles]:
    """The files of two authorities that know nothing of each other."""
    return prepare(tmp_path_factory.mktemp("ours")), prepare(tmp_path_factory.mktemp("theirs"))


@pytest.fixture
async def peer(keys: tuple[KeyFiles, KeyFiles]) -> AsyncIterator[SecurePeer]:
    """A server with a certificate of the first authority."""
    started = SecurePeer(keys[0])
    await started.start()
    yield started
    await started.stop()


async def log_in(org: Org, peer: SecurePeer, ca_file: Path) -> None:
    """Open the source of a system at the peer: the login is the first thing that it sends."""
    system = org.connect(login_url=peer.url, insecure_http=False, ca_file=ca_file)
    await system.source.open({})


async def test_a_certificate_of_the_trusted_authority_is_accepted(
    org: Org, peer: SecurePeer, keys: tuple[KeyFiles, KeyFiles]
) -> None:
    await log_in(org, peer, keys[0].ca)
    assert peer.logins == 1


async def test_a_certificate_of_another_authority_is_refused_before_the_secret_is_sent(
    org: Org, peer: SecurePeer, keys: tuple[KeyFiles, KeyFiles]
) -> None:
    with pytest.raises(Unreachable, match=r"certificate is not trusted.*set ca_file"):
        await log_in(org, peer, keys[1].ca)
    assert peer.logins == 0
    assert peer.asked == []
