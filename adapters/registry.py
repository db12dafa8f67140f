"""Every kind of system, and the one way to make one. A driver is imported only for a kind that is used."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Callable, Mapping, Sequence
from types import ModuleType

from pydantic import BaseModel

from agent.core.objects import ObjectSpec
from agent.errors import ConfigError, Problem
from agent.ports import System

#: Kind → module with ``Settings`` and ``connect``.
KINDS: Mapping[str, str] = {
    "idoc": "adapters.idoc",
    "odbc": "adapters.odbc",
    "salesforce": "adapters.salesforce.system",
}


def settings_model(kind: str) -> type[BaseModel]:
    """The settings of a kind; they refuse unknown keys. Raises ConfigError for an unknown kind."""
    model: type[BaseModel] = _module(kind).Settings
    return model


def connect(
    kind: str, name: str, settings: BaseModel, objects: Sequence[ObjectSpec], secret: Callable[[str], str]
) -> System:
    """Make a system without talking to it. ``settings`` is an instance of ``settings_model(kind)``.

    Raises ConfigError for an unknown kind, for settings of another kind, and for what the adapter finds.
    """
    module = _module(kind)
    if not isinstance(settings, module.Settings):
        raise ConfigError(
            [Problem("configuration", f"systems.{name}", f"these are no settings of kind {kind!r}")]
        )
    system: System = module.connect(name, settings, objects, secret)
    return system


def _module(kind: str) -> ModuleType:
    path = KINDS.get(kind)
    if path is None:
        nearest = difflib.get_close_matches(kind, KINDS, n=1)
        known = ", ".join(KINDS)
        raise ConfigError(
            [
                Problem(
                    "configuration",
                    "kind",
                    f"there is no kind {kind!r}; known are {known}",
                    nearest[0] if nearest else None,
                )
            ]
        )
    return importlib.import_module(path)
