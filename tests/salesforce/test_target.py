"""Writes: which request a command becomes, and what every answer, and no answer, means."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from agent.core.delivery import Delivery, DeliveryKind, Guard, OutcomeKind, Reason, Resolution
from agent.core.objects import FieldSpec, ObjectSpec
from tests.salesforce.conftest import Org
from tests.salesforce.peers import Answer, Asked
from tests.salesforce.samples import ACCOUNT, ID

BASE = "/services/data/v62.0"
OTHER = "001000000000002AAA"


def delivery(kind: DeliveryKind = DeliveryKind.UPDATE, **changes: Any) -> Delivery:
    plain: dict[str, Any] = {
        "message_id": "1-1",
        "entity_type": "customer",
        "object": "Account",
        "kind": kind,
        "key": None if kind is DeliveryKind.CREATE else ID,
        "reference": "cust/1 ü",
        "fields": {"Phone": "1"},
    }
    return Delivery(**(plain | changes))


def refusing(
    status: int, code: str, message: str = "no", fields: tuple[str, ...] = (), **headers: str
) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return status, [{"errorCode": code, "message": message, "fields": list(fields)}], named


async def test_update_is_one_patch_by_id_with_our_client_name(org: Org) -> None:
    org.http.answer = lambda asked: (204, None, {})
    system = org.connect(client="isthmus-7")
    fields = {
        "Credit_Limit__c": Decimal("12345678901234567.89"),
        "Due_Date__c": date(2026, 11, 23),
        "Paid_At__c": datetime(2026, 11, 23, 1, 45, 32, 5000, tzinfo=UTC),
        "Order_Block__c": True,
        "Phone": None,
    }
    (outcome,) = await system.target.apply([delivery(fields=fields)])
    (asked,) = org.http.asked
    assert (asked.method, asked.path) == ("PATCH", f"{BASE}/sobjects/Account/{ID}")
    assert asked.headers["sforce-call-options"] == "client=isthmus-7"
    assert "if-unmodified-since" not in asked.headers
    assert asked.headers["sforce-auto-assign"] == "FALSE"
    assert b'"Credit_Limit__c":12345678901234567.89' in asked.body
    assert asked.json["Due_Date__c"] == "2026-11-23"
    assert asked.json["Paid_At__c"] == "2026-11-23T01:45:32.005Z"
    assert (asked.json["Order_Block__c"], asked.json["Phone"]) == (True, None)
    assert (outcome.kind, outcome.key) == (OutcomeKind.ACCEPTED, ID)


async def test_guarded_updates_go_alone_with_a_condition_cut_to_the_second(org: Org) -> None:
    org.http.answer = lambda asked: (204, None, {})
    guard = Guard(version="2026-11-23T01:45:32.900Z")
    outcomes = await org.connect().target.apply([delivery(guard=guard), delivery(key=OTHER, guard=guard)])
    assert [outcome.kind for outcome in outcomes] == [OutcomeKind.ACCEPTED] * 2
    assert {asked.path for asked in org.http.asked} == {
        f"{BASE}/sobjects/Account/{key}" for key in (ID, OTHER)
    }
    assert {asked.headers["if-unmodified-since"] for asked in org.http.asked} == {
        "Mon, 23 Nov 2026 01:45:32 GMT"
    }


async def test_failed_condition_is_a_precondition(org: Org) -> None:
    org.http.answer = lambda asked: refusing(412, "PRECONDITION_FAILED")
    (outcome,) = await org.connect().target.apply([delivery(guard=Guard(version="2026-11-23T01:45:32.000Z"))])
    assert (outcome.kind, outcome.reason) == (OutcomeKind.REJECTED, Reason.PRECONDITION)


@pytest.mark.parametrize(("phone", "accepted"), [("0", True), ("9", False)])
async def test_guard_of_values_is_read_and_compared(org: Org, phone: str, accepted: bool) -> None:
    def answer(asked: Asked) -> Answer:
        if asked.method == "PATCH":
            return 204, None, {}
        record: dict[str, Any] = dict.fromkeys(("Isthmus_Id__c", *(one.name for one in ACCOUNT.fields)))
        record |= {
            "Id": ID,
            "IsDeleted": False,
            "LastModifiedDate": "2026-11-23T01:45:32.000+0000",
            "Phone": phone,
        }
        return 200, {"done": True, "records": [record]}, {}

    org.http.answer = answer
    (outcome,) = await org.connect().target.apply([delivery(guard=Guard(values={"Phone": "0"}))])
    if accepted:
        assert outcome.kind is OutcomeKind.ACCEPTED
        assert org.http.asked[-1].headers["if-unmodified-since"] == "Mon, 23 Nov 2026 01:45:32 GMT"
    else:
        assert (outcome.kind, outcome.reason) == (OutcomeKind.REJECTED, Reason.PRECONDITION)
        assert len(org.http.asked) == 1


async def test_plain_updates_share_a_request_and_each_has_its_own_result(org: Org) -> None:
    results = [
        {"id": ID, "success": True, "errors": []},
        {"success": False, "errors": [{"statusCode": "UNABLE_TO_LOCK_ROW", "message": "busy", "fields": []}]},
        {"success": False, "errors": [{"statusCode": "ENTITY_IS_DELETED", "message": "gone", "fields": []}]},
        {
            "success": False,
            "errors": [{"statusCode": "INVALID_CROSS_REFERENCE_KEY", "message": "?", "fields": []}],
        },
    ]
    org.http.answer = lambda asked: (200, results, {})
    keys = [ID, OTHER, "001000000000003AAA", "001000000000004AAA"]
    outcomes = await org.connect().target.apply([delivery(key=key) for key in keys])
    (asked,) = org.http.asked
    assert (asked.method, asked.path) == ("PATCH", f"{BASE}/composite/sobjects")
    assert asked.json["allOrNone"] is False
    assert asked.headers["sforce-auto-assign"] == "FALSE"
    assert asked.json["records"][0] == {"Phone": "1", "attributes": {"type": "Account"}, "id": ID}
    assert [record["id"] for record in asked.json["records"]] == keys
    assert [outcome.kind for outcome in outcomes] == [
        OutcomeKind.ACCEPTED,
        OutcomeKind.RETRY,
        OutcomeKind.REJECTED,
        OutcomeKind.REJECTED,
    ]
    assert [outcome.reason for outcome in outcomes[2:]] == [Reason.GONE] * 2


async def test_creates_share_an_upsert_and_keep_their_order(org: Org) -> None:
    results = [
        {"id": ID, "success": True, "created": True, "errors": []},
        {"success": False, "errors": [{"statusCode": "DUPLICATES_DETECTED", "message": "?", "fields": []}]},
    ]
    org.http.answer = lambda asked: (200, results, {})
    creates = [delivery(DeliveryKind.CREATE, reference=name) for name in ("c-2", "c-1")]
    outcomes = await org.connect().target.apply(creates)
    (asked,) = org.http.asked
    assert (asked.method, asked.path) == ("PATCH", f"{BASE}/composite/sobjects/Account/Isthmus_Id__c")
    assert [record["Isthmus_Id__c"] for record in asked.json["records"]] == ["c-2", "c-1"]
    assert (outcomes[0].kind, outcomes[0].key) == (OutcomeKind.ACCEPTED, ID)
    assert (outcomes[1].kind, outcomes[1].reason) == (OutcomeKind.REJECTED, Reason.BUSINESS)


async def test_a_collection_has_at_most_200_records(org: Org) -> None:
    def answer(asked: Asked) -> Answer:
        return 200, [{"id": one["id"], "success": True, "errors": []} for one in asked.json["records"]], {}

    org.http.answer = answer
    many = [delivery(key=f"001000000000{number:03d}AAA") for number in range(202)]
    outcomes = await org.connect().target.apply(many)
    assert sorted(len(asked.json["records"]) for asked in org.http.asked) == [2, 200]
    assert [outcome.key for outcome in outcomes] == [one.key for one in many]


@pytest.mark.parametrize("body", [[], [{}], ["?"], {}, [{"id": ID, "success": True, "errors": []}]])
async def test_a_collection_answer_that_does_not_fit_leaves_everything_uncertain(org: Org, body: Any) -> None:
    org.http.answer = lambda asked: (200, body, {})
    outcomes = await org.connect().target.apply([delivery(), delivery(key=OTHER)])
    assert [outcome.kind for outcome in outcomes] == [OutcomeKind.UNCERTAIN] * 2


async def test_create_is_an_upsert_by_external_id_which_is_not_in_the_body(org: Org) -> None:
    org.http.answer = lambda asked: (201, {"id": ID, "success": True, "errors": [], "created": True}, {})
    fields: Mapping[str, Any] = {"Name": "Nordlicht", "Isthmus_Id__c": "cust/1 ü"}
    (outcome,) = await org.connect().target.apply([delivery(DeliveryKind.CREATE, fields=fields)])
    (asked,) = org.http.asked
    assert asked.method == "PATCH"
    assert asked.path == f"{BASE}/sobjects/Account/Isthmus_Id__c/cust%2F1%20%C3%BC"
    assert asked.json == {"Name": "Nordlicht"}
    assert "sforce-auto-assign" not in asked.headers  # the org's rules say whose a new record is
    assert (outcome.kind, outcome.key) == (OutcomeKind.ACCEPTED, ID)
    assert "created=true" in outcome.evidence


async def test_uncertain_create_is_upserted_again_and_uncertain_update_never_sent(org: Org) -> None:
    org.http.answer = lambda asked: (200, {"id": ID, "success": True, "errors": [], "created": False}, {})
    outcomes = await org.connect().target.apply(
        [
            delivery(DeliveryKind.CREATE, uncertain=True),
            delivery(uncertain=True),
            delivery(DeliveryKind.DELETE, uncertain=True),
        ]
    )
    assert [outcome.kind for outcome in outcomes] == [
        OutcomeKind.ACCEPTED,
        OutcomeKind.UNCERTAIN,
        OutcomeKind.UNCERTAIN,
    ]
    assert len(org.http.asked) == 1


async def test_an_external_id_held_by_several_records_is_for_a_person(org: Org) -> None:
    org.http.answer = lambda asked: (300, ["/a", "/b"], {})
    (outcome,) = await org.connect().target.apply([delivery(DeliveryKind.CREATE)])
    assert (outcome.kind, outcome.reason) == (OutcomeKind.REJECTED, Reason.BUSINESS)


async def test_delete(org: Org) -> None:
    org.http.answer = lambda asked: (204, None, {})
    (outcome,) = await org.connect().target.apply([delivery(DeliveryKind.DELETE, fields={})])
    assert (org.http.asked[0].method, org.http.asked[0].path) == ("DELETE", f"{BASE}/sobjects/Account/{ID}")
    assert outcome.kind is OutcomeKind.ACCEPTED


@pytest.mark.parametrize(
    ("answer", "wait"),
    [
        (refusing(403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded."), 900),
        (refusing(403, "REQUEST_LIMIT_EXCEEDED", "ConcurrentRequests Limit exceeded."), 10),
        (refusing(503, "SERVER_UNAVAILABLE"), 30),
        (refusing(503, "SERVER_UNAVAILABLE", Retry_After="7"), 7),
        (refusing(400, "QUERY_TIMEOUT"), 10),
        ((429, None, {"Retry-After": "9"}), 9),
    ],
)
async def test_certainly_not_applied_is_retried_after_the_right_time(
    org: Org, answer: Answer, wait: float
) -> None:
    org.http.answer = lambda asked: answer
    (outcome,) = await org.connect().target.apply([delivery()])
    assert (outcome.kind, outcome.retry_after) == (OutcomeKind.RETRY, wait)


@pytest.mark.parametrize(
    ("status", "code", "reason"),
    [
        (400, "DUPLICATES_DETECTED", Reason.BUSINESS),
        (400, "DUPLICATE_VALUE", Reason.BUSINESS),
        (400, "FIELD_CUSTOM_VALIDATION_EXCEPTION", Reason.BUSINESS),
        (400, "REQUIRED_FIELD_MISSING", Reason.BUSINESS),
        (400, "INVALID_FIELD_FOR_INSERT_UPDATE", Reason.FIELD),
        (400, "INSUFFICIENT_ACCESS_OR_READONLY", Reason.BUSINESS),
        (400, "SOMETHING_NEW", Reason.BUSINESS),
        (400, "STRING_TOO_LONG", Reason.INVALID),
        (400, "INVALID_FIELD", Reason.FIELD),
        (400, "JSON_PARSER_ERROR", Reason.INVALID),
        (404, "ENTITY_IS_DELETED", Reason.GONE),
        (404, "NOT_FOUND", Reason.GONE),
    ],
)
async def test_refusals_by_code(org: Org, status: int, code: str, reason: Reason) -> None:
    org.http.answer = lambda asked: refusing(status, code, fields=("Phone",))
    (outcome,) = await org.connect().target.apply([delivery()])
    assert (outcome.kind, outcome.reason, outcome.code) == (OutcomeKind.REJECTED, reason, code)
    assert "Phone" in outcome.text


async def test_invalid_reference_in_a_field_is_business(org: Org) -> None:
    org.http.answer = lambda asked: refusing(400, "INVALID_CROSS_REFERENCE_KEY", fields=("OwnerId",))
    (outcome,) = await org.connect().target.apply([delivery()])
    assert outcome.reason is Reason.BUSINESS


async def test_refused_value_is_not_quoted(org: Org) -> None:
    org.http.answer = lambda asked: refusing(
        400, "STRING_TOO_LONG", "Phone: data value too large: +49 431 555 (max length=40)", ("Phone",)
    )
    (outcome,) = await org.connect().target.apply([delivery()])
    assert "431" not in outcome.text
    assert "Phone" in outcome.text


@pytest.mark.parametrize(
    "answer",
    [
        None,
        (500, None, {}),
        (502, "page", {}),
        (503, None, {}),
        (504, None, {}),
        refusing(500, "UNKNOWN_EXCEPTION"),
    ],
)
@pytest.mark.parametrize("count", [1, 2])
async def test_sent_without_a_clear_answer_is_uncertain(org: Org, answer: Answer, count: int) -> None:
    org.http.answer = lambda asked: answer
    outcomes = await org.connect().target.apply([delivery(), delivery(key=OTHER)][:count])
    assert [outcome.kind for outcome in outcomes] == [OutcomeKind.UNCERTAIN] * count
    assert len(org.http.asked) == 1


async def test_no_connection_is_a_retry(org: Org) -> None:
    system = org.connect()
    org.http.answer = lambda asked: (204, None, {})
    await system.target.apply([delivery()])
    await org.http.stop()
    outcomes = await system.target.apply([delivery(), delivery(key=OTHER), delivery(DeliveryKind.CREATE)])
    assert [outcome.kind for outcome in outcomes] == [OutcomeKind.RETRY] * 3


async def test_refused_login_is_a_retry_and_nothing_was_sent(org: Org) -> None:
    org.http.login_answer = lambda asked: (400, {"error": "invalid_grant", "error_description": "no"}, {})
    outcomes = await org.connect().target.apply([delivery(), delivery(DeliveryKind.CREATE)])
    assert [outcome.kind for outcome in outcomes] == [OutcomeKind.RETRY] * 2
    assert not org.http.asked


async def test_ended_session_is_renewed_once_and_the_request_repeated(org: Org) -> None:
    def answer(asked: Asked) -> Answer:
        if asked.headers["authorization"].endswith("!1"):
            return refusing(401, "INVALID_SESSION_ID")
        return 204, None, {}

    org.http.answer = answer
    guard = Guard(version="2026-11-23T01:45:32.000Z")
    outcomes = await org.connect().target.apply([delivery(key=key, guard=guard) for key in (ID, OTHER)])
    assert [outcome.kind for outcome in outcomes] == [OutcomeKind.ACCEPTED] * 2
    assert org.http.logins == 2


async def test_session_that_is_never_accepted_is_a_retry_not_a_loop(org: Org) -> None:
    org.http.answer = lambda asked: refusing(401, "INVALID_SESSION_ID")
    (outcome,) = await org.connect().target.apply([delivery()])
    assert outcome.kind is OutcomeKind.RETRY
    assert (len(org.http.asked), org.http.logins) == (2, 2)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"key": "nonsense'"}, "MALFORMED_ID"),
        ({"key": None}, "MALFORMED_ID"),
        ({"object": "Case"}, "NOT_CONFIGURED"),
        ({"fields": {"Phone": 1.5}}, "VALUE"),
        ({"fields": {"Phone": Decimal("NaN")}}, "VALUE"),
        ({"fields": {"Phone": "\ud800"}}, "VALUE"),
        ({"guard": Guard(version="yesterday")}, "VALUE"),
    ],
)
async def test_commands_that_cannot_be_expressed_are_not_sent(
    org: Org, changes: dict[str, Any], code: str
) -> None:
    (outcome,) = await org.connect().target.apply([delivery(**changes)])
    assert (outcome.kind, outcome.reason, outcome.code) == (OutcomeKind.REJECTED, Reason.INVALID, code)
    assert not org.http.asked


async def test_create_without_an_external_id_is_not_sent(org: Org) -> None:
    system = org.connect(ObjectSpec("Account", "Id", (FieldSpec("Phone"),)))
    (outcome,) = await system.target.apply([delivery(DeliveryKind.CREATE)])
    assert (outcome.kind, outcome.code) == (OutcomeKind.REJECTED, "NO_EXTERNAL_ID")
    assert system.target.guarantees("Account").on_uncertain_create is Resolution.PERSON


async def test_guarantees(org: Org) -> None:
    promised = org.connect(max_request_s=90).target.guarantees("Account")
    assert promised.on_uncertain_update is Resolution.REREAD
    assert promised.on_uncertain_create is Resolution.RESEND
    assert (promised.max_request_s, promised.batch) == (90, 200)
    assert promised.compare_and_set and promised.read_back and promised.delete and not promised.answers


async def test_nothing_to_do_and_close_twice(org: Org) -> None:
    system = org.connect()
    assert await system.target.apply([]) == []
    await system.target.close()
    await system.target.close()
