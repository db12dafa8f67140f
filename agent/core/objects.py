"""How one system stores one entity: object, key and fields, as an adapter needs to know them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class FieldType(StrEnum):
    """The contract's types. Money is a decimal beside a currency field."""

    TEXT = "text"
    INTEGER = "integer"
    DECIMAL = "decimal"
    BOOLEAN = "boolean"
    DATE = "date"
    DATETIME = "datetime"
    REFERENCE = "reference"  # another entity: its canonical id here, its key at a system


@dataclass(frozen=True, slots=True)
class FieldSpec:
    """One field at a system. For an IDoc the name is ``SEGMENTTYPE.FIELD`` (``E1KNA1M.NAME1``).

    writable  an update may hold it
    seed      a create may hold it although the system owns it: a record that is made again gets its own back
    """

    name: str
    type: FieldType = FieldType.TEXT
    writable: bool = True
    seed: bool = False


@dataclass(frozen=True, slots=True)
class ObjectSpec:
    """One object of a system.

    name         sObject, table or IDoc message type (``Account``, ``customer``, ``DEBMAS``)
    key          the field that holds the system's own key (``Id``, a primary key column, ``E1KNA1M.KUNNR``)
    fields       every mapped field; the key among them only where the contract maps it
    external_id  the field that keeps our canonical id, if the system has one
    capture      changes of it are read
    deliver      commands for it are sent
    create       among them such as make a record
    delete       among them such as end one
    """

    name: str
    key: str
    fields: tuple[FieldSpec, ...]
    external_id: str | None = None
    capture: bool = True
    deliver: bool = True
    create: bool = True
    delete: bool = True
