"""The judge as a process of its own, on real systems."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path

import pytest

from adapters.sandbox.business import tamper
from tests.sandbox.oracle.landscape import ORACLE, Landscape, landscape

_HOOK = """
import runpy, sys
path, *arguments = sys.argv[1:]
sys.argv = [path, *arguments]
try:
    runpy.run_path(path, run_name="__main__")
finally:
    sys.stderr.write("LOADED " + " ".join(sorted(sys.modules)))
"""


@pytest.fixture
async def systems(tmp_path: Path) -> AsyncIterator[Landscape]:
    async with landscape(tmp_path, customers=3) as found:
        yield found


async def test_systems_that_hold_the_same_are_equal(systems: Landscape) -> None:
    key = systems.erp.customer_ids()[0]
    await systems.share_invoice(key)
    answer = await systems.judge()
    assert answer.code == 0, answer
    assert answer.verdict["equal"] is True
    assert answer.verdict["entities_compared"] == 4
    # a customer: 7 fields in all three systems, 3 in two; an invoice: 9 in two
    assert answer.verdict["fields_compared"] == 3 * (7 * 2 + 3) + 9


async def test_the_judge_loads_nothing_of_the_agent_or_the_adapters(systems: Landscape) -> None:
    process = subprocess.run(  # noqa: ASYNC221
        [sys.executable, "-c", _HOOK, str(ORACLE), *systems.options(), "--json"],
        capture_output=True,
        text=True,
        check=False,
        cwd=systems.folder,
    )
    loaded = process.stderr.partition("LOADED ")[2].split()
    assert process.returncode == 0, process.stderr
    assert "isthmus_oracle.command" in loaded
    assert not [name for name in loaded if name.partition(".")[0] in {"agent", "adapters", "tui"}]


async def test_a_row_tampered_with_unseen_is_found(systems: Landscape) -> None:
    with systems.erp.database.transaction() as database:
        database.run("CREATE TABLE isthmus_journal (seq INTEGER PRIMARY KEY, object TEXT, key TEXT)")
        database.run(
            "CREATE TRIGGER capture AFTER UPDATE ON customer BEGIN"
            " INSERT INTO isthmus_journal (object, key) VALUES ('customer', NEW.customer_id); END"
        )
    systems.erp.change_credit_limit(systems.erp.customer_ids()[1], Decimal(0))
    number = tamper(systems.erp)
    with systems.erp.database.transaction() as database:
        assert database.rows("SELECT COUNT(*) FROM isthmus_journal")[0][0] == 1
    answer = await systems.judge()
    assert answer.code == 1
    assert answer.verdict["equal"] is False
    assert [(row["key"], row["field"]) for row in answer.verdict["different"]] == [(number, "city")]


async def test_personal_data_never_stand_in_the_output(systems: Landscape) -> None:
    key = systems.erp.customer_ids()[0]
    systems.erp.change_phone(key, "+49 1 SECRET")
    for as_json in (True, False):
        answer = await systems.judge(as_json=as_json)
        assert answer.code == 1
        assert "phone" in answer.text
        assert "SECRET" not in answer.text


async def test_an_invoice_of_the_wrong_account_or_only_in_one_system_is_found(systems: Landscape) -> None:
    first, second, _ = systems.erp.customer_ids()
    number = await systems.share_invoice(first)
    with systems.erp.database.transaction() as database:
        database.run("UPDATE invoice SET customer_id = ? WHERE invoice_no = ?", second, number)
    await systems.transaction(
        {"op": "create", "object": "Invoice__c", "fields": {"Invoice_Number__c": "90009999"}}
    )
    verdict = (await systems.judge()).verdict
    assert [(row["key"], row["field"]) for row in verdict["different"]] == [(number, "customer")]
    assert [(row["key"], row["system"]) for row in verdict["missing"]] == [("90009999", "erp")]


async def test_a_record_deleted_and_created_again_under_the_same_id_is_doubled(systems: Landscape) -> None:
    account = await systems.account("C-000001")
    await systems.transaction({"op": "delete", "object": "Account", "id": account})
    fields = {"AccountNumber": "C-000001", "Name": "Again", "Isthmus_Id__c": "CUSTOMER-1"}
    await systems.transaction({"op": "create", "object": "Account", "fields": fields})
    doubled = (await systems.judge()).verdict["doubled"]
    assert [(row["object"], row["what"], row["count"]) for row in doubled] == [("Account", "created", 2)]


async def test_quiet_is_waited_for_and_the_last_verdict_counts(systems: Landscape) -> None:
    answer = await systems.judge("--wait-quiet", "0.1", "--timeout", "20")
    assert answer.code == 0
    systems.erp.change_phone(systems.erp.customer_ids()[0], "1")
    answer = await systems.judge("--wait-quiet", "0.1", "--timeout", "0.5")
    assert answer.code == 1


async def test_a_refusal_that_passes_does_not_stop_the_judge(systems: Landscape) -> None:
    await systems.http.post("/_sandbox/faults", json={"kind": "unavailable", "count": 2})
    await systems.http.post("/_sandbox/faults", json={"kind": "answer-lost", "count": 1})
    assert (await systems.judge()).code == 0


async def test_a_system_that_cannot_be_read_is_told_without_secrets(systems: Landscape) -> None:
    bad = "Driver=SQLite3;Database=/nowhere/at/all.db;PWD=hunter2"
    answer = await systems.judge("--erp", bad)
    assert answer.code == 3
    assert "ERP" in answer.narration
    assert "hunter2" not in answer.narration
    answer = await systems.judge("--sap", str(systems.folder / "nothing"))
    assert answer.code == 3
    assert "SAP" in answer.narration
    answer = await systems.judge("--client-secret", "wrong-secret")
    assert answer.code == 3
    assert "wrong-secret" not in answer.narration


async def test_the_secret_may_stand_in_the_environment(
    systems: Landscape, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(os.environ, "ORACLE_SECRET", systems.org["client_secret"])
    assert (await systems.judge("--client-secret", "env:ORACLE_SECRET")).code == 0
    answer = await systems.judge("--client-secret", "env:ORACLE_NOTHING")
    assert answer.code == 2


async def test_a_journal_that_cannot_be_used_is_wrong_input(systems: Landscape) -> None:
    journal = systems.folder / "edits.jsonl"
    journal.write_text(json.dumps({"system": "erp", "object": "customer", "key": "C-1", "value": "x"}) + "\n")
    answer = await systems.judge("--journal", str(journal))
    assert answer.code == 2
    assert "line 1" in answer.narration
