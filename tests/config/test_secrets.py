"""Secrets by reference: where they may be, who may touch them, and that errors never hold them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from agent.config.secrets import resolve
from agent.errors import InputError

SECRET = "hunter2-very-secret"

pytestmark = pytest.mark.invariant("I32")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "secret"
    path.write_text(SECRET + "\n", encoding="utf-8")
    path.chmod(0o600)
    return path


def refused(reference: str) -> str:
    with pytest.raises(InputError) as caught:
        resolve(reference)
    assert SECRET not in str(caught.value)
    return str(caught.value)


def test_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ISTHMUS_TEST", SECRET)
    assert resolve("env:ISTHMUS_TEST") == SECRET


@pytest.mark.parametrize("value", [None, ""])
def test_environment_that_is_not_set_or_empty(monkeypatch: pytest.MonkeyPatch, value: str | None) -> None:
    monkeypatch.delenv("ISTHMUS_TEST", raising=False)
    if value is not None:
        monkeypatch.setenv("ISTHMUS_TEST", value)
    assert "env:ISTHMUS_TEST: the environment variable is not set or empty" in refused("env:ISTHMUS_TEST")


def test_file_without_its_last_line_end(file: Path) -> None:
    assert resolve(f"file:{file}") == SECRET


def test_file_keeps_the_lines_of_a_key(file: Path) -> None:
    file.write_bytes(b"-----BEGIN-----\r\nabc\r\n-----END-----\r\n")
    assert resolve(f"file:{file}") == "-----BEGIN-----\r\nabc\r\n-----END-----"


def test_a_rotated_secret_is_seen(file: Path) -> None:
    resolve(f"file:{file}")
    file.write_text("second", encoding="utf-8")
    assert resolve(f"file:{file}") == "second"


def test_file_that_its_group_may_read(file: Path) -> None:
    file.chmod(0o640)
    assert resolve(f"file:{file}") == SECRET


@pytest.mark.parametrize(
    ("mode", "text"),
    [(0o644, "everybody may read it"), (0o620, "others may write it"), (0o602, "others may write it")],
)
def test_file_that_others_may_touch(file: Path, mode: int, text: str) -> None:
    file.chmod(mode)
    assert text in refused(f"file:{file}")


def test_symbolic_link(file: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(file)
    assert "cannot be opened" in refused(f"file:{link}")


def test_file_that_is_not_there(tmp_path: Path) -> None:
    assert "cannot be opened: No such file" in refused(f"file:{tmp_path / 'none'}")


def test_directory(tmp_path: Path) -> None:
    assert "is not a regular file" in refused(f"file:{tmp_path}")


def test_fifo_does_not_hang(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo", 0o600)
    assert "is not a regular file" in refused(f"file:{tmp_path / 'fifo'}")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_file_of_another_user(file: Path) -> None:
    os.chown(file, 12345, 12345)
    assert "belongs to another user" in refused(f"file:{file}")


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"", "is empty"),
        (b"\n", "is empty"),
        (b"\xff\xfe", "is not UTF-8"),
        (b"x" * 70_000, "is larger than"),
    ],
)
def test_file_that_holds_no_secret(file: Path, content: bytes, text: str) -> None:
    file.write_bytes(content)
    assert text in refused(f"file:{file}")


def test_credential_of_the_service_manager(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(file.parent))
    assert resolve("credential:secret") == SECRET
    assert "cannot be opened" in refused("credential:other")


def test_credential_without_a_service_manager(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    assert "LoadCredential=secret" in refused("credential:secret")


@pytest.mark.parametrize("name", ["../secret", "a/b", "..", "."])
def test_credential_with_a_path(file: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(file.parent))
    assert "has no path" in refused(f"credential:{name}")


def test_keyring_is_not_available() -> None:
    assert "a keyring is not available to a service" in refused("keyring:crm")


@pytest.mark.parametrize(
    "reference", [SECRET, f"vault:{SECRET}", "", "env", "env:", "file:", "file:relative"]
)
def test_what_is_no_reference_is_never_repeated(reference: str) -> None:
    message = refused(reference)
    assert "env:NAME" in message or "file:/absolute/path" in message
