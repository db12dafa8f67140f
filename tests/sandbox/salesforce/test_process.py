"""The process that ``isthmus sandbox salesforce`` starts."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator
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


async def test_an_upload_goes_to_a_file_and_not_into_memory(tmp_path: Path) -> None:
    """Sixty megabytes come in pieces; the process grows by far less."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "agent.cli", "sandbox", "salesforce", "--state-dir", str(tmp_path)),
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    async with asyncio.timeout(60):
        details = json.loads(await process.stdout.readline())
        form = {name: details[name] for name in ("client_id", "client_secret")}
        async with httpx2.AsyncClient(base_url=details["http"], trust_env=False, timeout=60) as http:
            answer = await http.post(
                "/services/oauth2/token", data={"grant_type": "client_credentials", **form}
            )
            headers = {"Authorization": f"Bearer {answer.json()['access_token']}"}
            jobs = "/services/data/v62.0/jobs/ingest"
            job = await http.post(jobs, json={"object": "Account", "operation": "insert"}, headers=headers)
            before = peak(process.pid)

            async def pieces() -> AsyncIterator[bytes]:
                yield b"Name\n"
                for _ in range(60):
                    yield b"A customer of the usual kind\n" * 36_000

            put = await http.put(f"{jobs}/{job.json()['id']}/batches", content=pieces(), headers=headers)
        assert put.status_code == 201
        assert peak(process.pid) - before < 20_000_000
        process.terminate()
        await process.wait()


def peak(pid: int) -> int:
    """The most resident bytes that a process ever had."""
    [line] = [
        each for each in Path(f"/proc/{pid}/status").read_text().splitlines() if each.startswith("VmHWM")
    ]
    return int(line.split()[1]) * 1024
