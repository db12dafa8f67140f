"""What the store says to people: the status, the account of I15, the story of a record."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from agent.core.change import Change, ChangeKind, Operation
from agent.core.delivery import Outcome, OutcomeKind, Reason
from agent.core.plan import withheld_mark
from agent.errors import Fenced, InputError, StoreError
from agent.operations.figures import Life
from agent.operations.offline import offline
from agent.operations.reads import StoreReads
from agent.operations.text import status_text
from agent.operations.verdict import Code, verdict
from agent.store import exceptions, gaps, positions, systems, waiting, withheld
from agent.store.database import Store
from agent.store.exceptions import Kind, Raised
from agent.store.reads import StoreReader
from tests.operations.site import KINDS, Site, SteppedClock, rulebook
from tests.operations.site import site as open_site

ACCEPTED = Outcome(OutcomeKind.ACCEPTED, key="4711", code="201")


async def test_an_empty_store_balances_and_says_what_is_configured(site: Site) -> None:
    status = await site.reads.status()
    assert status.conservation.balanced
    assert [system.name for system in status.systems] == ["erp", "salesforce", "sap"]
    assert {system.state for system in status.systems} == {"unknown"}
    assert status.replay_headroom_s is None


async def test_a_change_that_waits_is_lag_and_queue_of_its_target(site: Site) -> None:
    await site.born()
    site.clock.go_on(90)
    status = await site.reads.status()
    erp = next(system for system in status.systems if system.name == "erp")
    assert (erp.lag_s, erp.queue.ready) == (90.0, 1)
    assert status.conservation.states["open"] == status.conservation.recorded == 2
    assert status.conservation.open_commands == 3  # the third stamps the canonical id in Salesforce
    assert status.conservation.balanced


async def test_a_delivered_change_is_confirmed_and_leaves_no_lag(site: Site) -> None:
    await site.born()
    await site.deliver("erp", ACCEPTED)
    await site.read("erp", "4711", {"number": "C-000123", "name": "Müller & Söhne", "phone": "0461 123"})
    site.clock.go_on(90)
    status = await site.reads.status()
    rows = {row.target: row.states for row in status.conservation.rows}
    assert status.conservation.balanced
    assert rows["erp"] == {"confirmed": 1}
    assert next(s for s in status.systems if s.name == "erp").lag_s == 0.0


async def test_a_gap_that_is_being_closed_shows_how_far_how_fast_and_how_long(site: Site) -> None:
    with site.store.transaction("gap") as tx:
        gaps.open_(tx, "salesforce", "customer", "the position was lost", None)
        gaps.begin(tx, "salesforce", "customer", tx.token, None)
        gaps.advance(tx, "salesforce", "customer", 250_000, "behind", 1_000_000)
    site.clock.go_on(250)
    status = await site.reads.status()
    org = next(system for system in status.systems if system.name == "salesforce")
    (reading,) = org.readings
    assert (reading.taken, reading.total, reading.rate, reading.left_s) == (
        250_000,
        1_000_000,
        1_000.0,
        750.0,
    )
    text = status_text(status, verdict(status))
    assert "customer at salesforce  █████░░░░░░░░░░░░░░░ 25%" in text
    assert "250,000 of 1,000,000 rows, 1,000/s, 12m left: the position was lost" in text


async def test_a_gap_that_goes_on_after_a_kill_is_timed_from_there(site: Site) -> None:
    with site.store.transaction("gap") as tx:
        gaps.open_(tx, "salesforce", "customer", "lost", None)
        gaps.begin(tx, "salesforce", "customer", tx.token, 1_000)
        gaps.advance(tx, "salesforce", "customer", 500, "behind", None)
    site.clock.go_on(86_400)
    with site.store.transaction("gap") as tx:
        gaps.go_on(tx, "salesforce", "customer")
    site.clock.go_on(10)
    with site.store.transaction("gap") as tx:
        gaps.advance(tx, "salesforce", "customer", 100, "further", None)
    status = await site.reads.status()
    (reading,) = next(system for system in status.systems if system.name == "salesforce").readings
    assert (reading.taken, reading.rate, reading.left_s) == (600, 10.0, 40.0)


async def test_the_calls_that_a_system_counts_are_shown(site: Site) -> None:
    told = {"api_calls_used": 12_000.0, "api_calls_limit": 15_000.0, "api_calls_reserve": 3_000.0}
    life = Life(kinds=KINDS, gauges=lambda: {"salesforce": told})
    reads = StoreReads(await StoreReader.open(site.store.file), rulebook(), site.clock, life)
    try:
        status = await reads.status()
    finally:
        await reads.close()
    text = status_text(status, verdict(status))
    assert "API calls     salesforce: 12,000 of 15,000 used today, 3,000 are left to people" in text


async def test_a_field_that_a_system_does_not_take_is_told_with_what_to_do(site: Site) -> None:
    await site.born()
    with site.store.transaction("field") as tx:
        withheld.refuse(tx, "erp", "customer", "terms", tx.now)
        waiting.note(tx, "customer-1", "erp", "withheld", withheld_mark("erp", "customer", "terms"))
        exceptions.open_(
            tx,
            Raised(
                kind=Kind.FIELD,
                system="erp",
                cause="customer at erp does not take terms: no such column",
                subject="customer.terms",
                remedy="bring it back",
            ),
        )
    status = await site.reads.status()
    (one,) = next(system for system in status.systems if system.name == "erp").withheld
    assert (one.type, one.field, one.refused, one.unseen, one.waiting) == (
        "customer",
        "terms",
        True,
        False,
        1,
    )
    judged = verdict(status)
    assert judged.code is Code.DEGRADED
    assert "customer at erp does not take terms: no such column: bring it back" in judged.reasons
    text = status_text(status, judged)
    assert f"customer.terms is not sent at erp, 1 records wait for it: exception {one.exception}" in text


async def test_what_does_not_work_at_a_system_degrades_it(site: Site) -> None:
    ill = "/data/ContactChangeEvent: not found: enable Change Data Capture for Contact"
    life = Life(kinds=KINDS, ailments=lambda: {"salesforce": [ill]})
    with site.store.transaction("up") as tx:
        systems.declare(tx, "salesforce", "salesforce")
        systems.change(tx, "salesforce", "up", "")
    reads = StoreReads(await StoreReader.open(site.store.file), rulebook(), site.clock, life)
    try:
        status = await reads.status()
    finally:
        await reads.close()
    org = next(system for system in status.systems if system.name == "salesforce")
    assert (org.state, org.reason) == ("degraded", ill)


@pytest.mark.parametrize(
    ("damage", "part"),
    [
        ("DELETE FROM obligation WHERE target = 'erp'", "mismatched"),
        ("UPDATE inbox SET targets = targets + 1", "mismatched"),
        ("DELETE FROM outbox WHERE target = 'erp'", "orphans"),
        ("UPDATE obligation SET state = 'excepted' WHERE target = 'erp'", "unexplained"),
        ("UPDATE obligation SET state = 'confirmed' WHERE target = 'erp'", "unproven"),
        ("UPDATE obligation SET state = 'superseded' WHERE target = 'erp'", "unproven"),
    ],
)
@pytest.mark.invariant("I15")
async def test_the_account_finds_what_was_lost(site: Site, damage: str, part: str) -> None:
    await site.born()
    assert (await site.reads.status()).conservation.balanced
    site.execute(damage)
    account = (await site.reads.status()).conservation
    assert not account.balanced
    assert getattr(account, part) == 1
    assert verdict(await site.reads.status()).code is Code.CRITICAL


async def test_losses_that_cancel_each_other_out_in_the_sums_are_found(site: Site) -> None:
    await site.born()
    await site.born("C-000124", "001B")
    site.execute("UPDATE inbox SET targets = targets + 1 WHERE seq = 1")
    site.execute("UPDATE inbox SET targets = targets - 1 WHERE seq = 2")
    account = (await site.reads.status()).conservation
    assert account.observed == account.recorded
    assert not account.balanced


async def test_what_only_a_stale_image_holds_back_is_no_orphan(site: Site) -> None:
    await site.born()
    site.execute("DELETE FROM outbox WHERE target = 'erp'")
    site.execute("UPDATE image SET fresh = 0, stale = 'gap', stale_since = 1")
    assert (await site.reads.status()).conservation.balanced


async def test_a_rejection_is_shown_with_money_owner_and_due_date(site: Site) -> None:
    await site.born()
    await site.rejected()
    counts = (await site.reads.status()).exceptions
    assert counts.by_kind == {"rejected": 1}
    site.clock.go_on(25 * 3600)
    (item,) = (await site.reads.exceptions()).items
    assert (item.business_key, item.code, item.owner, item.late) == ("C-000123", "E42", "operations", True)
    assert (await site.reads.status()).exceptions.late == 1


async def test_money_is_never_added_across_currencies(site: Site) -> None:
    """An entity with several exceptions counts its money once, per currency."""
    insert = (
        "INSERT INTO exception (kind, system, entity, mark, cause, owner, opened, due, state, amount,"
        " currency, subject, code, remedy, resolution) VALUES ('{}', 'erp', '{}', '', 'c', 'o', 1, 1, 'open',"
        " '{}', '{}', '', '', '', '')"
    )
    site.execute(insert.format("rejected", "e1", "0.10", "EUR"))
    site.execute(insert.format("overdue", "e1", "0.10", "EUR"))
    site.execute(insert.format("rejected", "e2", "0.20", "EUR"))
    site.execute(insert.format("rejected", "e3", "88.10", "USD"))
    assert (await site.reads.status()).exceptions.money == {"EUR": "0.30", "USD": "88.10"}


@pytest.mark.invariant("I32")
async def test_personal_data_is_masked_everywhere(site: Site) -> None:
    await site.born()
    await site.rejected()
    await site.changed("salesforce", "001A", {"Name": "Meyer"})
    told = (await site.reads.trace("C-000123")).model_dump_json()
    told += (await site.reads.exceptions()).model_dump_json()
    told += (await site.reads.overview()).model_dump_json()
    for secret in ("Müller", "Meyer", "0461"):
        assert secret not in told
    assert "Name '***' is blocked" in told
    assert "EUR" in told


async def test_control_characters_in_data_are_made_visible(site: Site) -> None:
    """An OSC 52 in a value would otherwise reach the operator's clipboard."""
    await site.born(number="C-1\x1b]52;c;aGk=\x07\u202e")
    told = await site.reads.trace("001A")
    assert told.record is not None
    assert told.record.business_key == "C-1␛]52;c;aGk=␇�"


