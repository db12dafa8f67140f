"""The way out of a site: which proxy a host is reached through, the same one for HTTP and for events.

``proxy`` of the settings holds for everything. Without it the environment does, as documented there:
HTTPS_PROXY (else ALL_PROXY) and NO_PROXY, in either case of letters. This machine itself is never proxied.
Tunnels are made by CONNECT (RFC 9110, 9.3.6), so that TLS reaches from here to Salesforce.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from adapters.salesforce.connection.hold import Hold
from adapters.salesforce.settings import Settings, loopback, split_endpoint
from agent.errors import InputError

_REMEDY = "set proxy_user and proxy_password"


class NoWay(Exception):
    """The proxy can't be used now; nothing was sent. ``remedy`` says what a person does."""

    def __init__(self, text: str, remedy: str) -> None:
        super().__init__(text)
        self.remedy = remedy


@dataclass(frozen=True, slots=True)
class Proxy:
    """An HTTP proxy with its credentials, which never appear in ``repr``."""

    host: str
    port: int
    user: str = field(default="", repr=False)
    password: str = field(default="", repr=False)

    def __str__(self) -> str:
        return f"{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"

    @property
    def authorization(self) -> str:
        """Value of Proxy-Authorization (RFC 7617, UTF-8); "" without credentials."""
        if not self.user:
            return ""
        return "Basic " + base64.b64encode(f"{self.user}:{self.password}".encode()).decode("ascii")


class Ways:
    """Finds the proxy for a host, and rests after one refused our credentials: repeated, they lock an
    account. ``secret`` resolves a reference; it is asked for every new connection pool."""

    def __init__(
        self,
        settings: Settings,
        secret: Callable[[str], str],
        environment: Mapping[str, str] = os.environ,
        hold: Hold | None = None,
    ) -> None:
        self._settings = settings
        self._secret = secret
        self._environment = environment
        self._hold = hold or Hold()

    def to(self, host: str) -> Proxy | None:
        """The proxy for this host; None where it is reached without one. Raises NoWay."""
        if loopback(host):
            return None
        proxy = self._configured() if self._settings.proxy else self._inherited(host)
        if proxy is not None and self._hold.active(str(proxy) + proxy.authorization):
            raise NoWay(f"{_refused(proxy)}, next try {self._hold.until}", _REMEDY)
        return proxy

    def refused(self, proxy: Proxy) -> NoWay:
        """The proxy answered 407: the error for people; it is not asked again for a while."""
        self._hold.strike(str(proxy) + proxy.authorization)
        return NoWay(_refused(proxy), _REMEDY)

    def passed(self) -> None:
        """The proxy let a connection through."""
        self._hold.clear()

    def _configured(self) -> Proxy:
        assert self._settings.proxy is not None
        parts = urlsplit(self._settings.proxy)
        host, port = split_endpoint(parts.netloc)
        user, password = self._settings.proxy_user, self._settings.proxy_password
        if user is None or password is None:
            return Proxy(host, port)
        return Proxy(host, port, self._read(user), self._read(password))

    def _read(self, reference: str) -> str:
        try:
            return self._secret(reference).strip("\r\n")
        except InputError as error:
            raise NoWay(f"{error.where}: {error.message}", error.remedy) from None

    def _inherited(self, host: str) -> Proxy | None:
        told = {name.lower(): text for name, text in sorted(self._environment.items()) if text}
        address = told.get("https_proxy") or told.get("all_proxy")
        if not address or _excepted(host, told.get("no_proxy", "")):
            return None
        try:
            parts = urlsplit(address if "://" in address else f"http://{address}")
            port = parts.port or 80
        except ValueError:
            parts, port = urlsplit(""), 0
        if parts.scheme != "http" or not parts.hostname:
            raise NoWay("HTTPS_PROXY of the environment is no http:// address", "set proxy")
        return Proxy(parts.hostname, port, unquote(parts.username or ""), unquote(parts.password or ""))


def proxy_refusal(proxy: Proxy, status: str) -> tuple[str, str]:
    """What the answer of a proxy to CONNECT means, and what to do."""
    if status == "403":
        return f"the proxy {proxy} forbids it (403)", "allow the host and port there (CONNECT)"
    return f"the proxy {proxy} can't reach it ({status})", "ask who runs the proxy"


def _excepted(host: str, exceptions: str) -> bool:
    """Whether NO_PROXY names the host, or a domain that it is in; ``*`` is all."""
    name = host.lower()
    for one in (part.strip().lower().lstrip(".") for part in exceptions.split(",")):
        if one and (one in ("*", name) or name.endswith(f".{one}")):
            return True
    return False


def _refused(proxy: Proxy) -> str:
    with_what = "refused its credentials" if proxy.user else "wants credentials"
    return f"the proxy {proxy} {with_what} (407)"
