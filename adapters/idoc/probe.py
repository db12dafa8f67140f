"""Tries whether files can be taken and handed over, and changes nothing."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from adapters.idoc.settings import Settings
from agent.ports import Check

#: Below this, writing files will soon fail.
_LOW_SPACE = 100 << 20


class IdocProbe:
    """Checks the directories of one SAP system."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    async def check(self) -> Sequence[Check]:
        """Every directory: there, no link, writable, space; and that files can be renamed between them."""
        return await asyncio.to_thread(self._check)

    def _check(self) -> Sequence[Check]:
        names = ("outbound_dir", "inbound_dir", "archive_dir", "quarantine_dir")
        paths = {name: Path(getattr(self._settings, name)) for name in names}
        checks = [_directory(name, path) for name, path in paths.items()]
        checks.append(_space(paths["outbound_dir"]))
        for name in ("archive_dir", "quarantine_dir"):
            checks.append(_one_file_system("inbound_dir", paths["inbound_dir"], name, paths[name]))
        return checks


def _directory(name: str, path: Path) -> Check:
    if path.is_symlink():
        return Check(name, False, f"{path} is a symbolic link", "name the directory itself")
    if not path.is_dir():
        return Check(name, False, f"{path} is no directory", "create or mount it")
    if not os.access(path, os.R_OK | os.W_OK | os.X_OK):
        return Check(name, False, f"{path} may not be read and written", "give the agent's user rwx on it")
    return Check(name, True, str(path))


def _space(path: Path) -> Check:
    name = "space for outbound files"
    try:
        free = shutil.disk_usage(path).free
    except OSError as error:
        return Check(name, False, error.strerror or "cannot be told", f"check {path}")
    return Check(name, free >= _LOW_SPACE, f"{free >> 20} MB free", "" if free >= _LOW_SPACE else "make room")


def _one_file_system(one: str, one_path: Path, other: str, other_path: Path) -> Check:
    name = f"{one} and {other} on one file system"
    try:
        same = one_path.stat().st_dev == other_path.stat().st_dev
    except OSError as error:
        return Check(name, False, error.strerror or "cannot be told", "create or mount both")
    return Check(name, same, "" if same else "a file cannot be renamed between them", f"move {other}")
