"""Through a site's proxy: HTTP and events tunnel alike, TLS reaches to the org, secrets stay references."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from adapters.salesforce.connection import http
from adapters.salesforce.connection.hold import Hold
from adapters.salesforce.connection.proxy import NoWay, Proxy, Ways
from adapters.salesforce.settings import Settings
from adapters.salesforce.system import connect
from agent.core.objects import FieldSpec, ObjectSpec
from agent.errors import Unreachable
from agent.ports import System
from tests.salesforce.authority import Authority
from tests.salesforce.gateway import Gateway

pytestmark = pytest.mark.invariant("I32")

HOST, EVENTS = "org.isthmus.example", "events.isthmus.example"
ACCOUNT = ObjectSpec("Account", "Id", (FieldSpec("Name"),), external_id="Isthmus_Id__c")


class Site:
    """An org that only the proxy can find, and systems behind the proxy."""

    def __init__(self, org: dict[str, Any], ca: Path, gateway: Gateway) -> None:
        self.org = org
        self.ca = ca
        self.gateway = gateway
        self.secrets = {"env:USER": "Jörg:", "env:WORD": "p@ss:wörd"}
        self.systems: list[System] = []

    def settings(self, **changes: Any) -> Settings:
        plain: dict[str, Any] = {
            "login_url": f"https://{HOST}",
            "auth": "client-credentials",
            "client_id": self.org["client_id"],
            "client_secret": "env:SECRET",
            "pubsub_endpoint": f"{EVENTS}:7443",
            "ca_file": self.ca,
            "proxy": self.gateway.url,
        }
        return Settings(**(plain | changes))

    def connect(self, **changes: Any) -> System:
        system = connect("crm", self.settings(**changes), [ACCOUNT], self.secret)
        self.systems.append(system)
        return system

    def secret(self, reference: str) -> str:
        return str({"env:SECRET": self.org["client_secret"], **self.secrets}[reference])


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def org(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """A stand-in org whose certificate is for names that only the proxy knows."""
    folder = tmp_path_factory.mktemp("org")
    leaf = authority.sign(HOST, EVENTS)
    (folder / "ca.pem").write_bytes(authority.ca.read_bytes())
    (folder / "server.pem").write_bytes(leaf.certificate.read_bytes())
    (folder / "server.key").write_bytes(leaf.key.read_bytes())
    (folder / "jwt.key").write_bytes(leaf.key.read_bytes())
    command = [sys.executable, "-m", "adapters.sandbox.salesforce", "--state-dir", str(folder)]
    with subprocess.Popen(
        [*command, "--accounts", "2"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as running:
        assert running.stdout is not None
        try:
            yield json.loads(running.stdout.readline())
        finally:
            running.terminate()


@pytest.fixture
async def site(org: dict[str, Any], authority: Authority) -> AsyncIterator[Site]:
    ports = {
        f"{HOST}:443": urlsplit(org["https"]).port or 0,
        f"{EVENTS}:7443": int(org["grpc"].split(":")[1]),
    }
    site = Site(org, authority.ca, Gateway(ports))
    await site.gateway.start()
    yield site
    for system in site.systems:
        await system.source.close()
        await system.target.close()
    await site.gateway.stop()


async def first_event(system: System) -> None:
    """Open the stream and read until an account's event arrives."""
    await system.source.open({})
    while not (await system.source.read()).changes:
        pass


async def test_events_and_calls_go_through_the_proxy_with_tls_from_end_to_end(site: Site) -> None:
    system = site.connect()
    await first_event(system)
    assert system.reader is not None
    found = [row.key async for page in system.reader.page("Account") for row in page.rows]
    assert len(found) == 2
    assert set(site.gateway.asked) == {f"CONNECT {HOST}:443", f"CONNECT {EVENTS}:7443"}
    assert site.org["client_secret"].encode() not in site.gateway.seen


@pytest.mark.parametrize("way", ["rest", "bulk", "bulk2"])
async def test_snapshots_go_through_the_proxy_whatever_reads_them(site: Site, way: str) -> None:
    site.gateway.users = {"Jörg:": "p@ss:wörd"}
    reader = site.connect(snapshot=way, proxy_user="env:USER", proxy_password="env:WORD").reader
    assert reader is not None
    assert sum([len(page.rows) async for page in reader.page("Account")]) == 2
    assert set(site.gateway.asked) == {f"CONNECT {HOST}:443"}
    assert site.gateway.refused == 0


async def test_a_check_takes_the_same_way(site: Site) -> None:
    """Certificates are looked at through the tunnel too: there is no other way out."""
    checks = {check.name: check for check in await site.connect().probe.check()}
    assert [check for check in checks.values() if not check.ok] == []
    assert checks["login"].detail.endswith(f"by the proxy 127.0.0.1:{site.gateway.port}")
    assert checks[f"host {EVENTS}:7443"].detail.startswith("certificate of Test Authority until ")
    assert set(site.gateway.asked) == {f"CONNECT {HOST}:443", f"CONNECT {EVENTS}:7443"}


