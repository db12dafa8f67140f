"""Backlogs by bulk jobs: when, what each row becomes, and what no answer means. Against the stand-in org."""

from __future__ import annotations

import asyncio
import csv
import io
from collections.abc import Sequence
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

import pytest

from adapters.salesforce.write.ingest import fault
from adapters.salesforce.write.upload import Upload, cell, expressible
from agent.core.delivery import Delivery, DeliveryKind, Outcome, OutcomeKind, Reason
from agent.core.objects import FieldSpec, ObjectSpec
from agent.ports import System
from tests.salesforce.conftest import Org
from tests.salesforce.fresh import ACCOUNT, FreshOrg, command, create, update
from tests.salesforce.peers import Answer, Asked

ROWS = 30
JOB = "750000000000001AAA"


def connected(fresh: FreshOrg, **changes: Any) -> System:
    return fresh.connect(**({"bulk_rows": 1000, "bulk_from": 10, "bulk_deadline_s": 20} | changes))


def creates(count: int = ROWS, start: int = 0, **fields: Any) -> list[Delivery]:
    return [create(f"b-{n}", **({"Name": f"Kunde {n}"} | fields)) for n in range(start, start + count)]


def kinds(outcomes: Sequence[Outcome]) -> set[OutcomeKind]:
    return {one.kind for one in outcomes}


async def fields_of(system: System, key: str | None) -> Any:
    assert system.reader is not None
    return (await system.reader.read("Account", [key or ""])).rows[0].fields


async def jobs(fresh: FreshOrg) -> int:
    """How many bulk writes there were, by the origin that each write carries."""
    log = await fresh.control("log")
    return len([one for one in log["writes"] if "/bulkapi/" in one["origin"]])


async def test_a_backlog_of_creates_goes_by_one_job_and_each_row_is_told(fresh: FreshOrg) -> None:
    system = connected(fresh)
    outcomes = await system.target.apply(creates())
    assert kinds(outcomes) == {OutcomeKind.ACCEPTED}
    assert await jobs(fresh) == ROWS
    for n in (0, ROWS - 1):
        rows = await system.target.find("Account", {"Isthmus_Id__c": f"b-{n}"})
        assert [one.key for one in rows] == [outcomes[n].key]
    assert {one.evidence for one in outcomes} == {"bulk created=true"}


async def test_a_backlog_sent_again_makes_no_second_record(fresh: FreshOrg) -> None:
    system = connected(fresh)
    first = await system.target.apply(creates())
    again = await system.target.apply(creates())
    assert [one.key for one in first] == [one.key for one in again]
    assert {one.evidence for one in again} == {"bulk created=false"}
    assert len(await fresh.writes("create")) == ROWS


async def test_updates_and_deletes_go_by_jobs_of_their_own(fresh: FreshOrg) -> None:
    system = connected(fresh)
    made = await system.target.apply(creates(Phone="1", Description="stays"))
    changed = [update(one.key, Phone=f"+49 {n}", VAT_Number__c=None) for n, one in enumerate(made)]
    assert kinds(await system.target.apply(changed)) == {OutcomeKind.ACCEPTED}
    fields = await fields_of(system, made[7].key)
    assert (fields["Phone"], fields["Description"]) == ("+49 7", "stays")
    gone = [command(DeliveryKind.DELETE, one.key) for one in made]
    assert kinds(await system.target.apply(gone)) == {OutcomeKind.ACCEPTED}
    assert await fields_of(system, made[0].key) is None
    assert await jobs(fresh) == 3 * ROWS


async def test_null_is_told_from_unchanged_and_every_type_is_kept(fresh: FreshOrg) -> None:
    system = connected(fresh)
    made = await system.target.apply(creates(Phone="1", Description="old", Credit_Limit__c=Decimal("1.50")))
    text = 'a "quoted", text\nof two lines; ÄÖÜ 客户 🙂'
    lot = [update(one.key, Phone=None) for one in made[:-2]]
    lot += [
        update(made[-2].key, Description=text),
        update(made[-1].key, Credit_Limit__c=Decimal("12345678.90")),
    ]
    assert kinds(await system.target.apply(lot)) == {OutcomeKind.ACCEPTED}
    cleared, texts, money = [await fields_of(system, made[n].key) for n in (0, -2, -1)]
    assert (cleared["Phone"], cleared["Description"]) == (None, "old")
    assert (texts["Phone"], texts["Description"]) == ("1", text)
    assert (money["Phone"], money["Credit_Limit__c"]) == ("1", Decimal("12345678.90"))


