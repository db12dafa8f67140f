"""Taking files from a real directory: when, in which order, what they say, and when they are released."""

from __future__ import annotations

import asyncio
import errno
import itertools
import os
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from adapters.idoc.format.flat_writing import write_status
from adapters.idoc.inbound import Inbound, order_of, read_value
from adapters.idoc.settings import Take
from adapters.idoc.source import IdocDirectory
from agent import failpoints
from agent.core.change import Batch, Change, ChangeKind, Operation
from agent.errors import Unreachable
from tests.idoc.files import (
    DEBMAS,
    DICTIONARY,
    FieldSpec,
    FieldType,
    confirmation,
    control,
    customer,
    flat,
    segment,
    settings,
    state,
)


@asynccontextmanager
async def opened(
    folder: Path, monotonic: Callable[[], float] = time.monotonic, **changed: object
) -> AsyncIterator[IdocDirectory]:
    given = settings(folder, **changed)
    source = IdocDirectory("sap", given, Inbound(given, (DEBMAS,), DICTIONARY), monotonic)
    await source.open({})
    try:
        yield source
    finally:
        await source.close()


async def next_file(source: IdocDirectory) -> Batch:
    async with asyncio.timeout(10):
        while True:
            batch = await source.read()
            if batch.receipt is not None:
                return batch


async def idle(source: IdocDirectory) -> None:
    async with asyncio.timeout(10):
        assert (await source.read()).receipt is None


def place(folder: Path, name: str, content: bytes) -> Path:
    path = folder / "in" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{name}.tmp")
    temporary.write_bytes(content)
    return temporary.rename(path)


def read(tmp_path: Path, content: bytes) -> tuple[Change, ...]:
    return Inbound(settings(tmp_path), (DEBMAS,), DICTIONARY).read(content).changes


async def test_a_customer_is_told_with_its_mapped_fields_and_its_bytes(tmp_path: Path) -> None:
    content = flat(customer(1, AUFSD="01", SORTL="C-000001"))
    place(tmp_path, "O_100_1", content)
    async with opened(tmp_path) as source:
        (change,) = (await next_file(source)).changes
    assert (change.kind, change.object, change.keys) == (ChangeKind.TOLD, "DEBMAS", ("0000100001",))
    assert change.fields == {
        "E1KNA1M.NAME1": "Alder Works",
        "E1KNA1M.ORT01": "",
        "E1KNA1M.SORTL": "C-000001",
        "E1KNA1M.AUFSD": "01",
    }
    assert change.whole and change.at is None and change.raw == content


async def test_a_file_that_comes_while_waiting_is_taken(tmp_path: Path) -> None:
    async with opened(tmp_path, scan_s=60) as source:
        reading = asyncio.create_task(next_file(source))
        await asyncio.to_thread(place, tmp_path, "O_100_1", flat(customer(1)))
        assert len((await reading).changes) == 1


async def test_a_lost_hint_costs_only_the_time_to_the_next_scan(tmp_path: Path) -> None:
    async with opened(tmp_path, poll_only=True) as source:
        reading = asyncio.create_task(next_file(source))
        await asyncio.to_thread(place, tmp_path, "O_100_1", flat(customer(1)))
        assert len((await reading).changes) == 1


async def test_a_growing_file_is_not_taken_before_it_is_stable(tmp_path: Path) -> None:
    clock = itertools.count(0, 1)  # one millisecond for every look at the clock
    waited = [0.0]
    async with opened(
        tmp_path, lambda: waited[0] + next(clock) / 1000, stable_s=5, scan_s=0.01, poll_only=True
    ) as source:
        path = place(tmp_path, "O_100_1", flat(customer(1)))
        await idle(source)
        waited[0] += 4
        with path.open("ab") as stream:
            stream.write(flat(customer(2)))
        await idle(source)
        waited[0] += 4
        await idle(source)
        waited[0] += 4
        assert len((await next_file(source)).changes) == 2


