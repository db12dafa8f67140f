"""What an ERP behind ODBC is configured with, and the resolved form that its worker process gets."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict, Field, field_validator

from adapters.odbc.dialect import Dialect, OwnTables
from adapters.odbc.dialects import DIALECTS, dialect_of
from adapters.odbc.tables import Capture, TableSettings, table_problems
from adapters.odbc.writing import WriteSettings
from agent.core.objects import ObjectSpec
from agent.errors import InputError, Problem, Refused

_REFERENCE = re.compile(r"^[a-z][a-z-]*:")
_TABLE = r"^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)?$"


class Settings(BaseModel):
    """Options of a system of kind ``odbc``.

    connection       ODBC connection string (``Driver=...;Server=...``) or a secret reference (``env:``)
    dialect          SQL dialect; taken from the driver's name if absent
    poll_s           seconds between two looks for changes while nothing happens; less, down to a twentieth,
                     while changes come
    deadline_s       seconds after which a request counts as hung: the worker process is ended
    lock_timeout_s   seconds the ERP may make us wait for a lock before the command is tried again later
    capture_batch    how many journal rows one read returns at most
    timezone         zone of the ERP's date-times that carry none (IANA name)
    tables           how single tables are captured and written, by name; all others by the journal, and
                     exactly once by our own statements
    """

    model_config = ConfigDict(extra="forbid")

    connection: str = Field(min_length=1)
    dialect: Literal["sqlite", "postgresql", "mariadb", "sqlserver", "db2i", "oracle", "hana"] | None = None
    poll_s: float = Field(default=0.2, gt=0, le=3600)
    deadline_s: float = Field(default=30.0, gt=0, le=3600)
    lock_timeout_s: float = Field(default=3.0, gt=0, le=60)
    journal_table: str = Field(default="isthmus_journal", pattern=_TABLE)
    ledger_table: str = Field(default="isthmus_ledger", pattern=_TABLE)
    epoch_table: str = Field(default="isthmus_epoch", pattern=_TABLE)
    capture_batch: int = Field(default=200, ge=1, le=5000)
    timezone: str = "UTC"
    tables: dict[str, TableSettings] = Field(default_factory=dict)

    def write(self, name: str) -> WriteSettings:
        """How a table is written."""
        return self.tables.get(name) or WriteSettings()

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise ValueError(f"no such time zone: {value}") from error
        return value


@dataclass(frozen=True, slots=True)
class Erp:
    """One ERP as its worker process sees it: settings resolved, secrets included (hence no repr of those)."""

    name: str
    dialect: str
    connection: str = field(repr=False)
    objects: tuple[ObjectSpec, ...]
    own: OwnTables
    lock_timeout_s: float
    deadline_s: float
    timezone: str
    tables: Mapping[str, TableSettings] = field(default_factory=dict)

    def write(self, name: str) -> WriteSettings:
        """How a table is written."""
        return self.tables.get(name) or WriteSettings()

    def spec(self, name: str) -> ObjectSpec:
        """The object of that name; KeyError if none is configured."""
        for candidate in self.objects:
            if candidate.name == name:
                return candidate
        raise KeyError(name)

    def table(self, name: str) -> TableSettings:
        """How a table is captured."""
        return self.tables.get(name) or TableSettings()

    def captured(self, *kinds: Capture) -> tuple[ObjectSpec, ...]:
        """The objects that are captured in one of these ways."""
        return tuple(spec for spec in self.objects if spec.capture and self.table(spec.name).capture in kinds)


def problems(name: str, settings: Settings, objects: Sequence[ObjectSpec]) -> list[Problem]:
    """What is wrong with the settings as far as it can be told without reading a secret."""
    found = list(table_problems(name, settings.tables, objects))
    dialect: str | None = settings.dialect
    if dialect is None and not _REFERENCE.match(settings.connection):
        try:
            dialect = dialect_of(settings.connection, where=name)
        except Refused as error:
            text = f"{error.message}; {error.remedy}"
            found.append(Problem("configuration", f"systems.{name}.connection", text))
    if dialect is not None:
        only = _unknown_to(DIALECTS[dialect])
        found += [
            Problem("configuration", f"systems.{name}.tables.{table}.capture", only[chosen.capture])
            for table, chosen in settings.tables.items()
            if chosen.capture in only
        ]
    return found


def _unknown_to(dialect: Dialect) -> dict[Capture, str]:
    """What this database cannot be asked, and which can."""
    found = {}
    if dialect.horizon is None:
        found[Capture.SNAPSHOT] = "is for PostgreSQL only"
    if dialect.tracking is None:
        found[Capture.CHANGE_TRACKING] = "is for SQL Server only"
    return found


def resolve(
    name: str, settings: Settings, objects: Sequence[ObjectSpec], secret: Callable[[str], str]
) -> Erp:
    """Settings with the secret read and the dialect decided.

    Raises Refused when the secret cannot be read, and when neither settings nor driver tell the dialect.
    """
    connection = settings.connection
    if _REFERENCE.match(connection):
        try:
            connection = secret(connection).strip()
        except InputError as error:
            raise Refused(f"{error.where}: {error.message}", where=name, remedy=error.remedy) from None
    return Erp(
        name=name,
        dialect=settings.dialect or dialect_of(connection, where=name),
        connection=connection,
        objects=tuple(objects),
        own=OwnTables(
            journal=settings.journal_table,
            meta=f"{settings.journal_table}_meta",
            ledger=settings.ledger_table,
            epoch=settings.epoch_table,
        ),
        lock_timeout_s=settings.lock_timeout_s,
        deadline_s=settings.deadline_s,
        timezone=settings.timezone,
        tables=dict(settings.tables),
    )
