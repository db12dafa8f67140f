"""What clients ask once they are in: batches, procedure calls, transactions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum, StrEnum

from tests.odbc.tds.datatypes import DataType, read_type, read_value
from tests.odbc.tds.wire import Bytes, Malformed

_BY_NUMBER = 0xFFFF
_SEPARATORS = (0x80, 0xFF)
_OUTPUT = 0x01
_BEGIN_NEXT = 0x01


class Via(StrEnum):
    """How a statement came."""

    BATCH = "batch"
    EXECUTE_SQL = "sp_executesql"
    PREPARED = "prepared"
    PROCEDURE = "procedure"


class Procedure(IntEnum):
    """Procedures that clients call by number."""

    EXECUTE_SQL = 10
    PREPARE = 11
    EXECUTE = 12
    PREPARE_AND_EXECUTE = 13
    UNPREPARE = 15


class Verb(IntEnum):
    """What a client wants of its transaction."""

    BEGIN = 5
    COMMIT = 7
    ROLLBACK = 8
    SAVE = 9


@dataclass(frozen=True, slots=True)
class Parameter:
    """A value with the name and the type that the client gave it."""

    name: str
    type: DataType
    value: object
    output: bool = False


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement as it came.

    sql          its text, or a procedure's name
    declaration  the types under which the client bound its parameters
    connection   the number of the connection, from 1
    transaction  the number of the transaction it ran in, None outside of any
    """

    sql: str
    via: Via
    parameters: tuple[Parameter, ...] = ()
    declaration: str = ""
    connection: int = 0
    transaction: int | None = None

    @property
    def own(self) -> bool:
        """Whether the driver asked this by itself as it connected."""
        return "sp_datatype_info" in self.sql

    @property
    def values(self) -> tuple[object, ...]:
        """The parameters' values."""
        return tuple(parameter.value for parameter in self.parameters)


@dataclass(frozen=True, slots=True)
class Call:
    """A procedure called by number or by name."""

    procedure: Procedure | str
    parameters: tuple[Parameter, ...]

    def text(self, position: int) -> str:
        """A parameter that must be text."""
        value = self.parameters[position].value
        return value if isinstance(value, str) else ""

    def number(self, position: int) -> int:
        """A parameter that must be a number. Raises Malformed."""
        value = self.parameters[position].value
        if not isinstance(value, int):
            raise Malformed(f"{self.procedure!r} was called without a number at {position}")
        return value


@dataclass(frozen=True, slots=True)
class TransactionRequest:
    """``begins`` says that the next transaction is to begin as this one ends."""

    verb: Verb
    name: str = ""
    begins: bool = False


def _past_headers(payload: bytes) -> Bytes:
    """ALL_HEADERS stand in front of every request and count themselves."""
    source = Bytes(payload)
    source.take(source.u32() - 4)
    return source


def read_batch(payload: bytes) -> str:
    """The text of a batch."""
    source = _past_headers(payload)
    return source.take(source.left).decode("utf-16-le")


def read_calls(payload: bytes) -> Iterator[Call]:
    """The procedure calls of one message: clients may send many at once."""
    source = _past_headers(payload)
    while source.left:
        length = source.u16()
        known = length == _BY_NUMBER
        procedure = Procedure(source.u16()) if known else source.take(2 * length).decode("utf-16-le")
        source.u16()
        yield Call(procedure, tuple(_parameters(source)))


def _parameters(source: Bytes) -> Iterator[Parameter]:
    while source.left:
        first = source.u8()
        if first in _SEPARATORS:
            return
        name = source.take(2 * first).decode("utf-16-le")
        output = bool(source.u8() & _OUTPUT)
        of, value = read_value(source, read_type(source))
        yield Parameter(name, of, value, output)


def read_transaction(payload: bytes) -> TransactionRequest:
    """What is wanted of the transaction. Raises Malformed for distributed ones."""
    source = _past_headers(payload)
    number = source.u16()
    if number not in tuple(Verb):
        raise Malformed(f"transaction request {number} is not known here")
    verb = Verb(number)
    if verb is Verb.BEGIN:
        source.u8()  # the isolation level
        return TransactionRequest(verb, source.short_text())
    name = source.short_text()
    return TransactionRequest(verb, name, begins=verb is not Verb.SAVE and bool(source.u8() & _BEGIN_NEXT))
