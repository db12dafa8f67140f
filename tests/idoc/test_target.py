"""Handing IDocs over as files: at most once, through every crash, with nothing cut and nothing blanked."""

from __future__ import annotations

import errno
import io
import os
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import pytest

from adapters.idoc.format.document import Idoc
from adapters.idoc.format.flat import read_idocs
from adapters.idoc.outbound import Outbound
from adapters.idoc.target import IdocFiles
from agent import failpoints
from agent.core.delivery import DeliveryKind, Outcome, OutcomeKind, Reason, Resolution
from agent.core.objects import ObjectSpec
from agent.errors import Unreachable
from tests.idoc.files import DEBMAS, DICTIONARY, FieldSpec, delivery, settings

NAME = "DEBMAS_001_0000000000042.idoc"
HANDLE = "0010000000000042"


@pytest.fixture(autouse=True)
def _disarmed() -> Iterator[None]:
    yield
    failpoints.disarm()


def target(folder: Path, spec: ObjectSpec = DEBMAS, **changed: object) -> IdocFiles:
    given = settings(folder, **changed)
    now: Callable[[], datetime] = lambda: datetime(2026, 3, 14, 10, 15)  # noqa: E731
    return IdocFiles("sap", given, (spec,), Outbound(given, DICTIONARY, now), DICTIONARY)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "out").iterdir())


def handed_over(folder: Path, name: str = NAME) -> Idoc:
    (idoc,) = read_idocs(io.BytesIO((folder / "out" / name).read_bytes()))
    return idoc


async def one(files: IdocFiles, **changed: object) -> Outcome:
    (outcome,) = await files.apply([delivery(**changed)])  # type: ignore[arg-type]  # fields of Delivery
    return outcome


async def test_a_create_is_stored_under_its_number_with_a_whole_control_record(tmp_path: Path) -> None:
    files = target(tmp_path)
    await files.prepare([delivery()])
    assert names(tmp_path) == [f"{NAME}.tmp"]
    outcome = await one(files)
    assert (outcome.kind, outcome.handle) == (OutcomeKind.STORED, HANDLE)
    assert NAME in outcome.evidence
    assert names(tmp_path) == [NAME]
    idoc = handed_over(tmp_path)
    said = {name: text for name, text in idoc.control.items() if text}
    assert said == {
        "TABNAM": "EDI_DC40",
        "MANDT": "100",
        "DOCNUM": HANDLE,
        "DIRECT": "2",
        "IDOCTYP": "DEBMAS06",
        "MESTYP": "DEBMAS",
        "SNDPOR": "ISTHMUS",
        "SNDPRT": "LS",
        "SNDPRN": "ISTHMUS",
        "RCVPOR": "SAPS4H",
        "RCVPRT": "LS",
        "RCVPRN": "SAPCLNT100",
        "CREDAT": "20260314",
        "CRETIM": "101500",
        "ARCKEY": "1-42",
        "SERIAL": "20260314101500",
    }
    values = {name: text for name, text in idoc.segments[0].values(DICTIONARY).items() if text}
    assert values == {"MSGFN": "009", "NAME1": "Alder Works", "SORTL": "C-000001"}


async def test_an_update_says_nothing_about_fields_it_does_not_own(tmp_path: Path) -> None:
    files = target(tmp_path)
    change = {"kind": DeliveryKind.UPDATE, "key": "100001", "fields": {"E1KNA1M.ORT01": None}}
    await files.prepare([delivery(**change)])  # type: ignore[arg-type]  # fields of Delivery
    await one(files, **change)
    values = handed_over(tmp_path).segments[0].values(DICTIONARY)
    assert (values["MSGFN"], values["KUNNR"], values["ORT01"]) == ("004", "0000100001", "")
    assert {text for name, text in values.items() if name not in ("MSGFN", "KUNNR", "ORT01")} == {"/"}


async def test_a_company_segment_needs_its_key_and_stands_below_the_customer(tmp_path: Path) -> None:
    spec = ObjectSpec("DEBMAS", DEBMAS.key, (FieldSpec("E1KNB1M.BUKRS"), FieldSpec("E1KNB1M.ZTERM")))
    files = target(tmp_path, spec)
    fields = {"E1KNB1M.ZTERM": "Z030", "E1KNB1M.BUKRS": "1000"}
    await files.prepare([delivery(fields=fields)])
    assert (await one(files, fields=fields)).kind is OutcomeKind.STORED
    (root,) = handed_over(tmp_path).segments
    assert root.children[0].value("ZTERM", DICTIONARY) == "Z030"
    outcome = await one(files, number=43, fields={"E1KNB1M.ZTERM": "Z030"})
    assert outcome.reason is Reason.INVALID and "E1KNB1M.BUKRS" in outcome.text