async def test_files_are_taken_in_the_order_of_saps_clock_and_not_of_their_names(tmp_path: Path) -> None:
    place(tmp_path, "a", flat(customer(3)))
    place(tmp_path, "b", flat(customer(1)))
    place(tmp_path, "c", flat(customer(2)))
    async with opened(tmp_path, take=Take.RENAME) as source:
        ids = [(await next_file(source)).changes[0].source_id for _ in range(3)]
    assert [name.split("-")[2] for name in ids] == [f"{number:016d}" for number in (1, 2, 3)]


async def test_links_directories_and_files_under_way_are_not_taken(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_bytes(flat(customer(1)))
    folder = settings(tmp_path).inbound_dir
    (folder / "link").symlink_to(outside)
    (folder / "folder").mkdir()
    os.mkfifo(folder / "pipe")
    for name in ("x.tmp", "x.PART", ".x"):
        (folder / name).write_bytes(flat(customer(1)))
    async with opened(tmp_path) as source:
        await idle(source)


async def test_an_acknowledged_file_is_in_the_archive_and_not_read_again(tmp_path: Path) -> None:
    content = flat(customer(1))
    place(tmp_path, "O_100_1.idoc", content)
    async with opened(tmp_path) as source:
        batch = await next_file(source)
        assert (tmp_path / "in" / "O_100_1.idoc").exists()
        await source.ack(batch)
        await source.ack(batch)
        await idle(source)
    (archived,) = (tmp_path / "archive").iterdir()
    assert archived.read_bytes() == content
    assert archived.name.startswith("O_100_1.") and archived.name.endswith(".idoc")


async def test_a_name_as_long_as_names_may_be_does_not_stop_the_intake(tmp_path: Path) -> None:
    content = flat(customer(1))
    place(tmp_path, "é" * 118 + ".idoc", content)
    async with opened(tmp_path) as source:
        await source.ack(await next_file(source))
        await idle(source)
    (archived,) = (tmp_path / "archive").iterdir()
    assert archived.read_bytes() == content


async def test_a_file_not_acknowledged_comes_again_with_the_same_identities(tmp_path: Path) -> None:
    place(tmp_path, "O_100_1", flat(customer(1), customer(2)))
    async with opened(tmp_path) as source:
        first = await next_file(source)
        await source.open({})
        again = await next_file(source)
        assert [change.source_id for change in again.changes] == [
            change.source_id for change in first.changes
        ]
        await source.ack(again)
    assert not list((tmp_path / "in").iterdir())


async def test_a_read_that_was_cancelled_loses_no_file(tmp_path: Path) -> None:
    async with opened(tmp_path, take=Take.RENAME) as source:
        for number in range(1, 9):
            place(tmp_path, f"f{number}", flat(customer(number)))
            reading = asyncio.create_task(next_file(source))
            for _ in range(number):
                await asyncio.sleep(0)
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
            await source.open({})
            await source.ack(await next_file(source))
        await idle(source)
    assert len(list((tmp_path / "archive").iterdir())) == 8


async def test_files_that_came_while_it_was_stopped_are_found_without_a_hint(tmp_path: Path) -> None:
    for number in range(1, 21):
        place(tmp_path, f"f{number}", flat(customer(number)))
    async with opened(tmp_path, take=Take.RENAME, poll_only=True) as source:
        seen = [(await next_file(source)).changes[0].source_id for _ in range(20)]
    assert seen == sorted(seen) and len(set(seen)) == 20


@pytest.mark.parametrize("name", ["idoc.before_archive", "idoc.after_archive"])
async def test_a_crash_around_archiving_neither_loses_nor_repeats_a_file(tmp_path: Path, name: str) -> None:
    place(tmp_path, "O_100_1", flat(customer(1)))
    async with opened(tmp_path) as source:
        batch = await next_file(source)
        failpoints.arm(name, failpoints.Action.CRASH)
        try:
            with pytest.raises(failpoints.Crash):
                await source.ack(batch)
        finally:
            failpoints.disarm()
    async with opened(tmp_path) as source:
        if name == "idoc.before_archive":
            again = await next_file(source)
            assert again.changes == batch.changes
            await source.ack(again)
        await idle(source)
    assert len(list((tmp_path / "archive").iterdir())) == 1


async def test_the_same_content_under_another_name_has_the_same_identities(tmp_path: Path) -> None:
    place(tmp_path, "a", flat(customer(1)))
    place(tmp_path, "b", flat(customer(1)))
    async with opened(tmp_path) as source:
        batches = [await next_file(source), await next_file(source)]
        for batch in batches:
            await source.ack(batch)
    assert batches[0].changes == batches[1].changes
    assert len(list((tmp_path / "archive").iterdir())) == 2


async def test_a_file_overwritten_after_it_was_read_is_read_too(tmp_path: Path) -> None:
    place(tmp_path, "static", flat(customer(1)))
    async with opened(tmp_path) as source:
        first = await next_file(source)
        place(tmp_path, "static", flat(customer(2)))
        await source.ack(first)
        second = await next_file(source)
    assert second.changes[0].source_id != first.changes[0].source_id


async def test_a_broken_file_goes_to_quarantine_and_the_others_go_on(tmp_path: Path) -> None:
    broken = flat(customer(1), customer(2))[:-700]
    place(tmp_path, "a", broken)
    place(tmp_path, "b", flat(customer(3)))
    async with opened(tmp_path) as source:
        first, second = await next_file(source), await next_file(source)
        await source.ack(first)
        await source.ack(second)
    (change,) = first.changes
    assert change.kind is ChangeKind.UNDECODABLE
    assert "line 4, byte 2054" in change.reason and "may be cut" in change.reason
    assert change.raw == broken
    assert second.changes[0].kind is ChangeKind.TOLD
    assert [path.read_bytes() for path in (tmp_path / "quarantine").iterdir()] == [broken]


async def test_an_archive_that_refuses_leaves_the_file_in_its_place(tmp_path: Path) -> None:
    place(tmp_path, "a", flat(customer(1)))
    async with opened(tmp_path) as source:
        batch = await next_file(source)
        (tmp_path / "archive").rmdir()
        with pytest.raises(Unreachable, match="archive"):
            await source.ack(batch)
        assert (tmp_path / "in" / "a").exists()
        (tmp_path / "archive").mkdir()
        await source.ack(batch)
    assert not (tmp_path / "in" / "a").exists()


async def test_a_missing_inbound_directory_is_unreachable(tmp_path: Path) -> None:
    given = settings(tmp_path)
    source = IdocDirectory("sap", given, Inbound(given, (DEBMAS,), DICTIONARY), time.monotonic)
    given.inbound_dir.rmdir()
    with pytest.raises(Unreachable, match="mounted"):
        await source.open({})


@contextmanager
def refused(name: str, code: int) -> Iterator[None]:
    """The operating system refuses to open a file of this name, for whoever asks, root too."""
    real = os.open

    def opening(path: Any, flags: int, *more: Any, **named: Any) -> int:
        if Path(path).name == name:
            raise OSError(code, os.strerror(code))
        return real(path, flags, *more, **named)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(os, "open", opening)
        yield


@pytest.mark.parametrize("code", [errno.EACCES, errno.EPERM])
async def test_a_file_that_may_not_be_read_holds_back_no_other(tmp_path: Path, code: int) -> None:
    path = place(tmp_path, "a", flat(customer(1)))
    place(tmp_path, "b", flat(customer(2)))
    async with opened(tmp_path, take=Take.RENAME) as source:
        with refused("a", code):
            told = await source.read()
            assert "cannot be read" in told.changes[0].reason and told.receipt is None
            await source.ack(await next_file(source))
        path.chmod(0o600)
        assert (await next_file(source)).changes[0].kind is ChangeKind.TOLD


@pytest.mark.parametrize("code", [errno.EMFILE, errno.ENFILE, errno.EIO, errno.ENOMEM, errno.ESTALE])
async def test_a_machine_that_cannot_read_for_a_moment_is_no_fault_of_the_file(
    tmp_path: Path, code: int
) -> None:
    place(tmp_path, "a", flat(customer(1)))
    async with opened(tmp_path, take=Take.RENAME) as source:
        with refused("a", code), pytest.raises(Unreachable):
            await source.read()
        await source.open({})
        assert (await next_file(source)).changes[0].kind is ChangeKind.TOLD


async def test_a_file_above_the_limit_is_refused_and_only_its_beginning_kept(tmp_path: Path) -> None:
    place(tmp_path, "big", flat(customer(1)) * 900)
    async with opened(tmp_path, max_file_mb=1) as source:
        (change,) = (await next_file(source)).changes
    assert change.kind is ChangeKind.UNDECODABLE and "larger than 1 MB" in change.reason
    assert len(change.raw) == 1 << 16


def test_a_file_of_a_copied_system_is_refused_whole(tmp_path: Path) -> None:
    for wrong in ({"MANDT": "200"}, {"SNDPRN": "PRDCLNT100"}, {"RCVPRN": "OTHER"}):
        foreign = customer(2)
        (change,) = read(tmp_path, flat(customer(1), type(foreign)(control(2, **wrong), foreign.segments)))
        assert change.kind is ChangeKind.UNDECODABLE
        assert "wrong system" in change.reason and next(iter(wrong)) in change.reason


def test_an_idoc_with_the_test_flag_is_not_taken(tmp_path: Path) -> None:
    idoc = customer(1)
    (change,) = read(tmp_path, flat(type(idoc)(control(1, TEST="X"), idoc.segments)))
    assert change.kind is ChangeKind.UNDECODABLE and "test flag" in change.reason


def test_an_unknown_message_type_is_kept_and_the_others_count(tmp_path: Path) -> None:
    idoc = customer(2)
    other = type(idoc)(control(2, MESTYP="MATMAS"), idoc.segments)
    first, second = read(tmp_path, flat(customer(1), other))
    assert first.kind is ChangeKind.TOLD
    assert second.kind is ChangeKind.UNDECODABLE and "MATMAS" in second.reason and second.raw


def test_a_document_number_used_again_after_a_system_copy_is_another_change(tmp_path: Path) -> None:
    (first,) = read(tmp_path, flat(customer(1)))
    (again,) = read(tmp_path, flat(customer(1, NAME1="Birch Tools")))
    assert first.source_id != again.source_id


@pytest.mark.parametrize(
    ("function", "operation", "whole"),
    [
        ("003", Operation.DELETE, False),
        ("004", Operation.UPDATE, False),
        ("005", Operation.UPDATE, True),
        ("009", Operation.CREATE, True),
        ("018", Operation.UPDATE, True),
    ],
)
def test_the_message_function_says_what_happened(
    tmp_path: Path, function: str, operation: Operation, whole: bool
) -> None:
    (change,) = read(tmp_path, flat(customer(1, function=function)))
    assert (change.operation, change.whole) == (operation, whole)


def test_a_deletion_flag_is_an_update_and_no_delete(tmp_path: Path) -> None:
    (change,) = read(tmp_path, flat(customer(1, LOEVM="X")))
    assert change.operation is Operation.UPDATE


def test_a_slash_says_nothing_about_a_field(tmp_path: Path) -> None:
    (change,) = read(tmp_path, flat(customer(1, ORT01="/")))
    assert "E1KNA1M.ORT01" not in change.fields
    assert not change.whole


def test_an_absent_segment_says_nothing_about_its_fields(tmp_path: Path) -> None:
    spec = type(DEBMAS)("DEBMAS", DEBMAS.key, (FieldSpec("E1KNA1M.NAME1"), FieldSpec("E1KNB1M.ZTERM")))
    inbound = Inbound(settings(tmp_path), (spec,), DICTIONARY)
    (without,) = inbound.read(flat(customer(1))).changes
    assert dict(without.fields) == {"E1KNA1M.NAME1": "Alder Works"} and not without.whole
    company = segment("E1KNB1M", {"BUKRS": "1000", "ZTERM": "Z030"})
    (with_one,) = inbound.read(flat(customer(1, company))).changes
    assert with_one.fields["E1KNB1M.ZTERM"] == "Z030" and with_one.whole
    (with_two,) = inbound.read(flat(customer(1, company, company))).changes
    assert with_two.kind is ChangeKind.UNDECODABLE and "2 times" in with_two.reason


def test_an_unknown_segment_is_no_fault(tmp_path: Path) -> None:
    extension = type(segment("E1KNB1M", {}))("Z1EXT", "Z2EXT000", "anything")
    (change,) = read(tmp_path, flat(customer(1, extension)))
    assert change.kind is ChangeKind.TOLD and b"anything" in change.raw


def test_orders_grow_with_saps_clock_and_number() -> None:
    orders = [
        order_of(control(9, CREDAT="20260313", CRETIM="240000")),
        order_of(control(10, CREDAT="20260314", CRETIM="000000")),
        order_of(control(11, CREDAT="20260314", CRETIM="000000")),
        order_of(control(1, CREDAT="20260314", CRETIM="000001")),
    ]
    assert orders == sorted(orders) and len(set(orders)) == 4
    assert orders[-1] < 1 << 63
    assert order_of(control(1, CREDAT="00000000")) == 0


def test_values_take_the_type_of_their_field() -> None:
    from datetime import date
    from decimal import Decimal

    assert read_value("302.35-", FieldSpec("E1KNKKM.KLIMK", FieldType.DECIMAL)) == Decimal("-302.35")
    assert read_value("00000000", FieldSpec("E1KNB1M.ZINDT", FieldType.DATE)) is None
    assert read_value("20260314", FieldSpec("E1KNB1M.ZINDT", FieldType.DATE)) == date(2026, 3, 14)
    assert read_value("0042", FieldSpec("E1KNA1M.UMJAH", FieldType.INTEGER)) == 42


HANDLE = "0010000000000042"


def answers(tmp_path: Path, *states: object) -> list[Change]:
    return list(read(tmp_path, flat(confirmation(5, *states))))  # type: ignore[arg-type]  # segments


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        ("53", "accepted"),
        ("51", "pending"),
        ("52", "pending"),
        ("56", "pending"),
        ("60", "pending"),
        ("63", "pending"),
        ("64", "pending"),
        ("65", "pending"),
        ("66", "pending"),
        ("68", "rejected"),
        ("99", "pending"),
    ],
)
def test_only_53_is_success_and_only_68_is_final_refusal(tmp_path: Path, status: str, outcome: str) -> None:
    (change,) = answers(tmp_path, state(HANDLE, status, "text", "0000100001"))
    assert change.kind is ChangeKind.ANSWER and change.object == "DEBMAS"
    assert change.answer is not None
    assert (change.answer.handle, change.answer.outcome, change.answer.code) == (HANDLE, outcome, status)
    assert change.answer.key == ("0000100001" if status == "53" else None)