async def test_a_check_names_the_proxy_that_wants_credentials_in_every_line(site: Site) -> None:
    site.gateway.users = {"u": "w"}
    checks = await site.connect().probe.check()
    assert {check.ok for check in checks if check.name != "ca_file"} == {False}
    for check in checks:
        assert check.ok or "(407)" in check.detail
        assert check.ok or check.remedy == "set proxy_user and proxy_password"


async def test_the_proxy_gets_the_credentials_that_the_references_name(site: Site) -> None:
    """Any characters: nothing is built into an address."""
    site.gateway.users = {"Jörg:": "p@ss:wörd"}
    system = site.connect(proxy_user="env:USER", proxy_password="env:WORD")
    await first_event(system)
    assert site.gateway.refused == 0


async def test_a_proxy_that_wants_credentials_is_named_for_calls(site: Site) -> None:
    site.gateway.users = {"u": "w"}
    with pytest.raises(Unreachable, match=r"wants credentials \(407\)") as error:
        await site.connect().source.open({})
    assert error.value.remedy == "set proxy_user and proxy_password"


async def test_a_proxy_that_refuses_credentials_is_not_asked_again_and_again(site: Site) -> None:
    """Behind them stands an account of the site, which too many failures lock."""
    site.gateway.users = {"u": "w"}
    system = site.connect(proxy_user="env:USER", proxy_password="env:WORD")
    for _ in range(5):
        with pytest.raises(Unreachable, match=r"refused its credentials \(407\)") as error:
            await system.source.open({})
        assert site.secrets["env:WORD"] not in str(error.value)
    assert site.gateway.refused == 1
    site.secrets = {"env:USER": "u", "env:WORD": "w"}
    await first_event(system)


async def test_a_proxy_that_wants_credentials_is_named_for_events(site: Site) -> None:
    system = site.connect()
    assert system.reader is not None
    await anext(aiter(system.reader.page("Account")))
    site.gateway.users = {"u": "w"}
    with pytest.raises(Unreachable, match=r"events: .*wants credentials \(407\)") as error:
        await system.source.open({})
    assert error.value.remedy == "set proxy_user and proxy_password"


@pytest.mark.parametrize(("target", "where"), [(f"{HOST}:443", HOST), (f"{EVENTS}:7443", EVENTS)])
async def test_a_host_that_the_proxy_forbids_is_named(site: Site, target: str, where: str) -> None:
    site.gateway.forbidden = {target}
    with pytest.raises(Unreachable, match=rf"{where}.*forbids it \(403\)") as error:
        await site.connect().source.open({})
    assert "allow the host and port" in error.value.remedy


@pytest.mark.parametrize(("target", "where"), [(f"{HOST}:443", HOST), (f"{EVENTS}:7443", EVENTS)])
async def test_a_host_that_the_proxy_cannot_find_is_named(site: Site, target: str, where: str) -> None:
    del site.gateway.hosts[target]
    with pytest.raises(Unreachable, match=rf"{where}.*can't reach it \(502\)"):
        await site.connect().source.open({})


async def test_a_proxy_that_is_not_there_is_named(site: Site) -> None:
    await site.gateway.stop()
    with pytest.raises(Unreachable, match=f"by the proxy 127.0.0.1:{site.gateway.port}"):
        await site.connect().source.open({})


async def test_a_proxy_that_answers_in_place_of_the_org_is_not_trusted(site: Site, tmp_path: Path) -> None:
    """TLS inspection by an authority that ca_file does not hold: not a word of the secret leaves."""
    other = Authority(tmp_path)
    system = site.connect(ca_file=other.ca)
    with pytest.raises(Unreachable, match="not trusted") as error:
        await system.source.open({})
    assert "ca_file" in error.value.remedy


async def test_a_proxy_that_goes_away_breaks_the_stream_and_the_next_open_finds_it_again(site: Site) -> None:
    system = site.connect()
    await first_event(system)
    await site.gateway.stop()

    async def until_broken() -> None:
        while True:
            await system.source.read()

    with pytest.raises(Unreachable):
        await until_broken()
    await site.gateway.start()
    await first_event(system)