async def test_a_text_that_reads_as_null_goes_by_a_request(fresh: FreshOrg) -> None:
    system = connected(fresh)
    made = await system.target.apply(creates())
    lot = [update(one.key, Description="#N/A" if n == 3 else "x") for n, one in enumerate(made)]
    assert kinds(await system.target.apply(lot)) == {OutcomeKind.ACCEPTED}
    assert (await fields_of(system, made[3].key))["Description"] == "#N/A"
    assert await jobs(fresh) == 2 * ROWS - 1


async def test_failed_rows_are_judged_as_those_of_a_request(fresh: FreshOrg) -> None:
    system = connected(fresh)
    lot = creates()
    lot[1] = create("b-1", Name="Zu lang", Phone="9" * 41)
    lot[2] = create("b-2", Name="Minus", Credit_Limit__c=Decimal(-1))
    lot[3] = create("b-3", Phone="1")
    outcomes = await system.target.apply(lot)
    assert [(one.reason, one.code) for one in outcomes[1:4]] == [
        (Reason.INVALID, "STRING_TOO_LONG"),
        (Reason.BUSINESS, "FIELD_CUSTOM_VALIDATION_EXCEPTION"),
        (Reason.BUSINESS, "REQUIRED_FIELD_MISSING"),
    ]
    assert "999" not in outcomes[1].text
    assert "Phone" in outcomes[1].text
    assert kinds([outcomes[0], *outcomes[4:]]) == {OutcomeKind.ACCEPTED}


async def test_a_duplicate_in_a_job_is_told_with_its_rival(fresh: FreshOrg) -> None:
    system = connected(fresh)
    (rival,) = await system.target.apply([create("r", Name="Erster", VAT_Number__c="DE1")])
    lot = creates()
    lot[5] = create("b-5", Name="Zweiter", VAT_Number__c="DE1")
    outcomes = await system.target.apply(lot)
    assert (outcomes[5].code, outcomes[5].reason) == ("DUPLICATES_DETECTED", Reason.BUSINESS)
    assert outcomes[5].evidence == f"rivals={rival.key} rule=Accounts_by_VAT_number"


async def test_a_locked_row_of_a_job_is_retried_alone(fresh: FreshOrg) -> None:
    system = connected(fresh)
    await fresh.arm("lock-row", scope="Account", after=4)
    outcomes = await system.target.apply(creates())
    assert [(n, one.code) for n, one in enumerate(outcomes) if one.kind is OutcomeKind.RETRY] == [
        (4, "UNABLE_TO_LOCK_ROW")
    ]


async def test_a_record_that_is_gone_is_gone_in_a_job_too(fresh: FreshOrg) -> None:
    system = connected(fresh)
    made = await system.target.apply(creates())
    await system.target.apply([command(DeliveryKind.DELETE, made[0].key)])
    outcomes = await system.target.apply([update(one.key, Phone="2") for one in made])
    assert (outcomes[0].reason, outcomes[0].code) == (Reason.GONE, "ENTITY_IS_DELETED")
    assert kinds(outcomes[1:]) == {OutcomeKind.ACCEPTED}


async def test_a_job_that_fails_as_a_whole_is_tried_by_requests(fresh: FreshOrg) -> None:
    system = connected(fresh)
    await fresh.arm("job-failed", scope="Account")
    outcomes = await system.target.apply(creates())
    assert kinds(outcomes) == {OutcomeKind.RETRY}
    assert "given up" in outcomes[0].text
    assert kinds(await system.target.apply(creates())) == {OutcomeKind.ACCEPTED}
    assert await jobs(fresh) == 0


