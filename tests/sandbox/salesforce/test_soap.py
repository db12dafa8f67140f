"""The SOAP API: signing in, and what REST has no word for: undelete, merge, emptying the bin."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import httpx2

from tests.sandbox.salesforce.client import Client

PARTNER = "{urn:partner.soap.sforce.com}"
SOAP = "{http://schemas.xmlsoap.org/soap/envelope/}"


def envelope(body: str, token: str = "", header: str = "") -> bytes:
    session = f"<SessionHeader><sessionId>{token}</sessionId></SessionHeader>" if token else ""
    return (
        '<?xml version="1.0" encoding="utf-8"?><e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"'
        ' xmlns="urn:partner.soap.sforce.com" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">'
        f"<e:Header>{session}{header}</e:Header><e:Body>{body}</e:Body></e:Envelope>"
    ).encode()


async def post(client: Client, body: str, header: str = "", version: str = "62.0") -> httpx2.Response:
    content = envelope(body, client.token, header)
    return await client.http.post(f"/services/Soap/u/{version}", content=content)


async def results(client: Client, body: str, header: str = "") -> list[ET.Element]:
    answer = await post(client, body, header)
    assert answer.status_code == 200, answer.text
    return list(ET.fromstring(answer.content)[0][0])


def text(element: ET.Element, name: str) -> str:
    found = element.find(f"{PARTNER}{name}")
    return "" if found is None else found.text or ""


def login(client: Client, password: str) -> str:
    name = client.details.username
    return f"<login><username>{name}</username><password>{password}</password></login>"


ENDINGS: list[str] = ["", "/", "/00D5g0000000000"]


async def test_login_answers_in_the_order_that_clients_count_on(client: Client) -> None:
    for ending in ENDINGS:
        path = f"/services/Soap/u/62.0{ending}"
        answer = await client.http.post(path, content=envelope(login(client, client.details.password)))
        result = ET.fromstring(answer.content)[0][0][0]
        names = [each.tag.removeprefix(PARTNER) for each in result]
        assert names[3:7] == ["serverUrl", "sessionId", "userId", "userInfo"]
        assert (result[3].text or "").startswith(f"{client.details.http}/services/Soap/u/62.0/")
        assert (result[4].text or "").startswith(client.details.org_id[:15] + "!")
        assert (result[6][8].tag, result[6][8].text) == (f"{PARTNER}organizationId", client.details.org_id)


async def test_a_wrong_password_is_a_login_fault(client: Client) -> None:
    answer = await client.http.post("/services/Soap/u/62.0", content=envelope(login(client, "x")))
    assert answer.status_code == 500
    fault = ET.fromstring(answer.content)[0][0]
    assert fault.findtext("faultcode", "") == "" or "INVALID_LOGIN" in answer.text
    assert "<sf:exceptionCode>INVALID_LOGIN</sf:exceptionCode>" in answer.text


async def test_a_session_of_soap_works_in_rest_and_ends_with_logout(client: Client) -> None:
    answer = await client.http.post(
        "/services/Soap/u/62.0", content=envelope(login(client, client.details.password))
    )
    client.token = ET.fromstring(answer.content)[0][0][0][4].text or ""
    assert (await client.call("GET", "limits")).status_code == 200
    [info] = await results(client, "<getUserInfo/>")
    assert text(info, "userName") == client.details.username
    [stamp] = await results(client, "<getServerTimestamp/>")
    assert text(stamp, "timestamp").endswith("Z")
    await post(client, "<logout/>")
    assert (await client.call("GET", "limits")).status_code == 401
    assert "INVALID_SESSION_ID" in (await post(client, "<getUserInfo/>")).text


async def test_records_are_written_with_errors_per_item(empty: Client) -> None:
    body = (
        "<create><sObjects><type>Account</type><Name>A &amp; B</Name><Order_Block__c>true</Order_Block__c>"
        "</sObjects><sObjects><type>Account</type><Phone>1</Phone></sObjects></create>"
    )
    good, bad = await results(empty, body, "<CallOptions><client>erp</client></CallOptions>")
    assert (text(good, "success"), text(bad, "success")) == ("true", "false")
    assert text(bad.find(f"{PARTNER}errors") or bad, "statusCode") == "REQUIRED_FIELD_MISSING"
    identifier = text(good, "id")
    update = (
        f"<update><sObjects><type>Account</type><fieldsToNull>Fax</fieldsToNull><Id>{identifier}</Id>"
        "<Phone>2</Phone></sObjects></update>"
    )
    assert text((await results(empty, update))[0], "success") == "true"
    [_, event] = await empty.events(2)
    assert event.header["changeOrigin"] == "com/salesforce/api/soap/62.0"
    assert event.body["Phone"] == "2"
    first, _ = await empty.events(2)
    assert first.header["changeOrigin"] == "com/salesforce/api/soap/62.0;client=erp"


async def test_upsert_tells_what_it_created(empty: Client) -> None:
    body = (
        "<upsert><externalIDFieldName>Isthmus_Id__c</externalIDFieldName><sObjects><type>Account</type>"
        "<Isthmus_Id__c>s-1</Isthmus_Id__c><Name>N</Name></sObjects></upsert>"
    )
    assert text((await results(empty, body))[0], "created") == "true"
    assert text((await results(empty, body))[0], "created") == "false"


async def test_all_or_none_rolls_back(empty: Client) -> None:
    body = (
        "<create><sObjects><type>Account</type><Name>A</Name></sObjects>"
        "<sObjects><type>Account</type></sObjects></create>"
    )
    header = "<AllOrNoneHeader><allOrNone>true</allOrNone></AllOrNoneHeader>"
    found = await results(empty, body, header)
    assert [text(each, "success") for each in found] == ["false", "false"]
    assert (await empty.query("SELECT COUNT() FROM Account"))["totalSize"] == 0


async def test_deleted_records_come_back_with_their_children(empty: Client) -> None:
    account = await empty.create(Name="A")
    contact = await empty.create("Contact", LastName="B", AccountId=account)
    assert (await empty.call("DELETE", f"sobjects/Account/{account}")).status_code == 204
    assert (await empty.call("GET", f"sobjects/Contact/{contact}")).status_code == 404
    [result] = await results(empty, f"<undelete><ids>{account}</ids></undelete>")
    assert text(result, "success") == "true"
    row = (await empty.call("GET", f"sobjects/Contact/{contact}")).json()
    assert row["AccountId"] == account
    kinds = [event.header["changeType"] for event in await empty.events(6)]
    assert kinds == ["CREATE", "CREATE", "DELETE", "DELETE", "UNDELETE", "UNDELETE"]


async def test_lookups_that_a_delete_cleared_come_back_with_the_undelete(empty: Client) -> None:
    parent, child = await empty.create(Name="P"), await empty.create(Name="C")
    await empty.update(child, ParentId=parent)
    await empty.call("DELETE", f"sobjects/Account/{parent}")
    assert (await empty.call("GET", f"sobjects/Account/{child}")).json()["ParentId"] is None
    await results(empty, f"<undelete><ids>{parent}</ids></undelete>")
    assert (await empty.call("GET", f"sobjects/Account/{child}")).json()["ParentId"] == parent


async def test_a_merge_moves_children_and_leaves_the_losers_with_their_master(empty: Client) -> None:
    master = await empty.create(Name="Master")
    loser = await empty.create(Name="Loser", Phone="7")
    contact = await empty.create("Contact", LastName="B", AccountId=loser)
    invoice = await empty.create("Invoice__c", Account__c=loser)
    body = (
        f"<merge><request><masterRecord><type>Account</type><Id>{master}</Id><Phone>7</Phone></masterRecord>"
        f"<recordToMergeIds>{loser}</recordToMergeIds></request></merge>"
    )
    [result] = await results(empty, body)
    assert text(result, "id") == master
    assert text(result, "mergedRecordIds") == loser
    moved = {each.text for each in result.findall(f"{PARTNER}updatedRelatedIds")}
    assert moved == {contact, invoice}
    assert (await empty.call("GET", f"sobjects/Contact/{contact}")).json()["AccountId"] == master
    gone = await empty.query(f"SELECT MasterRecordId FROM Account WHERE Id = '{loser}'", "queryAll")
    assert gone["records"][0]["MasterRecordId"] == master
    events = (await empty.events(8))[4:]
    told = [(event.header["entityName"], event.header["changeType"]) for event in events]
    assert told == [
        ("Account", "UPDATE"),
        ("Contact", "UPDATE"),
        ("Invoice__c", "UPDATE"),
        ("Account", "DELETE"),
    ]
    assert len({event.header["transactionKey"] for event in events}) == 1
    assert [event.header["sequenceNumber"] for event in events] == [1, 2, 3, 4]


async def test_emptying_the_bin_tells_nobody(empty: Client) -> None:
    account = await empty.create(Name="A")
    await empty.call("DELETE", f"sobjects/Account/{account}")
    [result] = await results(empty, f"<emptyRecycleBin><ids>{account}</ids></emptyRecycleBin>")
    assert text(result, "success") == "true"
    assert (await empty.query("SELECT COUNT() FROM Account", "queryAll"))["totalSize"] == 0
    [undelete] = await results(empty, f"<undelete><ids>{account}</ids></undelete>")
    assert text(undelete, "success") == "false"
    await empty.create(Name="marker")
    assert [each.header["changeType"] for each in await empty.events(3)] == ["CREATE", "DELETE", "CREATE"]


async def test_queries_in_pages(empty: Client) -> None:
    await empty.create(Name="A", BillingCity="Ulm")
    [result] = await results(
        empty, "<query><queryString>SELECT Id, Name, Owner.Name FROM Account</queryString></query>"
    )
    assert (text(result, "done"), text(result, "size")) == ("true", "1")
    assert "Integration User" in ET.tostring(result, encoding="unicode")
    [row] = await results(
        empty,
        "<retrieve><fieldList>Name</fieldList><sObjectType>Account</sObjectType><ids>001000000000000AAA</ids>"
        "</retrieve>",
    )
    assert row.get("{http://www.w3.org/2001/XMLSchema-instance}nil") == "true"


NO_ENVELOPES: list[bytes] = [
    b"",
    b"no xml",
    b"<a/>",
    b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><x>&e;</x>',
    envelope(""),
    envelope("<unheardOf/>"),
    b"<a>" * 100_000,
]


async def test_what_is_no_envelope_is_a_fault(client: Client) -> None:
    for content in NO_ENVELOPES:
        answer = await client.http.post("/services/Soap/u/62.0", content=content)
        assert answer.status_code == 500
        assert "exceptionCode" in answer.text
        assert "root:" not in answer.text
