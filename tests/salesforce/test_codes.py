"""Every error code of a write: what follows from it, for one record and for an item of a collection."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from adapters.salesforce.connection.http import retry_after
from adapters.salesforce.write import codes
from agent.core.delivery import Delivery, DeliveryKind, Outcome, OutcomeKind, Reason
from agent.core.objects import FieldSpec, ObjectSpec
from tests.salesforce.conftest import Org
from tests.salesforce.fresh import FreshOrg, command, create, update
from tests.salesforce.peers import Answer, Asked
from tests.salesforce.samples import ID

OTHER = "001000000000002AAA"
RIVAL = "001000000000009"

RETRIED = {
    "UNABLE_TO_LOCK_ROW": (1.0, 3.0),
    "ALL_OR_NONE_OPERATION_ROLLED_BACK": (2.0, 2.0),
    "PROCESSING_HALTED": (2.0, 2.0),
    "QUERY_TIMEOUT": (10.0, 10.0),
    "REQUEST_RUNNING_TOO_LONG": (10.0, 10.0),
    "SERVER_UNAVAILABLE": (30.0, 30.0),
    "API_CURRENTLY_DISABLED": (300.0, 300.0),
    "API_DISABLED_FOR_ORG": (3600.0, 3600.0),
    "STORAGE_LIMIT_EXCEEDED": (900.0, 900.0),
    "INVALID_SESSION_ID": (60.0, 60.0),
    "REQUEST_LIMIT_EXCEEDED": (10.0, 10.0),
}
REFUSED = {
    "DUPLICATES_DETECTED": Reason.BUSINESS,
    "DUPLICATE_VALUE": Reason.BUSINESS,
    "DUPLICATE_EXTERNAL_ID": Reason.BUSINESS,
    "FIELD_CUSTOM_VALIDATION_EXCEPTION": Reason.BUSINESS,
    "REQUIRED_FIELD_MISSING": Reason.BUSINESS,
    "INVALID_FIELD_FOR_INSERT_UPDATE": Reason.FIELD,
    "INSUFFICIENT_ACCESS_OR_READONLY": Reason.BUSINESS,
    "INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY": Reason.BUSINESS,
    "INVALID_CROSS_REFERENCE_KEY": Reason.BUSINESS,
    "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY": Reason.BUSINESS,
    "CANNOT_EXECUTE_FLOW_TRIGGER": Reason.BUSINESS,
    "ENTITY_IS_LOCKED": Reason.BUSINESS,
    "DELETE_FAILED": Reason.BUSINESS,
    "NOBODY_KNOWS_THIS_ONE": Reason.BUSINESS,
    "STRING_TOO_LONG": Reason.INVALID,
    "NUMBER_OUTSIDE_VALID_RANGE": Reason.INVALID,
    "INVALID_EMAIL_ADDRESS": Reason.INVALID,
    "INVALID_TYPE_ON_FIELD_IN_RECORD": Reason.INVALID,
    "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST": Reason.INVALID,
    "FIELD_INTEGRITY_EXCEPTION": Reason.INVALID,
    "MALFORMED_ID": Reason.INVALID,
    "JSON_PARSER_ERROR": Reason.INVALID,
    "JSON_VALIDATION_ERROR": Reason.INVALID,
    "INVALID_FIELD": Reason.FIELD,
    "INVALID_TYPE": Reason.INVALID,
    "ENTITY_IS_DELETED": Reason.GONE,
    "NOT_FOUND": Reason.GONE,
    "PRECONDITION_FAILED": Reason.PRECONDITION,
}


def item(code: str, message: str = "no", fields: tuple[str, ...] = ("Phone",), **more: Any) -> Any:
    return {"success": False, "errors": [{"statusCode": code, "message": message, "fields": fields, **more}]}


def single(status: int, code: str, message: str = "no", **more: Any) -> Answer:
    return status, [{"errorCode": code, "message": message, **more}], {}


async def of_item(org: Org, told: Any, value: str = "value-1") -> Outcome:
    """The outcome of the first of two updates, of which the second is carried out."""
    done = {"id": OTHER, "success": True, "errors": []}
    org.http.answer = lambda asked: (200, [told, done], {})
    outcomes = await org.connect().target.apply([update(ID, Phone=value), update(OTHER, Phone="2")])
    assert outcomes[1].kind is OutcomeKind.ACCEPTED
    return outcomes[0]


def test_the_table_has_a_row_for_every_code_and_a_test_for_every_row() -> None:
    tested = {*RETRIED, *REFUSED, "UNKNOWN_EXCEPTION"} - {"NOBODY_KNOWS_THIS_ONE"}
    assert set(codes.CODES) == tested


@pytest.mark.parametrize("code", RETRIED)
async def test_an_item_that_was_certainly_not_applied_is_retried_alone(org: Org, code: str) -> None:
    outcome = await of_item(org, item(code))
    least, most = RETRIED[code]
    assert (outcome.kind, outcome.code) == (OutcomeKind.RETRY, code)
    assert outcome.retry_after is not None
    assert least <= outcome.retry_after <= most


@pytest.mark.parametrize(("code", "reason"), REFUSED.items())
async def test_an_item_that_was_refused_is_refused_alone(org: Org, code: str, reason: Reason) -> None:
    outcome = await of_item(org, item(code))
    assert (outcome.kind, outcome.reason, outcome.code) == (OutcomeKind.REJECTED, reason, code)
    assert "Phone" in outcome.text


@pytest.mark.parametrize("code", sorted(codes.FIELD_CODES))
async def test_a_field_that_nobody_sent_is_no_field_of_the_command(org: Org, code: str) -> None:
    outcome = await of_item(org, item(code, fields=("Fax",)))
    assert outcome.reason in (Reason.BUSINESS, Reason.INVALID)
    assert outcome.fields == frozenset()


@pytest.mark.parametrize("told", [(), ("Phone",)])
async def test_a_refused_request_names_the_field_for_those_that_hold_it(
    org: Org, told: tuple[str, ...]
) -> None:
    """The whole collection is refused once; it is not cut in two again and again to find the record."""
    text = "No such column 'Phone' on sobject of type Account"
    org.http.answer = lambda asked: single(400, "INVALID_FIELD", text, fields=list(told))
    outcomes = await org.connect().target.apply([update(ID, Phone="1"), update(OTHER, Name="2")])
    assert [(one.kind, one.fields) for one in outcomes] == [
        (OutcomeKind.REJECTED, frozenset({"Phone"})),
        (OutcomeKind.RETRY, frozenset()),
    ]
    assert outcomes[1].retry_after == 2.0
    assert len([one for one in org.http.asked if one.method == "PATCH"]) == 1


async def test_a_request_that_is_refused_for_a_field_of_nobody_is_cut_in_two(org: Org) -> None:
    """Whoever cannot be sent alone is a person's; nobody is tried again for ever without anybody knowing."""
    text = "No such column 'Other__c' on sobject of type Account"
    org.http.answer = lambda asked: single(400, "INVALID_FIELD", text)
    outcomes = await org.connect().target.apply([update(ID, Phone="1"), update(OTHER, Name="2")])
    assert [one.kind for one in outcomes] == [OutcomeKind.REJECTED] * 2
    assert [one.reason for one in outcomes] == [Reason.INVALID] * 2


