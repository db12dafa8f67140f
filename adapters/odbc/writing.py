"""How each table of an ERP is written: the operator's choice, and what makes no sense."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

_NAME = r"^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)?$"


class WriteSettings(BaseModel):
    """Options of ``[systems.NAME.tables.TABLE]`` that concern writing.

    write      "table": by our own statements; "procedure": by a stored procedure of the ERP; "staging": into
               a table from which a program of the ERP takes it
    procedure  its name. It is called with message id, kind (create, update, delete), key, and two JSON texts:
               the columns to set, and those that must still be as given; it answers with one row of outcome
               (accepted, refused, changed, gone), key and text
    staging    that table's name. Its columns are those of ``staging.COLUMNS``, message_id unique in it; the
               program sets state to one of those outcomes, answer_key and answer_text
    compares   procedure or program refuse a record that is not as given, with the outcome "changed"
    guarantee  "exactly-once": with a ledger row in the transaction of the effect; "at-least-once" where the
               ERP's database takes no table of ours: compared and absolute values alone, and a re-read
    """

    model_config = ConfigDict(extra="forbid")

    write: Literal["table", "procedure", "staging"] = "table"
    procedure: str | None = Field(default=None, pattern=_NAME)
    staging: str | None = Field(default=None, pattern=_NAME)
    compares: bool = False
    guarantee: Literal["exactly-once", "at-least-once"] = "exactly-once"

    @model_validator(mode="after")
    def _whole(self) -> WriteSettings:
        if self.write == "procedure" and self.procedure is None:
            raise ValueError("write = 'procedure' needs the name of the procedure")
        if self.write == "staging" and self.staging is None:
            raise ValueError("write = 'staging' needs the name of the staging table")
        if self.write != "procedure" and self.procedure is not None:
            raise ValueError("procedure would be ignored: for write = 'procedure' only")
        if self.write != "staging" and self.staging is not None:
            raise ValueError("staging would be ignored: for write = 'staging' only")
        if self.write == "table" and self.compares:
            raise ValueError("compares would be ignored: for write = 'procedure' or 'staging' only")
        return self

    @property
    def ours(self) -> bool:
        """Whether the table is written by our own statements."""
        return self.write == "table"

    @property
    def ledger(self) -> bool:
        """Whether a ledger row tells that a command was applied."""
        return self.guarantee == "exactly-once"
