"""Records over REST: single calls, conditions, upsert, collections and their error shapes."""

from __future__ import annotations

from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import pytest

from adapters.sandbox.salesforce.options import Options
from adapters.sandbox.salesforce.server import running
from tests.sandbox.salesforce.client import Client, codes


def typed(object_name: str = "Account", **fields: object) -> dict[str, object]:
    return {"attributes": {"type": object_name}, **fields}


async def test_created_record_reads_back_with_system_fields(empty: Client) -> None:
    identifier = await empty.create(
        Name="Ærø Værft", Credit_Limit__c=1234567890123456.78, BillingCity="Marstal"
    )
    body = (await empty.call("GET", f"sobjects/Account/{identifier}")).json()
    assert len(identifier) == 18
    assert body["Name"] == "Ærø Værft"
    assert body["BillingAddress"]["city"] == "Marstal"
    assert body["CreatedDate"].endswith(".000+0000")
    assert body["attributes"] == {
        "type": "Account",
        "url": f"/services/data/v62.0/sobjects/Account/{identifier}",
    }


async def test_rest_keeps_every_digit_of_money_that_an_event_would_lose(empty: Client) -> None:
    body = b'{"Name": "i", "Net_Amount__c": 1234567890123456.78}'
    headers = {"Authorization": f"Bearer {empty.token}"}
    answer = await empty.http.post("/services/data/v62.0/sobjects/Invoice__c", content=body, headers=headers)
    text = (await empty.call("GET", f"sobjects/Invoice__c/{answer.json()['id']}")).text
    assert '"Net_Amount__c":1234567890123456.78' in text


async def test_ids_are_taken_in_both_lengths_and_carry_their_checksum(empty: Client) -> None:
    identifier = await empty.create(Name="A")
    assert (await empty.call("GET", f"sobjects/Account/{identifier[:15]}")).json()["Id"] == identifier
    groups = (identifier[0:5], identifier[5:10], identifier[10:15])
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
    suffix = "".join(alphabet[sum(c.isupper() << i for i, c in enumerate(group))] for group in groups)
    assert identifier[15:] == suffix


async def test_blank_text_is_null_and_text_is_trimmed(empty: Client) -> None:
    identifier = await empty.create(Name="  A ", Phone="")
    body = (await empty.call("GET", f"sobjects/Account/{identifier}?fields=Name,Phone")).json()
    assert (body["Name"], body["Phone"]) == ("A", None)


@pytest.mark.parametrize(
    ("fields", "code", "named"),
    [
        ({}, "REQUIRED_FIELD_MISSING", ["Name"]),
        ({"Name": "x", "AccountNumber": "n" * 41}, "STRING_TOO_LONG", ["AccountNumber"]),
        ({"Name": "x", "Nme": "y"}, "INVALID_FIELD", ["Nme"]),
        ({"Name": "x", "CreatedDate": "2026-01-01"}, "INVALID_FIELD_FOR_INSERT_UPDATE", ["CreatedDate"]),
        ({"Name": "x", "Credit_Limit__c": 1e17}, "NUMBER_OUTSIDE_VALID_RANGE", ["Credit_Limit__c"]),
        ({"Name": "x", "Order_Block__c": "maybe"}, "JSON_PARSER_ERROR", ["Order_Block__c"]),
        ({"Name": "x", "OwnerId": "short"}, "MALFORMED_ID", ["OwnerId"]),
        ({"Name": "x", "ParentId": "001000000000000AAA"}, "INVALID_CROSS_REFERENCE_KEY", ["ParentId"]),
    ],
)
async def test_a_create_that_does_not_fit_is_refused_as_a_list(
    empty: Client, fields: dict[str, object], code: str, named: list[str]
) -> None:
    answer = await empty.call("POST", "sobjects/Account", fields)
    assert answer.status_code == 400
    assert answer.json()[0]["errorCode"] == code
    assert answer.json()[0]["fields"] == named
    log = await empty.log()
    assert log["writes"] == []
    assert log["rejected"][0]["error"] == code


async def test_ids_that_are_none_unknown_or_deleted(empty: Client) -> None:
    identifier = await empty.create(Name="A")
    assert (await empty.call("DELETE", f"sobjects/Account/{identifier}")).status_code == 204
    for path, status, code in (
        ("nonsense", 400, "MALFORMED_ID"),
        ("001000000000000AAA", 404, "NOT_FOUND"),
        (identifier, 404, "ENTITY_IS_DELETED"),
    ):
        for method, body in (("GET", None), ("PATCH", {"Phone": "1"}), ("DELETE", None)):
            answer = await empty.call(method, f"sobjects/Account/{path}", body)
            assert (answer.status_code, codes(answer)) == (status, [code])


