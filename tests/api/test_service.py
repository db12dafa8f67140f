"""The control interface over a real socket: what it answers, to whom, and how it says no."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest

from agent.api.application import build
from agent.api.client import ServiceClient, ask
from agent.api.peer import Peer
from agent.api.server import listen, serve
from agent.errors import Denied, InputError, StoreError
from agent.operations.registry import VERBS, Level, Role
from agent.operations.wire import Digests, ServiceDown
from tests.api.served import served
from tests.operations.site import Site
from tests.operations.site import site as open_site


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with open_site(tmp_path / "state") as opened:
        yield opened


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "control.sock"


def mode(path: Path) -> int | None:
    """The permission bits of what stands there, None when nothing does."""
    return stat.S_IMODE(path.lstat().st_mode) if path.exists() else None


async def test_every_answer_is_what_the_store_says(site: Site, path: Path) -> None:
    await site.born()
    await site.rejected()
    async with served(site, path) as client:
        assert await client.status() == await site.reads.status()
        assert await client.exceptions() == await site.reads.exceptions()
        assert await client.exception(1) == await site.reads.exception(1)
        assert await client.trace("C-000123") == await site.reads.trace("C-000123")
        assert (await client.overview()).verdict == "DEGRADED"


async def test_keys_with_any_character_can_be_traced(site: Site, path: Path) -> None:
    await site.born(number="C/1?x=#%2f é")
    async with served(site, path) as client:
        assert (await client.trace("C/1?x=#%2f é")).record is not None


async def test_code_without_a_loop_can_ask(site: Site, path: Path) -> None:
    async with served(site, path):
        status = await asyncio.to_thread(ask, path, lambda client: client.status())
    assert status.service == "up"


async def test_the_socket_is_for_owner_and_group_and_goes_with_the_service(site: Site, path: Path) -> None:
    async with served(site, path):
        assert mode(path) == 0o660
    assert mode(path) is None


async def test_a_socket_that_a_crash_left_behind_is_replaced(site: Site, path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    async with served(site, path) as client:
        assert (await client.status()).service == "up"


async def test_the_socket_of_a_running_agent_is_not_taken(site: Site, path: Path) -> None:
    async with served(site, path):
        with pytest.raises(StoreError, match="another agent"):
            listen(path)
        assert mode(path) is not None


def test_a_file_in_the_place_of_the_socket_is_left_alone(path: Path) -> None:
    path.write_text("mine")
    with pytest.raises(InputError, match="something else"):
        listen(path)
    assert path.read_text() == "mine"


async def test_a_path_too_long_for_a_socket_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="107 bytes"):
        listen(tmp_path / ("x" * 120))


async def test_a_service_that_does_not_run_is_said_so(path: Path) -> None:
    async with ServiceClient(path) as client:
        with pytest.raises(ServiceDown, match="does not run") as told:
            await client.status()
    assert told.value.exit_code == 3
    assert "isthmus run" in told.value.remedy


async def test_a_service_that_hangs_is_said_so(path: Path) -> None:
    listening = listen(path)
    listening.listen()
    async with ServiceClient(path, timeout_s=0.05) as client:
        with pytest.raises(ServiceDown, match="does not answer in time"):
            await client.status()
    listening.close()


class TestWho:
    """Who asks is what the kernel says, and roles are checked in the service."""

    async def test_an_act_is_journaled_with_the_user_of_the_system(self, site: Site, path: Path) -> None:
        await site.born()
        await site.rejected()
        async with served(site, path) as client:
            result = await client.retry(1, "unblocked in the ERP")
            events = (await client.overview()).recent
        name = Peer(os.getuid(), 0).name
        assert (result.done, result.actor) == (True, name)
        acted = next(event for event in events if event.subject == "verb exceptions retry 1")
        assert (acted.actor, acted.after) == (name, "done")
        assert acted.why.startswith("unblocked in the ERP")

    @pytest.mark.parametrize("verb", [v.name for v in VERBS.values() if v.level > Level.LOOK])
    async def test_a_viewer_is_denied_and_the_denial_is_kept(self, site: Site, path: Path, verb: str) -> None:
        await site.born()
        await site.rejected()
        async with served(site, path, roles=lambda peer: Role.VIEWER) as client:
            acts = {
                "exceptions retry": lambda: client.retry(1, "because"),
                "exceptions close": lambda: client.close_exception(1, "because"),
                "exceptions resolve": lambda: client.resolve(1, "leave", "because"),
                "conflicts rule": lambda: client.rule(1, "winner", Digests(winner="0", loser="0"), "because"),
                "flow hold": lambda: client.hold("1", ""),
                "flow release": lambda: client.release("1", ""),
            }
            with pytest.raises(Denied, match="is viewer"):
                await acts[verb]()
            events = (await client.overview()).recent
            assert (await client.exceptions()).total == 1
        assert any((event.subject, event.after) == (f"verb {verb} 1", "denied") for event in events)

    async def test_a_header_cannot_say_who_asks(self, site: Site, path: Path) -> None:
        await site.born()
        await site.rejected()
        seen: list[Peer] = []

        def note(peer: Peer) -> Role:
            seen.append(peer)
            return Role.VIEWER

        headers = {"x-forwarded-for": "0", "forwarded": "for=0"}
        async with (
            served(site, path, roles=note),
            httpx2.AsyncClient(transport=httpx2.AsyncHTTPTransport(uds=str(path))) as http,
        ):
            address = "http://x/exceptions/1/retry"
            response = await http.post(address, json={"reason": "r"}, headers=headers)
        assert response.status_code == 403
        assert seen == [Peer(os.getuid(), os.getpid())]

    async def test_acting_needs_a_reason(self, site: Site, path: Path) -> None:
        await site.born()
        await site.rejected()
        async with served(site, path) as client:
            with pytest.raises(InputError, match="needs a reason"):
                await client.retry(1, "  ")
            with pytest.raises(InputError, match="more than 500"):
                await client.close_exception(1, "x" * 501)

    async def test_a_refused_retry_is_an_answer_with_the_way_out(self, site: Site, path: Path) -> None:
        await site.born()
        await site.rejected()
        async with served(site, path) as client:
            assert (await client.close_exception(1, "customer is gone")).done
            again = await client.retry(1, "after all")
        assert (again.done, again.text) == (False, "exception 1 is closed already")


class TestErrors:
    """Errors are JSON with a message and a remedy, and show nothing of what was sent."""

    @pytest.fixture
    async def http(self, site: Site, path: Path) -> AsyncIterator[httpx2.AsyncClient]:
        transport = httpx2.AsyncHTTPTransport(uds=str(path))
        async with served(site, path), httpx2.AsyncClient(transport=transport, base_url="http://x") as http:
            yield http

    @pytest.mark.parametrize(
        ("method", "address", "body", "status"),
        [
            ("GET", "/exceptions/99", None, 400),
            ("GET", "/exceptions?state=odd", None, 400),
            ("GET", "/exceptions/abc", None, 400),
            ("GET", "/nowhere", None, 404),
            ("DELETE", "/status", None, 405),
            ("POST", "/exceptions/1/retry", b"{}", 400),
            ("POST", "/exceptions/1/retry", b'{"reason": "r", "secret": "hunter2"}', 400),
            ("POST", "/exceptions/1/retry", b"x" * 20_000, 413),
            ("GET", "/docs", None, 404),
        ],
    )
    async def test_every_refusal_has_message_and_remedy(
        self, http: httpx2.AsyncClient, method: str, address: str, body: bytes | None, status: int
    ) -> None:
        response = await http.request(
            method, address, content=body, headers={"content-type": "application/json"}
        )
        assert response.status_code == status
        error = response.json()["error"]
        assert error["message"]
        assert error["remedy"]
        assert error["code"] == 2
        assert "hunter2" not in response.text

    async def test_health_is_told_apart(self, http: httpx2.AsyncClient, site: Site) -> None:
        site.states({"salesforce": "up", "erp": "down", "sap": "up"})
        assert (await http.get("/livez")).json() == {"state": "alive"}
        assert (await http.get("/readyz")).json() == {"state": "ready"}
        health = await http.get("/healthz")
        assert health.status_code == 200
        assert health.json()["verdict"] == "DEGRADED"
        assert health.json()["systems"]["erp"]["state"] == "down"

    async def test_a_store_that_cannot_be_read_is_not_ready(
        self, http: httpx2.AsyncClient, site: Site
    ) -> None:
        await site.reads.close()
        assert (await http.get("/readyz")).status_code == 503
        assert (await http.get("/livez")).status_code == 200


async def test_cancelling_the_service_leaves_signals_to_the_runtime(site: Site, path: Path) -> None:
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    async with served(site, path):
        during = {number: signal.getsignal(number) for number in before}
    assert during == before


async def test_a_path_that_cannot_be_bound_ends_the_service(site: Site, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot listen"):
        await serve(build(site.reads, site.acts), tmp_path / "none" / "control.sock")