def test_a_message_text_has_its_parameters_filled_in(tmp_path: Path) -> None:
    (change,) = answers(
        tmp_path, state(HANDLE, "51", "Customer & in & &3", STAPA1="7 & 8", STAPA2="DE", STAPA3="x")
    )
    assert change.answer is not None and change.answer.text == "Customer 7 & 8 in DE x"


def test_every_confirmation_of_a_pack_is_a_change_of_its_own(tmp_path: Path) -> None:
    found = answers(tmp_path, state("1", "53"), state("", "53"), state("2", "51"))
    assert [change.kind for change in found] == [ChangeKind.ANSWER, ChangeKind.UNDECODABLE, ChangeKind.ANSWER]
    assert len({change.source_id for change in found}) == 3
    assert "names no document number" in found[1].reason


def test_a_status_file_answers_too(tmp_path: Path) -> None:
    good = {"MANDT": "100", "DOCNUM": HANDLE, "STATUS": "53", "STATXT": "Posted"}
    (change,) = read(tmp_path, write_status([good]))
    assert change.answer is not None
    assert (change.answer.handle, change.answer.outcome) == (HANDLE, "accepted")
    (foreign,) = read(tmp_path, write_status([good, {**good, "MANDT": "200"}]))
    assert foreign.kind is ChangeKind.UNDECODABLE and "wrong system" in foreign.reason