async def test_a_validation_rule_refuses_with_its_message(empty: Client) -> None:
    rule = {
        "object": "Account",
        "when": "Credit_Limit__c > 1000",
        "message": "too much",
        "field": "Credit_Limit__c",
    }
    await empty.control("validations", rule)
    answer = await empty.call("POST", "sobjects/Account", {"Name": "A", "Credit_Limit__c": 1001})
    assert answer.json() == [
        {
            "message": "too much",
            "errorCode": "FIELD_CUSTOM_VALIDATION_EXCEPTION",
            "fields": ["Credit_Limit__c"],
        }
    ]


async def test_condition_has_second_granularity_so_a_write_within_it_passes_unseen(empty: Client) -> None:
    await empty.control("clock", {"freeze": "2026-05-05T12:00:00Z"})
    await empty.sign_in()
    identifier = await empty.create(Name="A")
    read = await empty.call("GET", f"sobjects/Account/{identifier}")
    condition = {"If-Unmodified-Since": read.headers["Date"]}
    assert condition["If-Unmodified-Since"] == "Tue, 05 May 2026 12:00:00 GMT"
    await empty.control("clock", {"advance": 0.5})
    await empty.update(identifier, Phone="lost")
    path = f"sobjects/Account/{identifier}"
    assert (await empty.call("PATCH", path, {"Phone": "ours"}, condition)).status_code == 204
    await empty.control("clock", {"advance": 1})
    await empty.update(identifier, Phone="theirs")
    refused = await empty.call("PATCH", path, {"Phone": "ours"}, condition)
    assert (refused.status_code, codes(refused)) == (412, ["PRECONDITION_FAILED"])
    assert (await empty.call("GET", path)).json()["Phone"] == "theirs"


async def test_unreadable_condition_on_a_write_is_refused(empty: Client) -> None:
    identifier = await empty.create(Name="A")
    condition = {"If-Unmodified-Since": "yesterday"}
    answer = await empty.call("PATCH", f"sobjects/Account/{identifier}", {"Phone": "1"}, condition)
    assert answer.status_code == 400


async def test_entity_tags_exist_on_account_rows_only(empty: Client) -> None:
    account = await empty.create(Name="A")
    invoice = await empty.create("Invoice__c", Name="i")
    read = await empty.call("GET", f"sobjects/Account/{account}")
    assert "ETag" not in (await empty.call("GET", f"sobjects/Invoice__c/{invoice}")).headers
    await empty.update(account, Phone="1")
    stale = {"If-Match": read.headers["ETag"]}
    assert (
        await empty.call("PATCH", f"sobjects/Account/{account}", {"Phone": "2"}, stale)
    ).status_code == 412


async def test_unchanged_since_answers_304(empty: Client) -> None:
    identifier = await empty.create(Name="A")
    date = (await empty.call("GET", "limits")).headers["Date"]
    answer = await empty.call("GET", f"sobjects/Account/{identifier}", headers={"If-Modified-Since": date})
    assert answer.status_code == 304


async def test_upsert_creates_once_and_then_updates(empty: Client) -> None:
    path = "sobjects/Account/Isthmus_Id__c/a%2F1"
    first = await empty.call("PATCH", path, {"Name": "A"})
    again = await empty.call("PATCH", path, {"Phone": "1"})
    assert (first.status_code, first.json()["created"]) == (201, True)
    assert (again.status_code, again.json()) == (
        200,
        {"id": first.json()["id"], "success": True, "errors": [], "created": False},
    )
    row = (await empty.call("GET", path)).json()
    assert (row["Isthmus_Id__c"], row["Phone"]) == ("a/1", "1")
    headers = {"Authorization": f"Bearer {empty.token}"}
    old = await empty.http.patch(f"/services/data/v45.0/{path}", json={"Phone": "2"}, headers=headers)
    assert old.status_code == 204


async def test_upsert_refuses_the_external_id_in_the_body(empty: Client) -> None:
    answer = await empty.call(
        "PATCH", "sobjects/Account/Isthmus_Id__c/x", {"Name": "A", "Isthmus_Id__c": "x"}
    )
    assert codes(answer) == ["INVALID_FIELD"]


async def test_upsert_by_a_field_that_is_no_external_id_is_not_found(empty: Client) -> None:
    answer = await empty.call("PATCH", "sobjects/Account/Phone/x", {"Name": "A"})
    assert (answer.status_code, codes(answer)) == (404, ["NOT_FOUND"])


async def test_upsert_with_several_matches_answers_300_with_their_addresses(empty: Client) -> None:
    field = {"object": "Account", "name": "Legacy__c", "external_id": True}
    await empty.control("fields", field)
    ids = [await empty.create(Name=name, Legacy__c="L1") for name in "AB"]
    answer = await empty.call("PATCH", "sobjects/Account/Legacy__c/L1", {"Phone": "1"})
    assert answer.status_code == 300
    assert [each.rsplit("/", 1)[1] for each in answer.json()] == sorted(ids)


