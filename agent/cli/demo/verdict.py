"""The verdict: what an oracle finds in the three systems, and what the agent's own books say."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

import adapters.sandbox
from adapters.sandbox.business.settings import Summary
from agent.cli.demo.stage import SECRET, Stage
from agent.errors import IsthmusError
from agent.store import throughput
from agent.store.database import FILE

#: What the oracle lists; ``within_limit`` are losses within Salesforce's documented one second.
FINDINGS = ("missing", "different", "doubled", "lost", "within_limit")
ORACLE = Path(adapters.sandbox.__file__).parent / "oracle"


def oracle(stage: Stage, *, timeout_s: float = 30.0) -> dict[str, Any]:
    """The judgement of a process that imports nothing of the agent or its adapters."""
    conflicts = stage.folder / "conflicts.json"
    found = throughput.losers(stage.state / FILE)
    conflicts.write_text(
        json.dumps(
            [
                {"entity": one.business_key, "field": one.field, "loser": json.loads(one.value)}
                for one in found
            ]
        )
    )
    done = subprocess.run(
        [
            sys.executable, str(ORACLE),
            "--salesforce", str(stage.org["http"]),
            "--client-id", str(stage.org["client_id"]),
            "--client-secret", f"env:{SECRET}",
            "--erp", stage.erp,
            "--sap", str(stage.folder / "sap"),
            "--journal", str(stage.edits),
            "--conflicts", str(conflicts),
            "--json",
        ],
        env=stage.environment,
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
        timeout=timeout_s * 4,
    )  # fmt: skip
    if done.returncode not in (0, 1):
        raise IsthmusError(f"the oracle could not judge: {done.stderr.strip()[-800:]}")
    judged: dict[str, Any] = json.loads(done.stdout)
    return judged


def judge(stage: Stage, business: Summary, seed: int) -> dict[str, object]:
    """The summary of the demo. The agent has stopped: its store is read by nobody else."""
    judged = oracle(stage)
    books = throughput.read(stage.state / FILE)
    return {
        "equal": bool(judged["equal"]),
        "entities_compared": judged["entities_compared"],
        "fields_compared": judged["fields_compared"],
        "events_in": books.events_in,
        "deliveries": books.deliveries,
        "conservation": books.balanced and books.open_obligations == 0,
        "conflicts": books.conflicts,
        "exceptions": books.exceptions,
        "lag_p50_ms": books.percentile(0.50),
        "lag_p99_ms": books.percentile(0.99),
        "seed": seed,
        "business": business.done,
        "faults": business.faults,
        **{name: judged.get(name, []) for name in FINDINGS},
    }


def show(summary: Mapping[str, Any]) -> None:
    """The verdict for people, the word first."""
    console = Console(markup=False, highlight=False, soft_wrap=True)
    green = summary["equal"] and summary["conservation"]
    style = "bold green" if green else "bold red"
    console.print("EQUAL AND CONSERVED" if green else "NOT EQUAL OR NOT CONSERVED", style=style)
    console.print(
        f"  {summary['entities_compared']} entities and {summary['fields_compared']} fields compared in"
        " Salesforce, the ERP and SAP by a process that shares no code with the agent"
    )
    deliveries = ", ".join(f"{count} {state}" for state, count in summary["deliveries"].items())
    console.print(f"  {summary['events_in']} changes seen; commands: {deliveries}")
    console.print(
        f"  conflicts {summary['conflicts']} (each with its loser), exceptions {summary['exceptions']};"
        f" planned to accepted p50 {summary['lag_p50_ms']} ms, p99 {summary['lag_p99_ms']} ms"
    )
    if summary["within_limit"]:
        console.print(
            f"  {len(summary['within_limit'])} shared values lost within the one second of Salesforce's"
            " conditional update (a documented limit)"
        )
    for name in FINDINGS[:4]:
        for one in summary[name][:10]:
            console.print(f"  {name}: {one}", style="red")
