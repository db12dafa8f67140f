"""What a connection string gives away: whether passwords and rows cross the network in the clear."""

from __future__ import annotations

from adapters.odbc.dialects import DIALECTS
from adapters.odbc.driver import parse
from adapters.odbc.settings import Erp
from agent.ports import Check

_HERE = ("", "localhost", "127.", "::1", "[::1]", "/", ".", "(local)", "(localdb)")


def lint(erp: Erp) -> list[Check]:
    """One check where the server is on another machine. Needs no connection.

    A connection in the clear is accepted where the string itself asks for it: then somebody decided it.
    """
    cipher = DIALECTS[erp.dialect].cipher
    options = {key.lower(): value.strip().lower() for key, value in parse(erp.connection).items()}
    server = next((options[key] for key in ("server", "servername", "host", "system") if key in options), "")
    if cipher is None or any(server == name or (name and server.startswith(name)) for name in _HERE):
        return []
    given = next((options[key] for key in cipher.keys if key in options), None)
    unsaid = any(word in options.get("driver", "") for word in cipher.by_default)
    if given in cipher.safe or (given is None and unsaid):
        unproven = "" if cipher.proves(options) else f"; NOT proven who the server is: {cipher.proof}"
        return [Check("encryption", ok=True, detail=f"the connection is encrypted{unproven}")]
    if given is not None:
        return [Check("encryption", ok=True, detail=f"NOT encrypted, as the string says ({cipher.keys[0]})")]
    return [
        Check(
            "encryption",
            ok=False,
            detail="password and rows cross the network in the clear",
            remedy=f"add {cipher.demand} to the connection string, or {cipher.waive} if that is meant",
        )
    ]
