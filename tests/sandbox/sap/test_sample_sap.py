"""The adapter and the sample SAP, over real files, as two programs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2

from adapters.idoc import connect
from agent.core.change import Change, ChangeKind
from agent.core.delivery import DeliveryKind, OutcomeKind
from agent.core.objects import ObjectSpec
from agent.ports import System
from tests.idoc.files import DEBMAS, FieldSpec, delivery
from tests.sandbox.sap.process import RunningSap, running

OBJECT = ObjectSpec("DEBMAS", DEBMAS.key, (*DEBMAS.fields, FieldSpec("E1KNA1M.TELF1")))
HANDLE = "0010000000000042"


def adapter(sap: RunningSap, folder: Path) -> System:
    return connect("sap", sap.settings(folder), (OBJECT,), lambda name: name)


@asynccontextmanager
async def opened(sap: RunningSap, folder: Path) -> AsyncIterator[System]:
    system = adapter(sap, folder)
    await system.source.open({})
    try:
        yield system
    finally:
        await system.source.close()


def waiting(sap: RunningSap) -> list[Path]:
    """Files that the sample SAP has not taken yet."""
    return sorted(Path(sap.told["inbound"]).iterdir())


async def send(system: System, **changed: Any) -> None:
    command = delivery(**changed)
    await system.target.prepare([command])
    (outcome,) = await system.target.apply([command])
    assert outcome.kind is OutcomeKind.STORED


async def changes(system: System, wanted: int) -> list[Change]:
    """So many changes, acknowledged as they come."""
    found: list[Change] = []
    async with asyncio.timeout(20):
        while len(found) < wanted:
            batch = await system.source.read()
            await system.source.ack(batch)
            found.extend(batch.changes)
    return found


async def answers(system: System, wanted: int) -> list[tuple[str, str, str]]:
    """So many answers: handle, outcome, code."""
    found: list[tuple[str, str, str]] = []
    while len(found) < wanted:
        (change,) = await changes(system, 1)
        if change.answer is not None:
            found.append((change.answer.handle, change.answer.outcome, change.answer.code))
    return found


async def test_a_created_customer_is_confirmed_with_its_new_number_and_comes_back(tmp_path: Path) -> None:
    async with running(tmp_path / "sap") as sap:
        async with opened(sap, tmp_path) as system:
            await send(system)
            found = {change.kind: change for change in await changes(system, 2)}
        answer = found[ChangeKind.ANSWER].answer
        assert answer is not None
        assert (answer.handle, answer.outcome, answer.key) == (HANDLE, "accepted", "0000100001")
        assert found[ChangeKind.TOLD].keys == ("0000100001",)
        assert found[ChangeKind.TOLD].fields["E1KNA1M.NAME1"] == "Alder Works"
        assert sap.rows("SELECT kunnr, name1, sortl FROM customer") == [
            ("0000100001", "Alder Works", "C-000001")
        ]
        assert sap.rows("SELECT partner_docnum, arckey, status FROM idoc WHERE direction = 2") == [
            (HANDLE, "1-42", "53")
        ]
        assert not waiting(sap)


async def test_an_update_leaves_what_other_users_own(tmp_path: Path) -> None:
    async with running(tmp_path / "sap", "--customers", "1", "--no-echo") as sap:
        before = sap.rows("SELECT sortl, telf1, stras FROM customer")
        system = adapter(sap, tmp_path)
        await send(system, kind=DeliveryKind.UPDATE, key="0000100001", fields={"E1KNA1M.NAME1": "New Name"})
        await sap.until(lambda: sap.rows("SELECT name1 FROM customer") == [("New Name",)])
        assert sap.rows("SELECT sortl, telf1, stras FROM customer") == before


async def test_a_refused_idoc_is_pending_until_staff_run_it_again(tmp_path: Path) -> None:
    async with running(tmp_path / "sap", "--no-echo") as sap:
        async with opened(sap, tmp_path) as system:
            await send(system, fields={"E1KNA1M.NAME1": "REJECT me"})
            assert await answers(system, 1) == [(HANDLE, "pending", "51")]
            assert await sap.post("/reprocess") == {"posted": 0}
            await sap.post("/switches", {"reject": False})
            assert await sap.post("/reprocess") == {"posted": 1}
            assert await answers(system, 1) == [(HANDLE, "accepted", "53")]
        assert len(sap.rows("SELECT * FROM customer")) == 1


async def test_an_idoc_that_staff_close_is_rejected_for_good(tmp_path: Path) -> None:
    async with running(tmp_path / "sap") as sap:
        async with opened(sap, tmp_path) as system:
            await send(system, fields={"E1KNA1M.SORTL": "C-1"})
            assert await answers(system, 1) == [(HANDLE, "pending", "51")]
            ((docnum,),) = sap.rows("SELECT docnum FROM idoc WHERE direction = 2")
            await sap.post(f"/idocs/{docnum}/dismiss")
            assert await answers(system, 1) == [(HANDLE, "rejected", "68")]
        assert (await sap.http.post("/idocs/1/dismiss")).status_code == 409


async def test_a_backlog_answers_64_and_posts_when_the_job_runs(tmp_path: Path) -> None:
    async with running(tmp_path / "sap", "--no-echo") as sap, opened(sap, tmp_path) as system:
        await sap.post("/switches", {"backlog": True})
        await send(system)
        assert await answers(system, 1) == [(HANDLE, "pending", "64")]
        await sap.post("/switches", {"backlog": False})
        assert await answers(system, 1) == [(HANDLE, "accepted", "53")]


async def test_sap_checks_no_duplicates(tmp_path: Path) -> None:
    async with running(tmp_path / "sap") as sap:
        await sap.post("/switches", {"reading": False})
        await send(adapter(sap, tmp_path))
        (path,) = waiting(sap)
        path.with_name("copy").write_bytes(path.read_bytes())
        await sap.post("/switches", {"reading": True})
        await sap.until(lambda: len(sap.rows("SELECT kunnr FROM customer")) == 2)


async def test_an_edit_of_a_user_is_told_whole(tmp_path: Path) -> None:
    async with running(tmp_path / "sap", "--customers", "2", "--seed", "7") as sap:
        async with opened(sap, tmp_path) as system:
            assert await sap.post("/customers/100002", {"aufsd": "01", "name1": "Größe & Co"}) == {
                "changed": True
            }
            assert await sap.post("/customers/100002", {"aufsd": "01"}) == {"changed": False}
            (change,) = await changes(system, 1)
        assert change.whole and change.keys == ("0000100002",)
        assert (change.fields["E1KNA1M.AUFSD"], change.fields["E1KNA1M.NAME1"]) == ("01", "Größe & Co")
        log = sap.rows(
            "SELECT kunnr, field, new, by_whom FROM change_log WHERE by_whom = 'SMITH' ORDER BY field"
        )
        assert log == [("0000100002", "AUFSD", "01", "SMITH"), ("0000100002", "NAME1", "Größe & Co", "SMITH")]


async def test_a_wrong_edit_is_refused(tmp_path: Path) -> None:
    async with running(tmp_path / "sap", "--customers", "1") as sap:
        statuses = [
            (await sap.http.post("/customers/100001", json={"nonsense": "x"})).status_code,
            (await sap.http.post("/customers/100001", json={"land1": "long"})).status_code,
            (await sap.http.post("/customers/9", json={"name1": "x"})).status_code,
            (await sap.http.post("/switches", json={"nonsense": True})).status_code,
        ]
        assert statuses == [422, 422, 404, 422]


async def test_a_broken_file_is_quarantined_and_the_next_one_read(tmp_path: Path) -> None:
    async with running(tmp_path / "sap", "--customers", "1") as sap:
        async with opened(sap, tmp_path) as system:
            name = (await sap.post("/broken"))["file"]
            await sap.post("/customers/100001", {"name1": "x"})
            first, second = await changes(system, 2)
        assert (first.kind, second.kind) == (ChangeKind.UNDECODABLE, ChangeKind.TOLD)
        (kept,) = (tmp_path / "quarantine").iterdir()
        assert kept.name.startswith(name)


async def test_of_a_file_cut_within_sap_keeps_the_idocs_before_the_cut(tmp_path: Path) -> None:
    async with running(tmp_path / "sap") as sap:
        await sap.post("/switches", {"reading": False})
        await send(adapter(sap, tmp_path))
        (path,) = waiting(sap)
        path.write_bytes(path.read_bytes() * 2 + b"EDI_DC40  cut")
        await sap.post("/switches", {"reading": True})
        await sap.until(lambda: [entry.name for entry in waiting(sap)] == [f"{path.name}.broken"])
        await sap.until(lambda: len(sap.rows("SELECT kunnr FROM customer")) == 2)


async def test_it_goes_on_where_it_stopped(tmp_path: Path) -> None:
    async with running(tmp_path / "sap", "--customers", "2") as sap:
        before = sap.rows("SELECT * FROM customer")
        await sap.post("/customers/100001", {"telf1": "1"})
    async with running(tmp_path / "sap", "--customers", "2") as sap:
        assert len(sap.rows("SELECT * FROM customer")) == len(before)
        assert await sap.post("/send-all") == {"sent": 2}
        listed = httpx2.Response.json(await sap.http.get("/idocs"))
        assert len({row["docnum"] for row in listed}) == len(listed) == 3
