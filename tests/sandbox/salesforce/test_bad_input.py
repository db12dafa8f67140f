"""Whatever comes in: an answer with a code of the vendor's, no crash, nothing left behind."""

from __future__ import annotations

import asyncio
import io
import json
import random
import uuid
from urllib.parse import quote_from_bytes

import fastavro
import grpc
import grpc.aio
import httpx2

from adapters.salesforce import pubsub_api_pb2 as pb
from tests.sandbox.salesforce.client import ACCOUNT, Client
from tests.sandbox.salesforce.mutation import damaged

ROUNDS = 40
BASE = "/services/data/v62.0"
NOTICE = "/event/Erp_Notice__e"
SOAP = b"""<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Header><SessionHeader><sessionId>
TOKEN</sessionId></SessionHeader></e:Header><e:Body><create><sObjects><type>Account</type><Name>A</Name>
<Credit_Limit__c>5</Credit_Limit__c></sObjects></create></e:Body></e:Envelope>"""
QUERIES = (
    b"SELECT Id, Name, Owner.Name FROM Account WHERE Name LIKE 'A%' AND (AnnualRevenue > 5 OR Phone = null)",
    b"SELECT Industry, COUNT(Id) n, SUM(AnnualRevenue) FROM Account GROUP BY Industry HAVING COUNT(Id) > 0",
    b"SELECT Name, (SELECT LastName FROM Contacts LIMIT 2) FROM Account WHERE CreatedDate = LAST_N_DAYS:3",
    b"SELECT Id FROM Account WHERE Id IN (SELECT AccountId FROM Contact)"
    b" AND CreatedDate > 2026-01-01T00:00:00Z ORDER BY Name DESC NULLS LAST",
)
URL = f"{BASE}/sobjects/Account"
LIMITS = {"method": "GET", "url": f"{BASE}/limits", "referenceId": "a"}
LATER = {"method": "PATCH", "url": f"{URL}/@{{a.id}}", "referenceId": "b", "body": {"Name": "@{a.Name}"}}
MADE = {"method": "POST", "url": URL, "referenceId": "a", "body": {"Name": "A"}}
PERSON: dict[str, object] = {"LastName": "A", "Birthdate": "2000-01-31", "Account": {"Isthmus_Id__c": "k"}}
BODIES: tuple[tuple[str, str, dict[str, object]], ...] = (
    (
        "POST",
        "sobjects/Account",
        {"Name": "A", "Credit_Limit__c": 5.25, "OwnerId": None, "Order_Block__c": True},
    ),
    ("POST", "sobjects/Contact", PERSON),
    ("PATCH", "sobjects/Account/Isthmus_Id__c/k", {"Name": "A", "AnnualRevenue": 12, "Tier__c": "Gold"}),
    ("POST", "composite/sobjects", {"records": [{"attributes": {"type": "Account"}, "Name": "A"}]}),
    ("POST", "composite", {"compositeRequest": [LIMITS, LATER]}),
    ("POST", "composite/graph", {"graphs": [{"graphId": "1", "compositeRequest": [MADE]}]}),
    ("POST", "composite/batch", {"batchRequests": [{"method": "GET", "url": "v62.0/limits"}]}),
    ("POST", "composite/sobjects/Account", {"ids": ["001000000000000AAA"], "fields": ["Name"]}),
    ("POST", "jobs/ingest", {"object": "Account", "operation": "insert", "lineEnding": "LF"}),
    ("POST", "jobs/query", {"operation": "query", "query": "SELECT Id FROM Account"}),
    ("POST", "tooling/sobjects/ManagedEventSubscription", {"FullName": "M", "Metadata": {"topicName": "/x"}}),
)


async def test_an_address_beyond_the_vendors_limit_is_refused(client: Client) -> None:
    for length, status in ((12_000, 200), (16_400, 414), (60_000, 414)):
        named = "x" * (length - 80)
        answer = await client.call("GET", f"query?q=SELECT+Id+FROM+Account+WHERE+Name='{named}'")
        assert answer.status_code == status, length
    host, _, port = client.details.http.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"GET /" + b"x" * 200_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n")
    assert await reader.readline() == b"HTTP/1.1 414 Request-URI Too Long\r\n"
    writer.close()
    await writer.wait_closed()
    await alive(client)


def judged(answer: httpx2.Response, sent: bytes) -> None:
    """An answer is good, or tells in the vendor's shape why not."""
    assert answer.status_code != 500, (sent, answer.text)
    assert "UNKNOWN_EXCEPTION" not in answer.text, (sent, answer.text)
    if answer.status_code >= 400 and answer.headers.get("content-type", "").startswith("application/json"):
        errors = answer.json()
        assert errors[0]["errorCode"] and "message" in errors[0], sent