async def test_salesforce_headroom_is_what_is_left_of_72_hours(site: Site) -> None:
    site.states({"salesforce": "up"})
    site.execute("INSERT INTO position (system, stream, value, moved) VALUES ('salesforce', 's', x'00', 0)")
    site.execute(f"UPDATE position SET moved = {int(site.clock.now().timestamp() * 1000)}")
    site.clock.go_on(3600)
    assert (await site.reads.status()).replay_headroom_s == 71 * 3600


async def test_headroom_is_of_the_place_that_was_reached_and_not_of_the_hour_in_which_it_was(
    site: Site,
) -> None:
    """Who catches up on what happened in an outage of two days has one day left, until there is no more."""
    site.states({"salesforce": "up"})
    now, hour = int(site.clock.now().timestamp() * 1000), 3_600_000
    for told, left in ((now - 48 * hour, 24), (now - 12 * hour, 60), (None, 72), (now + hour, 72)):
        with site.store.transaction("intake") as tx:
            positions.move(tx, "salesforce", "s", b"place", told)
        assert (await site.reads.status()).replay_headroom_s == left * 3600


class TestTrace:
    """`trace` by whatever name somebody reads out."""

    async def test_every_name_of_a_record_leads_to_it(self, site: Site) -> None:
        await site.born()
        command = await site.deliver("sap", Outcome(OutcomeKind.STORED, handle="0000000004711001"))
        await site.answered("0000000004711001", "accepted", "53", key="0000100001")
        record = (await site.reads.trace("001A")).record
        assert record is not None
        correlation = record.observations[0].correlation
        names = (
            "C-000123",
            record.entity,
            "0000100001",
            "100001",
            command.message_id,
            "4711001",
            correlation,
        )
        for name in names:
            found = (await site.reads.trace(name)).record
            assert found is not None, name
            assert found.entity == record.entity

    async def test_several_matches_are_listed(self, site: Site) -> None:
        await site.born("4711", "001A")
        await site.born("C-2", "4711")
        told = await site.reads.trace("4711")
        assert told.record is None
        assert [match.business_key for match in told.matches] in (["4711", "C-2"], ["C-2", "4711"])
        assert {match.found_by for match in told.matches} == {"business key", "key at salesforce"}

    async def test_nothing_is_found_for_an_unknown_key(self, site: Site) -> None:
        told = await site.reads.trace("nobody")
        assert (told.matches, told.record) == ((), None)

    async def test_an_observation_that_belongs_to_nothing_yet_is_found(self, site: Site) -> None:
        await site.changed("erp", "77", {"name": "x"})
        told = await site.reads.trace("77")
        assert told.matches[0].found_by == "observation #1 of customer 77 at erp, not bound yet"

    @pytest.mark.invariant("I28")
    async def test_the_story_goes_from_cause_to_effect_and_back(self, site: Site) -> None:
        await site.born()
        site.clock.go_on(1)
        await site.rejected()
        record = (await site.reads.trace("C-000123")).record
        assert record is not None
        command = next(c for c in record.commands if c.target == "erp")
        assert command.causes == (record.observations[0].seq,)
        assert record.observations[0].obligations == {"erp": "excepted", "sap": "open"}
        whats = [(line.place, line.what) for line in record.lines]
        assert whats.index(("salesforce", "seen")) < whats.index(("erp", "ready"))
        assert whats.index(("erp", "ready")) < whats.index(("erp", "sent")) < whats.index(("erp", "rejected"))
        assert [line.at for line in record.lines] == sorted(line.at for line in record.lines)
        assert record.parked == ("erp",)
        name = next(f for f in record.fields if f.name == "name")
        assert (name.agreed, name.rule, name.pii) == ("***", "owner salesforce", True)
        assert next(f for f in record.fields if f.name == "phone").rule == "shared, manual"