async def test_a_column_that_the_org_does_not_know_is_refused_row_by_row_at_last(fresh: FreshOrg) -> None:
    system = connected(fresh)
    lot = creates(Unknown__c="1")
    assert kinds(await system.target.apply(lot)) == {OutcomeKind.RETRY}
    outcomes = await system.target.apply(lot)
    assert {(one.reason, one.code) for one in outcomes} == {(Reason.FIELD, "INVALID_FIELD")}


async def test_few_commands_go_by_requests_unless_calls_are_short(fresh: FreshOrg) -> None:
    system = connected(fresh, bulk_from=100_000)
    assert kinds(await system.target.apply(creates(300))) == {OutcomeKind.ACCEPTED}
    assert await jobs(fresh) == 0
    await fresh.control("calls", {"used": 750, "limit": 1200})
    await system.target.apply([create("one", Name="One")])
    assert kinds(await system.target.apply(creates(2600, 300))) == {OutcomeKind.ACCEPTED}
    assert await jobs(fresh) == 2600


async def test_who_starts_again_while_a_job_runs_writes_nothing_newer_before_its_end(fresh: FreshOrg) -> None:
    before = connected(fresh)
    made = await before.target.apply(creates())
    await fresh.arm("job-late", scope="Account", delay=1.5)
    old = asyncio.create_task(_applied(before, [update(one.key, Phone="old") for one in made]))
    while not await _running(fresh):
        continue
    old.cancel()
    await asyncio.gather(old, return_exceptions=True)
    after = connected(fresh)
    newer = [update(one.key, Phone="newer") for one in made[:3]]
    codes = {""}
    while kinds(told := await after.target.apply(newer)) != {OutcomeKind.ACCEPTED}:
        codes |= {one.code for one in told}
    assert codes <= {"", "BULK_JOB_RUNS"}
    assert {(await fields_of(after, one.key))["Phone"] for one in made[:3]} == {"newer"}
    assert (await fields_of(after, made[3].key))["Phone"] == "old"


async def test_no_job_at_all_where_none_is_wanted(fresh: FreshOrg) -> None:
    system = connected(fresh, bulk_rows=0)
    assert kinds(await system.target.apply(creates())) == {OutcomeKind.ACCEPTED}
    assert (await jobs(fresh), system.target.guarantees("Account").backlog) == (0, 0)


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
async def test_a_lost_answer_before_the_end_doubles_and_loses_nothing(fresh: FreshOrg, method: str) -> None:
    system = connected(fresh)
    await system.target.apply([create("first", Name="First")])
    await fresh.arm("answer-lost", method=method)
    outcomes = list(await system.target.apply(creates()))
    while kinds(outcomes) != {OutcomeKind.ACCEPTED}:
        assert kinds(outcomes) == {OutcomeKind.RETRY}
        outcomes = list(await system.target.apply(creates()))
    assert len(await fresh.writes("create")) == ROWS + 1


class Bulk:
    """An org's ingest jobs with one that is scripted: what each look finds, and which files it has."""

    def __init__(self, *states: str, files: dict[str, str] | None = None) -> None:
        self.states = list(states)
        self.files = files or {}
        self.left: list[dict[str, Any]] = []
        self.changes: list[str] = []
        self.uploads: list[bytes] = []
        self.uploaded = asyncio.Event()
        self.abortable = True
        self.lost: set[str] = set()

    def job(self, state: str) -> dict[str, Any]:
        stamp = "2026-11-23T08:00:00.000+0000"
        return {"id": JOB, "state": state, "createdDate": stamp, "systemModstamp": stamp}

    def __call__(self, asked: Asked) -> Answer:
        path = asked.path.partition("/jobs/ingest")[2].partition("?")[0]
        part = path.rpartition("/")[2]
        if "/jobs/" not in asked.path:
            return 200, [], {}
        if asked.method == "GET" and path == "":
            return 200, {"done": True, "records": self.left}, {}
        if asked.method == "POST":
            return 200, self.job("Open"), {}
        if asked.method == "PUT":
            self.uploads.append(asked.body)
            self.uploaded.set()
            return 201, None, {}
        if asked.method == "PATCH":
            return self._change(asked.json["state"])
        if part in self.files:
            return 200, self.files[part].encode(), {}
        if part in ("successfulResults", "failedResults", "unprocessedrecords"):
            return 400, [{"errorCode": "INVALIDJOBSTATE", "message": "no results"}], {}
        return 200, self.job(self.states.pop(0) if len(self.states) > 1 else self.states[0]), {}

    def _change(self, state: str) -> Answer:
        self.changes.append(state)
        if state in self.lost:
            return None
        if state == "Aborted" and not self.abortable:
            return 400, [{"errorCode": "INVALIDJOBSTATE", "message": "no"}], {}
        if state == "Aborted":
            self.states = ["Aborted"]
        return 200, self.job(state), {}