async def alive(client: Client) -> None:
    """The org still answers, and still tells of changes."""
    anchor = await client.tip()
    identifier = await client.create(Name="still here")
    [event] = await client.events(1, ACCOUNT, anchor)
    assert event.header["recordIds"] == [identifier]


async def test_damaged_json_of_every_resource(client: Client) -> None:
    rng = random.Random(1)
    headers = {"Authorization": f"Bearer {client.token}", "Content-Type": "application/json"}
    await alive(client)
    tasks = len(asyncio.all_tasks())
    for _ in range(ROUNDS):
        for method, path, body in BODIES:
            sent = damaged(json.dumps(body).encode(), rng)
            judged(await client.http.request(method, f"{BASE}/{path}", content=sent, headers=headers), sent)
    await alive(client)
    # The worker of the bulk jobs is there for good, and a kept connection; all else ends with its call.
    async with asyncio.timeout(20):
        while len(asyncio.all_tasks()) > tasks + 4:
            await client.call("GET", "limits")


async def test_damaged_soql(client: Client) -> None:
    rng = random.Random(2)
    headers = {"Authorization": f"Bearer {client.token}"}
    for _ in range(ROUNDS * 2):
        for query in QUERIES:
            sent = damaged(query, rng)
            path = f"{BASE}/query?q={quote_from_bytes(sent)}"
            judged(await client.http.get(path, headers=headers), sent)
    await alive(client)


async def test_damaged_paths_and_conditions(client: Client) -> None:
    rng = random.Random(3)
    identifier = await client.create(Name="A")
    paths = (
        f"sobjects/Account/{identifier}?fields=Name,Owner.Name".encode(),
        b"sobjects/Account/Isthmus_Id__c/k",
        b"sobjects/Account/updated/?start=2026-01-01T00:00:00Z&end=2026-01-02T00:00:00Z",
        b"query/01g000000000000AAA-200",
        b"jobs/query/750000000000000AAA/results?maxRecords=1&locator=MQ",
        b"composite/sobjects?ids=001000000000000AAA,003000000000000AAA",
    )
    for _ in range(ROUNDS):
        for path in paths:
            sent = quote_from_bytes(damaged(path, rng), safe="/?&=%,:+").replace("%%", "%25")
            condition = damaged(b"Tue, 05 May 2026 12:00:00 GMT", rng).decode("latin-1")
            headers = {"Authorization": f"Bearer {client.token}"}
            headers["If-Modified-Since"] = "".join(each for each in condition if " " <= each <= "~").strip()
            try:
                answer = await client.http.get(f"{BASE}/{sent}", headers=headers)
            except httpx2.InvalidURL:
                continue
            judged(answer, sent.encode())
            headers["If-Unmodified-Since"] = headers.pop("If-Modified-Since")
            address = f"{BASE}/sobjects/Account/{identifier}"
            judged(await client.http.patch(address, json={"Phone": "1"}, headers=headers), condition.encode())
    await alive(client)


async def test_damaged_soap_and_bulk_xml(client: Client) -> None:
    rng = random.Random(4)
    soap = SOAP.replace(b"\nTOKEN", client.token.encode())
    job = b"<jobInfo><operation>insert</operation><object>Account</object><contentType>CSV</contentType>"
    job += b"</jobInfo>"
    session = {"X-SFDC-Session": client.token, "Content-Type": "application/xml"}
    for _ in range(ROUNDS * 2):
        answer = await client.http.post("/services/Soap/u/62.0", content=damaged(soap, rng))
        assert answer.status_code == 200 or "exceptionCode>" in answer.text
        assert "UNKNOWN_EXCEPTION" not in answer.text
        answer = await client.http.post(
            "/services/async/60.0/job", content=damaged(job, rng), headers=session
        )
        assert answer.status_code == 201 or "exceptionCode>" in answer.text, answer.text
    await alive(client)


async def test_damaged_uploads_end_as_failed_or_in_rows(client: Client) -> None:
    rng = random.Random(5)
    kinds = {
        "CSV": ("text/csv", b'Name,Phone,Credit_Limit__c,Account.x\n"A ""x""",1,5\nB,#N/A,\n'),
        "JSON": (
            "application/json",
            b'[{"Name": "A", "Credit_Limit__c": 5.5}, {"Name": null, "Phone": "1"}]',
        ),
        "XML": ("application/xml", b"<sObjects><sObject><Name>A</Name></sObject><sObject/></sObjects>"),
    }
    session = {"X-SFDC-Session": client.token, "Content-Type": "application/json"}
    for content, (kind, data) in kinds.items():
        body = json.dumps({"operation": "insert", "object": "Account", "contentType": content})
        made = await client.http.post("/services/async/60.0/job", content=body, headers=session)
        path = f"/services/async/60.0/job/{made.json()['id']}/batch"
        for _ in range(ROUNDS):
            await client.http.post(
                path, content=damaged(data, rng), headers={**session, "Content-Type": kind}
            )
        async with asyncio.timeout(20):
            while True:
                states = {
                    each["state"]
                    for each in (await client.http.get(path, headers=session)).json()["batchInfo"]
                }
                if states <= {"Completed", "Failed"}:
                    break
        assert "Failed" in states
    await alive(client)