async def test_an_unknown_exception_may_have_been_carried_out(org: Org) -> None:
    assert (await of_item(org, item("UNKNOWN_EXCEPTION"))).kind is OutcomeKind.UNCERTAIN


@pytest.mark.parametrize("code", [*RETRIED, *REFUSED, "UNKNOWN_EXCEPTION"])
async def test_no_text_passes_on_a_value(org: Org, code: str) -> None:
    text = "bad value: value-1 (Max Mustermann); value-1 duplicates value on record"
    outcome = await of_item(org, item(code, text))
    assert "value-1" not in outcome.text + outcome.evidence
    if codes.CODES.get(code) in (codes.CODES["STRING_TOO_LONG"], codes.CODES["DUPLICATE_VALUE"]):
        assert "Mustermann" not in outcome.text


@pytest.mark.parametrize("code", sorted(codes.WRAPPERS))
async def test_a_row_that_was_locked_in_a_trigger_is_a_locked_row(org: Org, code: str) -> None:
    text = "UpdateAccount: AfterUpdate caused by: UNABLE_TO_LOCK_ROW, unable to obtain exclusive access"
    outcome = await of_item(org, item(code, text))
    assert (outcome.kind, outcome.code) == (OutcomeKind.RETRY, "UNABLE_TO_LOCK_ROW")


