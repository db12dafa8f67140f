"""The shape of the configuration file: one model per kind of table, one place for each default."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainValidator

from agent.config.problems import Loc
from agent.core.contract import Deletes, LanePolicy, Part, Role, SurvivorshipKind, Transfer
from agent.core.objects import FieldType
from agent.core.retry import Retry


def _create(value: bool | str) -> bool | str:
    if isinstance(value, bool) or value == "blind":
        return value
    raise ValueError('must be true, false or "blind"')


def _field_at_system(value: object) -> object:
    """``name = "Name"`` is short for ``name = { source = "Name" }``."""
    if not isinstance(value, str | dict | FieldAtSystemSettings):
        raise ValueError("must be the system's field, or a table with source and values")  # noqa: TRY004
    return {"source": value} if isinstance(value, str) else value


Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1)]
Records = Annotated[int, Field(ge=0)]
Text = Annotated[str, Field(min_length=1)]
Create = Annotated[bool | Literal["blind"], PlainValidator(_create)]


class Shape(BaseModel):
    """Base of all tables: unknown keys are refused, values are not converted."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class AgentSettings(Shape):
    """``[agent]``: where the agent lives and how patient it is. Times in seconds unless named otherwise."""

    state_dir: Annotated[Path, Field(strict=False)]
    name: Text = "isthmus"
    control_socket: Annotated[Path | None, Field(strict=False)] = None
    log_format: Literal["auto", "json", "text"] = "auto"
    confirm_after_s: Seconds = 1.0
    sweep_s: Seconds = 30.0
    stored_due_s: Seconds = 86400.0
    uncertain_due_s: Seconds = 3600.0
    exception_due_h: Seconds = 24.0
    exception_owner: Text = "operations"
    ballast_mb: Annotated[int, Field(ge=16)] = 64
    reserve_mb: Annotated[int, Field(ge=1)] = 64
    mass_window_s: Seconds = 900.0
    look_every_s: Seconds = 3_600.0

    @property
    def socket(self) -> Path:
        """Where the control socket is: as set, else beside the store."""
        return self.control_socket or self.state_dir / "control.sock"


class OwnerRowSettings(Shape):
    """One line of an ownership table; a column that is left out means any."""

    owner: Text
    legal_entity: Text | None = None
    lifecycle_state: Text | None = None
    wave: Text | None = None
    valid_from: date | None = None


class SurvivorshipSettings(Shape):
    """How a value of a shared field is chosen when two systems changed it."""

    rule: Annotated[SurvivorshipKind, Field(strict=False)]
    prefer: Text | None = None


class FieldSettings(Shape):
    """``[entities.NAME.fields.FIELD]``: one field of the contract."""

    type: Annotated[FieldType, Field(strict=False)] = FieldType.TEXT
    scale: Annotated[int, Field(ge=0, le=18)] | None = None
    reference: Text | None = None
    part: Annotated[Part | None, Field(strict=False)] = None
    pii: bool = False
    owner: Text | None = None
    owners: list[OwnerRowSettings] = []
    survivorship: SurvivorshipSettings | None = None


class FieldAtSystemSettings(Shape):
    """One contract field at one system; ``values`` maps canonical values to the system's."""

    source: Text
    values: dict[str, str] = {}


class PlaceSettings(Shape):
    """``[entities.NAME.systems.SYSTEM]``: how one system stores the entity and what may be done there."""

    object: Text
    key: Text
    external_id: Text | None = None
    create: Create = False
    delete: bool = False
    role: Annotated[Role, Field(strict=False)] = Role.LIVE
    capture: bool = True
    deliver: bool = True
    client: Text | None = None
    slack_s: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    fields: dict[str, Annotated[FieldAtSystemSettings, BeforeValidator(_field_at_system)]]


class EntitySettings(Shape):
    """``[entities.NAME]``: the contract of one entity and where it is stored."""

    transfer: Annotated[Transfer, Field(strict=False)] = Transfer.STATE
    births: list[Text]
    deletes: Annotated[Deletes, Field(strict=False)] = Deletes.ASK
    key: Text | None = None
    lane: Text | None = None
    lane_policy: Annotated[LanePolicy, Field(strict=False)] = LanePolicy.BLOCK
    amount: Text | None = None
    currency: Text | None = None
    legal_entity: Text | None = None
    lifecycle_state: Text | None = None
    confirm_after_s: Seconds | None = None
    mass_change_share: Share = 0.25
    mass_change_floor: Records = 500
    mass_delete_share: Share = 0.05
    mass_delete_floor: Records = 10
    fields: dict[str, FieldSettings]
    systems: dict[str, PlaceSettings]


class RetrySettings(Shape):
    """Keys of ``[systems.NAME]`` that are the engine's, whatever the kind: how often it is tried again."""

    retry_base_s: Seconds | None = None
    retry_cap_s: Seconds | None = None

    def schedule(self, kind: str) -> Retry:
        """As set, else as it suits the kind."""
        usual = USUAL_RETRY.get(kind, Retry())
        return Retry(self.retry_base_s or usual.base_s, self.retry_cap_s or usual.cap_s)


#: What suits a kind: a database beside us is asked often, an API that counts calls seldom.
USUAL_RETRY: Mapping[str, Retry] = {
    "odbc": Retry(0.5, 60.0),
    "idoc": Retry(1.0, 120.0),
    "salesforce": Retry(2.0, 300.0),
}


@dataclass(frozen=True, slots=True)
class SystemSettings:
    """``[systems.NAME]``: a configured remote. ``settings``: the adapter's own model, secrets unresolved."""

    name: str
    kind: str
    settings: BaseModel
    retry: Retry = Retry()  # noqa: RUF009 - immutable


@dataclass(frozen=True, slots=True)
class Config:
    """A configuration that was found sound. ``versions`` names each entity's rules in every decision.

    ``lines`` maps a path of keys to the line of the file in which it is first written.
    """

    path: Path
    agent: AgentSettings
    systems: Mapping[str, SystemSettings]
    entities: Mapping[str, EntitySettings]
    versions: Mapping[str, str]
    config_hash: str
    lines: Mapping[Loc, int]


Tables = Mapping[str, Any]
