"""Both bulk APIs over the wire: what the clients of others do not look at."""

from __future__ import annotations

import asyncio
import csv
import gzip
import io
from collections.abc import AsyncIterator
from typing import Any
from xml.etree import ElementTree as ET

import httpx2

from tests.sandbox.salesforce.client import DEADLINE_S, Client, codes

SPACE = "{http://www.force.com/2009/06/asyncapi/dataload}"
FINAL = ("JobComplete", "Failed", "Aborted")


async def ingest(client: Client, data: Any, headers: dict[str, str] | None = None, **job: object) -> Any:
    """The job when it has come to its end."""
    body = {"object": "Account", "operation": "insert", **job}
    made = await client.call("POST", "jobs/ingest", body, {**(headers or {}), "Content-Encoding": "identity"})
    assert made.status_code == 200, made.text
    identifier = made.json()["id"]
    put = await client.http.put(
        f"/services/data/v62.0/jobs/ingest/{identifier}/batches",
        content=data,
        headers={"Authorization": f"Bearer {client.token}", "Content-Type": "text/csv", **(headers or {})},
    )
    assert put.status_code == 201, put.text
    await client.call("PATCH", f"jobs/ingest/{identifier}", {"state": "UploadComplete"})
    return await ended(client, f"jobs/ingest/{identifier}")


async def ended(client: Client, path: str) -> Any:
    async with asyncio.timeout(DEADLINE_S):
        while True:
            job = (await client.call("GET", path)).json()
            if job["state"] in FINAL:
                return job


async def lines(client: Client, path: str) -> list[list[str]]:
    answer = await client.call("GET", path)
    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Type"] == "text/csv"
    return list(csv.reader(io.StringIO(answer.text)))


async def test_rows_succeed_and_fail_one_by_one(empty: Client) -> None:
    data = 'Name,Isthmus_Id__c,Phone\n"Ærø, ""A""",i-1,1\n,i-2,2\nB,i-1,3\n'
    job = await ingest(empty, data)
    assert (job["numberRecordsProcessed"], job["numberRecordsFailed"]) == (3, 2)
    base = f"jobs/ingest/{job['id']}"
    good = await lines(empty, f"{base}/successfulResults/")
    assert good[0] == ["sf__Id", "sf__Created", "Name", "Isthmus_Id__c", "Phone"]
    assert good[1][1:] == ["true", 'Ærø, "A"', "i-1", "1"]
    bad = await lines(empty, f"{base}/failedResults/")
    assert [row[1].partition(":")[0] for row in bad[1:]] == ["REQUIRED_FIELD_MISSING", "DUPLICATE_VALUE"]
    assert await lines(empty, f"{base}/unprocessedrecords/") == [["Name", "Isthmus_Id__c", "Phone"]]
    [event] = await empty.events(1)
    assert event.header["changeOrigin"] == "com/salesforce/api/bulkapi/62.0"


async def test_the_client_of_a_job_stands_in_its_events(empty: Client) -> None:
    await ingest(empty, "Name\nA\n", {"Sforce-Call-Options": "client=isthmus"})
    [event] = await empty.events(1)
    assert event.header["changeOrigin"].endswith(";client=isthmus")


async def test_two_hundred_rows_share_a_transaction(empty: Client) -> None:
    data = "Name\n" + "".join(f"N{n}\n" for n in range(450))
    job = await ingest(empty, data)
    assert job["numberRecordsProcessed"] == 450
    keys = [entry["transaction"] for entry in (await empty.log())["writes"]]
    assert [keys.count(key) for key in dict.fromkeys(keys)] == [200, 200, 50]


async def test_empty_cells_leave_and_a_mark_makes_null(empty: Client) -> None:
    account = await empty.create(Name="A", Phone="1", Fax="2", Isthmus_Id__c="k")
    job = await ingest(
        empty, "Isthmus_Id__c,Phone,Fax\nk,#N/A,\n", operation="upsert", externalIdFieldName="Isthmus_Id__c"
    )
    assert job["numberRecordsFailed"] == 0
    row = (await empty.call("GET", f"sobjects/Account/{account}")).json()
    assert (row["Phone"], row["Fax"]) == (None, "2")


async def test_parents_by_external_id_other_delimiters_and_compressed(empty: Client) -> None:
    await empty.create(Name="A", Isthmus_Id__c="k")
    packed = gzip.compress(b"Invoice_Number__c|Account__r.Isthmus_Id__c\r\n9|k\r\n")
    job = await ingest(
        empty,
        packed,
        {"Content-Encoding": "gzip"},
        object="Invoice__c",
        columnDelimiter="PIPE",
        lineEnding="CRLF",
    )
    assert job["numberRecordsFailed"] == 0, job
    rows = await empty.query("SELECT Account__r.Name FROM Invoice__c")
    assert rows["records"][0]["Account__r"]["Name"] == "A"


