"""How each table of an ERP is written: the operator's choice, and what makes no sense."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

_NAME = r"^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)?$"


class WriteSettings(BaseModel):
    """Options of ``[systems.NAME.tables.TABLE]`` that concern writing.

    write      "table": by our own statements; "procedure": by a stored procedure of the ERP
    procedure  its name. It is called with message id, kind (create, update, delete), key, and two JSON texts:
               the columns to set, and those that must still be as given; it answers with one row of outcome
               (accepted, refused, changed, gone), key and text
    compares   the procedure refuses a record that is not as given, with the outcome "changed"
    guarantee  "exactly-once": with a ledger row in the transaction of the effect; "at-least-once" where the
               ERP's database takes no table of ours: compared and absolute values alone, and a re-read
    """

    model_config = ConfigDict(extra="forbid")

    write: Literal["table", "procedure"] = "table"
    procedure: str | None = Field(default=None, pattern=_NAME)
    compares: bool = False
    guarantee: Literal["exactly-once", "at-least-once"] = "exactly-once"

    @model_validator(mode="after")
    def _whole(self) -> WriteSettings:
        if self.write == "procedure" and self.procedure is None:
            raise ValueError("write = 'procedure' needs the name of the procedure")
        if self.write == "table" and (self.procedure is not None or self.compares):
            raise ValueError("procedure and compares would be ignored: for write = 'procedure' only")
        return self

    @property
    def ledger(self) -> bool:
        """Whether a ledger row tells that a command was applied."""
        return self.guarantee == "exactly-once"