async def test_rows_that_met_at_one_lock_come_back_apart_and_each_at_its_own_time(org: Org) -> None:
    locked = item("UNABLE_TO_LOCK_ROW")
    org.http.answer = lambda asked: (200, [locked] * 50, {})
    lot = [update(f"0010000000{number:05d}AAA", Phone="1") for number in range(50)]
    first = [one.retry_after for one in await org.connect().target.apply(lot)]
    assert len(set(first)) > 40
    assert first == [one.retry_after for one in await org.connect().target.apply(lot)]


async def test_a_duplicate_names_its_rivals_and_the_rule(org: Org) -> None:
    records = [{"record": {"attributes": {"type": "Account"}, "Id": f"00100000000000{n}"}} for n in range(7)]
    result = {
        "allowSave": False,
        "duplicateRule": "Accounts_by_VAT_number",
        "matchResults": [{"matchRecords": records[:3]}, {"matchRecords": records[2:]}],
    }
    outcome = await of_item(org, item("DUPLICATES_DETECTED", "Use one of these?", (), duplicateResult=result))
    named = [f"00100000000000{n}AAA" for n in range(5)]
    assert outcome.evidence == f"rivals={','.join(named)} rule=Accounts_by_VAT_number"
    assert outcome.text == (
        f"a duplicate rule found a like record: {', '.join(named)} and 2 more (rule Accounts_by_VAT_number)"
    )
    assert len(outcome.evidence) <= 200


@pytest.mark.parametrize(
    "result",
    [None, [], {}, {"matchResults": "?"}, {"matchResults": [{"matchRecords": [{"record": 1}, "?"]}]}],
)
async def test_a_duplicate_that_names_nobody_is_a_duplicate_all_the_same(org: Org, result: Any) -> None:
    outcome = await of_item(org, item("DUPLICATES_DETECTED", "?", (), duplicateResult=result))
    assert (outcome.code, outcome.evidence) == ("DUPLICATES_DETECTED", "")


async def test_a_duplicate_value_names_the_record_and_the_field(org: Org) -> None:
    text = f"duplicate value found: SKU__c duplicates value on record with id: {RIVAL}"
    outcome = await of_item(org, item("DUPLICATE_VALUE", text, ()))
    assert outcome.evidence == f"rivals={RIVAL}AAA field=SKU__c"
    assert outcome.text == f"another record has the same value: {RIVAL}AAA (SKU__c)"


async def test_an_ambiguous_external_id_in_a_collection_names_the_candidates_too(fresh: FreshOrg) -> None:
    spec = ObjectSpec("Contact", "Id", (FieldSpec("LastName"),), "Legacy_Number__c")
    system = fresh.connect(spec)
    twins = [{"object": "Contact", "op": "create", "fields": {"LastName": "T", "Legacy_Number__c": "7"}}] * 2
    made = (await fresh.control("transaction", {"writes": twins}))["ids"]
    lot = [create(reference, "Contact", LastName="Olsen") for reference in ("7", "8")]
    outcomes = await system.target.apply(lot)
    assert (outcomes[0].code, outcomes[0].evidence) == ("DUPLICATE_EXTERNAL_ID", f"rivals={','.join(made)}")
    assert outcomes[1].kind is OutcomeKind.ACCEPTED


