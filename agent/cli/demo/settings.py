"""The demo's configuration: its own systems, and the entities of the commented example."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from agent.cli.example import example

#: Where the entities begin in the example file.
ENTITIES = "[entities.customer]"
#: A demo is short: it tries again sooner, and needs less room.
AGENT = {"state_dir": "state", "sweep_s": 2.0, "mass_window_s": 60.0, "ballast_mb": 16}
RETRY = {"retry_base_s": 0.2, "retry_cap_s": 2.0}


@dataclass(frozen=True, slots=True)
class Places:
    """Where the demo's systems are: what they said of themselves when they started."""

    folder: Path
    org: Mapping[str, Any]
    sap: Mapping[str, Any]
    erp: str
    secret: str
    max_request_s: float


def write(file: Path, places: Places) -> None:
    """Write the configuration file of the demo."""
    text = example().read_text()
    sections = [
        _section("agent", AGENT),
        _section(
            "systems.salesforce",
            {
                "kind": "salesforce",
                **RETRY,
                "login_url": places.org["http"],
                "auth": "client-credentials",
                "client_id": places.org["client_id"],
                "client_secret": f"env:{places.secret}",
                "pubsub_endpoint": _host_port(str(places.org["grpc"])),
                "ca_file": places.org["ca_file"],
                "insecure_http": True,
                "max_request_s": places.max_request_s,
                "request_timeout_s": places.max_request_s,
            },
        ),
        _section("systems.erp", {"kind": "odbc", "connection": places.erp, "poll_s": 0.05, **RETRY}),
        _section(
            "systems.sap",
            {
                "kind": "idoc",
                **RETRY,
                "outbound_dir": places.sap["inbound"],
                "inbound_dir": places.sap["outbound"],
                "archive_dir": str(places.folder / "sap" / "archive"),
                "quarantine_dir": str(places.folder / "sap" / "quarantine"),
                "client": places.sap["client"],
                "receiver_partner": places.sap["system"],
                "receiver_port": places.sap["port"],
                "take": "rename",
                "scan_s": 1.0,
            },
        ),
        text[text.index(ENTITIES) :],
    ]
    for name in ("archive", "quarantine"):
        (places.folder / "sap" / name).mkdir(parents=True, exist_ok=True)
    file.write_text("\n".join(sections))


def _section(name: str, values: Mapping[str, Any]) -> str:
    """A TOML table; JSON's strings, numbers and booleans are TOML's too."""
    lines = [f"{key} = {json.dumps(value)}" for key, value in values.items()]
    return "\n".join([f"[{name}]", *lines, ""])


def _host_port(endpoint: str) -> str:
    return urlsplit(endpoint).netloc if "://" in endpoint else endpoint
