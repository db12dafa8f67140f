"""Traces are read rightly; where nothing can be traced, the proof says so and falls short."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from tests.faults.kills.calls import Call, calls, in_turns, never_made
from tests.faults.kills.tracer import unable
from tests.proof import killing
from tests.proof.narration import Narration

TRACE = """
11 openat(AT_FDCWD</>, "/site/state/isthmus.db-wal", O_RDWR|O_CREAT, 0600) = 5</site/state/isthmus.db-wal>
11 openat(AT_FDCWD</>, "/usr/lib/python3/site.py", O_RDONLY) = 6</usr/lib/python3/site.py>
12 pwrite64(5</site/state/isthmus.db-wal>, ""..., 24, 32) = 24
12 pwrite64(5</site/state/isthmus.db-wal>, ""..., 4096, 56) = 4096
13 pwrite64(5</site/state/isthmus.db-wal>, ""..., 24, 4152) = 24
12 fdatasync(5</site/state/isthmus.db-wal>) = 0
11 sendto(9<socket:[77]>, ""..., 1, 0, NULL, 0) = 1
11 rename("/site/sap/in/D_1.idoc.tmp", "/site/sap/in/D_1.idoc") = 0
14 pwrite64(4</site/books.db-journal>, ""..., 4, 0) = ?
14 +++ exited with 0 +++
""".strip().splitlines()


def test_a_trace_gives_each_call_of_interest_as_often_as_one_thread_made_it() -> None:
    assert {str(call): (call.kind, call.worker) for call in calls(TRACE, Path("/site"))} == {
        "openat:1:/state/isthmus.db-wal": ("store's log", False),
        "pwrite64:1:/state/isthmus.db-wal": ("store's log", False),
        "pwrite64:2:/state/isthmus.db-wal": ("store's log", False),
        "fdatasync:1:/state/isthmus.db-wal": ("store's log", False),
        "sendto:1:socket": ("socket", False),
        "rename:1:/sap/in/D_1.idoc.tmp": ("file for SAP", False),
        "pwrite64:1:/books.db-journal": ("accounting's journal", True),
    }


def test_a_call_is_read_as_it_is_printed() -> None:
    found = calls(TRACE, Path("/site"))
    assert [Call.read(str(call)) for call in found] == found
    with pytest.raises(ValueError, match="no call"):
        Call.read("fsync:1:/etc/passwd")


def test_rare_calls_come_before_the_many_of_the_frequent_ones() -> None:
    log = [Call("pwrite64", "store's log", nth, "/state/isthmus.db-wal") for nth in range(1, 9)]
    rare = Call("fsync", "lock", 1, "/state/agent.lock")
    turns = in_turns([*log, rare], 1)
    assert rare in turns[:2]
    assert turns == in_turns([*log, rare], 1)
    assert sorted(turns) == sorted([*log, rare])


def test_a_call_that_was_never_made_shows_that_its_process_died() -> None:
    text = "\n".join(TRACE)
    assert never_made(text, "pwrite64")
    assert not never_made(text, "fdatasync")


def test_where_nothing_can_be_traced_the_proof_falls_short_and_says_why(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    unable.cache_clear()
    try:
        [line] = killing.kills(1, 1.0, Narration(io.StringIO(), 1.0))
    finally:
        unable.cache_clear()
    assert not line.holds
    assert "strace is not installed" in line.said


def test_a_tracer_that_may_not_trace_makes_the_proof_fall_short(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    refusing = tmp_path / "strace"
    refusing.write_text("#!/bin/sh\necho 'ptrace: Operation not permitted' >&2\nexit 1\n")
    refusing.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    unable.cache_clear()
    try:
        [line] = killing.kills(1, 1.0, Narration(io.StringIO(), 1.0))
    finally:
        unable.cache_clear()
    assert not line.holds
    assert "Operation not permitted" in line.said
