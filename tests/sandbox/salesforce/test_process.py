"""The process that ``isthmus sandbox salesforce`` starts."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from pathlib import Path

import httpx2
import pytest

KEYS = {
    "http",
    "https",
    "grpc",
    "grpc_plaintext",
    "ca_file",
    "org_id",
    "username",
    "password",
    "client_id",
    "client_secret",
    "jwt_key_file",
}


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
async def test_prints_one_line_serves_and_stops_cleanly(tmp_path: Path, stop: signal.Signals) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "adapters.sandbox.salesforce",
        "--accounts",
        "50",
        "--state-dir",
        str(tmp_path),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    async with asyncio.timeout(60):
        details = json.loads(await process.stdout.readline())
        assert set(details) == KEYS
        assert details["ca_file"] == str(tmp_path / "ca.pem")
        async with httpx2.AsyncClient(base_url=details["http"], trust_env=False) as http:
            log = (await http.get("/_sandbox/log")).json()
        assert len(log["writes"]) == 50
        process.send_signal(stop)
        out, err = await process.communicate()
    assert (process.returncode, out, err) == (0, b"", b"")
