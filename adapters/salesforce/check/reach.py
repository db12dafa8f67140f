"""Which hosts of an org are reached, whose certificates they show, which versions and what time they tell."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from urllib.parse import urlsplit

from adapters.salesforce.connection.http import AnswerLost, HttpLink, NotSent, server_time
from adapters.salesforce.connection.proxy import NoWay
from adapters.salesforce.connection.refusal import SKEW_S
from adapters.salesforce.connection.tls import Untrusted, certificate, soonest
from adapters.salesforce.settings import Settings, split_endpoint
from agent.ports import Check

#: Seconds within which a host answers or counts as unreachable.
_CONNECT_S = 10.0
#: A certificate that runs out within so many days is told.
_SOON_DAYS = 30.0


#: What a person looks at where nothing answers.
UNREACHED = "check login_url, name resolution, proxy and firewall (443, and 7443 for events)"


class Reach:
    """Looks at hosts and their certificates; needs no session. ``clock``: seconds since the epoch."""

    def __init__(self, settings: Settings, link: HttpLink, clock: Callable[[], float] = time.time) -> None:
        self._settings = settings
        self._link = link
        self._clock = clock

    def way(self, address: str) -> str:
        """How an address is reached, for people: "" where it is without a proxy."""
        try:
            proxy = self._link.ways.to(urlsplit(address).hostname or "")
        except NoWay:
            return ""
        return f" by the proxy {proxy}" if proxy is not None else ""

    async def hosts(self, addresses: Sequence[str]) -> list[Check]:
        """The hosts of these addresses and of the event bus, and the file of roots."""
        parts = [urlsplit(address) for address in addresses]
        hosts = [(one.hostname or "", one.port or 443) for one in parts if one.scheme == "https"]
        if not self._settings.pubsub_plaintext:
            hosts.append(split_endpoint(self._settings.pubsub_endpoint))
        found = await asyncio.gather(*(self._host(*host) for host in dict.fromkeys(hosts)))
        return [*found, *self._roots()]

    async def versions(self, address: str) -> list[Check]:
        """Whether the org offers the version that is asked for, and how far our clock is from its."""
        try:
            response = await self._link.send("GET", f"{address.rstrip('/')}/services/data")
        except (NotSent, AnswerLost) as error:
            remedy = (error.remedy if isinstance(error, NotSent) else "") or UNREACHED
            return [Check(name, False, str(error), remedy) for name in ("api version", "clock")]
        try:
            offered = sorted((str(one["version"]) for one in response.json()), key=float)
            version = self._version(offered)
        except (ValueError, KeyError, TypeError):
            version = Check(
                "api version", False, f"{address} lists none (HTTP {response.status_code})", "check login_url"
            )
        return [version, self._time(server_time(response.headers))]

    def _version(self, offered: Sequence[str]) -> Check:
        wanted = self._settings.api_version
        if wanted in offered:
            return Check("api version", True, f"{wanted}; the org's newest is {offered[-1]}")
        text = f"{wanted} is not offered; the org has {offered[0]} to {offered[-1]}"
        return Check("api version", False, text, f'set api_version = "{offered[-1]}"')

    def _time(self, there: datetime | None) -> Check:
        if there is None:
            text = "the answers have no Date, so reads can't be ordered against events"
            return Check("clock", False, text, "ask who runs the proxy that removes it")
        here = self._clock()
        # A Date is cut to whole seconds.
        skew = here - there.timestamp() - 0.5
        right = abs(skew) < SKEW_S
        text = f"{round(skew):+d} s against Salesforce"
        ours = datetime.fromtimestamp(here, UTC)
        remedy = f"set this machine's clock (NTP): {ours:%H:%M:%S} here, {there:%H:%M:%S} UTC there"
        return Check("clock", right, text, "" if right else remedy)

    async def _host(self, host: str, port: int) -> Check:
        name = f"host {host}:{port}"
        firewall = f"allow TCP to {host}:{port}; check name resolution and proxy"
        try:
            shown = await certificate(host, port, self._link.trust, self._link.ways, _CONNECT_S)
        except (Untrusted, NoWay) as error:
            return Check(name, False, str(error), error.remedy)
        except TimeoutError:
            return Check(name, False, f"no answer within {_CONNECT_S:g} s", firewall)
        except OSError as error:
            return Check(name, False, f"no connection ({error.strerror or type(error).__name__})", firewall)
        days = self._days(shown.expires)
        text = f"certificate of {shown.issuer} until {shown.expires:%Y-%m-%d} ({days:.0f} days)"
        if days >= _SOON_DAYS:
            return Check(name, True, text)
        if self._settings.ca_file is None:
            return Check(name, True, f"{text}; Salesforce renews it by itself")
        return Check(name, False, f"{text} runs out soon", "have it renewed by who runs the TLS proxy")

    def _roots(self) -> list[Check]:
        file = self._settings.ca_file
        if file is None:
            return []
        try:
            expires = soonest(file)
        except (OSError, ValueError):
            return [Check("ca_file", False, f"{file} can't be read", "give certificates in PEM form")]
        days = self._days(expires)
        right = days >= _SOON_DAYS
        text = f"its first root runs out {expires:%Y-%m-%d} ({days:.0f} days)"
        return [Check("ca_file", right, text, "" if right else "add the new root to the file")]

    def _days(self, moment: datetime) -> float:
        return (moment.timestamp() - self._clock()) / 86_400
