"""Checks of the systems: adapter settings, secrets by reference only, no remote configured twice."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, SecretStr, ValidationError
from pydantic.fields import FieldInfo

from agent.config.contracts import NAME, NAME_RULE
from agent.config.problems import Fault, Loc, Problems, members, nearest, shape_faults
from agent.config.repair import shaped
from agent.config.secrets import FORMS, parse
from agent.config.shape import RetrySettings, SystemSettings, Tables
from agent.core.contract import AGENT
from agent.core.retry import Retry
from agent.errors import ConfigError, InputError

#: Names that hold a secret whether or not the adapter's model says so.
SECRET_NAMES = frozenset({"key", "client_secret", "password", "passphrase", "secret", "token", "pwd"})
_INSIDE = re.compile(r"(?i)\b(pwd|password|client_secret)\s*=\s*\S|-----BEGIN [A-Z ]*PRIVATE KEY")
_REFERENCE = re.compile(r"(env|file|credential|keyring):")
#: Names of settings that are the remote itself, for models that do not mark one with ``identity``.
_REMOTE_NAMES = frozenset({"connection", "directory", "inbound", "outbound"})
#: Settings that are the remote only together: who we are at which address.
_ACCOUNT_NAMES = ("login_url", "client_id", "username")

SettingsModel = Callable[[str], type[BaseModel]]


def read_systems(
    tables: Mapping[str, Any], settings_model: SettingsModel, problems: Problems, base: Path
) -> dict[str, SystemSettings]:
    """Every system whose settings are sound; what is wrong with the others goes to ``problems``.

    Relative paths in adapter settings are meant from ``base``, the folder of the configuration file.
    """
    systems: dict[str, SystemSettings] = {}
    for name, table in tables.items():
        loc = ("systems", name)
        if not NAME.fullmatch(name) or name == AGENT:
            text = "is the agent's own name; choose another name" if name == AGENT else NAME_RULE
            problems.add(Fault(loc, text))
        if not isinstance(table, Mapping):
            problems.add(Fault(loc, "must be a table"))
            continue
        found = _read_system(name, table, settings_model, problems, base)
        if found is not None:
            systems[name] = found
    problems.extend(_same_remote(systems))
    return systems


def _read_system(
    name: str, table: Tables, settings_model: SettingsModel, problems: Problems, base: Path
) -> SystemSettings | None:
    loc = ("systems", name)
    kind = table.get("kind")
    if not isinstance(kind, str):
        problems.add(Fault((*loc, "kind"), "must be text" if "kind" in table else "missing key"))
        return None
    try:
        model = settings_model(kind)
    except ConfigError as error:
        problems.extend(Fault((*loc, "kind"), one.text, one.nearest) for one in error.problems)
        return None
    engine = set(RetrySettings.model_fields)
    retry = _retry(loc, kind, {key: table[key] for key in table if key in engine}, problems)
    own = {key: value for key, value in table.items() if key != "kind" and key not in engine}
    problems.extend(Fault((*loc, *fault.loc), fault.text) for fault in secret_faults(model, own))
    try:
        settings = model.model_validate(_anchored(model, own, base))
    except ValidationError as error:
        told = {fault.loc for fault in secret_faults(model, own)}
        for fault in shape_faults(model, own, error):
            if fault.loc not in told:
                near = fault.nearest or (nearest(fault.loc[-1], engine) if len(fault.loc) == 1 else None)
                problems.add(Fault((*loc, *fault.loc), fault.text, near))
        return None
    return None if retry is None else SystemSettings(name, kind, settings, retry)


def _retry(loc: Loc, kind: str, own: Tables, problems: Problems) -> Retry | None:
    """How often the system is tried again; the engine's own keys are checked apart from the adapter's."""
    found = shaped(RetrySettings, own, loc, problems)
    if found is None:
        return None
    schedule = found.schedule(kind)
    if schedule.cap_s < schedule.base_s:
        text = f"is shorter than the first wait, {schedule.base_s} s"
        problems.add(Fault((*loc, "retry_cap_s" if found.retry_cap_s else "retry_base_s"), text))
        return None
    return schedule


def _anchored(model: type[BaseModel], own: Tables, base: Path) -> dict[str, Any]:
    """The settings with relative paths made absolute, so that the working directory does not matter."""
    anchored = dict(own)
    for name, info in model.model_fields.items():
        value = own.get(name)
        if isinstance(value, str) and Path in members(info.annotation):
            anchored[name] = str(base / value)
    return anchored


def secret_faults(model: type[BaseModel], own: Tables) -> Iterator[Fault]:
    """Secrets that are written into the file; the text of a fault never repeats them."""
    for name, value in own.items():
        info = model.model_fields.get(name)
        if isinstance(value, Mapping):
            for inner in _models(info):
                for fault in secret_faults(inner, value):
                    yield Fault((name, *fault.loc), fault.text)
        elif isinstance(value, str) and _is_secret(name, info):
            yield from _reference_fault((name,), value)
        elif isinstance(value, str) and not _REFERENCE.match(value) and _INSIDE.search(value):
            yield Fault((name,), f"holds a secret; keep the whole value elsewhere and write {FORMS}")


def _reference_fault(loc: Loc, value: str) -> Iterator[Fault]:
    try:
        parse(value)
    except InputError as error:
        yield Fault(loc, str(error))


def _models(info: FieldInfo | None) -> list[type[BaseModel]]:
    found = members(info.annotation) if info else []
    return [one for one in found if isinstance(one, type) and issubclass(one, BaseModel)]


def _is_secret(name: str, info: FieldInfo | None) -> bool:
    extra = info.json_schema_extra if info else None
    if isinstance(extra, dict) and "secret" in extra:
        return bool(extra["secret"])
    return name in SECRET_NAMES or (info is not None and SecretStr in members(info.annotation))


def _same_remote(systems: Mapping[str, SystemSettings]) -> Iterator[Fault]:
    """Two systems on one remote would see each other's writes as their own."""
    taken: dict[tuple[str, object], tuple[str, str]] = {}
    for name, system in systems.items():
        for field, remote in _remotes(system):
            key = (system.kind, remote)
            if key in taken:
                other, theirs = taken[key]
                text = f"is the same remote as systems.{other}.{theirs}"
                yield Fault(("systems", name, field), text)
            taken.setdefault(key, (name, field))


