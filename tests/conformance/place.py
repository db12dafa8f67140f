"""Where the sandbox listens, and how a client that insists on a vendor's host name is led there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import requests
from requests.adapters import HTTPAdapter

from tests.waiting import first

T = TypeVar("T")
DEADLINE_S = 60.0
VENDOR_HOSTS = ("https://login.salesforce.com", "https://sandbox.my.salesforce.com")


class Place:
    """The JSON line that the sandbox printed."""

    def __init__(self, details: Mapping[str, Any]) -> None:
        self.http: str = details["http"]
        self.https: str = details["https"]
        self.grpc: str = details["grpc"]
        self.grpc_plaintext: str = details["grpc_plaintext"]
        self.ca_file: str = details["ca_file"]
        self.org_id: str = details["org_id"]
        self.username: str = details["username"]
        self.password: str = details["password"]
        self.client_id: str = details["client_id"]
        self.client_secret: str = details["client_secret"]
        self.jwt_key_file: str = details["jwt_key_file"]

    def session(self) -> requests.Session:
        """A session that trusts the sandbox and takes it for the login host and the org's own."""
        session = requests.Session()
        session.verify = self.ca_file
        session.trust_env = False
        for host in VENDOR_HOSTS:
            session.mount(host, _Led(self.https))
        return session

    def token(self) -> str:
        """A session id, by client credentials."""
        form = {
            "grant_type": "client_credentials",
            "client_id": self.client_id,
            "client_secret": self.client_secret,
        }
        answer = requests.post(f"{self.http}/services/oauth2/token", data=form, timeout=30)
        answer.raise_for_status()
        return str(answer.json()["access_token"])

    def control(self, path: str, body: dict[str, Any]) -> Any:
        """A call of the sandbox's own endpoints."""
        answer = requests.post(f"{self.http}/_sandbox/{path}", json=body, timeout=30)
        answer.raise_for_status()
        return answer.json()


class _Led(HTTPAdapter):
    def __init__(self, base: str) -> None:
        super().__init__()
        self._base = base

    def send(self, request: requests.PreparedRequest, *args: Any, **options: Any) -> requests.Response:
        """Sends to the sandbox what was meant for the vendor's login host."""
        assert request.url is not None
        for host in VENDOR_HOSTS:
            request.url = request.url.replace(host, self._base)
        return super().send(request, *args, **options)


def eventually(look: Callable[[], T | None], what: str) -> T:
    """The first thing found that is neither None nor False."""
    found = first(look, DEADLINE_S, 0.02)
    if found is None:
        raise AssertionError(f"not within {DEADLINE_S:.0f} s: {what}")
    return found