async def test_a_result_about_another_record_is_no_result(org: Org) -> None:
    done = [{"id": key, "success": True, "errors": []} for key in (OTHER, ID)]
    org.http.answer = lambda asked: (200, done, {})
    outcomes = await org.connect().target.apply([update(ID, Phone="1"), update(OTHER[:15], Phone="2")])
    assert [one.kind for one in outcomes] == [OutcomeKind.UNCERTAIN] * 2
    done.reverse()
    outcomes = await org.connect().target.apply([update(ID, Phone="1"), update(OTHER[:15], Phone="2")])
    assert [one.kind for one in outcomes] == [OutcomeKind.ACCEPTED] * 2


async def test_an_ambiguous_external_id_names_the_candidates(org: Org) -> None:
    base = "/services/data/v62.0/sobjects/Account"
    org.http.answer = lambda asked: (300, [f"{base}/{ID}", f"{base}/{OTHER}"], {})
    (outcome,) = await org.connect().target.apply([create("c-1", Name="Eins")])
    assert (outcome.code, outcome.reason) == ("MULTIPLE_CHOICES", Reason.BUSINESS)
    assert outcome.evidence == f"rivals={ID},{OTHER}"
    assert ID in outcome.text


async def test_an_id_that_is_no_record_is_gone_but_a_reference_that_is_none_is_for_a_person(org: Org) -> None:
    assert (await of_item(org, item("INVALID_CROSS_REFERENCE_KEY", "?", ()))).reason is Reason.GONE
    assert (
        await of_item(org, item("INVALID_CROSS_REFERENCE_KEY", "?", ("OwnerId",)))
    ).reason is Reason.BUSINESS
    org.http.answer = lambda asked: single(400, "INVALID_CROSS_REFERENCE_KEY", "?")
    (outcome,) = await org.connect().target.apply([create("c-1", Name="Eins")])
    assert outcome.reason is Reason.BUSINESS


async def test_an_external_id_field_that_is_not_there_is_no_record_that_is_gone(org: Org) -> None:
    org.http.answer = lambda asked: single(404, "NOT_FOUND", "Provided external ID field does not exist")
    (outcome,) = await org.connect().target.apply([create("c-1", Name="Eins")])
    assert (outcome.reason, "external ID field" in outcome.text) == (Reason.BUSINESS, True)


async def test_nothing_is_restored_and_a_record_in_the_bin_is_said_to_be_there(org: Org) -> None:
    system = org.connect()
    (outcome,) = await system.target.apply([update(ID, IsDeleted=False)])
    assert (outcome.reason, outcome.code) == (Reason.INVALID, "NO_UNDELETE")
    assert not org.http.asked
    org.http.answer = lambda asked: single(404, "ENTITY_IS_DELETED", "entity is deleted")
    (outcome,) = await system.target.apply([update(ID, Phone="1")])
    assert (outcome.reason, "recycle bin" in outcome.text) == (Reason.GONE, True)


async def test_all_of_a_collection_may_fail_though_http_says_200(org: Org) -> None:
    org.http.answer = lambda asked: (200, [item("REQUIRED_FIELD_MISSING"), item("UNABLE_TO_LOCK_ROW")], {})
    outcomes = await org.connect().target.apply([update(ID, Phone="1"), update(OTHER, Phone="1")])
    assert [one.kind for one in outcomes] == [OutcomeKind.REJECTED, OutcomeKind.RETRY]


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("kind", list(DeliveryKind))
async def test_a_collection_answer_shorter_or_longer_than_asked_is_no_answer(
    org: Org, kind: DeliveryKind, count: int
) -> None:
    org.http.answer = lambda asked: (200, [{"id": ID, "success": True, "errors": []}] * count, {})
    keys = (None, None) if kind is DeliveryKind.CREATE else (ID, OTHER)
    outcomes = await org.connect().target.apply([command(kind, key, fields={"Phone": "1"}) for key in keys])
    assert [one.kind for one in outcomes] == [OutcomeKind.UNCERTAIN] * 2


