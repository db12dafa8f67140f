"""Secrets by reference: the configuration names where a secret is, never what it is."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from agent.errors import InputError

KINDS = ("env", "file", "credential", "keyring")
FORMS = "env:NAME, file:/absolute/path or credential:NAME"
_LARGEST = 65536  # bytes; private keys are far smaller


@dataclass(frozen=True, slots=True)
class Reference:
    """Where a secret is kept: the kind of place and the name in it."""

    kind: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind}:{self.name}"


def parse(text: str) -> Reference:
    """Take a reference apart. Raises InputError that never repeats the text: it may be the secret itself."""
    kind, colon, name = text.partition(":")
    if not colon or kind not in KINDS:
        raise InputError("is not a reference to a secret", remedy=f"write {FORMS}")
    if not name:
        raise InputError(f"the reference '{kind}:' names nothing", remedy=f"write {FORMS}")
    if kind == "file" and not name.startswith("/"):
        raise InputError("a secret's file is named by an absolute path", remedy="write file:/absolute/path")
    if kind == "credential" and (name in (".", "..") or "/" in name):
        raise InputError("a credential's name has no path", remedy="write credential:NAME")
    if kind == "keyring":
        raise InputError("a keyring is not available to a service", remedy=f"write {FORMS}")
    return Reference(kind, name)


def resolve(reference: str) -> str:
    """The secret itself, read anew at each call so that a rotated one is seen.

    A file must be regular, owned by this process's user or root, writable by its owner only and not
    readable by others; this is checked on the open file. One line end at its end is dropped.
    Raises InputError that names the reference, never the value.
    """
    parsed = parse(reference)
    if parsed.kind == "env":
        return _environment(parsed)
    if parsed.kind == "credential":
        return _read(_credential(parsed), parsed)
    return _read(Path(parsed.name), parsed)


def _environment(reference: Reference) -> str:
    value = os.environ.get(reference.name, "")
    if not value:
        raise InputError(
            "the environment variable is not set or empty",
            where=str(reference),
            remedy="set it for the service, or use file: or credential:",
        )
    return value


def _credential(reference: Reference) -> Path:
    directory = os.environ.get("CREDENTIALS_DIRECTORY", "")
    if not directory:
        raise InputError(
            "the service manager passed no credentials (CREDENTIALS_DIRECTORY is not set)",
            where=str(reference),
            remedy=f"add LoadCredential={reference.name}:/path to the unit",
        )
    return Path(directory) / reference.name


def _read(path: Path, reference: Reference) -> str:
    # O_NONBLOCK: opening a FIFO must not wait for a writer; what was opened is checked before it is read.
    flags = os.O_RDONLY | os.O_CLOEXEC | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    try:
        descriptor = os.open(path, flags)
    except OSError as error:
        raise InputError(
            f"cannot be opened: {error.strerror}",
            where=str(reference),
            remedy="the file must exist, be readable by the service's user and be no symbolic link",
        ) from None
    try:
        _check(os.fstat(descriptor), reference)
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            content = file.read(_LARGEST + 1)
    finally:
        os.close(descriptor)
    return _text(content, reference)


def _check(status: os.stat_result, reference: Reference) -> None:
    """Refuse what somebody else could have written or may read."""
    where = str(reference)
    if not stat.S_ISREG(status.st_mode):
        raise InputError("is not a regular file", where=where, remedy="name a regular file")
    if os.name != "posix":
        return  # access lists decide there; st_mode says nothing about them
    if status.st_uid not in (os.geteuid(), 0):
        raise InputError(
            "belongs to another user", where=where, remedy="chown it to the service's user or root"
        )
    mode = stat.S_IMODE(status.st_mode)
    if mode & 0o022:
        raise InputError(f"others may write it (mode {mode:04o})", where=where, remedy="chmod 0600")
    if mode & 0o004:
        raise InputError(f"everybody may read it (mode {mode:04o})", where=where, remedy="chmod 0600")


def _text(content: bytes, reference: Reference) -> str:
    if len(content) > _LARGEST:
        raise InputError(
            f"is larger than {_LARGEST} bytes", where=str(reference), remedy="name the right file"
        )
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        raise InputError("is not UTF-8 text", where=str(reference), remedy="store it as text") from None
    text = text.removesuffix("\n").removesuffix("\r")
    if not text:
        raise InputError("is empty", where=str(reference), remedy="write the secret into it")
    return text
