"""``isthmus check`` at Salesforce: every line says what was tried, and what to do if it failed."""

from __future__ import annotations

from email.utils import formatdate
from typing import Any

from agent.core.objects import FieldSpec, FieldType, ObjectSpec
from agent.ports import Check
from tests.salesforce.conftest import Org
from tests.salesforce.peers import Answer, Asked
from tests.salesforce.samples import ACCOUNT, TOPIC

_TYPES = {
    "Credit_Limit__c": "currency",
    "Order_Block__c": "boolean",
    "Due_Date__c": "date",
    "Paid_At__c": "datetime",
}


def described(**changes: Any) -> dict[str, dict[str, Any]]:
    names = [*(field.name for field in ACCOUNT.fields), "Isthmus_Id__c"]
    fields = {
        name: {"name": name, "type": _TYPES.get(name, "string"), "updateable": True, "createable": True}
        for name in names
    }
    fields["Isthmus_Id__c"] |= {"externalId": True, "unique": True}
    for name, change in changes.items():
        fields[name] |= change
    return fields


def serving(fields: dict[str, dict[str, Any]], usage: str = "18/15000", date: float | None = None) -> Any:
    def answer(asked: Asked) -> Answer:
        headers = {"Sforce-Limit-Info": f"api-usage={usage}", "Date": formatdate(date, usegmt=True)}
        if asked.path.endswith("/describe"):
            if "/Account/" not in asked.path:
                return (
                    404,
                    [{"errorCode": "NOT_FOUND", "message": "The requested resource does not exist"}],
                    {},
                )
            return 200, {"name": "Account", "fields": list(fields.values())}, headers
        return 200, {}, headers

    return answer


def failed(checks: Any) -> dict[str, Check]:
    return {check.name: check for check in checks if not check.ok}


async def test_everything_right(org: Org) -> None:
    org.http.answer = serving(described())
    checks = await org.connect().probe.check()
    assert failed(checks) == {}
    names = [check.name for check in checks]
    assert names[:3] == ["login", "clock", "api calls"]
    assert "object Account" in names
    assert "field Account.BillingStreet" in names
    assert "external id Account.Isthmus_Id__c" in names
    assert f"topic {TOPIC}" in names


async def test_without_a_login_there_is_only_that_check(org: Org) -> None:
    org.http.login_answer = lambda asked: (400, {"error": "invalid_client", "error_description": "no"}, {})
    (check,) = await org.connect().probe.check()
    assert (check.name, check.ok) == ("login", False)
    assert check.remedy


async def test_every_wrong_field_has_its_own_remedy(org: Org) -> None:
    fields = described(
        AccountNumber={"updateable": False},
        BillingCity={"updateable": False, "calculated": True},
        Credit_Limit__c={"type": "string"},
        Isthmus_Id__c={"unique": False},
    )
    del fields["Phone"]
    org.http.answer = serving(fields)
    wrong = failed(await org.connect().probe.check())
    assert set(wrong) == {
        "field Account.AccountNumber",
        "field Account.BillingCity",
        "field Account.Credit_Limit__c",
        "field Account.Phone",
        "external id Account.Isthmus_Id__c",
    }
    assert all(check.remedy for check in wrong.values())
    assert "edit" in wrong["field Account.AccountNumber"].remedy
    assert "not writable" in wrong["field Account.BillingCity"].remedy


async def test_fields_that_are_only_read_need_not_be_writable(org: Org) -> None:
    org.http.answer = serving(described(Phone={"updateable": False}))
    spec = ObjectSpec("Account", "Id", (FieldSpec("Phone", FieldType.TEXT, writable=False),), capture=False)
    assert failed(await org.connect(spec).probe.check()) == {}


async def test_missing_object_and_topic_are_told_and_the_rest_is_checked(org: Org) -> None:
    org.http.answer = serving(described())
    missing = ObjectSpec("Invoice__c", "Id", (FieldSpec("Name"),))
    wrong = failed(await org.connect(missing, ACCOUNT).probe.check())
    assert set(wrong) == {"object Invoice__c", "topic /data/Invoice__ChangeEvent"}
    assert "Change Data Capture" in wrong["topic /data/Invoice__ChangeEvent"].remedy


async def test_wrong_clock_and_used_up_calls_are_told(org: Org) -> None:
    org.http.answer = serving(described(), usage="14000/15000", date=1.0)
    assert set(failed(await org.connect().probe.check())) == {"clock", "api calls"}


async def test_unreachable_bus_is_one_failed_check_for_each_topic(org: Org) -> None:
    org.http.answer = serving(described())
    await org.bus.stop()
    assert set(failed(await org.connect().probe.check())) == {f"topic {TOPIC}"}