async def test_damaged_sign_ins(client: Client) -> None:
    rng = random.Random(6)
    details = client.details
    form = (
        f"grant_type=client_credentials&client_id={details.client_id}&client_secret={details.client_secret}"
        "&assertion=a.b.c&username=x&password=y"
    ).encode()
    for at in range(ROUNDS):
        sent = damaged(form, rng)
        if at % 2:
            sent = sent.replace(b"client_credentials", b"urn:ietf:params:oauth:grant-type:jwt-bearer")
        answer = await client.http.post(
            "/services/oauth2/token", content=sent, headers={"Authorization": "Basic ?" + "?" * at}
        )
        assert answer.status_code in (200, 400), answer.text
        assert answer.status_code == 200 or answer.json()["error"]
    await alive(client)


async def test_damaged_http(client: Client) -> None:
    rng = random.Random(7)
    host, _, port = client.details.http.removeprefix("http://").partition(":")
    good = f"GET {BASE}/limits HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {client.token}\r\n".encode()
    for _ in range(ROUNDS):
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(damaged(good + b"Transfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n0\r\n\r\n", rng))
        writer.write_eof()
        async with asyncio.timeout(20):
            answer = await reader.read(64)
        assert not answer.startswith(b"HTTP/1.1 500")
        writer.close()
        await writer.wait_closed()
    await alive(client)


async def test_damaged_rpc_messages_and_payloads(client: Client) -> None:
    rng = random.Random(8)
    fetch = pb.FetchRequest(
        topic_name=ACCOUNT, num_requested=5, replay_preset=pb.CUSTOM, replay_id=b"\0" * 10
    )
    info = await client.stub.GetTopic(pb.TopicRequest(topic_name=NOTICE), metadata=client.metadata())
    out = io.BytesIO()
    schema = fastavro.parse_schema(dict(await client.schema(info.schema_id)))
    body = {"CreatedDate": 1, "CreatedById": "x", "Document__c": "D", "Severity__c": 1.5, "Message__c": "m"}
    fastavro.schemaless_writer(out, schema, body)
    messages = {
        "Subscribe": fetch.SerializeToString(),
        "ManagedSubscribe": pb.ManagedFetchRequest(developer_name="x", num_requested=1).SerializeToString(),
        "GetTopic": pb.TopicRequest(topic_name=ACCOUNT).SerializeToString(),
        "GetSchema": pb.SchemaRequest(schema_id=info.schema_id).SerializeToString(),
    }
    codes: set[grpc.StatusCode] = set()
    for _ in range(ROUNDS):
        for name, message in messages.items():
            make = client.channel.stream_stream if "Subscribe" in name else client.channel.unary_unary
            call = make(f"/eventbus.v1.PubSub/{name}")
            sent = damaged(message, rng)
            try:
                if "Subscribe" in name:
                    stream = call(iter([sent]), metadata=client.metadata(), timeout=20)
                    await stream.read()
                    stream.cancel()
                else:
                    await call(sent, metadata=client.metadata(), timeout=20)
            except grpc.aio.AioRpcError as error:
                codes.add(error.code())
        event = pb.ProducerEvent(
            id=str(uuid.UUID(int=rng.getrandbits(128))),
            schema_id=info.schema_id,
            payload=damaged(out.getvalue(), rng),
        )
        request = pb.PublishRequest(topic_name=NOTICE, events=[event])
        answer = await client.stub.Publish(request, metadata=client.metadata())
        assert answer.results[0].HasField("error") or len(answer.results[0].replay_id) == 10
    assert grpc.StatusCode.INTERNAL in codes
    assert grpc.StatusCode.UNKNOWN not in codes
    await alive(client)


async def test_bodies_made_to_exhaust(client: Client) -> None:
    headers = {"Authorization": f"Bearer {client.token}"}
    for body in (b"[" * 100_000, b'{"a":' * 50_000, b"9" * 6000, b'{"AnnualRevenue": 1e400000}', b"\xff"):
        answer = await client.http.post(f"{BASE}/sobjects/Account", content=body, headers=headers)
        judged(answer, body[:20])
        assert answer.status_code == 400