def scripted(org: Org, bulk: Bulk, **changes: Any) -> System:
    org.http.answer = bulk
    settings = {"bulk_rows": 1000, "bulk_from": 2, "bulk_deadline_s": 0.01} | changes
    return org.connect(ACCOUNT, **settings)


async def test_a_job_whose_end_is_not_seen_is_stopped_and_told_as_its_results_say(org: Org) -> None:
    bulk = Bulk("InProgress")
    bulk.files = {
        "successfulResults": "sf__Id,sf__Created,Isthmus_Id__c,Name\n001000000000009AAA,true,b-0,K\n",
        "failedResults": "sf__Id,sf__Error,Isthmus_Id__c,Name\n",
        "unprocessedrecords": "Isthmus_Id__c,Name\nb-1,K\n",
    }
    outcomes = await scripted(org, bulk).target.apply(creates(3))
    assert [(one.kind, one.code) for one in outcomes] == [
        (OutcomeKind.ACCEPTED, ""),
        (OutcomeKind.RETRY, "UNPROCESSED"),
        (OutcomeKind.UNCERTAIN, "NO_RESULT"),
    ]
    assert bulk.changes == ["UploadComplete", "Aborted"]


async def test_behind_a_job_that_took_too_long_the_rows_go_by_requests(org: Org) -> None:
    bulk = Bulk("InProgress")
    bulk.files = {"unprocessedrecords": "Isthmus_Id__c,Name\nb-0,K\nb-1,K\n"}
    system = scripted(org, bulk)
    assert {one.code for one in await system.target.apply(creates(2))} == {"UNPROCESSED"}
    await system.target.apply(creates(2))
    assert "/composite/sobjects/" in org.http.asked[-1].path


async def test_new_leads_and_cases_go_by_requests_which_ask_the_assignment_rules(org: Org) -> None:
    bulk = Bulk("JobComplete")
    org.http.answer = bulk
    lead = ObjectSpec("Lead", "Id", (FieldSpec("Name"),), "Isthmus_Id__c")
    system = org.connect(lead, bulk_rows=1000, bulk_from=2)
    await system.target.apply([create(f"l-{n}", "Lead", Name="K") for n in range(3)])
    assert (bulk.uploads, "/composite/sobjects/" in org.http.asked[-1].path) == ([], True)
    await system.target.apply([update(f"00Q00000000000{n}AAA", "Lead", Name="K") for n in range(3)])
    assert len(bulk.uploads) == 1


async def test_a_job_that_cannot_be_stopped_leaves_all_uncertain_and_nothing_passes_it(org: Org) -> None:
    bulk = Bulk("InProgress")
    bulk.abortable = False
    system = scripted(org, bulk)
    outcomes = await system.target.apply(creates(3))
    assert {(one.kind, one.code) for one in outcomes} == {(OutcomeKind.UNCERTAIN, "NO_ANSWER")}
    (outcome,) = await system.target.apply([update("001000000000009AAA", Phone="newer")])
    assert (outcome.kind, outcome.code) == (OutcomeKind.RETRY, "BULK_JOB_RUNS")
    bulk.states = ["JobComplete"]
    await system.target.apply([update("001000000000009AAA", Phone="newer")])
    assert org.http.asked[-1].method == "PATCH"
    assert "/sobjects/" in org.http.asked[-1].path