def reading(asked: Asked, faulty: set[str]) -> Answer:
    """A server that cannot read a request for one of its values, as it is with dates."""
    records = asked.json.get("records", [asked.json])
    if any(one["Phone"] in faulty for one in records):
        return single(
            400, "JSON_PARSER_ERROR", "Cannot deserialize instance of date from VALUE_STRING 31.12."
        )
    if "records" not in asked.json:
        return 204, None, {}
    return 200, [{"id": one["id"], "success": True, "errors": []} for one in records], {}


def lot_of(count: int) -> list[Delivery]:
    return [update(f"0010000000{number:05d}AAA", Phone=f"p{number}") for number in range(count)]


@pytest.mark.parametrize("faulty", [{"p0"}, {"p77"}, {"p199"}, {"p3", "p150"}])
async def test_one_value_that_cannot_be_read_does_not_take_the_whole_request_along(
    org: Org, faulty: set[str]
) -> None:
    org.http.answer = lambda asked: reading(asked, faulty)
    outcomes = await org.connect().target.apply(lot_of(200))
    refused = {f"p{number}" for number, one in enumerate(outcomes) if one.kind is OutcomeKind.REJECTED}
    assert refused == faulty
    assert {one.kind for one in outcomes} == {OutcomeKind.REJECTED, OutcomeKind.ACCEPTED}
    assert len(org.http.asked) <= 34


async def test_where_all_are_faulty_the_calls_have_an_end_and_none_is_blamed_unheard(org: Org) -> None:
    org.http.answer = lambda asked: reading(asked, {f"p{number}" for number in range(200)})
    outcomes = await org.connect().target.apply(lot_of(200))
    assert len(org.http.asked) <= 41
    assert {one.kind for one in outcomes} == {OutcomeKind.REJECTED, OutcomeKind.RETRY}
    assert all(one.retry_after for one in outcomes if one.kind is OutcomeKind.RETRY)


@pytest.mark.parametrize(("status", "code"), [(403, "FUNCTIONALITY_NOT_ENABLED"), (404, "NOT_FOUND")])
async def test_a_request_refused_as_a_whole_says_nothing_of_its_records(
    org: Org, status: int, code: str
) -> None:
    org.http.answer = lambda asked: single(status, code, "not here")
    outcomes = await org.connect().target.apply(lot_of(3))
    assert {(one.kind, one.code) for one in outcomes} == {(OutcomeKind.RETRY, code)}
    assert "the whole request was refused" in outcomes[0].text
    assert len(org.http.asked) == 1


async def test_a_request_that_is_too_large_is_cut(org: Org) -> None:
    def answer(asked: Asked) -> Answer:
        if "records" in asked.json and len(asked.json["records"]) > 50:
            return 413, None, {}
        return reading(asked, set())

    org.http.answer = answer
    outcomes = await org.connect().target.apply(lot_of(200))
    assert {one.kind for one in outcomes} == {OutcomeKind.ACCEPTED}
    assert len(org.http.asked) == 7


async def test_a_request_that_was_locked_as_a_whole_is_not_cut(org: Org) -> None:
    org.http.answer = lambda asked: single(400, "UNABLE_TO_LOCK_ROW", "busy")
    outcomes = await org.connect().target.apply(lot_of(4))
    assert {one.kind for one in outcomes} == {OutcomeKind.RETRY}
    assert len(org.http.asked) == 1


