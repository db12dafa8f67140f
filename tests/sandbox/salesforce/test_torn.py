"""Callers that go away, or send what is no HTTP body: nothing is left behind and nothing is complained of."""

from __future__ import annotations

import asyncio
import logging

import pytest

from tests.sandbox.salesforce.client import DEADLINE_S, Client
from tests.sandbox.salesforce.test_bulk import ended


async def begun(client: Client, head: str, body: bytes) -> asyncio.StreamWriter:
    """A request whose body is not all sent yet."""
    host, _, port = client.details.http.removeprefix("http://").partition(":")
    _, writer = await asyncio.open_connection(host, int(port))
    writer.write(f"{head}\r\nHost: a\r\nAuthorization: Bearer {client.token}\r\n".encode() + body)
    await writer.drain()
    return writer


async def torn(client: Client, head: str, body: bytes) -> None:
    """A request whose body ends early."""
    writer = await begun(client, head, body)
    writer.close()
    await writer.wait_closed()


async def test_a_torn_upload_can_be_sent_anew(empty: Client) -> None:
    made = await empty.call("POST", "jobs/ingest", {"object": "Account", "operation": "insert"})
    path = f"jobs/ingest/{made.json()['id']}"
    await torn(
        empty,
        f"PUT /services/data/v62.0/{path}/batches HTTP/1.1",
        b"Content-Type: text/csv\r\nContent-Length: 1000\r\n\r\nName\nhalf\n",
    )
    async with asyncio.timeout(DEADLINE_S):
        while True:
            answer = await empty.http.put(
                f"/services/data/v62.0/{path}/batches",
                content=b"Name\nwhole\n",
                headers={"Authorization": f"Bearer {empty.token}", "Content-Type": "text/csv"},
            )
            if answer.status_code == 201:
                break
            await asyncio.sleep(0.01)
    await empty.call("PATCH", path, {"state": "UploadComplete"})
    assert (await ended(empty, path))["numberRecordsProcessed"] == 1
    assert [each["Name"] for each in (await empty.query("SELECT Name FROM Account"))["records"]] == ["whole"]


async def test_a_torn_batch_is_no_batch(empty: Client) -> None:
    session = {"X-SFDC-Session": empty.token, "Content-Type": "application/json"}
    job = {"operation": "insert", "object": "Account", "contentType": "JSON"}
    made = (await empty.http.post("/services/async/60.0/job", json=job, headers=session)).json()
    path = f"/services/async/60.0/job/{made['id']}/batch"
    writer = await begun(
        empty,
        f"POST {path} HTTP/1.1",
        f"X-SFDC-Session: {empty.token}\r\n".encode()
        + b"Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n[",
    )
    for there in (True, False):
        async with asyncio.timeout(DEADLINE_S):
            while True:
                batches = (await empty.http.get(path, headers=session)).json()["batchInfo"]
                if bool(batches) is there:
                    break
                await asyncio.sleep(0.01)
        writer.close()
    await writer.wait_closed()


@pytest.mark.parametrize(
    "body", [b"Content-Length: 100\r\n\r\nshort", b"Transfer-Encoding: chunked\r\n\r\nZZ\r\n"]
)
@pytest.mark.parametrize("path", ["/services/oauth2/token", "/services/data/v62.0/sobjects/Account"])
async def test_a_torn_request_is_no_failure_of_the_server(
    client: Client, caplog: pytest.LogCaptureFixture, path: str, body: bytes
) -> None:
    await torn(client, f"POST {path} HTTP/1.1", body)
    # Stands in the same loop behind the torn one, so that this one has come to its end by the answer.
    for _ in range(3):
        assert (await client.call("GET", "limits")).status_code == 200
    assert [each.message for each in caplog.records if each.levelno >= logging.ERROR] == []