async def test_a_job_of_an_earlier_life_is_waited_for_and_not_stopped(org: Org) -> None:
    bulk = Bulk("InProgress")
    user = "005000000000001AAA"
    bulk.left = [
        {**bulk.job("InProgress"), "object": "Account", "createdById": user},
        {**bulk.job("InProgress"), "id": "750000000000002AAA", "object": "Lead", "createdById": user},
        {**bulk.job("InProgress"), "id": "750000000000003AAA", "object": "Account", "createdById": "005x"},
        {**bulk.job("JobComplete"), "id": "750000000000004AAA", "object": "Account", "createdById": user},
    ]
    system = scripted(org, bulk)
    for _ in range(2):
        (outcome,) = await system.target.apply([update("001000000000009AAA", Phone="1")])
        assert (outcome.kind, outcome.code) == (OutcomeKind.RETRY, "BULK_JOB_RUNS")
        assert JOB in outcome.text
    assert bulk.changes == []
    bulk.states = ["JobComplete"]
    await system.target.apply([update("001000000000009AAA", Phone="1")])
    assert "/sobjects/" in org.http.asked[-1].path


async def test_jobs_of_before_are_looked_for_on_every_page(org: Org) -> None:
    bulk = Bulk("InProgress")
    more = "/services/data/v62.0/jobs/ingest?queryLocator=x"
    left = {**bulk.job("InProgress"), "object": "Account", "createdById": "005000000000001AAA"}

    def answer(asked: Asked) -> Answer:
        if "jobType=" in asked.path:
            return 200, {"done": False, "records": [], "nextRecordsUrl": more}, {}
        return (200, {"done": True, "records": [left]}, {}) if asked.path == more else bulk(asked)

    org.http.answer = answer
    system = org.connect(ACCOUNT, bulk_rows=1000)
    (outcome,) = await system.target.apply([update("001000000000009AAA", Phone="1")])
    assert outcome.code == "BULK_JOB_RUNS"


async def test_who_may_not_see_limits_still_looks_for_jobs_of_before(org: Org) -> None:
    bulk = Bulk("InProgress")
    bulk.left = [{**bulk.job("InProgress"), "object": "Account", "createdById": "005000000000001AAA"}]

    def answer(asked: Asked) -> Answer:
        refused = [{"errorCode": "FORBIDDEN", "message": "View Setup"}]
        return (403, refused, {}) if asked.path.endswith("/limits") else bulk(asked)

    org.http.answer = answer
    system = org.connect(ACCOUNT, bulk_rows=1000)
    (outcome,) = await system.target.apply([update("001000000000009AAA", Phone="1")])
    assert outcome.code == "BULK_JOB_RUNS"


async def test_who_may_not_see_jobs_has_none_and_writes_by_requests(org: Org) -> None:
    def answer(asked: Asked) -> Answer:
        if "/jobs/" in asked.path:
            return 403, [{"errorCode": "FUNCTIONALITY_NOT_ENABLED", "message": "no bulk"}], {}
        return 200, [{"id": "001000000000009AAA", "success": True, "created": True}] * 3, {}

    org.http.answer = answer
    system = org.connect(ACCOUNT, bulk_rows=1000, bulk_from=2)
    assert kinds(await system.target.apply(creates(3))) == {OutcomeKind.RETRY}
    assert kinds(await system.target.apply(creates(3))) == {OutcomeKind.ACCEPTED}


async def test_a_start_that_may_still_be_on_its_way_is_called_back(org: Org) -> None:
    bulk = Bulk("Open")
    bulk.lost = {"UploadComplete"}
    outcomes = await scripted(org, bulk).target.apply(creates(3))
    assert {(one.kind, one.code) for one in outcomes} == {(OutcomeKind.RETRY, "NO_JOB")}
    assert bulk.changes == ["UploadComplete", "Aborted"]


async def test_a_start_whose_effect_cannot_be_told_is_uncertain(org: Org) -> None:
    bulk = Bulk("Open")
    bulk.lost = {"UploadComplete", "Aborted"}
    outcomes = await scripted(org, bulk).target.apply(creates(3))
    assert kinds(outcomes) == {OutcomeKind.UNCERTAIN}


