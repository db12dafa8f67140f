"""The commented example configuration, wherever it is installed."""

from __future__ import annotations

import sys
from pathlib import Path

from agent.errors import InputError

NAME = "config.example.toml"


def example() -> Path:
    """The example file: beside the packages in a checkout, else where the wheel put it."""
    for folder in (Path(__file__).parents[2], Path(sys.prefix) / "share" / "isthmus"):
        if (folder / NAME).exists():
            return folder / NAME
    raise InputError(f"{NAME} is not installed", remedy="install Isthmus again")
