"""simple-salesforce: three ways to sign in, records, queries, collections, composite calls, both bulk
APIs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from simple_salesforce.api import Salesforce
from simple_salesforce.exceptions import (
    SalesforceAuthenticationFailed,
    SalesforceExpiredSession,
    SalesforceMalformedRequest,
    SalesforceMoreThanOneRecord,
    SalesforceResourceNotFound,
)
from simple_salesforce.format import format_soql
from simple_salesforce.login import SalesforceLogin

from tests.conformance.place import Place


@pytest.fixture
def sf(place: Place) -> Iterator[Any]:
    """Signed in with a JWT over TLS."""
    with place.session() as session:
        yield Salesforce(
            username=place.username,
            consumer_key=place.client_id,
            privatekey_file=place.jwt_key_file,
            session=session,
            version="62.0",
        )


def test_a_jwt_signs_in(sf: Any, place: Place) -> None:
    assert sf.session_id.startswith(place.org_id[:15])
    assert f"https://{sf.sf_instance}" == place.https


def test_a_jwt_signed_with_another_key_does_not(place: Place, tmp_path: Path) -> None:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (tmp_path / "key").write_bytes(rsa.generate_private_key(65537, 2048).private_bytes(*form))
    with place.session() as session, pytest.raises(SalesforceAuthenticationFailed, match="invalid_grant"):
        Salesforce(
            username=place.username,
            consumer_key=place.client_id,
            privatekey_file=str(tmp_path / "key"),
            session=session,
        )


def test_client_credentials_sign_in(place: Place) -> None:
    with place.session() as session:
        sf: Any = Salesforce(
            consumer_key=place.client_id,
            consumer_secret=place.client_secret,
            domain="sandbox.my",
            session=session,
        )
        assert sf.query("SELECT COUNT() FROM Account")["totalSize"] >= 30


def test_user_name_and_password_sign_in_by_soap(place: Place) -> None:
    with place.session() as session:
        sf = Salesforce(username=place.username, password=place.password, security_token="", session=session)
        assert sf.sf_instance == place.https.removeprefix("https://")
    session_id, instance = SalesforceLogin(
        username=place.username, password=place.password, security_token="", scratch_url=place.http
    )
    assert session_id.startswith(place.org_id[:15])
    assert instance == place.http.removeprefix("http://")


def test_a_wrong_password_is_a_soap_fault_that_it_understands(place: Place) -> None:
    with place.session() as session, pytest.raises(SalesforceAuthenticationFailed, match="INVALID_LOGIN"):
        Salesforce(username=place.username, password="wrong", security_token="", session=session)


def test_a_revoked_token_is_an_expired_session(place: Place) -> None:
    token = place.token()
    with place.session() as session:
        sf: Any = Salesforce(session_id=token, instance_url=place.https, session=session)
        assert sf.query("SELECT Id FROM Account LIMIT 1")["totalSize"] == 1
        session.post(f"{place.https}/services/oauth2/revoke", data={"token": token})
        with pytest.raises(SalesforceExpiredSession):
            sf.query("SELECT Id FROM Account")


def test_records_are_created_read_changed_and_deleted(sf: Any) -> None:
    made = sf.Account.create({"Name": "Zoë & Söhne <GmbH>", "Credit_Limit__c": 1000.5})
    assert made["success"] is True
    row = sf.Account.get(made["id"])
    assert (row["Name"], row["Credit_Limit__c"]) == ("Zoë & Söhne <GmbH>", 1000.5)
    assert sf.Account.update(made["id"], {"Phone": "1"}) == 204
    assert sf.Account.delete(made["id"]) == 204
    with pytest.raises(SalesforceResourceNotFound):
        sf.Account.get(made["id"])


def test_external_ids_find_and_upsert(sf: Any, place: Place) -> None:
    assert sf.Account.upsert("Isthmus_Id__c/ss-1", {"Name": "A"}) == 201
    assert sf.Account.upsert("Isthmus_Id__c/ss-1", {"Phone": "2"}) == 200
    assert sf.Account.get_by_custom_id("Isthmus_Id__c", "ss-1")["Phone"] == "2"
    for _ in range(2):
        sf.Contact.create({"LastName": "Twin", "Legacy_Number__c": "same"})
    with pytest.raises(SalesforceMoreThanOneRecord):
        sf.Contact.upsert("Legacy_Number__c/same", {"Phone": "1"})


def test_a_refusal_keeps_its_code(sf: Any) -> None:
    with pytest.raises(SalesforceMalformedRequest, match="REQUIRED_FIELD_MISSING"):
        sf.Account.create({"Phone": "1"})


def test_describe_and_limits(sf: Any) -> None:
    names = {each["name"] for each in sf.describe()["sobjects"]}
    assert {"Account", "Contact", "Order", "Invoice__c"} <= names
    fields = {each["name"]: each for each in sf.Account.describe()["fields"]}
    assert [each["value"] for each in fields["Tier__c"]["picklistValues"]] == ["Gold", "Silver", "Bronze"]
    assert sf.Account.metadata()["objectDescribe"]["keyPrefix"] == "001"
    assert sf.limits()["DailyApiRequests"]["Max"] > 0
    assert sf.api_usage["api-usage"].used > 0


def test_changed_and_deleted_lists(sf: Any) -> None:
    import datetime

    now = datetime.datetime.now(datetime.UTC)
    start, end = now - datetime.timedelta(hours=3), now + datetime.timedelta(minutes=2)
    assert len(sf.Account.updated(start, end)["ids"]) >= 30
    assert "latestDateCovered" in sf.Account.deleted(start, end)


def test_queries_page_by_page(sf: Any) -> None:
    rows = sf.query_all(
        "SELECT Name, (SELECT LastName FROM Contacts) FROM Account WHERE AccountNumber LIKE 'C-%'"
    )
    assert rows["totalSize"] == 30 == len(rows["records"])
    assert all(each["Contacts"]["totalSize"] >= 1 for each in rows["records"])
    names = [each["Name"] for each in sf.query_all_iter("SELECT Name FROM Account ORDER BY Name")]
    assert len(names) >= 30
    [total] = sf.query("SELECT COUNT(Id) total FROM Account WHERE AccountNumber LIKE 'C-%'")["records"]
    assert total["total"] == 30


def test_formatted_text_and_toolings(sf: Any) -> None:
    text = format_soql("SELECT Id FROM Account WHERE Name = {}", 'O\'Brien \\ "x"')
    assert sf.query(text)["totalSize"] == 0
    assert sf.toolingexecute("query?q=SELECT+Id+FROM+ManagedEventSubscription")["size"] == 0


def test_composite_calls_by_rest_path(sf: Any) -> None:
    body: dict[str, Any] = {
        "allOrNone": True,
        "compositeRequest": [
            {
                "method": "POST",
                "url": "/services/data/v62.0/sobjects/Account",
                "referenceId": "parent",
                "body": {"Name": "Composite"},
            },
            {
                "method": "POST",
                "url": "/services/data/v62.0/sobjects/Contact",
                "referenceId": "child",
                "body": {"LastName": "Part", "AccountId": "@{parent.id}"},
            },
        ],
    }
    parts = sf.restful("composite", method="POST", data=json.dumps(body))["compositeResponse"]
    assert [each["httpStatusCode"] for each in parts] == [201, 201]
    rows = sf.query(f"SELECT Account.Name FROM Contact WHERE Id = '{parts[1]['body']['id']}'")["records"]
    assert rows[0]["Account"]["Name"] == "Composite"


def test_bulk_one_in_json(sf: Any) -> None:
    rows = [{"Name": f"bulk {n}", "Isthmus_Id__c": f"b1-{n}"} for n in range(5)] + [{"Phone": "no name"}]
    done = sf.bulk.Account.insert(rows, batch_size=3)
    assert [each["success"] for each in done] == [True] * 5 + [False]
    assert done[5]["errors"][0]["statusCode"] == "REQUIRED_FIELD_MISSING"
    again = sf.bulk.Account.upsert([{"Isthmus_Id__c": "b1-0", "Phone": "7"}], "Isthmus_Id__c")
    assert (again[0]["success"], again[0]["created"]) == (True, False)
    found = sf.bulk.Account.query("SELECT Id, Name FROM Account WHERE Isthmus_Id__c LIKE 'b1-%'")
    assert len(found) == 5
    gone = sf.bulk.Account.delete([{"Id": each["Id"]} for each in found])
    assert all(each["success"] for each in gone)


def test_bulk_two_ingests_and_queries_with_locators(sf: Any) -> None:
    records = [{"Name": f"zwei {n}", "Isthmus_Id__c": f"b2-{n}"} for n in range(450)] + [
        {"Name": "", "Isthmus_Id__c": "b2-none"}
    ]
    [done] = sf.bulk2.Account.insert(records=records, wait=0.05)
    assert (done["numberRecordsTotal"], done["numberRecordsFailed"]) == (451, 1)
    failed = sf.bulk2.Account.get_failed_records(done["job_id"])
    assert "REQUIRED_FIELD_MISSING" in failed
    assert sf.bulk2.Account.get_successful_records(done["job_id"]).count("\n") == 451
    pages = list(
        sf.bulk2.Account.query(
            "SELECT Id, Name FROM Account WHERE Isthmus_Id__c LIKE 'b2-%'", max_records=200, wait=0.05
        )
    )
    assert len(pages) == 3
    [updated] = sf.bulk2.Account.upsert(
        records=[{"Isthmus_Id__c": "b2-1", "Phone": "5"}], external_id_field="Isthmus_Id__c", wait=0.05
    )
    assert updated["numberRecordsProcessed"] == 1
    ids = [line.split(",")[0].strip('"') for page in pages for line in page.splitlines()[1:]]
    [gone] = sf.bulk2.Account.delete(records=[{"Id": each} for each in ids], wait=0.05)
    assert gone["numberRecordsFailed"] == 0