NOW = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("7", 7.0),
        (" 0 ", 0.0),
        ("999999", 3600.0),
        (format_datetime(NOW + timedelta(seconds=90), usegmt=True), 90.0),
        (format_datetime(NOW - timedelta(days=1), usegmt=True), 0.0),
        (format_datetime(NOW + timedelta(days=400), usegmt=True), 3600.0),
        ("soon", None),
        ("-5", None),
        ("", None),
    ],
)
def test_retry_after_in_seconds_or_as_a_date_by_the_server_s_clock(text: str, seconds: float | None) -> None:
    headers = {"retry-after": text, "date": format_datetime(NOW, usegmt=True)}
    assert retry_after(headers) == seconds


async def test_rules_of_the_org_answer_as_the_table_says(fresh: FreshOrg) -> None:
    system = fresh.connect()
    made = await system.target.apply(
        [create("a", Name="Eins", VAT_Number__c="DE1"), create("b", Name="Zwei")]
    )
    outcomes = await system.target.apply(
        [
            create("c", Name="Drei", VAT_Number__c="DE1"),
            create("d", Phone="1"),
            create("e", Name="Fünf", Tier__c="Platin"),
            create("f", Name="Sechs", ParentId=ID),
        ]
    )
    assert [(one.reason, one.code) for one in outcomes] == [
        (Reason.BUSINESS, "DUPLICATES_DETECTED"),
        (Reason.BUSINESS, "REQUIRED_FIELD_MISSING"),
        (Reason.INVALID, "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"),
        (Reason.BUSINESS, "INVALID_CROSS_REFERENCE_KEY"),
    ]
    assert outcomes[0].evidence == f"rivals={made[0].key} rule=Accounts_by_VAT_number"
    assert "Platin" not in outcomes[2].text


async def test_a_value_of_another_type_is_refused_alone(fresh: FreshOrg) -> None:
    system = fresh.connect()
    lot = [create(f"t-{n}", Name=f"Kunde {n}") for n in range(40)]
    lot[17] = create("t-17", Name="Falsch", Credit_Limit__c="viel")
    outcomes = await system.target.apply(lot)
    assert [(n, one.reason) for n, one in enumerate(outcomes) if one.kind is not OutcomeKind.ACCEPTED] == [
        (17, Reason.INVALID)
    ]
    assert len(await fresh.writes("create")) == 39


async def test_a_merged_record_is_gone_and_the_reader_tells_into_which(fresh: FreshOrg) -> None:
    system = fresh.connect()
    made = await system.target.apply([create("a", Name="Eins"), create("b", Name="Zwei")])
    merge = {"object": "Account", "op": "merge", "id": made[0].key, "losers": [made[1].key]}
    await fresh.control("transaction", {"writes": [merge]})
    outcomes = await system.target.apply([update(made[1].key, Phone="1"), update(made[0].key, Phone="2")])
    assert (outcomes[0].reason, outcomes[0].code) == (Reason.GONE, "ENTITY_IS_DELETED")
    assert outcomes[1].kind is OutcomeKind.ACCEPTED
    assert system.reader is not None
    row = (await system.reader.read("Account", [made[1].key or ""])).rows[0]
    assert (row.fields, row.merged_into) == (None, made[0].key)


async def test_deletes_share_a_request_and_each_has_its_own_result(fresh: FreshOrg) -> None:
    system = fresh.connect()
    made = await system.target.apply([create(f"d-{n}", Name=f"Kunde {n}") for n in range(30)])
    lot = [command(DeliveryKind.DELETE, one.key) for one in made]
    await system.target.apply(lot[:1])
    before = await fresh.used()
    outcomes = await system.target.apply(lot)
    assert await fresh.used() == before + 1
    assert (outcomes[0].reason, outcomes[0].code) == (Reason.GONE, "ENTITY_IS_DELETED")
    assert {one.kind for one in outcomes[1:]} == {OutcomeKind.ACCEPTED}