async def test_an_external_id_is_unique_without_regard_to_case(empty: Client) -> None:
    owner = await empty.create(Name="A", Isthmus_Id__c="abc")
    answer = await empty.call("POST", "sobjects/Account", {"Name": "B", "Isthmus_Id__c": "ABC"})
    assert codes(answer) == ["DUPLICATE_VALUE"]
    assert owner[:15] in answer.json()[0]["message"]


async def test_a_parent_is_named_by_its_external_id(empty: Client) -> None:
    account = await empty.create(Name="A", Isthmus_Id__c="c-1")
    body = {"Invoice_Number__c": "90000001", "Account__r": {"Isthmus_Id__c": "c-1"}}
    answer = await empty.call("PATCH", "sobjects/Invoice__c/Isthmus_Id__c/i-1", body)
    row = (await empty.call("GET", f"sobjects/Invoice__c/{answer.json()['id']}")).json()
    assert row["Account__c"] == account
    missing = await empty.call("POST", "sobjects/Invoice__c", {"Account__r": {"Isthmus_Id__c": "c-2"}})
    assert codes(missing) == ["INVALID_FIELD"]


async def test_collection_keeps_order_and_names_errors_per_item_by_status_code(empty: Client) -> None:
    records = [typed(Name="A"), typed(Phone="1"), typed(Name="C")]
    answer = await empty.call("POST", "composite/sobjects", {"records": records})
    assert answer.status_code == 200
    good, bad, last = answer.json()
    assert (good["success"], bad["success"], last["success"]) == (True, False, True)
    assert bad["errors"][0]["statusCode"] == "REQUIRED_FIELD_MISSING"
    assert "errorCode" not in bad["errors"][0]


async def test_collection_of_all_or_none_rolls_back_everything(empty: Client) -> None:
    body = {"allOrNone": True, "records": [typed(Name="A"), typed(Phone="1")]}
    good, bad = (await empty.call("POST", "composite/sobjects", body)).json()
    assert good["errors"][0]["statusCode"] == "ALL_OR_NONE_OPERATION_ROLLED_BACK"
    assert bad["errors"][0]["statusCode"] == "REQUIRED_FIELD_MISSING"
    assert (await empty.query("SELECT COUNT() FROM Account"))["totalSize"] == 0
    log = await empty.log()
    assert log["writes"] == []
    assert {each["error"] for each in log["rejected"]} == {
        "REQUIRED_FIELD_MISSING",
        "ALL_OR_NONE_OPERATION_ROLLED_BACK",
    }


async def test_collection_updates_upserts_deletes_and_retrieves(empty: Client) -> None:
    ids = [await empty.create(Name=name) for name in "AB"]
    update = {"records": [typed(id=ids[0], Phone="1"), typed(id="001000000000000AAA", Phone="2")]}
    done, unknown = (await empty.call("PATCH", "composite/sobjects", update)).json()
    assert done == {"id": ids[0], "success": True, "errors": []}
    assert unknown["errors"][0]["statusCode"] == "INVALID_CROSS_REFERENCE_KEY"
    await empty.create(Name="O", Isthmus_Id__c="o")
    upsert = {"records": [typed(Isthmus_Id__c="n", Name="N"), typed(Isthmus_Id__c="o", Phone="9")]}
    results = (await empty.call("PATCH", "composite/sobjects/Account/Isthmus_Id__c", upsert)).json()
    assert [each["created"] for each in results] == [True, False]
    gone = (await empty.call("DELETE", f"composite/sobjects?ids={ids[1]}&allOrNone=true")).json()
    assert gone == [{"id": ids[1], "success": True, "errors": []}]
    wanted = {"ids": ids, "fields": ["Id", "Phone"]}
    rows = (await empty.call("POST", "composite/sobjects/Account", wanted)).json()
    assert rows[0]["Phone"] == "1"
    assert rows[1] is None


async def test_collection_takes_two_hundred_and_no_more(empty: Client) -> None:
    records: list[Any] = [typed(Name=str(number)) for number in range(201)]
    answer = await empty.call("POST", "composite/sobjects", {"records": records})
    assert codes(answer) == ["EXCEEDED_ID_LIMIT"]
    assert len((await empty.call("POST", "composite/sobjects", {"records": records[:200]})).json()) == 200
    assert len({each["transaction"] for each in (await empty.log())["writes"]}) == 1


