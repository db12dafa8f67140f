"""While a target runs nothing is opened, started or connected to."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

Target = Callable[[bytes], None]
_FORBIDDEN = ("open", "os.", "socket.", "subprocess.", "shutil.", "tempfile.", "urllib.", "ctypes.")
#: Importing a codec for the first time opens its module.
_IMPORTS = f"('{Path(os.__file__).parent}"
_watching = False
_hooked = False


class Reached(AssertionError):
    """A reader reached for something outside its input."""


def _watch(event: str, arguments: tuple[object, ...]) -> None:
    if _watching and event.startswith(_FORBIDDEN) and not str(arguments[:1]).startswith(_IMPORTS):
        raise Reached(f"{event} {arguments!r:.200}")


def guarded(target: Target) -> Target:
    """The target, watched."""
    global _hooked
    if not _hooked:
        sys.addaudithook(_watch)
        _hooked = True

    def run(data: bytes) -> None:
        global _watching
        _watching = True
        try:
            target(bytes(data))
        finally:
            _watching = False

    return run
