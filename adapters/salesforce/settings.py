"""What a person configures for a Salesforce system."""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

#: Logins for all orgs; they know no client credentials flow ("OAuth 2.0 Client Credentials Flow").
_SHARED_LOGINS = frozenset({"login.salesforce.com", "test.salesforce.com"})
_SECRET = re.compile(r"^(env:[A-Za-z_][A-Za-z0-9_]*|file:.+|credential:.+|keyring:.+)$", re.DOTALL)


def loopback(host: str) -> bool:
    """Whether a host name or address can only be this machine."""
    name = host.strip("[]").lower()
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def split_endpoint(endpoint: str) -> tuple[str, int]:
    """Split ``host:port`` (``[::1]:7443`` for IPv6). Raises ValueError."""
    host, colon, port = endpoint.rpartition(":")
    if not colon or not host or not port.isdigit() or not 0 < int(port) < 65536:
        raise ValueError("must be host:port")
    return host.strip("[]"), int(port)


def _reference(value: str) -> str:
    if not _SECRET.match(value):
        raise ValueError(
            "must be a reference (env:NAME, file:/path, credential:NAME), never the secret itself"
        )
    return value


def _endpoint(value: str) -> str:
    split_endpoint(value)
    return value


def _proxy(value: str) -> str:
    parts = urlsplit(value)
    if parts.username or parts.password:
        raise ValueError("must hold no credentials; give references in proxy_user and proxy_password")
    if parts.scheme != "http" or parts.path.strip("/") or parts.query or parts.fragment:
        raise ValueError("must be http://host:port (TLS is inside of the tunnel)")
    split_endpoint(parts.netloc)
    return value


Topic = Annotated[
    str, Field(pattern=r"^/data/(ChangeEvents|[A-Za-z][A-Za-z0-9_]*(ChangeEvent|__chn))$", max_length=120)
]
#: A developer name, or an id of 15 or 18 characters.
ManagedName = Annotated[
    str, Field(pattern=r"^([A-Za-z][A-Za-z0-9_]{0,79}|18x[A-Za-z0-9]{12}([A-Za-z0-9]{3})?)$")
]
SecretReference = Annotated[str, AfterValidator(_reference)]


