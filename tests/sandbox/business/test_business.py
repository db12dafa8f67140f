"""People at work in real sandbox systems, with nobody who carries anything between them."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from adapters.sandbox.business import Business, Faults, Settings, Share, Until, tamper
from adapters.sandbox.erp import SampleErp
from tests.sandbox.oracle.landscape import Landscape, landscape


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """A folder for a second landscape."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    return folder


@pytest.fixture
async def systems(tmp_path: Path) -> AsyncIterator[Landscape]:
    async with landscape(tmp_path, customers=4) as found:
        yield found


def settings(systems: Landscape, **changes: Any) -> Settings:
    """Quick business."""
    plain = Settings(
        salesforce=systems.org["http"],
        client_id=systems.org["client_id"],
        client_secret=systems.org["client_secret"],
        erp=systems.erp_connection,
        sap=systems.sap.told["http"],
        journal=systems.folder / "edits.jsonl",
        rate=200.0,
        first_customers=0,
    )
    return replace(plain, **changes)


def only(*kinds: str) -> Share:
    """Business of these kinds and no other."""
    return Share(**{field.name: int(field.name in kinds) for field in fields(Share)})


def lines(systems: Landscape) -> list[dict[str, Any]]:
    """The journal of edits."""
    return [json.loads(line) for line in (systems.folder / "edits.jsonl").read_text().splitlines()]


async def test_every_kind_of_business_is_done_and_every_edit_is_there(systems: Landscape) -> None:
    share = Share(**{field.name: 10 for field in fields(Share)})
    summary = await Business(settings(systems, share=share)).run(Until(operations=150))
    assert set(summary.done) == {field.name for field in fields(Share)}
    assert summary.operations == 150
    assert summary.edits == len(lines(systems))
    answer = await systems.judge("--journal", str(systems.folder / "edits.jsonl"))
    # nobody carries phone numbers over, so both sides' stand; all else is as its owner left it
    assert answer.verdict["edits_judged"] == summary.edits
    assert {row["field"] for row in answer.verdict["lost"]} == {"phone"}
    assert {row["field"] for row in answer.verdict["different"]} > {"phone", "credit_limit", "order_block"}


async def test_the_same_seed_types_the_same(systems: Landscape, elsewhere: Path) -> None:
    share = only("customer")
    await Business(settings(systems, share=share, seed=7, hands=1)).run(Until(operations=3))
    before = lines(systems)
    async with landscape(elsewhere, customers=4) as other:
        await Business(settings(other, share=share, seed=7, hands=1)).run(Until(operations=3))
        again = lines(other)
    assert [(row["key"], row["field"], row["value"]) for row in before] == [
        (row["key"], row["field"], row["value"]) for row in again
    ]
    assert {row["key"] for row in before} == {"C-000005", "C-000006", "C-000007"}


async def test_names_fit_into_the_narrowest_system(systems: Landscape) -> None:
    await Business(settings(systems, share=only("customer", "master_data"))).run(Until(operations=60))
    assert all(len(row["value"]) <= 35 for row in lines(systems) if row["field"] != "AccountNumber")


async def test_a_clash_is_two_edits_of_one_phone_that_did_not_see_each_other(systems: Landscape) -> None:
    await Business(settings(systems, share=only("phone_clash"), hands=1)).run(Until(operations=1))
    edits = lines(systems)
    assert {row["system"] for row in edits} == {"erp", "salesforce"}
    assert len({row["key"] for row in edits}) == 1
    assert not {row["value"] for row in edits} & {row["seen"] for row in edits}


async def test_a_phone_edit_knows_what_it_overwrote(systems: Landscape) -> None:
    await Business(settings(systems, share=only("phone"))).run(Until(operations=40))
    held: dict[tuple[str, str], str] = {}
    for row in lines(systems):
        place = (row["system"], row["key"])
        assert held.get(place, row["seen"]) == row["seen"]
        held[place] = row["value"]


async def test_nobody_edits_a_customer_that_has_not_arrived(elsewhere: Path) -> None:
    async with landscape(elsewhere, customers=0) as empty:
        share = only("invoice", "credit_limit", "order_block", "payment", "phone_clash", "payment_terms")
        summary = await Business(settings(empty, share=share, first_customers=2)).run(Until(operations=20))
        assert (summary.done, summary.idle) == ({"customer": 2}, 20)
        assert {row["system"] for row in lines(empty)} == {"salesforce"}


async def test_a_lost_answer_makes_nobody_a_customer_twice(systems: Landscape) -> None:
    fault = {"kind": "answer-lost", "scope": "Account", "method": "POST", "count": 2}
    await systems.http.post("/_sandbox/faults", json=fault)
    summary = await Business(settings(systems, share=only("customer"))).run(Until(operations=5))
    assert summary.retries >= 2
    found = (await systems.judge()).verdict
    assert not found["doubled"]
    assert len({row["key"] for row in found["missing"]}) == 5