@pytest.mark.invariant("I14")
@pytest.mark.parametrize("at", ["idoc.before_fsync", "idoc.after_fsync"])
async def test_a_crash_before_sent_is_committed_leaves_nothing_sap_could_see(tmp_path: Path, at: str) -> None:
    files = target(tmp_path)
    failpoints.arm(at, failpoints.Action.CRASH)
    with pytest.raises(failpoints.Crash):
        await files.prepare([delivery()])
    assert not [name for name in names(tmp_path) if name.endswith(".idoc")]
    await files.prepare([delivery()])
    assert (await one(files)).kind is OutcomeKind.STORED
    assert names(tmp_path) == [NAME]


@pytest.mark.invariant("I14")
@pytest.mark.invariant("I16")
@pytest.mark.parametrize("at", ["idoc.before_rename", "idoc.after_rename"])
@pytest.mark.parametrize("taken", [False, True])
async def test_a_crash_around_the_rename_hands_over_exactly_once(
    tmp_path: Path, at: str, taken: bool
) -> None:
    files = target(tmp_path)
    await files.prepare([delivery()])
    failpoints.arm(at, failpoints.Action.CRASH)
    with pytest.raises(failpoints.Crash):
        await one(files)
    seen_by_sap = 0
    if taken and names(tmp_path) == [NAME]:
        (tmp_path / "out" / NAME).unlink()
        seen_by_sap = 1
    again = target(tmp_path)
    await again.prepare([delivery(uncertain=True)])
    outcome = await one(again, uncertain=True)
    assert (outcome.kind, outcome.handle) == (OutcomeKind.STORED, HANDLE)
    assert NAME in outcome.evidence
    assert names(tmp_path).count(NAME) + seen_by_sap == 1
    assert f"{NAME}.tmp" not in names(tmp_path)


async def test_preparing_an_uncertain_command_writes_no_second_file(tmp_path: Path) -> None:
    files = target(tmp_path)
    await files.prepare([delivery(uncertain=True)])
    assert names(tmp_path) == []
    assert (await one(files, uncertain=True)).evidence == f"{NAME} was taken by SAP"
    assert names(tmp_path) == []


async def test_a_directory_that_cannot_be_looked_into_is_reported_of_this_try_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What an earlier, unanswered try may have done is the engine's to know."""
    files = target(tmp_path)

    def stale(path: Path) -> bool:
        raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))

    with monkeypatch.context() as drive:
        drive.setattr(Path, "exists", stale)
        assert (await one(files, uncertain=True)).kind is OutcomeKind.RETRY


async def test_a_restored_store_knows_the_files_of_an_earlier_life_by_their_old_names(tmp_path: Path) -> None:
    """Under the number of the later life the file would be "taken by SAP" that was never handed over."""
    await target(tmp_path).prepare([delivery()])
    outcome = await one(target(tmp_path), uncertain=True, fence=8)
    assert (outcome.kind, outcome.handle) == (OutcomeKind.STORED, HANDLE)
    assert names(tmp_path) == [NAME]


async def test_a_command_that_was_not_prepared_is_certainly_not_sent(tmp_path: Path) -> None:
    outcome = await one(target(tmp_path))
    assert (outcome.kind, outcome.code) == (OutcomeKind.RETRY, "not-prepared")


async def test_a_file_of_another_message_under_the_same_number_is_never_overwritten(tmp_path: Path) -> None:
    files = target(tmp_path)
    await files.prepare([delivery()])
    await one(files)
    before = (tmp_path / "out" / NAME).read_bytes()
    await files.prepare([delivery(message_id="other")])
    outcome = await one(files, message_id="other")
    assert (outcome.kind, outcome.reason) == (OutcomeKind.REJECTED, Reason.DUPLICATE_ID)
    assert (tmp_path / "out" / NAME).read_bytes() == before
    assert names(tmp_path) == [NAME]


async def test_a_missing_directory_is_unreachable_before_anything_is_sent(tmp_path: Path) -> None:
    files = target(tmp_path)
    (tmp_path / "out").rmdir()
    with pytest.raises(Unreachable, match="space"):
        await files.prepare([delivery()])


async def test_a_rename_that_fails_is_certainly_not_sent(tmp_path: Path) -> None:
    files = target(tmp_path)
    await files.prepare([delivery()])
    failpoints.arm("idoc.before_rename", failpoints.Action.ERROR)
    assert (await one(files)).kind is OutcomeKind.RETRY
    assert (await one(files)).kind is OutcomeKind.STORED


