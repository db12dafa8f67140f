"""The HTTP connections of Bulk API 1.0: what the package calls in place of ``requests``."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from typing import Any

import requests
import urllib3

from adapters.salesforce.connection.proxy import Proxy
from adapters.salesforce.connection.tls import http_trust
from adapters.salesforce.settings import Settings

_CONNECT_S = 10.0
#: Only what reads is asked again; and no proxy or certificate that says no, because that locks accounts.
_RETRY = urllib3.Retry(
    total=3,
    other=0,
    allowed_methods={"GET"},
    status_forcelist={502, 503, 504},
    backoff_factor=0.2,
    respect_retry_after_header=False,
    raise_on_status=False,
)


class Link:
    """One way to the org, over kept connections; only on the thread."""

    def __init__(self, settings: Settings) -> None:
        self._timeout = (_CONNECT_S, settings.request_timeout_s)
        self._verify: bool | str = str(settings.ca_file) if settings.ca_file is not None else True
        self._trust = http_trust(settings.ca_file)
        self._proxy: Proxy | None = None
        self._session = self._open()
        self.usage = ""

    def get(self, url: str, **request: Any) -> Any:
        """As ``requests.get``."""
        return self._send("GET", url, request)

    def post(self, url: str, **request: Any) -> Any:
        """As ``requests.post``."""
        return self._send("POST", url, request)

    def through(self, proxy: Proxy | None) -> None:
        """Make the next calls this way."""
        if proxy != self._proxy:
            self._session.close()
            self._proxy = proxy
            self._session = self._open()

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def _open(self) -> requests.Session:
        session = requests.Session()
        # Neither proxies of the environment, which are told, nor a .netrc that adds an Authorization.
        session.trust_env = False
        if self._proxy is not None:
            session.proxies = {"https": f"http://{self._proxy}"}
        for scheme in ("https://", "http://"):
            session.mount(scheme, _Adapter(self._trust, self._proxy))
        return session

    def _send(self, method: str, url: str, request: Mapping[str, Any]) -> Any:
        # No redirects: requests would carry the session's token to wherever they point.
        answer = self._session.request(
            method, url, timeout=self._timeout, verify=self._verify, allow_redirects=False, **request
        )
        self.usage = answer.headers.get("Sforce-Limit-Info", "")
        # The package compares the whole header with the bare type.
        answer.headers["Content-Type"] = answer.headers.get("Content-Type", "").partition(";")[0].strip()
        return answer


class _Adapter(requests.adapters.HTTPAdapter):
    """Trusts what the other HTTP client trusts, and shows the proxy the same credentials in the same form."""

    def __init__(self, trust: ssl.SSLContext, proxy: Proxy | None) -> None:
        self._trust = trust
        self._way = proxy
        super().__init__(max_retries=_RETRY)

    def build_connection_pool_key_attributes(self, *arguments: Any, **named: Any) -> Any:
        host, pool = super().build_connection_pool_key_attributes(*arguments, **named)
        return host, {**pool, "ssl_context": self._trust}

    def proxy_headers(self, proxy: str) -> dict[str, str]:
        # Of its own, requests would write a name beyond Latin-1 in another way than RFC 7617 says.
        shown = self._way.authorization if self._way is not None else ""
        return {"Proxy-Authorization": shown} if shown else {}