async def test_updated_and_deleted_list_ids_and_the_date_they_cover(empty: Client) -> None:
    await empty.control("clock", {"freeze": "2026-05-05T12:00:30Z"})
    await empty.sign_in()
    kept, gone = [await empty.create(Name=name) for name in "AB"]
    await empty.call("DELETE", f"sobjects/Account/{gone}")
    await empty.control("clock", {"advance": 90})
    span = "?start=2026-05-05T11:00:00Z&end=2026-05-05T12:30:00Z"
    updated = (await empty.call("GET", f"sobjects/Account/updated{span}")).json()
    deleted = (await empty.call("GET", f"sobjects/Account/deleted/{span}")).json()
    assert updated == {"ids": [kept], "latestDateCovered": "2026-05-05T12:02:00.000+0000"}
    assert [each["id"] for each in deleted["deletedRecords"]] == [gone]
    assert deleted["earliestDateAvailable"] < deleted["latestDateCovered"]


async def test_describe_tells_types_lengths_and_external_ids(empty: Client) -> None:
    overview = (await empty.call("GET", "sobjects")).json()
    assert {"Account", "Contact", "Invoice__c", "User"} <= {each["name"] for each in overview["sobjects"]}
    described = (await empty.call("GET", "sobjects/Account/describe")).json()
    fields = {each["name"]: each for each in described["fields"]}
    assert fields["Isthmus_Id__c"]["externalId"] is True
    assert fields["AccountNumber"]["length"] == 40
    assert fields["Credit_Limit__c"]["type"] == "currency"
    assert fields["CreatedDate"]["updateable"] is False
    assert described["keyPrefix"] == "001"
    assert (await empty.call("GET", "sobjects/Nothing/describe")).status_code == 404


async def test_versions_are_listed_and_unknown_ones_not_found(empty: Client) -> None:
    versions = (await empty.http.get("/services/data/")).json()
    assert {"label", "url", "version"} <= set(versions[-1])
    headers = {"Authorization": f"Bearer {empty.token}"}
    answer = await empty.http.get("/services/data/v99.0/limits", headers=headers)
    assert (answer.status_code, codes(answer)) == (404, ["NOT_FOUND"])


async def test_every_answer_tells_the_limit_and_the_time(empty: Client) -> None:
    answer = await empty.call("GET", "limits")
    used, allowed = answer.headers["Sforce-Limit-Info"].removeprefix("api-usage=").split("/")
    assert int(allowed) - int(used) == answer.json()["DailyApiRequests"]["Remaining"]
    assert parsedate_to_datetime(answer.headers["Date"]).tzinfo is not None


async def test_the_allowance_runs_out_and_rolls_on(empty: Client) -> None:
    await empty.http.post("/_sandbox/calls", json={"used": 99, "limit": 100, "app_used": 4, "app_limit": 250})
    answer = await empty.call("GET", "limits")
    assert answer.headers["Sforce-Limit-Info"] == (
        "api-usage=100/100; per-app-api-usage=5/250(appName=isthmus)"
    )
    refused = await empty.call("GET", "limits")
    assert (refused.status_code, codes(refused)) == (403, ["REQUEST_LIMIT_EXCEEDED"])
    assert "TotalRequests" in refused.json()[0]["message"]
    await empty.http.post("/_sandbox/clock", json={"advance": 24 * 3600})
    ended = await empty.call("GET", "limits")
    assert ended.headers["Sforce-Limit-Info"] == "api-usage=0/100; per-app-api-usage=0/250(appName=isthmus)"


async def test_an_allowance_is_made_of_whole_numbers(empty: Client) -> None:
    for body in ({"used": -1}, {"used": "1"}, {"user": 1}):
        assert (await empty.http.post("/_sandbox/calls", json=body)).status_code == 400


async def test_the_log_tells_who_wrote_what(empty: Client) -> None:
    identifier = await empty.create(Name="A")
    await empty.update(identifier, client="isthmus", Phone="1")
    created, updated = (await empty.log())["writes"]
    assert (created["operation"], created["fields"], created["client"]) == ("create", {"Name": "A"}, "")
    assert (updated["operation"], updated["id"], updated["client"]) == ("update", identifier, "isthmus")
    assert updated["fields"] == {"Phone": "1"}
    assert created["n"] < updated["n"]


async def test_seeded_customers_are_numbered_and_unknown_to_the_agent(client: Client) -> None:
    text = "SELECT Name, AccountNumber, Phone, Credit_Limit__c, Isthmus_Id__c FROM Account"
    rows = (await client.query(text))["records"]
    assert [each["AccountNumber"] for each in rows] == ["C-000001", "C-000002", "C-000003"]
    assert all(each["Name"] and each["Phone"] for each in rows)
    assert {(each["Credit_Limit__c"], each["Isthmus_Id__c"]) for each in rows} == {(None, None)}


async def test_the_same_seed_makes_the_same_org(key_folder: Path) -> None:
    async def customers(seed: int) -> object:
        options = Options(accounts=40, seed=seed, state_dir=key_folder)
        async with running(options) as details, Client(details) as client:
            return details.org_id, (await client.query("SELECT Id, Name, Phone FROM Account"))["records"]

    assert await customers(7) == await customers(7)
    assert await customers(7) != await customers(8)