async def test_hard_deletes_leave_nothing_in_the_bin(empty: Client) -> None:
    account = await empty.create(Name="A")
    await ingest(empty, f"Id\n{account}\n", operation="hardDelete")
    assert (await empty.query("SELECT COUNT() FROM Account", "queryAll"))["totalSize"] == 0


async def test_line_endings_other_than_the_declared_ones_fail_the_job(empty: Client) -> None:
    for data, ending in ((b"Name\r\nA\r\n", "LF"), (b"Name\nA\n", "CRLF")):
        job = await ingest(empty, data, lineEnding=ending)
        text = f"InvalidBatch : LineEnding is invalid on user data. Current LineEnding setting is {ending}"
        assert (job["state"], job["errorMessage"]) == ("Failed", text)
    # A header alone has no line ending that could be wrong, and quoted text keeps its own.
    assert (await ingest(empty, b"Name", lineEnding="CRLF"))["state"] == "JobComplete"
    job = await ingest(empty, b'Name,BillingStreet\nA,"1\r\n2"\n', lineEnding="LF")
    assert (job["state"], job["numberRecordsFailed"]) == ("JobComplete", 0)


UNREADABLE: list[tuple[bytes, str]] = [
    (b"Nme\nA\n", "Field name not found : Nme"),
    (b"", "Empty file"),
    (b"Name,Phone\nA\n", "The row has 1 values"),
    (b'Name\n"open\n', "Failed to parse CSV"),
    (b"Name\n\xff\xfe\n", "Failed to parse CSV"),
    (b"Name,name\nA,B\n", "Duplicate column"),
    (b"Name,Nobody.Id\nA,B\n", "Field name not found : Nobody.Id"),
]


async def test_a_file_that_cannot_be_read_fails_the_job(empty: Client) -> None:
    for data, text in UNREADABLE:
        job = await ingest(empty, data)
        assert job["state"] == "Failed"
        assert job["errorMessage"].startswith("InvalidBatch : ")
        assert text in job["errorMessage"]


async def test_jobs_are_refused_listed_aborted_and_deleted(empty: Client) -> None:
    for body in (
        {"object": "Nothing", "operation": "insert"},
        {"object": "Account", "operation": "upsert", "externalIdFieldName": "Phone"},
        {"object": "Account", "operation": "explode"},
        {"object": "Account", "operation": "insert", "columnDelimiter": "DOT"},
    ):
        assert codes(await empty.call("POST", "jobs/ingest", body)) == ["INVALIDJOB"]
    made = (await empty.call("POST", "jobs/ingest", {"object": "Account", "operation": "insert"})).json()
    assert made["state"] == "Open"
    assert made["contentUrl"].endswith(f"{made['id']}/batches")
    path = f"jobs/ingest/{made['id']}"
    assert codes(await empty.call("PATCH", path, {"state": "UploadComplete"})) == ["INVALIDJOBSTATE"]
    assert codes(await empty.call("GET", f"{path}/failedResults")) == ["INVALIDJOBSTATE"]
    assert (await empty.call("PATCH", path, {"state": "Aborted"})).json()["state"] == "Aborted"
    listed = (await empty.call("GET", "jobs/ingest")).json()["records"]
    assert [each["id"] for each in listed] == [made["id"]]
    assert (await empty.call("DELETE", path)).status_code == 204
    assert (await empty.call("GET", path)).status_code == 404


async def test_queries_are_read_page_by_page(empty: Client) -> None:
    await ingest(empty, "Name,AnnualRevenue\n" + "".join(f"N{n:02},{n}\n" for n in range(25)))
    body = {
        "operation": "query",
        "query": "SELECT Name, AnnualRevenue, Owner.Name FROM Account ORDER BY Name",
    }
    job = (await empty.call("POST", "jobs/query", body)).json()
    await ended(empty, f"jobs/query/{job['id']}")
    found: list[list[str]] = []
    locator, pages = "", 0
    while locator != "null":
        path = f"jobs/query/{job['id']}/results?maxRecords=10" + (f"&locator={locator}" if locator else "")
        answer = await empty.call("GET", path)
        rows = list(csv.reader(io.StringIO(answer.text)))
        assert rows[0] == ["Name", "AnnualRevenue", "Owner.Name"]
        assert int(answer.headers["Sforce-NumberOfRecords"]) == len(rows) - 1
        locator, pages = answer.headers["Sforce-Locator"], pages + 1
        found += rows[1:]
    assert pages == 3
    assert found[7] == ["N07", "7.0", "Integration User"]
    assert [row[0] for row in found] == [f"N{n:02}" for n in range(25)]
    bad = await empty.call("GET", f"jobs/query/{job['id']}/results?locator=!!!")
    assert codes(bad) == ["INVALID_QUERY_LOCATOR"]
    wrong = await empty.call("POST", "jobs/query", {"operation": "query", "query": "SELECT FROM"})
    assert codes(wrong) == ["MALFORMED_QUERY"]