async def test_an_environment_that_says_otherwise_does_not_bypass_the_setting(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The event library on its own minds no_proxy even where a proxy is set."""
    for name in ("no_proxy", "NO_PROXY", "no_grpc_proxy"):
        monkeypatch.setenv(name, f"{HOST},{EVENTS},*")
    for name in ("https_proxy", "HTTPS_PROXY", "grpc_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    await first_event(site.connect())
    assert set(site.gateway.asked) == {f"CONNECT {HOST}:443", f"CONNECT {EVENTS}:7443"}


async def test_without_the_setting_the_environment_holds_for_both(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", site.gateway.url)
    await first_event(site.connect(proxy=None))
    assert set(site.gateway.asked) == {f"CONNECT {HOST}:443", f"CONNECT {EVENTS}:7443"}


async def test_this_machine_is_never_reached_by_a_proxy(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "grpc_proxy", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, site.gateway.url)
    settings: Mapping[str, Any] = {
        "login_url": site.org["http"],
        "insecure_http": True,
        "pubsub_endpoint": site.org["grpc_plaintext"],
        "pubsub_plaintext": True,
    }
    await first_event(site.connect(**settings))
    await first_event(site.connect(**settings, proxy=None))
    assert site.gateway.asked == []


def ways(settings: Mapping[str, Any], environment: Mapping[str, str], clock: Callable[[], float]) -> Ways:
    plain: dict[str, Any] = {"client_id": "app", "username": "u", "key": "env:SECRET"}
    secrets = {"env:USER": "u", "env:WORD": "w"}
    return Ways(Settings(**plain, **settings), secrets.__getitem__, environment, Hold(clock, clock))


@pytest.mark.parametrize(
    ("environment", "host", "expected"),
    [
        ({}, "a.example", None),
        ({"HTTPS_PROXY": "http://p:3128"}, "a.example", "p:3128"),
        ({"https_proxy": "p:3128", "HTTPS_PROXY": "http://q:1"}, "a.example", "p:3128"),
        ({"ALL_PROXY": "http://p"}, "a.example", "p:80"),
        ({"http_proxy": "http://p:3128"}, "a.example", None),
        ({"HTTPS_PROXY": "http://p:3128", "NO_PROXY": "b.example, .example"}, "a.example", None),
        ({"HTTPS_PROXY": "http://p:3128", "NO_PROXY": "ample"}, "a.example", "p:3128"),
        ({"HTTPS_PROXY": "http://p:3128", "no_proxy": "*"}, "a.example", None),
        ({"HTTPS_PROXY": "http://p:3128"}, "localhost", None),
        ({"HTTPS_PROXY": "http://p:3128"}, "127.0.0.7", None),
        ({"HTTPS_PROXY": "http://[::1]:3128"}, "a.example", "[::1]:3128"),
    ],
)
def test_the_way_by_the_environment(environment: dict[str, str], host: str, expected: str | None) -> None:
    found = ways({}, environment, lambda: 0.0).to(host)
    assert (None if found is None else str(found)) == expected


@pytest.mark.parametrize("address", ["https://p:3128", "socks5://p:1080", "http://", "http://p:x"])
def test_an_address_of_the_environment_that_is_no_http_proxy_is_told(address: str) -> None:
    with pytest.raises(NoWay, match="HTTPS_PROXY"):
        ways({}, {"HTTPS_PROXY": address}, lambda: 0.0).to("a.example")


def test_credentials_of_the_environment_are_decoded_and_never_shown() -> None:
    found = ways({}, {"HTTPS_PROXY": "http://u%40x:p%3Aw@p:3128"}, lambda: 0.0).to("a.example")
    assert found == Proxy("p", 3128, "u@x", "p:w")
    assert "p:w" not in f"{found!r} {found}"


def test_a_refusing_proxy_rests_ever_longer_and_is_free_after_it_let_us_through() -> None:
    now = 0.0
    found = ways({"proxy": "http://p:3128"}, {}, lambda: now)
    for rest in (60, 300, 1800):
        proxy = found.to("a.example")
        assert proxy is not None
        found.refused(proxy)
        now += rest - 1
        with pytest.raises(NoWay, match="next try"):
            found.to("a.example")
        now += 2
    found.passed()
    assert found.to("a.example") is not None


async def test_a_read_on_a_dead_tunnel_is_asked_once_more_through_a_new_one(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The proxy acknowledges what it cannot pass on, so this machine itself notices nothing."""
    monkeypatch.setattr(http, "STALE_S", 0.3)
    reader = site.connect().reader
    assert reader is not None
    rows = (await anext(aiter(reader.page("Account")))).rows
    site.gateway.forget()
    assert (await reader.read("Account", [rows[0].key])).rows[0].fields == rows[0].fields
    assert site.gateway.asked == [f"CONNECT {HOST}:443"] * 2


def test_many_requests_that_a_proxy_refuses_at_once_count_as_one_refusal() -> None:
    now = 0.0
    found = ways({"proxy": "http://p:3128"}, {}, lambda: now)
    proxy = found.to("a.example")
    assert proxy is not None
    for _ in range(20):
        found.refused(proxy)
    now = 61.0
    assert found.to("a.example") is not None


async def test_a_dead_tunnel_does_not_hold_up_the_close(site: Site) -> None:
    system = site.connect()
    await first_event(system)
    site.gateway.forget()
    async with asyncio.timeout(10):
        await system.source.close()
        await system.target.close()
