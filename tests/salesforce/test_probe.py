"""``isthmus check`` at Salesforce: every line says what was tried, and where it is mended if it failed."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import formatdate
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from adapters.salesforce.check.reach import Reach
from adapters.salesforce.connection.http import HttpLink
from adapters.salesforce.connection.proxy import Ways
from agent.core.objects import FieldSpec, FieldType, ObjectSpec
from agent.ports import Check
from tests.salesforce.authority import Authority
from tests.salesforce.conftest import Org
from tests.salesforce.peers import Answer, Asked
from tests.salesforce.samples import ACCOUNT, TOPIC
from tests.salesforce.test_trust import SecurePeer

_TYPES = {
    "Credit_Limit__c": "currency",
    "Order_Block__c": "boolean",
    "Due_Date__c": "date",
    "Paid_At__c": "datetime",
}
_SET = "Setup > Users > Permission Sets > ERP Sync"
_FIELDS = "Setup > Object Manager > Account > Fields & Relationships"


class Vendor:
    """What the org answers; a test changes what it wants to be wrong."""

    def __init__(self) -> None:
        names = [*(field.name for field in ACCOUNT.fields), "Isthmus_Id__c"]
        self.fields: dict[str, dict[str, Any]] = {
            name: {"name": name, "type": _TYPES.get(name, "string"), "updateable": True, "createable": True}
            for name in names
        }
        self.fields["Isthmus_Id__c"] |= {"externalId": True, "unique": True, "caseSensitive": False}
        self.rights = dict.fromkeys(("queryable", "createable", "updateable", "deletable"), True)
        self.versions = ["61.0", "62.0", "66.0"]
        self.limits = {
            "DailyApiRequests": {"Max": 15000, "Remaining": 14982},
            "DailyDeliveredPlatformEvents": {"Max": 25000, "Remaining": 24000},
            "MonthlyPlatformEventsUsageEntitlement": {"Max": 0, "Remaining": 0},
        }
        self.view_all: dict[str, bool] = {"Account": True}
        self.all_data = False
        self.user: dict[str, Any] = {
            "Username": "sync@example.com",
            "IsActive": True,
            "Profile": {"Name": "Minimum Access", "UserLicense": {"Name": "Salesforce Integration"}},
        }
        self.date: float | None = None
        self.refused: dict[str, tuple[int, str]] = {}

    def __call__(self, asked: Asked) -> Answer:
        parts = urlsplit(asked.path)
        for part, (status, code) in self.refused.items():
            if part in asked.path:
                return status, [{"errorCode": code, "message": "no"}], self._headers()
        if parts.path == "/services/data":
            listed = [
                {"version": each, "label": "x", "url": f"/services/data/v{each}"} for each in self.versions
            ]
            return 200, listed, self._headers()
        if parts.path.endswith("/limits"):
            return 200, self.limits, self._headers()
        if parts.path.endswith("/Account/describe"):
            return (
                200,
                {"name": "Account", "fields": list(self.fields.values()), **self.rights},
                self._headers(),
            )
        if parts.path.endswith("/query"):
            return 200, {"records": self._records(parse_qs(parts.query)["q"][0])}, self._headers()
        return 404, [{"errorCode": "NOT_FOUND", "message": "The requested resource does not exist"}], {}

    def _records(self, query: str) -> list[dict[str, Any]]:
        if " FROM ObjectPermissions " in query:
            return [
                {
                    "SobjectType": name,
                    "PermissionsViewAllRecords": given,
                    "PermissionsModifyAllRecords": False,
                }
                for name, given in self.view_all.items()
                if f"'{name}'" in query
            ]
        if " FROM PermissionSetAssignment " in query:
            rights = {"PermissionsViewAllData": self.all_data, "PermissionsModifyAllData": False}
            return [
                {"PermissionSet": {"Label": "Minimum Access", "IsOwnedByProfile": True, **rights}},
                {"PermissionSet": {"Label": "ERP Sync", "IsOwnedByProfile": False, **rights}},
            ]
        return [self.user] if " FROM User " in query else []

    def _headers(self) -> dict[str, str]:
        return {"Date": formatdate(self.date, usegmt=True)}


@pytest.fixture
def vendor(org: Org) -> Vendor:
    vendor = Vendor()
    org.http.answer = vendor
    return vendor


def failed(checks: Any) -> dict[str, Check]:
    return {check.name: check for check in checks if not check.ok}


async def wrong(org: Org, *objects: ObjectSpec, **changes: Any) -> dict[str, Check]:
    """The failed checks of a system."""
    return failed(await org.connect(*objects, **changes).probe.check())


async def test_everything_right(org: Org, vendor: Vendor) -> None:
    checks = await org.connect().probe.check()
    assert failed(checks) == {}
    told = [(check.name, check.detail) for check in checks if check.name != "clock"]
    assert told == [
        ("login", f"org 00D000000000001EAA at {org.http.url}"),
        ("user", "sync@example.com, Minimum Access, Salesforce Integration"),
        ("api version", "62.0; the org's newest is 66.0"),
        ("api calls", "18 of 15,000 in 24 h used (0%)"),
        ("event delivery", "1,000 of 25,000 in 24 h used (4%)"),
        ("object Account", "may read, create, edit, delete"),
        (
            "fields Account",
            f"{len(ACCOUNT.fields) + 1} mapped, all readable, {len(ACCOUNT.fields) + 1} written",
        ),
        ("external id Account.Isthmus_Id__c", "External ID, unique, case-insensitive"),
        (f"events {TOPIC}", "may be subscribed"),
        ("view all Account", "View All Records"),
    ]


async def test_a_check_costs_one_login_and_few_calls(org: Org, vendor: Vendor) -> None:
    await org.connect().probe.check()
    assert org.http.logins == 1
    assert len(org.http.asked) == 6
    assert {asked.method for asked in org.http.asked} == {"GET"}


async def test_without_a_login_what_needs_none_is_checked(org: Org, vendor: Vendor) -> None:
    org.http.login_answer = lambda asked: (
        400,
        {"error": "invalid_client", "error_description": "no"},
        {"Date": formatdate(usegmt=True)},
    )
    checks = await org.connect().probe.check()
    assert [(check.name, check.ok) for check in checks] == [
        ("login", False),
        ("api version", True),
        ("clock", True),
    ]
    assert checks[0].detail == "invalid_client: no"
    assert "client_secret" in checks[0].remedy


async def test_a_version_that_the_org_does_not_offer_is_told_with_the_newest(
    org: Org, vendor: Vendor
) -> None:
    vendor.versions = ["50.0", "61.0"]
    found = (await wrong(org))["api version"]
    assert found.detail == "62.0 is not offered; the org has 50.0 to 61.0"
    assert found.remedy == 'set api_version = "61.0"'


async def test_a_wrong_clock_is_told_in_seconds(org: Org, vendor: Vendor) -> None:
    vendor.date = datetime.now(UTC).timestamp() - 400
    found = (await wrong(org))["clock"]
    assert re.fullmatch(r"\+40\d s against Salesforce", found.detail)
    assert found.remedy.startswith("set this machine's clock")


async def test_an_inactive_user_is_told_with_the_page_of_the_user(org: Org, vendor: Vendor) -> None:
    vendor.user["IsActive"] = False
    assert (await wrong(org))["user"].remedy == "Setup > Users > Users > sync@example.com > Edit: Active"


async def test_a_user_that_may_not_look_at_itself_is_no_fault(org: Org, vendor: Vendor) -> None:
    vendor.refused["FROM+User"] = (400, "INVALID_TYPE")
    assert await wrong(org) == {}


@pytest.mark.parametrize(
    ("entry", "name", "hint"),
    [
        ("DailyApiRequests", "api calls", "Company Information"),
        ("DailyDeliveredPlatformEvents", "event delivery", "add-on"),
        ("MonthlyPlatformEventsUsageEntitlement", "event delivery", "add-on"),
    ],
)
async def test_an_allowance_that_is_nearly_used_up_is_told(
    org: Org, vendor: Vendor, entry: str, name: str, hint: str
) -> None:
    vendor.limits[entry] = {"Max": 100_000, "Remaining": 20_000}
    found = await wrong(org)
    assert list(found) == [name]
    assert "80,000 of 100,000" in found[name].detail
    assert hint in found[name].remedy


async def test_limits_that_are_not_told_are_no_fault(org: Org, vendor: Vendor) -> None:
    vendor.limits.clear()
    assert await wrong(org) == {}


async def test_every_wrong_field_has_its_own_line_and_click_path(org: Org, vendor: Vendor) -> None:
    vendor.fields["AccountNumber"]["updateable"] = False
    vendor.fields["BillingCity"] |= {"updateable": False, "calculated": True}
    vendor.fields["Credit_Limit__c"]["type"] = "string"
    del vendor.fields["Phone"]
    found = await wrong(org)
    assert {name: check.remedy for name, check in found.items()} == {
        "field Account.AccountNumber": (
            f"{_FIELDS} > AccountNumber > Set Field-Level Security: not Read-Only for the user"
        ),
        "field Account.BillingCity": "let Salesforce own it in the mapping",
        "field Account.Credit_Limit__c": "correct the type in the mapping",
        "field Account.Phone": f"{_FIELDS} > Phone > Set Field-Level Security: Visible for the user",
    }


@pytest.mark.parametrize(
    ("change", "detail", "hint"),
    [
        ({"unique": False}, "is not Unique", "> Isthmus_Id__c > Edit: Unique"),
        ({"externalId": False}, "is not External ID", "> Isthmus_Id__c > Edit: External ID"),
        (
            {"externalId": False, "unique": False},
            "is not External ID and not Unique",
            "> Isthmus_Id__c > Edit: External ID and Unique",
        ),
        ({"createable": False}, "not editable", "> Isthmus_Id__c > Set Field-Level Security: not Read-Only"),
    ],
)
async def test_an_external_id_that_cannot_serve_is_told(
    org: Org, vendor: Vendor, change: dict[str, Any], detail: str, hint: str
) -> None:
    vendor.fields["Isthmus_Id__c"] |= change
    found = (await wrong(org))["external id Account.Isthmus_Id__c"]
    assert (found.detail, hint in found.remedy) == (detail, True)


async def test_a_case_sensitive_external_id_is_told_as_such(org: Org, vendor: Vendor) -> None:
    vendor.fields["Isthmus_Id__c"]["caseSensitive"] = True
    checks = await org.connect().probe.check()
    assert "External ID, unique, case-sensitive" in [check.detail for check in checks]


async def test_a_missing_external_id_is_told_with_how_to_make_it(org: Org, vendor: Vendor) -> None:
    del vendor.fields["Isthmus_Id__c"]
    found = (await wrong(org))["external id Account.Isthmus_Id__c"]
    assert found.remedy == f"{_FIELDS} > New: Text, Unique, External ID; visible for the user"


async def test_an_object_that_may_not_be_edited_is_told(org: Org, vendor: Vendor) -> None:
    vendor.rights |= {"updateable": False, "deletable": False}
    found = (await wrong(org))["object Account"]
    assert found.detail == "may read, create; not edit, delete"
    assert found.remedy == f"{_SET} > Object Settings > Account > Edit: Read, Edit"


async def test_fields_that_are_only_read_need_not_be_writable(org: Org, vendor: Vendor) -> None:
    vendor.fields["Phone"]["updateable"] = False
    spec = ObjectSpec("Account", "Id", (FieldSpec("Phone", FieldType.TEXT, writable=False),), capture=False)
    assert await wrong(org, spec) == {}


async def test_a_formula_field_is_told_because_no_event_need_tell_of_it(org: Org, vendor: Vendor) -> None:
    """A roll-up is calculated too, and events tell of it."""
    vendor.fields["Phone"] |= {"updateable": False, "calculated": True, "calculatedFormula": "Fax"}
    vendor.fields["BillingCity"] |= {"updateable": False, "calculated": True, "calculatedFormula": None}
    fields = (FieldSpec("Phone", writable=False), FieldSpec("BillingCity", writable=False))
    checks = await org.connect(ObjectSpec("Account", "Id", fields)).probe.check()
    told = {check.name: check for check in checks if "formula" in check.detail}
    assert list(told) == ["field Account.Phone"]
    assert told["field Account.Phone"].ok


async def test_missing_object_and_topic_are_told_and_the_rest_is_checked(org: Org, vendor: Vendor) -> None:
    vendor.view_all["Invoice__c"] = True
    missing = ObjectSpec("Invoice__c", "Id", (FieldSpec("Name"),))
    found = await wrong(org, missing, ACCOUNT)
    assert set(found) == {"object Invoice__c", "events /data/Invoice__ChangeEvent"}
    assert found["events /data/Invoice__ChangeEvent"].remedy == (
        "Setup > Integrations > Change Data Capture: move Invoice__c to Selected Entities, Save"
    )


async def test_a_topic_that_may_not_be_subscribed_is_told(org: Org, vendor: Vendor) -> None:
    org.bus.can_subscribe = False
    vendor.view_all.clear()
    found = await wrong(org)
    assert set(found) == {f"events {TOPIC}", "view all Account"}
    for check in found.values():
        assert check.remedy == f"{_SET} > Object Settings > Account > Edit: View All Records"


async def test_a_channel_withholds_without_a_word_so_view_all_is_looked_up(org: Org, vendor: Vendor) -> None:
    """It may be subscribed by anybody; only the rights tell that nothing would come."""
    org.bus.topics.add("/data/Sync__chn")
    vendor.view_all["Account"] = False
    found = await wrong(org, channels={"/data/Sync__chn": ["*"]})
    assert list(found) == ["view all Account"]


async def test_an_object_without_view_all_of_its_own_needs_that_of_all_data(org: Org, vendor: Vendor) -> None:
    org.bus.topics.add("/data/TaskChangeEvent")
    task = ObjectSpec("Task", "Id", (FieldSpec("Subject"),))
    found = await wrong(org, task)
    assert found["view all Task"].remedy.startswith(f"{_SET} > System Permissions > Edit: View All Data")


async def test_view_all_data_opens_every_object(org: Org, vendor: Vendor) -> None:
    vendor.view_all.clear()
    vendor.all_data = True
    assert await wrong(org) == {}


async def test_rights_that_cannot_be_seen_are_left_to_the_topic(org: Org, vendor: Vendor) -> None:
    vendor.refused["PermissionSetAssignment"] = (400, "INVALID_TYPE")
    assert await wrong(org) == {}


async def test_rights_that_cannot_be_seen_are_a_fault_where_a_channel_would_be_silent(
    org: Org, vendor: Vendor
) -> None:
    vendor.refused["PermissionSetAssignment"] = (400, "INVALID_TYPE")
    org.bus.topics.add("/data/Sync__chn")
    found = await wrong(org, channels={"/data/Sync__chn": ["*"]})
    assert "View Setup" in found["view all Account"].remedy


async def test_one_call_that_fails_hides_no_other_line(org: Org, vendor: Vendor) -> None:
    whole = {check.name for check in await org.connect().probe.check()}
    vendor.refused["/limits"] = (503, "SERVER_UNAVAILABLE")
    found = await org.connect().probe.check()
    assert list(failed(found)) == ["limits"]
    assert {check.name for check in found} >= whole - {
        "api calls",
        "event delivery",
    }


async def test_an_answer_that_makes_no_sense_is_one_failed_line(org: Org, vendor: Vendor) -> None:
    plain = vendor.__call__

    def odd(asked: Asked) -> Answer:
        return (200, "?", {}) if asked.path.endswith("/describe") else plain(asked)

    org.http.answer = odd
    found = await wrong(org)
    assert set(found) == {"object Account"}
    assert "can't be read" in found["object Account"].detail


async def test_unreachable_bus_is_one_failed_check_for_each_topic(org: Org, vendor: Vendor) -> None:
    await org.bus.stop()
    found = await wrong(org)
    assert set(found) == {f"events {TOPIC}"}
    assert "can't be reached" in found[f"events {TOPIC}"].detail


async def test_no_line_of_a_check_holds_a_token_or_a_secret(org: Org, vendor: Vendor) -> None:
    text = json.dumps([str(check) for check in await org.connect().probe.check()])
    assert "00D000000000001!1" not in text
    assert "hush" not in text


async def reached(
    org: Org, authority: Authority, days: float, clock: Callable[[], float], ca_file: Path | None = None
) -> list[Check]:
    """The lines about hosts, for a server whose certificate lives that long."""
    peer = SecurePeer(authority.sign("localhost", end=days))
    await peer.start()
    settings = org.settings(
        login_url=peer.url,
        insecure_http=False,
        ca_file=ca_file or authority.ca,
        pubsub_endpoint=f"localhost:{peer.port}",
        pubsub_plaintext=False,
    )
    ways = Ways(settings, str)
    link = HttpLink(settings, ways)
    found = await Reach(settings, link, clock).hosts([peer.url])
    await link.release("nobody")
    await peer.stop()
    return found


async def test_a_certificate_that_runs_out_within_a_month_is_told(org: Org, tmp_path: Path) -> None:
    """One of the site's own authority: nobody renews it by himself."""
    authority = Authority(tmp_path)
    now = datetime.now(UTC)
    soon, roots = await reached(org, authority, 20, now.timestamp)
    assert (soon.ok, roots.ok) == (False, True)
    assert f"{now + timedelta(days=20):%Y-%m-%d} (20 days) runs out soon" in soon.detail
    assert "renewed" in soon.remedy
    later, _ = await reached(org, authority, 60, now.timestamp)
    assert later.ok
    assert "certificate of Test Authority until" in later.detail


async def test_a_root_that_runs_out_within_a_month_is_told(org: Org, tmp_path: Path) -> None:
    found = await reached(org, Authority(tmp_path, days=10), 60, datetime.now(UTC).timestamp)
    assert [check.name for check in found if not check.ok] == ["ca_file"]
    assert "add the new root" in found[-1].remedy


async def test_a_certificate_that_is_not_trusted_is_told_for_its_host(org: Org, tmp_path: Path) -> None:
    other = Authority(tmp_path / "other")
    found = await reached(org, Authority(tmp_path / "ours"), 60, datetime.now(UTC).timestamp, other.ca)
    assert (found[0].ok, found[0].detail) == (False, "the certificate is not trusted")
    assert "ca_file" in found[0].remedy


async def test_a_host_that_does_not_answer_is_told_with_its_port(org: Org, tmp_path: Path) -> None:
    settings = org.settings(pubsub_endpoint="localhost:1", pubsub_plaintext=False)
    link = HttpLink(settings, Ways(settings, str))
    (found,) = await Reach(settings, link).hosts([])
    assert (found.name, found.ok) == ("host localhost:1", False)
    assert "allow TCP to localhost:1" in found.remedy
    await link.release("nobody")