def first(client: Client, kind: str = "application/xml") -> dict[str, str]:
    return {"X-SFDC-Session": client.token, "Content-Type": f"{kind}; charset=UTF-8"}


async def job_of(client: Client, *parts: str, **headers: str) -> httpx2.Response:
    document = f"<jobInfo xmlns='{SPACE[1:-1]}'>{''.join(parts)}</jobInfo>"
    return await client.http.post(
        "/services/async/60.0/job", content=document, headers=first(client) | headers
    )


BAD_JOBS: list[tuple[tuple[str, ...], str]] = [
    (("<operation>insert</operation>",), "InvalidJob"),
    (("<operation>insert</operation>", "<object>Nothing</object>"), "InvalidJob"),
    (("<operation>hop</operation>", "<object>Account</object>"), "InvalidJob"),
    (("<operation>insert",), "InvalidJob"),
    (
        ("<operation>query</operation><object>Account</object><contentType>PDF</contentType>",),
        "InvalidJob",
    ),
]


async def test_refusals_of_the_first_api_are_xml_with_names_of_their_own(empty: Client) -> None:
    for parts, code in BAD_JOBS:
        answer = await job_of(empty, *parts)
        assert answer.status_code == 400
        assert answer.headers["Content-Type"] == "application/xml"
        assert ET.fromstring(answer.text).findtext(f"{SPACE}exceptionCode") == code


async def test_a_session_that_is_none_is_refused_by_the_first_api(empty: Client) -> None:
    answer = await empty.http.get(
        "/services/async/60.0/job/750000000000000AAA", headers={"X-SFDC-Session": "x"}
    )
    assert answer.status_code == 401
    assert "<exceptionCode>InvalidSessionId</exceptionCode>" in answer.text


async def test_batches_come_in_pieces_and_their_request_is_kept(empty: Client) -> None:
    made = await job_of(
        empty, "<operation>insert</operation><object>Account</object><contentType>CSV</contentType>"
    )
    job = ET.fromstring(made.text).findtext(f"{SPACE}id")

    async def pieces() -> AsyncIterator[bytes]:
        yield b"Name\n"
        yield b"in pieces\n"

    path = f"/services/async/60.0/job/{job}/batch"
    posted = await empty.http.post(path, content=pieces(), headers=first(empty, "text/csv"))
    batch = ET.fromstring(posted.text).findtext(f"{SPACE}id")
    async with asyncio.timeout(DEADLINE_S):
        while True:
            state = (await empty.http.get(f"{path}/{batch}", headers=first(empty))).text
            if "<state>Completed</state>" in state:
                break
    kept = await empty.http.get(f"{path}/{batch}/request", headers=first(empty))
    assert kept.text == "Name\nin pieces\n"
    result = await empty.http.get(f"{path}/{batch}/result", headers=first(empty))
    assert result.headers["Content-Type"] == "text/csv"
    assert '"true","true",""' in result.text
    wrong = await empty.http.post(path, content=b"[]", headers=first(empty, "application/json"))
    assert "InvalidBatch" in wrong.text
    too_long = await empty.http.post(path, content=b"x" * 10_000_001, headers=first(empty, "text/csv"))
    assert "<exceptionCode>ExceededQuota</exceptionCode>" in too_long.text


async def test_a_job_may_fail_as_a_whole(empty: Client) -> None:
    await empty.control("faults", {"kind": "job-failed", "scope": "Account"})
    job = await ingest(empty, "Name\nA\n")
    assert (job["state"], job["errorMessage"]) == (
        "Failed",
        "InternalServerError : the batch was given up",
    )
    assert (await ingest(empty, "Name\nA\n"))["state"] == "JobComplete"


async def test_a_job_may_be_late(empty: Client) -> None:
    await empty.control("faults", {"kind": "job-late", "scope": "Account", "delay": 0.3})
    body = {"operation": "query", "query": "SELECT Id FROM Account"}
    job = (await empty.call("POST", "jobs/query", body)).json()
    assert (await empty.call("GET", f"jobs/query/{job['id']}")).json()["state"] == "UploadComplete"
    assert (await ended(empty, f"jobs/query/{job['id']}"))["state"] == "JobComplete"


async def test_results_are_kept_for_seven_days(empty: Client) -> None:
    job = await ingest(empty, "Name\nA\n")
    await empty.control("clock", {"advance": 6.9 * 86_400})
    await empty.sign_in()
    assert (await empty.call("GET", f"jobs/ingest/{job['id']}/successfulResults")).status_code == 200
    await empty.control("clock", {"advance": 0.2 * 86_400})
    await empty.sign_in()
    assert (await empty.call("GET", f"jobs/ingest/{job['id']}")).status_code == 404
