"""The site of one scenario: org, SAP, an ERP on its own server, and the wire between that and the agent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.faults.configuration import configure
from tests.faults.odbc.books import open_books
from tests.faults.odbc.mariadb import Mariadb
from tests.faults.odbc.postgresql import Postgresql
from tests.faults.odbc.server import AGENT, Server
from tests.faults.odbc.wire import Wire
from tests.journey.site import Site

SERVERS: Mapping[str, type[Server]] = {"postgresql": Postgresql, "mariadb": Mariadb}
#: The agent's first password.
WORD = "first-word"
#: Seconds; short, so that what takes minutes on a site takes seconds here.
LIMITS = {"deadline_s": 8.0, "lock_timeout_s": 1.0}


class Place:
    """A site whose agent reaches the ERP over the wire only, as an account of its own with the least rights.

    People reach the ERP directly.
    """

    def __init__(self, site: Site, server: Server, wire: Wire) -> None:
        self.site = site
        self.server = server
        self.wire = wire

    @property
    def secret(self) -> Path:
        """The file with the agent's connection string."""
        return self.site.stage.folder / "erp-connection"

    def hand_out(self, word: str) -> None:
        """Write the agent's connection string, with this password."""
        self.secret.write_text(self.server.connection(account=AGENT, word=word, port=self.wire.port))
        self.secret.chmod(0o600)

    def configure(self, **changes: object) -> None:
        """Set keys of the section [systems.erp], read when the agent starts; None takes one out."""
        configure(self.site.stage.config, "systems.erp", changes)

    def capture(self, table: str, **settings: object) -> None:
        """How a table is captured."""
        configure(self.site.stage.config, f"systems.erp.tables.{table}", settings)

    def installed(self) -> None:
        """The administrator installs the journal as it is configured, and gives the agent its rights."""
        stage = self.site.stage
        self.configure(connection=self.server.connection())
        stage.verb("journal", "install", "erp", "--config", str(stage.config))
        # the grants are printed for the user whom the connection names
        self.configure(connection=self.server.connection(account=AGENT))
        script = stage.verb("check", "--print-grants", "--config", str(stage.config))
        lines = [line for line in script.splitlines() if not line.startswith("--")]
        self.server.run([text for text in "\n".join(lines).split(";\n") if text.strip(" ;\n")])
        self.configure(connection=f"file:{self.secret}")


@contextmanager
def opened(folder: Path, seed: int, database: str, settings: Mapping[str, object]) -> Iterator[Place]:
    """A site on such a database, the agent configured and not started. ``settings``: keys of the ERP."""
    with ExitStack() as stack:
        server = SERVERS[database]()
        server.begin()
        stack.callback(server.close)
        wire = stack.enter_context(Wire(server.port))
        site = Site(folder, seed, server.connection())
        stack.callback(site.close)
        place = Place(site, server, wire)
        open_books(server)
        server.password(WORD)
        place.hand_out(WORD)
        place.installed()
        place.configure(**{**LIMITS, **settings})
        yield place