class Settings(BaseModel):
    """One Salesforce org.

    login_url            ``https://login.salesforce.com``, ``https://test.salesforce.com`` or My Domain
    auth                 ``jwt`` (username, key) or ``client-credentials`` (My Domain URL, client_secret)
    key, client_secret   references to secrets, resolved at each login, so that a rotated one is picked up
    audience             ``aud`` of the JWT; by default login_url
    pubsub_endpoint      host:port of the Pub/Sub API
    pubsub_plaintext     no TLS to pubsub_endpoint; loopback only
    insecure_http        allow an http:// login_url; loopback only
    ca_file              PEM file trusted instead of the system's roots, for HTTP and for gRPC
    proxy                ``http://host:port`` of a proxy that tunnels (CONNECT) HTTP and events; without it
                         HTTPS_PROXY and NO_PROXY of the environment hold. This machine is never proxied
    proxy_user, proxy_password   references to the proxy's credentials, resolved for each new connection pool
    client               our name in ``Sforce-Call-Options``; comes back as the origin of our own writes
    slack_s              how far the clocks of Salesforce's own servers may differ; widens every read window
    max_request_s        how long Salesforce may go on with a request whose answer was lost
    keepalive_s, keepalive_timeout_s   HTTP/2 pings on the event stream: find a half-open link
    silence_s            a stream on which nothing, not even an empty response (at most 270 s apart), arrived
                         for this long is dead
    channels             topic → objects that are taken from it, ``"*"`` for all that no other one names; an
                         object that none names is taken from its own topic
    managed              topic → managed subscription (developer name or id) that keeps the place too
    transaction_idle_s   after so long without another event a transaction counts as whole
    request_timeout_s    longest wait for one answer over HTTP, and for one unary gRPC call
    api_reserve          share of the day's API calls that is left to people and to other programs
    api_confirm, api_snapshot   of the calls that are not reserved: from these shares on, single records and
                         whole objects are not read any more, so that delivery goes on
    bulk_rows            commands of one object and kind that one bulk job carries where so many wait; 0: none
    bulk_from            from so many on a bulk job carries them, from fewer where API calls are short
    bulk_deadline_s      a bulk job that takes longer is stopped; rows it has not told of are uncertain
    snapshot             how whole objects are read: ``rest`` (pages by id), ``bulk`` (Bulk API 1.0, cut up by
                         ranges of ids where it can be), ``bulk2`` (Bulk API 2.0); ``auto`` counts first
    snapshot_bulk_from   for ``auto``: from so many records on a bulk job reads them
    snapshot_chunk       ids in one range of a Bulk API 1.0 job; each range is a batch, of 15,000 a day
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    login_url: str = "https://login.salesforce.com"
    auth: Literal["jwt", "client-credentials"] = "jwt"
    client_id: Annotated[str, Field(min_length=1)]
    username: str | None = None
    key: SecretReference | None = None
    client_secret: SecretReference | None = None
    audience: str | None = None
    api_version: Annotated[str, Field(pattern=r"^[1-9][0-9]\.0$")] = "62.0"
    pubsub_endpoint: Annotated[str, AfterValidator(_endpoint)] = "api.pubsub.salesforce.com:7443"
    pubsub_plaintext: bool = False
    ca_file: Path | None = None
    proxy: Annotated[str, AfterValidator(_proxy)] | None = None
    proxy_user: SecretReference | None = None
    proxy_password: SecretReference | None = None
    client: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,60}$", json_schema_extra={"origin": True})] = (
        "isthmus"
    )
    slack_s: Annotated[float, Field(ge=0, le=60)] = 2.0
    max_request_s: Annotated[float, Field(gt=0, le=3600)] = 120.0
    keepalive_s: Annotated[float, Field(ge=0.1, le=3600)] = 5.0
    keepalive_timeout_s: Annotated[float, Field(ge=0.1, le=600)] = 5.0
    silence_s: Annotated[float, Field(ge=0.1, le=3600)] = 300.0
    channels: dict[Topic, list[str]] = Field(default_factory=dict)
    managed: dict[Topic, ManagedName] = Field(default_factory=dict)
    transaction_idle_s: Annotated[float, Field(ge=0, le=60)] = 0.01
    request_timeout_s: Annotated[float, Field(ge=0.1, le=600)] = 30.0
    insecure_http: bool = False
    api_reserve: Annotated[float, Field(ge=0, le=0.95)] = 0.2
    api_confirm: Annotated[float, Field(gt=0, le=1)] = 0.9
    api_snapshot: Annotated[float, Field(gt=0, le=1)] = 0.7
    bulk_rows: Annotated[int, Field(ge=0, le=100_000)] = 10_000
    bulk_from: Annotated[int, Field(ge=1)] = 4_000
    bulk_deadline_s: Annotated[float, Field(gt=0, le=86_400)] = 600.0
    snapshot: Literal["auto", "rest", "bulk", "bulk2"] = "auto"
    snapshot_bulk_from: Annotated[int, Field(ge=0)] = 50_000
    snapshot_chunk: Annotated[int, Field(ge=1, le=250_000)] = 100_000

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        parts = urlsplit(self.login_url)
        if not self.address_allowed(self.login_url):
            raise ValueError(
                "login_url must be an https:// address; http:// needs insecure_http and a loopback host"
            )
        if parts.username or parts.password or parts.query or parts.path.strip("/"):
            raise ValueError("login_url must be scheme and host only")
        if self.insecure_http and not loopback(parts.hostname or ""):
            raise ValueError("insecure_http is for a loopback login_url only")
        if self.pubsub_plaintext and not loopback(split_endpoint(self.pubsub_endpoint)[0]):
            raise ValueError("pubsub_plaintext is for a loopback pubsub_endpoint only")
        if bool(self.proxy_user) != bool(self.proxy_password):
            raise ValueError("proxy_user and proxy_password belong together")
        if self.proxy_user and not self.proxy:
            raise ValueError("proxy_user and proxy_password need proxy")
        if self.auth == "jwt" and not (self.username and self.key):
            raise ValueError("auth = 'jwt' needs username and key")
        if self.auth == "client-credentials" and not self.client_secret:
            raise ValueError("auth = 'client-credentials' needs client_secret")
        if self.auth == "client-credentials" and (parts.hostname or "").lower() in _SHARED_LOGINS:
            raise ValueError("auth = 'client-credentials' needs the My Domain URL of the org as login_url")
        return self

    def address_allowed(self, url: str) -> bool:
        """Whether a token may be sent to this address: TLS, or loopback where insecure_http says so."""
        parts = urlsplit(url)
        if not parts.hostname:
            return False
        return parts.scheme == "https" or (
            parts.scheme == "http" and self.insecure_http and loopback(parts.hostname)
        )
