"""What the org itself says happened there: writes, sign-ins, subscriptions; and the agent's positions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx2

from agent.store.database import FILE, connect

Row = dict[str, Any]
#: What the agent calls itself.
OURS = "isthmus"


class History:
    """Reads the org's own books."""

    def __init__(self, url: str) -> None:
        self._http = httpx2.Client(base_url=url, timeout=30.0)

    def close(self) -> None:
        """Hang up."""
        self._http.close()

    def writes(self) -> list[Row]:
        """Every write that was committed, by whomever, in order."""
        return self._rows("log", "writes")

    def rejected(self) -> list[Row]:
        """Every write of the agent's that was refused."""
        return [row for row in self._rows("log", "rejected") if row["client"] == OURS]

    def logins(self) -> list[Row]:
        """Every sign-in of the agent's, those that were refused too."""
        return [row for row in self._rows("logins", "logins") if row["client"] == OURS]

    def subscriptions(self) -> list[Row]:
        """Every subscription; nobody but the agent subscribes."""
        return self._rows("stream", "subscriptions")

    def newest(self) -> dict[str, bytes]:
        """Topic → replay id of its newest event that is kept."""
        found: Mapping[str, str] = self._http.get("/_sandbox/stream").raise_for_status().json()["newest"]
        return {topic: bytes.fromhex(text) for topic, text in found.items()}

    def ask(self, method: str, path: str, body: object = None) -> Any:
        """Have the org do something: arm a fault, add a field, a rule."""
        return self._http.request(method, f"/_sandbox/{path}", json=body).raise_for_status().json()

    def _rows(self, path: str, name: str) -> list[Row]:
        rows: list[Row] = self._http.get(f"/_sandbox/{path}").raise_for_status().json()[name]
        return rows


def positions(state: Path) -> dict[str, bytes]:
    """Topic → the committed position in the agent's store, which nobody else writes now."""
    with closing(connect(state / FILE, read_only=True)) as store:
        rows = store.execute("SELECT stream, value FROM position WHERE system = 'salesforce'").fetchall()
    return {str(stream): bytes(value) for stream, value in rows}


def repeated(writes: Sequence[Row]) -> Iterator[str]:
    """The agent's updates that say what an update of its had said last, though nobody had changed it since.

    A create without an answer is sent again under its external id; that says what stands there already.
    """
    said: dict[tuple[str, str], tuple[Any, str]] = {}
    for write in writes:
        fields: Row = write["fields"]
        by = write["operation"] if write["client"] == OURS else ""
        for again in ("update", "create"):
            if by == "update" and fields and _all_said(said, write, again):
                if again == "update":
                    yield f"{write['object']} {write['id']}: {', '.join(sorted(fields))} written twice"
                by = again
        for name, value in fields.items():
            said[write["id"], name] = (value, by)


def _all_said(said: Mapping[tuple[str, str], tuple[Any, str]], write: Row, by: str) -> bool:
    """Whether everything in a write was said before, by an operation of that kind."""
    return all(said.get((write["id"], name)) == (value, by) for name, value in write["fields"].items())


def counter(position: bytes) -> int:
    """Where a replay id of the stand-in org stands on its bus."""
    return int.from_bytes(position[:8], "big")