def _remotes(system: SystemSettings) -> Iterator[tuple[str, object]]:
    """What must not occur twice: settings marked ``identity``, else connections and directories."""
    model = type(system.settings)
    marked = [name for name, info in model.model_fields.items() if _marked(info)]
    for name in marked or [name for name in model.model_fields if _names_remote(name)]:
        value = getattr(system.settings, name)
        if isinstance(value, Path):
            yield name, os.path.realpath(value)
        elif isinstance(value, str):
            yield name, tuple(sorted(part.strip().lower() for part in value.split(";") if part.strip()))
    account = tuple(getattr(system.settings, name, None) for name in _ACCOUNT_NAMES)
    if any(account):
        yield next(name for name in _ACCOUNT_NAMES if name in model.model_fields), account


def _marked(info: FieldInfo) -> bool:
    extra = info.json_schema_extra
    return isinstance(extra, dict) and bool(extra.get("identity"))


def origin(settings: BaseModel) -> str | None:
    """The tag by which a system tells of our own writes: the setting that its model marks with ``origin``."""
    for name, info in type(settings).model_fields.items():
        extra = info.json_schema_extra
        if isinstance(extra, dict) and extra.get("origin"):
            return str(getattr(settings, name))
    return None


def _names_remote(name: str) -> bool:
    return name in _REMOTE_NAMES or name.endswith(("_dir", "_directory"))