class TestActs:
    """What people do about exceptions."""

    async def test_a_rejected_record_is_sent_again(self, site: Site) -> None:
        await site.born()
        await site.rejected()
        act = await site.acts.retry(1, "op1", "unblocked in the ERP")
        (command,) = await site.ready("erp")
        assert (act.done, act.command) == (True, command.number)
        assert (await site.reads.exceptions()).total == 0
        assert (await site.reads.status()).conservation.balanced
        record = (await site.reads.trace("C-000123")).record
        assert record is not None
        assert any("(by op1)" in line.text for line in record.lines)

    async def test_what_the_target_may_still_post_is_not_sent_again(self, site: Site) -> None:
        await site.born()
        await site.deliver("sap", Outcome(OutcomeKind.STORED, handle="88"))
        await site.answered("88", "pending", "51", "customer is locked")
        act = await site.acts.retry(1, "op1", "try")
        assert not act.done
        assert "could post twice" in act.text
        assert await site.ready("sap") == []

    async def test_what_may_have_been_applied_is_neither_sent_again_nor_closed(self, site: Site) -> None:
        await site.born()
        command = await site.deliver("erp", Outcome(OutcomeKind.UNCERTAIN))
        site.execute(
            "INSERT INTO exception (kind, system, entity, mark, subject, command, code, cause, remedy, owner,"
            f" opened, due, state, resolution) VALUES ('uncertain', 'erp', '{command.entity}', 'erp', '',"
            f" {command.number}, '', 'lost', '', 'operations', 1, 1, 'open', '')"
        )
        assert not (await site.acts.retry(1, "op1", "try")).done
        assert not (await site.acts.close(1, "op1", "away")).done
        assert (await site.reads.status()).uncertain == 1
        assert (await site.reads.exceptions()).total == 1

    async def test_a_value_that_could_not_be_mapped_is_read_again(self, site: Site) -> None:
        await site.born()
        await site.deliver("erp", ACCEPTED)
        await site.read("erp", "4711", {"number": "C-000123", "credit_limit": "much"})
        (item,) = (await site.reads.exceptions()).items
        assert (item.kind, item.field) == ("unmapped", "credit_limit")
        assert "much" not in item.cause
        assert (await site.acts.retry(item.id, "op1", "corrected")).done
        record = (await site.reads.trace("C-000123")).record
        assert record is not None
        assert next(i for i in record.images if i.system == "erp").stale == "changed"

    async def test_closing_says_why_and_who(self, site: Site) -> None:
        await site.born()
        await site.rejected()
        assert (await site.acts.close(1, "op1", "customer is gone")).done
        item = await site.reads.exception(1)
        assert (item.state, item.resolution) == ("closed", "customer is gone")
        assert not (await site.acts.close(1, "op1", "again")).done
        events = (await site.reads.overview()).recent
        assert any(e.actor == "op1" and e.subject == "verb exceptions close 1" for e in events)
        assert (await site.reads.status()).conservation.balanced

    async def test_an_unknown_exception_is_refused(self, site: Site) -> None:
        with pytest.raises(InputError, match="no exception 9"):
            await site.acts.retry(9, "op1", "x")
        with pytest.raises(InputError, match="no exception 9"):
            await site.reads.exception(9)