async def test_a_lost_answer_is_noted_as_unknown_and_then_looked_up(systems: Landscape) -> None:
    fault = {"kind": "answer-lost", "scope": "Account", "method": "PATCH"}
    await systems.http.post("/_sandbox/faults", json=fault)
    summary = await Business(settings(systems, share=only("master_data"), hands=1)).run(Until(operations=1))
    outcomes = [row["outcome"] for row in lines(systems)]
    assert summary.unknown == 1
    assert outcomes == ["unknown"] * (len(outcomes) // 2) + ["done"] * (len(outcomes) // 2)
    updates = (await systems.http.get("/_sandbox/log")).json()["writes"]
    assert len([row for row in updates if row["operation"] == "update"]) == 1


async def test_revoked_tokens_and_locked_rows_are_worked_around(systems: Landscape) -> None:
    await systems.http.post("/_sandbox/faults", json={"kind": "lock-row", "scope": "Account", "count": 2})
    await systems.http.post("/_sandbox/faults", json={"kind": "revoke", "scope": "Account", "after": 1})
    summary = await Business(settings(systems, share=only("customer"))).run(Until(operations=6))
    assert summary.done == {"customer": 6}


async def test_a_busy_erp_is_tried_again(systems: Landscape) -> None:
    url = f"{systems.erp_connection};Timeout=1"
    share = only("credit_limit")
    business = Business(settings(systems, erp=url, share=share))
    other = SampleErp(systems.erp_connection)
    try:
        with other.database.transaction() as database:
            database.run("UPDATE number_range SET last = last")
            run = asyncio.create_task(business.run(Until(operations=3)))
            async with asyncio.timeout(20):
                while not business.tried_again:
                    await systems.sap.http.get("/health")
        summary = await run
    finally:
        other.close()
    assert summary.done == {"credit_limit": 3}
    assert summary.retries > 0


async def test_faults_strike_as_often_as_told_and_none_is_left(systems: Landscape) -> None:
    faults = Faults(gap=2, undecodable=1, answer_lost=2, broken_idoc=1)
    told = settings(systems, faults=faults)
    summary = await Business(told).run(Until(operations=40))
    assert summary.faults == {"gap": 2, "undecodable": 1, "answer_lost": 2, "broken_idoc": 1}
    assert (await systems.http.get("/_sandbox/faults")).json()["armed"] == []
    sent = systems.sap.rows("SELECT 1 FROM number_range WHERE name = 'docnum' AND last > 700000")
    assert sent


async def test_business_ends_by_time_or_when_stopped_and_tells_how_far_it_is(systems: Landscape) -> None:
    told: list[tuple[int, float, float]] = []
    share = only("credit_limit")
    business = Business(settings(systems, share=share), lambda *figures: told.append(figures))
    await business.run(Until(seconds=0.3))
    assert told
    assert told[0][2] > told[-1][2] >= 0
    stopped = Business(settings(systems, share=share))
    run = asyncio.create_task(stopped.run(Until(seconds=3600)))
    async with asyncio.timeout(20):
        while not stopped.begun:
            await systems.sap.http.get("/health")
    stopped.stop()
    assert (await run).seconds < 3600


async def test_an_end_must_be_named() -> None:
    with pytest.raises(ValueError, match="end"):
        Until()


async def test_the_program_works_until_told_and_sums_up(systems: Landscape) -> None:
    options = settings(systems)
    command = [
        *(sys.executable, "-m", "adapters.sandbox.business", "--salesforce", options.salesforce),
        *("--client-id", options.client_id, "--client-secret", "env:BUSINESS_SECRET"),
        *("--erp", options.erp, "--sap", options.sap, "--journal", str(options.journal)),
        *("--seconds", "3600", "--rate", "50", "--share", "customer=0"),
    ]
    process = await asyncio.create_subprocess_exec(
        *command,
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "BUSINESS_SECRET": options.client_secret},
    )
    async with asyncio.timeout(30):
        while not (options.journal.exists() and options.journal.stat().st_size):
            await systems.sap.http.get("/health")
    process.send_signal(signal.SIGTERM)
    out, _ = await process.communicate()
    assert process.returncode == 0
    summary = json.loads(out)
    assert summary["edits"] == len(lines(systems))


async def test_the_program_refuses_kinds_that_do_not_exist(systems: Landscape) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "adapters.sandbox.business", "--erp", "x", "--salesforce", "x", "--sap", "x"),
        *("--client-id", "x", "--client-secret", "x", "--journal", "x", "--seconds", "1"),
        *("--share", "tea=3"),
        stderr=asyncio.subprocess.PIPE,
    )
    _, narration = await process.communicate()
    assert process.returncode == 2
    assert "tea" in narration.decode()


def test_an_erp_without_customers_cannot_be_tampered_with(tmp_path: Path) -> None:
    erp = SampleErp(f"Driver=SQLite3;Database={tmp_path / 'erp.db'}")
    try:
        erp.install()
        with pytest.raises(LookupError):
            tamper(erp)
    finally:
        erp.close()
