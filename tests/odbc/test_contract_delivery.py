"""Delivery: one effect per message id, no lost update, and every no has its reason."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace
from decimal import Decimal

import pytest

from adapters.odbc import administer
from adapters.odbc.dialect import Fault
from adapters.odbc.session import Session, SqlFault
from agent.core.change import RawValue
from agent.core.delivery import DeliveryKind, OutcomeKind, Reason, Resolution
from tests.odbc.site import Site, apply_one, create, read_one, update


async def test_a_create_returns_the_key_that_the_erp_assigned(site: Site) -> None:
    system = site.system()
    outcome = await apply_one(system, create("m1", "ref-1", name="Adler", credit_limit=Decimal("12.50")))
    assert outcome.kind is OutcomeKind.ACCEPTED and outcome.key is not None
    row = await read_one(system, "customer", outcome.key)
    assert row.fields is not None
    assert row.fields["external_ref"] == "ref-1" and row.fields["credit_limit"] == Decimal("12.50")


@pytest.mark.invariant("I14")
async def test_the_same_message_again_gives_the_stored_answer_and_no_second_effect(site: Site) -> None:
    system = site.system()
    delivery = create("m1", "ref-1", name="Adler")
    first = await apply_one(system, delivery)
    again = await apply_one(system, replace(delivery, uncertain=True))
    assert again.kind is OutcomeKind.ACCEPTED and again.key == first.key
    assert site.one("SELECT count(*) FROM customer") == 1


async def test_the_ledger_answers_across_a_restart_of_the_agent(site: Site) -> None:
    delivery = create("m1", "ref-1", name="Adler")
    first = await apply_one(site.system(), delivery)
    again = await apply_one(site.system(), replace(delivery, uncertain=True))
    assert (again.kind, again.key, again.code) == (OutcomeKind.ACCEPTED, first.key, "already-applied")


async def test_the_same_message_id_with_another_payload_is_rejected(site: Site) -> None:
    system = site.system()
    await apply_one(system, create("m1", "ref-1", name="Adler"))
    other = replace(create("m1", "ref-2", name="Birke"), payload_hash="another")
    outcome = await apply_one(system, other)
    assert (outcome.kind, outcome.reason) == (OutcomeKind.REJECTED, Reason.DUPLICATE_ID)
    assert site.one("SELECT count(*) FROM customer") == 1


async def test_a_guarded_update_meets_what_was_seen(site: Site) -> None:
    key = str(site.business.create_customer("Adler", phone="1", credit_limit=Decimal(10), country="D"))
    system = site.system()
    seen: dict[str, RawValue] = {"phone": "1", "credit_limit": Decimal("10"), "country": "D", "number": None}
    outcome = await apply_one(system, update("m1", key, seen, phone="2", credit_limit=Decimal(20)))
    assert (outcome.kind, outcome.key) == (OutcomeKind.ACCEPTED, key)
    assert site.one("SELECT phone FROM customer") == "2"


async def test_a_guarded_update_of_a_changed_record_touches_nothing(site: Site) -> None:
    key = str(site.business.create_customer("Adler", phone="1"))
    site.business.change_phone(int(key), "by a user")
    system = site.system()
    outcome = await apply_one(system, update("m1", key, {"phone": "1"}, phone="2", name="Other"))
    assert (outcome.kind, outcome.reason) == (OutcomeKind.REJECTED, Reason.PRECONDITION)
    assert "phone" in outcome.text and "by a user" not in outcome.text
    assert site.one("SELECT name FROM customer") == "Adler"
    assert site.one("SELECT count(*) FROM isthmus_ledger") == 0


async def test_an_update_of_a_deleted_record_says_gone(site: Site) -> None:
    key = site.business.create_customer("Adler")
    site.business.delete_customer(key)
    system = site.system()
    outcome = await apply_one(system, update("m1", str(key), {"phone": None}, phone="2"))
    assert (outcome.kind, outcome.reason) == (OutcomeKind.REJECTED, Reason.GONE)
    assert (await apply_one(system, update("m2", "no number", phone="2"))).reason is Reason.GONE
    assert site.one("SELECT count(*) FROM isthmus_ledger") == 0


async def test_unchanged_update_is_not_a_conflict(site: Site) -> None:
    key = str(site.business.create_customer("Adler", phone="1"))
    outcome = await apply_one(site.system(), update("m1", key, {"phone": "1"}, phone="1"))
    assert outcome.kind is OutcomeKind.ACCEPTED


async def test_a_row_the_user_changes_between_the_look_and_the_write_waits_or_conflicts(site: Site) -> None:
    """The record is locked before it is compared: no write slips in between."""
    key = str(site.business.create_customer("Adler", phone="1"))
    locker = site.user(autocommit=False)
    locker.execute("UPDATE customer SET phone = 'theirs' WHERE customer_id = ?", int(key))
    system = site.system(lock_timeout_s=15)
    applying = asyncio.create_task(apply_one(system, update("m1", key, {"phone": "1"}, phone="ours")))
    await read_one(system, "customer", key)
    locker.commit()
    assert (await applying).reason is Reason.PRECONDITION
    assert site.one("SELECT phone FROM customer") == "theirs"


async def test_a_delete_removes_the_record_under_the_guard(site: Site) -> None:
    key = str(site.business.create_customer("Adler", phone="1"))
    system = site.system()
    delivery = replace(update("m1", key, {"phone": "0"}), kind=DeliveryKind.DELETE)
    assert (await apply_one(system, delivery)).reason is Reason.PRECONDITION
    delivery = replace(update("m1", key, {"phone": "1"}), kind=DeliveryKind.DELETE)
    assert (await apply_one(system, delivery)).kind is OutcomeKind.ACCEPTED
    assert site.one("SELECT count(*) FROM customer") == 0
    assert (await apply_one(system, delivery)).code == "already-applied"


async def test_a_rule_of_the_erp_is_a_business_refusal_in_its_own_words(site: Site) -> None:
    system = site.system()
    outcome = await apply_one(system, create("m1", "ref-1", name="!"))
    assert (outcome.kind, outcome.reason) == (OutcomeKind.REJECTED, Reason.BUSINESS)
    assert outcome.text == "the name ! is reserved"


async def test_a_refused_command_leaves_no_ledger_row_and_may_be_sent_again(site: Site) -> None:
    """An event transfer keeps its message id after a person removed the cause."""
    key = site.business.create_customer("Adler", order_block="X")
    system = site.system()
    invoice = replace(
        create("inv-1", ""),
        object="invoice",
        key="70000001",
        fields={
            "customer_id": str(key),
            "invoice_date": "2026-01-31",
            "currency": "EUR",
            "gross_amount": Decimal("11.90"),
        },
    )
    refused = await apply_one(system, invoice)
    assert refused.kind is OutcomeKind.REJECTED
    assert site.one("SELECT count(*) FROM isthmus_ledger") == 0


async def test_a_check_constraint_is_a_business_refusal_without_row_values(site: Site) -> None:
    key = str(site.business.create_customer("Adler", phone="+49 secret"))
    outcome = await apply_one(site.system(), update("m1", key, payment_terms="Z999"))
    assert (outcome.kind, outcome.reason) == (OutcomeKind.REJECTED, Reason.BUSINESS)
    assert "+49 secret" not in outcome.text


async def test_a_duplicate_business_key_is_a_business_refusal_without_its_value(site: Site) -> None:
    site.business.create_customer("Adler", number="C-7")
    outcome = await apply_one(site.system(), create("m1", "ref-1", name="Birke", number="C-7"))
    assert (outcome.kind, outcome.reason) == (OutcomeKind.REJECTED, Reason.BUSINESS)
    assert "C-7" not in outcome.text


async def test_a_missing_mandatory_value_is_invalid(site: Site) -> None:
    outcome = await apply_one(site.system(), create("m1", "ref-1", name=None))
    assert (outcome.kind, outcome.reason) == (OutcomeKind.REJECTED, Reason.INVALID)


async def test_a_create_that_finds_its_own_reference_is_accepted_when_equal(site: Site) -> None:
    """A restored ERP or a lost ledger: the external id still tells that the record is ours."""
    key = str(site.business.create_customer("Adler", external_ref="ref-1"))
    system = site.system()
    same = await apply_one(system, create("m1", "ref-1", name="Adler"))
    assert (same.kind, same.key) == (OutcomeKind.ACCEPTED, key)
    other = await apply_one(system, create("m2", "ref-1", name="Birke"))
    assert (other.kind, other.reason, other.key) == (OutcomeKind.REJECTED, Reason.PRECONDITION, key)
    assert site.one("SELECT count(*) FROM customer") == 1


async def test_a_lock_held_by_a_user_means_try_again_later(site: Site) -> None:
    key = str(site.business.create_customer("Adler"))
    locker = site.user(autocommit=False)
    locker.execute("UPDATE customer SET phone = '1' WHERE customer_id = ?", int(key))
    system = site.system(lock_timeout_s=0.2)
    outcome = await apply_one(system, update("m1", key, phone="2"))
    assert outcome.kind is OutcomeKind.RETRY
    locker.rollback()
    assert (await apply_one(system, update("m1", key, phone="2"))).kind is OutcomeKind.ACCEPTED


async def test_a_lock_is_reported_of_this_try_alone_whatever_became_of_an_earlier_one(site: Site) -> None:
    key = str(site.business.create_customer("Adler"))
    locker = site.user(autocommit=False)
    locker.execute("UPDATE customer SET phone = '1' WHERE customer_id = ?", int(key))
    delivery = replace(update("m1", key, phone="2"), uncertain=True)
    outcome = await apply_one(site.system(lock_timeout_s=0.2), delivery)
    assert outcome.kind is OutcomeKind.RETRY


async def test_a_poisonous_command_does_not_hold_up_its_batch(site: Site) -> None:
    system = site.system()
    batch = [create(f"m{number}", f"r{number}", name="!" if number == 2 else "ok") for number in range(5)]
    outcomes = await system.target.apply(batch)
    assert [outcome.kind for outcome in outcomes] == [
        OutcomeKind.REJECTED if number == 2 else OutcomeKind.ACCEPTED for number in range(5)
    ]
    assert site.one("SELECT count(*) FROM customer") == site.one("SELECT count(*) FROM isthmus_ledger") == 4


async def test_a_deferred_constraint_refused_at_commit_is_a_refusal_not_uncertain(site: Site) -> None:
    system = site.system()
    orphan = replace(create("m1", ""), object="sample", key="A1", fields={"parent": "none", "note": "x"})
    outcome = await apply_one(system, orphan)
    assert (outcome.kind, outcome.reason) == (OutcomeKind.REJECTED, Reason.BUSINESS)
    assert site.one("SELECT count(*) FROM sample") == site.one("SELECT count(*) FROM isthmus_ledger") == 0


async def test_an_update_that_the_erp_swallows_is_not_accepted(postgresql_site: Site) -> None:
    site = postgresql_site
    key = str(site.business.create_customer("Adler", phone="1"))
    connection = site.user()
    connection.execute(
        "CREATE FUNCTION swallow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$"
    )
    connection.execute(
        "CREATE TRIGGER swallow BEFORE UPDATE ON customer FOR EACH ROW EXECUTE FUNCTION swallow()"
    )
    outcome = await apply_one(site.system(), update("m1", key, phone="2"))
    assert (outcome.reason, outcome.code) == (Reason.BUSINESS, "no-effect")
    assert site.one("SELECT count(*) FROM isthmus_ledger") == 0


async def test_fields_that_are_not_mapped_or_not_writable_are_invalid(site: Site) -> None:
    key = str(site.business.create_customer("Adler"))
    system = site.system()
    for name in ("changed_at", "city", "no_such"):
        outcome = await apply_one(system, update(f"m-{name}", key, **{name: None}))
        assert (outcome.kind, outcome.reason, outcome.code) == (
            OutcomeKind.REJECTED,
            Reason.INVALID,
            "unknown-field",
        )


async def test_without_a_ledger_nothing_is_applied(site: Site) -> None:
    administration = administer("erp", site.settings(), site.objects, str)
    await administration.remove()
    await administration.close()
    outcome = await apply_one(site.system(), create("m1", "ref-1", name="Adler"))
    assert (outcome.kind, outcome.code) == (OutcomeKind.RETRY, "no-ledger")
    assert "isthmus journal install erp" in outcome.text
    assert site.one("SELECT count(*) FROM customer") == 0


async def test_after_an_error_commit_is_impossible_until_a_rollback(site: Site) -> None:
    """Some drivers answer such a commit with success and store nothing, or only the second half."""
    site.system()
    session = Session(site.link().erp, autocommit=False)
    try:
        session.run("INSERT INTO customer (name) VALUES (?)", ("first",))
        with pytest.raises(SqlFault) as refused:
            session.run("INSERT INTO customer (name) VALUES (?)", ("!",))
        assert refused.value.verdict.fault is Fault.BUSINESS
        with contextlib.suppress(SqlFault):  # some servers refuse the rest of such a transaction
            session.run("INSERT INTO customer (name) VALUES (?)", ("second",))
        assert session.broken
        with pytest.raises(SqlFault, match="broken"):
            session.commit()
        session.rollback()
    finally:
        session.close()
    assert site.one("SELECT count(*) FROM customer") == 0


async def test_find_is_the_duplicate_probe(site: Site) -> None:
    key = str(site.business.create_customer("Adler", number="C-1"))
    site.business.create_customer("Adler", number="C-2")
    target = site.system().target
    assert [row.key for row in await target.find("customer", {"number": "C-1"})] == [key]
    assert len(await target.find("customer", {"name": "Adler"})) == 2
    assert len(await target.find("customer", {"name": "Adler", "phone": None})) == 2
    assert await target.find("customer", {"number": "x" * 200}) == []


async def test_many_questions_have_the_answers_of_each(site: Site) -> None:
    key = str(site.business.create_customer("Adler", number="C-1"))
    other = str(site.business.create_customer("Adler", number="C-2"))
    site.business.create_customer("?", number="C-3")
    questions: list[dict[str, object]] = [
        {"number": "C-1"},
        {"number": "C-9"},
        {"name": "Adler"},
        {"name": "😀"},
        {"number": "C-1"},
        {"name": "Adler", "number": "C-2"},
        {"number": "x" * 200},
        {"phone": None},
    ]
    target = site.system().target
    found = [sorted(row.key for row in rows) for rows in await target.find_many("customer", questions)]
    assert found[:7] == [[key], [], sorted([key, other]), [], [key], [other], []]
    assert found == [sorted(row.key for row in await target.find("customer", fields)) for fields in questions]


async def test_the_guarantees_are_those_of_a_ledger(site: Site) -> None:
    guarantees = site.system().target.guarantees("customer")
    assert guarantees.compare_and_set and guarantees.read_back and guarantees.delete
    assert guarantees.on_uncertain_create is guarantees.on_uncertain_update is Resolution.RESEND
    assert guarantees.batch == 100 and not guarantees.answers
    assert guarantees.max_request_s == 0, "the ledger tells at once what became of a lost request"