async def test_reading_never_holds_the_log_open(site: Site) -> None:
    """A read transaction that stays open would let the write-ahead log grow without end."""
    for number in range(5):
        await site.born(f"C-{number}", f"00{number}")
        await site.reads.status()
    with site.store.transaction("look") as tx:
        assert tx.one("SELECT 1") == (1,)
    busy, log, moved = site.store._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    assert (busy, log, moved) == (0, 0, 0)


async def test_answers_asked_for_at_once_each_see_one_state(site: Site) -> None:
    await site.born()
    statuses = await asyncio.gather(*(site.reads.status() for _ in range(8)))
    assert len({status.conservation.recorded for status in statuses}) == 1


async def test_the_reader_cannot_write(site: Site) -> None:
    reader = await StoreReader.open(site.store.file)
    try:
        async with reader.snapshot() as snapshot:
            with pytest.raises(Exception, match="readonly"):
                await snapshot.rows("DELETE FROM entity")
    finally:
        await reader.close()


class TestOffline:
    """Looking with the service down."""

    async def test_the_status_says_that_the_service_is_down(self, tmp_path: Path) -> None:
        async with open_site(tmp_path) as gone:
            await gone.born()
            gone.states({"erp": "up"})
        async with offline(tmp_path, rulebook(), gone.clock, KINDS) as reads:
            status = await reads.status()
        assert status.service == "down"
        assert verdict(status).code is Code.CRITICAL
        assert "SERVICE DOWN" in verdict(status).reasons[0]
        erp = next(system for system in status.systems if system.name == "erp")
        assert (erp.state, erp.reason) == ("unknown", "last known: up")
        assert status.conservation.recorded == 2

    async def test_the_agent_cannot_start_while_somebody_looks(self, tmp_path: Path) -> None:
        async with open_site(tmp_path) as gone:
            await gone.born()
        async with offline(tmp_path, rulebook(), gone.clock):
            with pytest.raises(Fenced):
                Store.open(tmp_path, gone.clock)

    async def test_a_running_agent_is_not_read_behind_its_back(self, site: Site) -> None:
        with pytest.raises(StoreError, match="runs"):
            async with offline(site.store.directory, rulebook(), site.clock):
                pass

    async def test_no_store_is_said_so(self, tmp_path: Path, site: Site) -> None:
        with pytest.raises(StoreError, match="no store"):
            async with offline(tmp_path / "nothing", rulebook(), site.clock):
                pass


