"""The site of one scenario: org, ERP, SAP, an agent, and the two lines by which the agent reaches the org."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from tests.faults.configuration import configure
from tests.faults.salesforce.line import End, Line
from tests.journey.site import Site
from tests.salesforce.authority import Authority, Leaf

#: Names of the org, which only a proxy can find.
HOST, EVENTS = "org.isthmus.example", "events.isthmus.example"
Keys = Mapping[str, object]


class Place:
    """A site whose agent reaches the org over lines only; people reach it directly.

    calls   the line of REST and of the login;  events: the line of the Pub/Sub API
    authority  signs what both lines show;  keys: what they show where nothing is wrong
    """

    def __init__(self, site: Site, calls: Line, events: Line, trust: tuple[Authority, Leaf]) -> None:
        self.site = site
        self.calls = calls
        self.events = events
        self.authority, self.keys = trust

    def show(self, keys: Leaf) -> None:
        """Both lines show this certificate from now on."""
        self.calls.show(keys)
        self.events.show(keys)

    def shut(self) -> None:
        """Nobody comes through to the org."""
        self.calls.shut()
        self.events.shut()

    def mend(self) -> None:
        """Everybody comes through again."""
        self.calls.mend()
        self.events.mend()

    def configure(self, **changes: object) -> None:
        """Set keys of the section [systems.salesforce], read when the agent starts; None takes one out."""
        configure(self.site.stage.config, "systems.salesforce", changes)

    def tune(self, **changes: object) -> None:
        """The same for the section [agent]."""
        configure(self.site.stage.config, "agent", changes)


@contextmanager
def opened(folder: Path, seed: int, settings: Keys) -> Iterator[Place]:
    """A site with its lines, the agent configured and not started. ``settings``: further keys of the org."""
    authority = Authority(folder / "authority")
    keys = authority.sign("127.0.0.1", HOST, EVENTS)
    with ExitStack() as stack:
        site = Site(folder, seed)
        stack.callback(site.close)
        org = site.stage.org
        ca = str(org["ca_file"])
        calls = stack.enter_context(Line(_end(str(org["https"]), ca), keys))
        events = stack.enter_context(Line(_end(str(org["grpc_plaintext"]), "", http2=True), keys))
        place = Place(site, calls, events, (authority, keys))
        place.configure(
            login_url=f"https://127.0.0.1:{calls.port}",
            pubsub_endpoint=f"127.0.0.1:{events.port}",
            ca_file=str(authority.ca),
            insecure_http=None,
        )
        place.configure(**settings)
        yield place


def _end(address: str, ca: str, *, http2: bool = False) -> End:
    parts = urlsplit(address if "://" in address else f"//{address}")
    assert parts.hostname is not None
    assert parts.port is not None
    return End(parts.hostname, parts.port, ca, http2)