@pytest.mark.invariant("I14")
@pytest.mark.parametrize("said", [errno.EIO, errno.EACCES])
async def test_a_rename_that_took_effect_and_reported_an_error_is_not_handed_over_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: int
) -> None:
    """A network drive may do so; the file may be gone before anybody looks."""
    files, taken = target(tmp_path), []
    await files.prepare([delivery()])
    with monkeypatch.context() as drive:
        rename = Path.rename

        def rename_and_complain(path: Path, goal: Path) -> Path:
            rename(path, goal)
            taken.append(goal.name)
            goal.unlink()  # by SAP
            raise OSError(said, os.strerror(said))

        drive.setattr(Path, "rename", rename_and_complain)
        lost = await one(files)
    assert (lost.kind, lost.handle) == (OutcomeKind.UNCERTAIN, HANDLE)
    await files.prepare([delivery(uncertain=True)])
    again = await one(files, uncertain=True)
    assert (again.kind, again.handle) == (OutcomeKind.STORED, HANDLE)
    assert (taken, names(tmp_path)) == ([NAME], [])


@pytest.mark.invariant("I14")
async def test_a_rename_without_an_answer_may_still_happen_and_is_uncertain(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The temporary file is still there when one looks; the server may rename it later."""
    files = target(tmp_path)
    await files.prepare([delivery()])
    with monkeypatch.context() as drive:

        def no_answer(path: Path, goal: Path) -> Path:
            raise OSError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT))

        drive.setattr(Path, "rename", no_answer)
        assert (await one(files)).kind is OutcomeKind.UNCERTAIN
    (tmp_path / "out" / f"{NAME}.tmp").rename(tmp_path / "out" / NAME)  # by the server, late
    assert (await one(files, uncertain=True)).kind is OutcomeKind.STORED
    assert names(tmp_path) == [NAME]


async def test_a_directory_that_cannot_be_synced_leaves_the_command_uncertain(tmp_path: Path) -> None:
    files = target(tmp_path)
    await files.prepare([delivery()])
    failpoints.arm("idoc.after_rename", failpoints.Action.ERROR)
    assert (await one(files)).kind is OutcomeKind.UNCERTAIN
    assert (await one(files, uncertain=True)).kind is OutcomeKind.STORED


@pytest.mark.parametrize(
    ("fields", "encoding", "said"),
    [
        (
            {"E1KNA1M.NAME1": "x" * 36},
            "utf-8",
            "E1KNA1M.NAME1: 36 characters do not fit into 35 at offset 179",
        ),
        ({"E1KNA1M.NAME1": "Łódź"}, "1100", "code page iso8859-1"),
        ({"E1KNA1M.NAME1": "a\nb"}, "utf-8", "line end"),
        ({"E1KNA1M.NAME1": "/"}, "utf-8", "means 'not said'"),
        ({"E1KNA1M.NAME1": 1.5}, "utf-8", "float"),
    ],
)
async def test_a_value_that_sap_cannot_hold_is_refused_and_never_cut(
    tmp_path: Path, fields: dict[str, object], encoding: str, said: str
) -> None:
    files = target(tmp_path, encoding=encoding)
    good = delivery(43)
    await files.prepare([delivery(fields=fields), good])
    refused, stored = await files.apply([delivery(fields=fields), good])
    assert (refused.kind, refused.reason) == (OutcomeKind.REJECTED, Reason.INVALID)
    assert said in refused.text and refused.evidence == "E1KNA1M.NAME1"
    assert stored.kind is OutcomeKind.STORED
    assert len(names(tmp_path)) == 1


@pytest.mark.parametrize(
    "changed",
    [
        {"kind": DeliveryKind.DELETE, "key": "0000100001"},
        {"kind": DeliveryKind.UPDATE, "key": None},
        {"epoch": 1000},
        {"message_id": "x" * 71},
    ],
)
async def test_a_command_that_no_idoc_can_say_is_refused(tmp_path: Path, changed: dict[str, object]) -> None:
    files = target(tmp_path)
    await files.prepare([delivery(**changed)])  # type: ignore[arg-type]  # fields of Delivery
    outcome = await one(files, **changed)
    assert (outcome.kind, outcome.reason) == (OutcomeKind.REJECTED, Reason.INVALID)
    assert names(tmp_path) == []


async def test_the_target_promises_only_what_files_can_do(tmp_path: Path) -> None:
    files = target(tmp_path)
    given = files.guarantees("DEBMAS")
    assert not (given.compare_and_set or given.read_back or given.delete)
    assert given.answers and given.batch == 50
    assert given.on_uncertain_create is given.on_uncertain_update is Resolution.RESEND
    assert await files.find("DEBMAS", {"E1KNA1M.SORTL": "C-1"}) == ()
    await files.close()
