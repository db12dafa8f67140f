"""Settings of an SAP system on IDoc file ports: directories, who we are, who SAP is, how files are taken."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from adapters.idoc.format.codepage import codec_of


class Take(StrEnum):
    """When a file in the inbound directory is whole."""

    STABLE = (
        "stable"  # size and time did not change for stable_s: SAP's file port writes in place, without a mark
    )
    RENAME = "rename"  # the writer renames it to its final name when it is complete


class FinalLine(StrEnum):
    """Whether a file whose last record lacks its line end is taken as cut."""

    REQUIRED = "required"
    OPTIONAL = "optional"


class Settings(BaseModel):
    """One SAP system reached by IDoc files.

    outbound_dir     where we write files for SAP (its inbound port)
    inbound_dir      where SAP writes files for us (its outbound port)
    archive_dir      where files go that were read; on the file system of inbound_dir
    quarantine_dir   where files go that could not be read; on the file system of inbound_dir
    encoding         code page of both directions: SAP's number ("4110", "1100") or a name ("utf-8")
    client           MANDT: SAP's client, three digits
    sender_*         us: logical system and port as SAP knows them (WE20, WE21)
    receiver_*       SAP: its logical system, and its port ("SAP" and the system id)
    basic_types      message type → basic type of what we send and read
    scan_s           seconds between two looks into inbound_dir, whatever the watcher says
    stable_s         seconds a file must not change before it is taken (take = "stable")
    poll_only        no watcher: for network drives, where nothing tells of a new file
    max_file_mb      a larger file is refused and put into quarantine
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    outbound_dir: Path
    inbound_dir: Path
    archive_dir: Path
    quarantine_dir: Path
    encoding: str = "utf-8"
    client: str = Field(pattern=r"^[0-9]{3}$")
    sender_partner: str = Field(default="ISTHMUS", pattern=r"^[A-Z0-9_]{1,10}$")
    sender_port: str = Field(default="ISTHMUS", pattern=r"^[A-Z0-9_]{1,10}$")
    receiver_partner: str = Field(pattern=r"^[A-Z0-9_]{1,10}$")
    receiver_port: str = Field(pattern=r"^[A-Z0-9_]{1,10}$")
    basic_types: dict[str, str] = Field(default_factory=lambda: {"DEBMAS": "DEBMAS06"})
    take: Take = Take.STABLE
    final_line: FinalLine = FinalLine.REQUIRED
    scan_s: float = Field(default=5.0, gt=0, le=3600)
    stable_s: float = Field(default=0.5, gt=0, le=600)
    poll_only: bool = False
    max_file_mb: int = Field(default=64, ge=1, le=1024)

    @field_validator("encoding")
    @classmethod
    def _known_code_page(cls, value: str) -> str:
        codec_of(value)
        return value

    @model_validator(mode="after")
    def _four_directories(self) -> Settings:
        """In one directory for two purposes we would read our own files, or read them again for ever."""
        names = ("outbound_dir", "inbound_dir", "archive_dir", "quarantine_dir")
        seen: dict[Path, str] = {}
        for name in names:
            path = Path(getattr(self, name)).absolute()
            if path in seen:
                raise ValueError(f"{name} and {seen[path]} are the same directory")
            seen[path] = name
        return self