async def test_results_of_other_rows_are_no_answer_for_ours(org: Org) -> None:
    bulk = Bulk("JobComplete")
    bulk.files = dict.fromkeys(("successfulResults", "failedResults"), "sf__Id,sf__Error\n001,x\n\n1,2,3\n")
    assert kinds(await scripted(org, bulk).target.apply(creates(3))) == {OutcomeKind.UNCERTAIN}


async def test_rows_of_one_parent_stand_together_in_the_file(org: Org) -> None:
    bulk = Bulk("JobComplete")
    parents = ["001000000000002AAA", "001000000000001AAA"]
    lot = [create(f"b-{n}", Name="K", ParentId=parents[n % 2]) for n in range(4)]
    await scripted(org, bulk).target.apply(lot)
    rows = list(csv.DictReader(io.StringIO(bulk.uploads[0].decode())))
    assert [row["Isthmus_Id__c"] for row in rows] == ["b-1", "b-3", "b-0", "b-2"]


async def test_a_file_larger_than_a_job_may_be_is_cut(org: Org) -> None:
    lot = dict(enumerate(creates(10, Description="x" * 1000)))
    upload = Upload(lot, "Isthmus_Id__c")
    parts = upload.parts(3000)
    assert [len(part.lot) for part in parts] == [3, 3, 3, 1]
    assert sorted(place for part in parts for place in part.lot) == list(range(10))
    assert upload.parts(1 << 20) == [upload]


async def test_the_file_is_made_in_pieces(org: Org) -> None:
    upload = Upload(dict(enumerate(creates(300, Description="x" * 1000))), "Isthmus_Id__c")
    pieces = [piece async for piece in upload.stream()]
    assert len(pieces) > 3
    assert b"".join(pieces).count(b"\n") == 301


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "#N/A"),
        ("", "#N/A"),
        (True, "true"),
        (False, "false"),
        (7, "7"),
        (Decimal("1E+3"), "1000"),
        (Decimal("12345678901234567.89"), "12345678901234567.89"),
        (date(2026, 12, 31), "2026-12-31"),
        (datetime(2026, 12, 31, 1, 2, 3, 4000, tzinfo=UTC), "2026-12-31T01:02:03.004Z"),
        (time(1, 2, 3, 4000), "01:02:03.004Z"),
        ("ü", "ü"),
    ],
)
def test_cells(value: object, text: str) -> None:
    assert cell(value) == text


@pytest.mark.parametrize("value", ["#N/A", 1.5, Decimal("NaN"), "\ud800"])
def test_what_has_no_cell_goes_by_a_request(value: object) -> None:
    assert not expressible({"Phone": value})


@pytest.mark.parametrize(
    ("text", "code", "message", "fields"),
    [
        (
            "REQUIRED_FIELD_MISSING:Required fields are missing: [Name]:Name --",
            "REQUIRED_FIELD_MISSING",
            "Required fields are missing: [Name]",
            ("Name",),
        ),
        ("A:b:X, Y --", "A", "b", ("X", "Y")),
        ("UNABLE_TO_LOCK_ROW:busy:--", "UNABLE_TO_LOCK_ROW", "busy", ()),
        ("CODE:text", "CODE", "text", ()),
        ("", "UNKNOWN_EXCEPTION", "", ()),
    ],
)
def test_errors_of_failed_rows(text: str, code: str, message: str, fields: tuple[str, ...]) -> None:
    found = fault(text)
    assert (found.code, found.text, found.fields) == (code, message, fields)


async def test_closing_while_a_job_runs_ends_at_once(org: Org) -> None:
    bulk = Bulk("InProgress")
    running = asyncio.create_task(_apply(scripted(org, bulk, bulk_deadline_s=60)))
    await bulk.uploaded.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


async def _apply(system: System) -> None:
    await system.target.apply(creates(3))


async def _applied(system: System, lot: list[Delivery]) -> None:
    await system.target.apply(lot)


async def _running(fresh: FreshOrg) -> bool:
    """Whether the fault that holds a job back has struck."""
    return not [one for one in (await fresh.control("faults"))["armed"] if one["kind"] == "job-late"]