async def test_undecodable_input_never_shows_its_bytes(site: Site) -> None:
    change = Change("u1", "s", ChangeKind.UNDECODABLE, "Account", raw=b"Meyer", reason="cannot be decoded")
    await site.take("salesforce", change)
    (item,) = (await site.reads.exceptions()).items
    assert (item.kind, item.cause) == ("undecodable", "cannot be decoded")
    assert "Meyer" not in (await site.reads.overview()).model_dump_json()


async def test_a_precondition_that_fails_opens_nothing(site: Site) -> None:
    await site.born()
    await site.deliver("erp", ACCEPTED)
    fields = {"number": "C-000123", "name": "Müller & Söhne", "phone": "0461 123", "currency": "EUR"}
    await site.read(
        "erp", "4711", {**fields, "Isthmus_Id": (await site.reads.trace("4711")).matches[0].entity}
    )
    await site.changed("salesforce", "001A", {"Name": "Other"}, Operation.UPDATE)
    await site.deliver("erp", Outcome(OutcomeKind.REJECTED, reason=Reason.PRECONDITION))
    status = await site.reads.status()
    assert status.exceptions.open == 0
    assert status.conservation.balanced


async def test_on_a_large_store_the_first_screen_does_not_count_all_the_time(tmp_path: Path) -> None:
    """The account may take a tenth of the time at most while somebody watches; `status` always counts."""

    class Slow(SteppedClock):
        def monotonic(self) -> float:
            self.ticks += 1.0
            return self.ticks

    async with open_site(tmp_path) as busy:
        clock = Slow()
        reader = await StoreReader.open(busy.store.file)
        reads = StoreReads(reader, rulebook(), clock)
        first = (await reads.overview()).status.conservation
        await busy.born()
        assert (await reads.overview()).status.conservation == first
        assert (await reads.status()).conservation.recorded == 2
        clock.ticks += 100
        await busy.born("C-2", "002")
        assert (await reads.overview()).status.conservation.recorded == 4
        await reads.close()
