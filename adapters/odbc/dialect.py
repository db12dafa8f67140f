"""What the SQL of one database family looks like, as data; the families stand in ``dialects``."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, StrEnum
from typing import Any

from adapters.odbc.catalog import Column, Home
from adapters.odbc.forms import Sets
from agent.core.objects import ObjectSpec


class Fault(StrEnum):
    """What a database error means for the unit of work that met it."""

    BUSY = "busy"  # lock, deadlock, serialisation: roll back, try again later
    LOST = "lost"  # the connection is gone or unusable: reconnect
    BUSINESS = "business"  # a rule of the ERP said no
    DUPLICATE = "duplicate"  # a unique constraint said no
    INVALID = "invalid"  # the column cannot hold the value
    SETUP = "setup"  # table, right or login is missing: a person must act
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Verdict:
    """A classified database error: ``code`` is the native one, ``text`` is free of row values."""

    fault: Fault
    code: str
    text: str


@dataclass(frozen=True, slots=True)
class Driver:
    """The ODBC driver of a dialect and what it must be told.

    packages   Debian packages that bring it
    files      file names of its library, best first
    words      what its name holds, in lower case: tells the dialect of a connection string
    options    connection options added when missing, because the driver's own default loses data or hangs
    needs      libraries beside it that a private directory of unpacked ones must bring
    max_write  bytes up to which a text is bound whole; None leaves it to the driver
    narrow     texts are bound and fetched in this encoding: of wide characters the driver miscounts some that
               take two, and stores what lies behind; what it fetches ends at the first NUL
    limits     it heeds the time limits that ODBC knows, for logging in and for each statement
    drains     an error may stand behind a result: every one is fetched before a statement counts as done
    """

    packages: str
    files: tuple[str, ...]
    words: tuple[str, ...]
    options: Mapping[str, str]
    needs: tuple[str, ...] = ()
    max_write: int | None = None
    narrow: str = ""
    limits: bool = False
    drains: bool = False


@dataclass(frozen=True, slots=True)
class Lock:
    """How selected rows are locked until the transaction ends: behind the table's name, or at the end."""

    hint: str = ""
    suffix: str = ""


@dataclass(frozen=True, slots=True)
class Cipher:
    """How a driver is told to encrypt: option names (lower case, best first) and the values that demand it.

    ``demand`` and ``waive`` are what a person adds; ``by_default``: in the names of drivers that encrypt
    where nothing is said. ``proves``: by these options (lower case) the server has to prove who it is, and
    ``proof`` is what a person adds for that; without it whoever answers is given the password.
    """

    keys: tuple[str, ...]
    safe: frozenset[str]
    demand: str
    waive: str
    by_default: tuple[str, ...] = ()
    proves: Callable[[Mapping[str, str]], bool] = lambda _: True
    proof: str = ""


@dataclass(frozen=True, slots=True)
class Scratch:
    """An empty temporary table with one column of a table: {name}, {column}, {table}; ``name`` of {name}."""

    create: str
    name: str = "{name}"


@dataclass(frozen=True, slots=True)
class Dictionary:
    """Queries on the server's own catalog, for what the driver's does not tell; "" where there is none.

    types       of a table (schema or database, table): columns with type, length, scale, fraction, code page
    fractions   of a table (schema or database, table): columns and the decimal places of a second they keep
    collations  of a table (schema or database, table): text columns and how they are compared, where an
                index serves no other comparison
    place       the schema of a table whose name says none; the driver's catalog tells of all of that name
    members     of a table (schema or database, table): columns that take only some texts, as declared
    named       of a table (schema or database, table): columns of types that users have made, the type's
                name in a cast or the base of a domain on text, and the length of that
    unsafe      has a row where a table (schema or database, table) takes part in no transactions
    equating    the collation of a column (schema or database, table, column) that takes two texts for one
    orphans     triggers whose definer is gone, so that each write to their table fails, and that definer
    hidden      has a row where the user may not see triggers at all
    """

    types: str = ""
    fractions: str = ""
    collations: str = ""
    place: str = ""
    members: str = ""
    named: str = ""
    unsafe: str = ""
    equating: str = ""
    orphans: str = ""
    hidden: str = ""


@dataclass(frozen=True, slots=True)
class Rights:
    """How a dialect grants.

    account     the grantee as it stands in a statement, of a user's name
    by_column   rights that can be limited to columns
    notes       what the DBA must know besides
    before      statements that come first; {account}
    """

    account: Callable[[str], str]
    by_column: frozenset[str] = frozenset({"UPDATE", "INSERT"})
    notes: tuple[str, ...] = ()
    before: Callable[[Dialect, OwnTables, Sequence[ObjectSpec]], list[str]] = lambda *_: []


@dataclass(frozen=True, slots=True)
class OwnTables:
    """Names of the agent's own tables in the ERP, each with its schema or database where it has one."""

    journal: str
    meta: str
    ledger: str
    epoch: str

    @property
    def all(self) -> tuple[str, str, str, str]:
        """In the order in which they are made."""
        return (self.journal, self.meta, self.ledger, self.epoch)


@dataclass(frozen=True, slots=True)
class Journal:
    """How a dialect spells the agent's own tables and the triggers of a captured table.

    create     a table unless it is there: {table} and {columns}
    sequence   definition of the journal's number; never given twice, also not after a restart. {name}: of
               the sequence that ``before`` makes, where it makes one
    moment     column type of a point in time
    instance   expression that names an installation
    life       expression of that name in the table that keeps it and, where the database tells, of what is
               another one once the journal was emptied: {quoted} is its name, as a text
    longest_key  characters of a record's key that journal and ledger keep; None: any
    add        one more column unless it is there: {table} and {column}; "" where install looks first
    alter      one more column that is not there
    types      columns of the agent's tables in the types of this dialect
    past       lets a look at the journal pass over what others have not committed
    before     statements in front of the tables, and ``behind`` them when all is removed
    remove     a table, if it is there
    present    query for all enabled triggers: name, table (where ``tells_table``; named as an object may be)
               and, where the database tells, which of that name
    passed     query for those of them that a session may pass by; "" where none can
    names      the triggers' names of one captured object, as ``present`` tells them
    triggers   statements that put them in the place of older ones
    drop       statements that remove them; repeatable
    """

    create: str
    sequence: str
    moment: str
    instance: str
    add: str
    present: str
    names: Callable[[OwnTables, ObjectSpec], list[str]]
    triggers: Callable[[Dialect, OwnTables, ObjectSpec], list[str]]
    drop: Callable[[Dialect, OwnTables, ObjectSpec], list[str]]
    passed: str = ""
    tells_table: bool = False
    life: str = "instance"
    longest_key: int | None = 255
    alter: str = "ALTER TABLE {table} ADD COLUMN {column}"
    types: Callable[[str], str] = lambda columns: columns
    past: Lock = Lock()
    before: Callable[[Dialect, OwnTables], list[str]] = lambda *_: []
    behind: Callable[[Dialect, OwnTables], list[str]] = lambda *_: []
    remove: str = "DROP TABLE IF EXISTS {table}"


@dataclass(frozen=True, slots=True)
class Tracking:
    """Change tracking of the database itself: keys of what changed, in the order of commits.

    {table} is a table's name in quotes, {name} the same as part of a literal.

    switch    statements that switch it on for the database; none of them inside a transaction, repeatable
    enable    the same for one table
    disable   the opposite, for people: it may serve others, too
    right     what the agent's user needs on the table besides SELECT
    standing  one row: how long changes are kept, whether the table is tracked, whether the user may read it,
              whether one view of all tables can be had
    state     one row: version of now, oldest version from which on the table's changes are kept (both null
              where there is none), the tracking's identity (table, beginning, database; a dot between them),
              whether one view of all tables can be had
    begin     statements that begin such a view, and ``end`` those behind it
    changes   version, operation, key and mark behind a version up to another one, both bound: {key}, {place},
              {limit}, and {behind}, which is "" or the condition of that name
    behind    condition for what lies behind a version and a key: {place}, {mark}
    declare   what stands in front of a statement whose writes are marked; it holds the mark's placeholder
    context   what stands directly in front of its verb
    """

    switch: tuple[str, ...]
    enable: tuple[str, ...]
    disable: tuple[str, ...]
    right: str
    standing: str
    state: str
    begin: tuple[str, ...]
    end: tuple[str, ...]
    changes: str
    behind: str
    declare: str
    context: str


@dataclass(frozen=True, slots=True)
class Digest:
    """How a dialect hashes rows where they are.

    row     hexadecimal hash (32 digits) of columns, each given as its expression and itself. The text under
            it is the same for equal rows only: NULL, '' and separators inside a value differ
    halves  both halves of such a hash as numbers of 64 bits, signed or not, whose sum cannot overflow
    """

    row: Callable[[Sequence[tuple[str, Column]]], str]
    halves: Callable[[str], tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Horizon:
    """How a dialect tells which journal rows can have no transaction before them that is still open.

    install  statements that make the journal ready for it, repeatable: own tables, names of captured tables
    remove   statements that take away what is not dropped with the tables
    read     rows behind a transaction and a number, of so many objects, whose transactions are all over
    state    one row: name of the installation, transaction and number of the last row purged, how many rows
             have a number, the lowest transaction that is open, the next one to come
    release  rows before a transaction and a number, of so many objects
    open     one row: for how many seconds the longest writing transaction is open, how many are not shown
    """

    install: Callable[[OwnTables, Sequence[str]], list[str]]
    remove: Callable[[OwnTables], list[str]]
    read: Callable[[OwnTables, int, int], str]
    state: Callable[[OwnTables], str]
    release: Callable[[OwnTables, int], str]
    open: str


@dataclass(frozen=True, slots=True)
class Settled:
    """How much of a column is settled whose values are drawn before their transactions end.

    before  stands in front of a query
    below   expression in that query: lower values belong to transactions that were over before it began
    state   one row: that value of now and the next one to come; they differ while a transaction is open
    """

    before: str
    below: str
    state: str


class Claim(Enum):
    """What tells that a message id is in the ledger already."""

    NO_ROW = " ON CONFLICT (message_id) DO NOTHING"
    DUPLICATE = ""  # the error of the unique key


@dataclass(frozen=True, slots=True)
class Dialect:
    """One database family.

    session         statements run on each new connection; {lock_s}, {lock_ms}, {deadline_s}, {deadline_ms}
    zone            statement that sets the zone of a session that writes, by {name} or by {offset} of now; ""
                    where a session has none of its own
    classify        driver error (SQLSTATE, message) to a verdict
    column          a row of the driver's catalog to a column; the second argument names the row's extra parts
    home            the part of the catalog that a dotted name's first half means
    as_text         a column's expression as text: drivers silently alter numbers and dates, never text
    comparand       a placeholder for a text that is compared with a column
    value           a placeholder for a text that is stored into a column
    insert          the statement: {table}, {columns}, {values}, {key} (the new key as text)
    returns_key     whether ``insert`` answers with it; else ``last_row`` is the condition that finds it
    release         rows of a table by exact numbers: {table}, and how many
    claim           what tells that a message id is in the ledger already
    minimum         name (as ODBC tells it) and oldest version of the server whose SQL this is
    dictionary      what only the server's own catalog tells
    now             the point in time of a ledger row
    equal           a text of our own tables is a given one: {column} and {value}
    claiming        what stands in front of the ledger's insert; it then holds the message id's placeholder
    tracking        the database's own change tracking, None where there is none
    untried         nothing of it was ever run against such a server
    cipher          how a connection is encrypted, None where there is no network
    scratch         a temporary table of the session's own, None where there is no such thing
    rights          how rights are granted, None where there are none
    mark            the id in the ledger's insert, as an expression that also marks the transaction's writes
    unmark          ends the mark of a connection; "" where it ends with the transaction
    change_probe    query whose answer differs after another connection's commit, None where there is none
    limit           the end of a query for {count} rows
    nothing         FROM clause of a query without a table
    reserved        own column names that the database takes for words of its language
    quotes          left and right of an identifier
    lossy_numbers   a numeric column stores binary floating point
    digest          how rows are hashed in the database; None where the worker has to
    horizon         what "snapshot" capture asks; None where the database cannot tell
    settled         up to where a column that grows may be read; None for one of which that cannot be told
    earlier         a text of a time column, taken back by so many seconds; None where that cannot be said
    silent_cascades rows that a foreign key or TRUNCATE deletes fire no trigger
    allowed         query with a row if we have a {right} on a table; None where everything is allowed
    sets            statements for many records; None where each takes its own
    stale           codes which only mean that a statement that was prepared before is to be prepared anew
    """

    name: str
    driver: Driver
    session: tuple[str, ...]
    classify: Callable[[str, str], Verdict] = field(repr=False)
    column: Callable[[Any, Mapping[str, int]], Column] = field(repr=False)
    as_text: Callable[[str, Column], str] = field(repr=False)
    comparand: Callable[[Column], str] = field(repr=False)
    value: Callable[[Column], str] = field(repr=False)
    journal: Journal = field(repr=False)
    release: Callable[[str, int], str] = field(repr=False)
    zone: str = ""
    minimum: tuple[str, tuple[int, ...]] = ("", ())
    dictionary: Dictionary = field(default=Dictionary(), repr=False)
    now: str = "CURRENT_TIMESTAMP"
    insert: str = "INSERT INTO {table} ({columns}) VALUES ({values})"
    returns_key: bool = False
    last_row: str = ""
    home: Home = Home.SCHEMA
    equal: str = "{column} = {value}"
    claiming: str = ""
    tracking: Tracking | None = field(default=None, repr=False)
    untried: bool = False
    cipher: Cipher | None = None
    scratch: Scratch | None = None
    rights: Rights | None = field(default=None, repr=False)
    row_lock: Lock = Lock()
    share_lock: Lock = Lock()
    claim: Claim = Claim.NO_ROW
    mark: str = "?"
    unmark: str = ""
    change_probe: str | None = None
    limit: str = " LIMIT {count}"
    nothing: str = ""
    reserved: frozenset[str] = frozenset()
    quotes: tuple[str, str] = ('"', '"')
    lossy_numbers: bool = False
    digest: Digest | None = field(default=None, repr=False)
    horizon: Horizon | None = field(default=None, repr=False)
    allowed: str | None = None
    settled: Callable[[Column], Settled | None] = field(default=lambda _: None, repr=False)
    earlier: Callable[[Column, float], str] | None = field(default=None, repr=False)
    silent_cascades: bool = False
    sets: Sets | None = field(default=None, repr=False)
    stale: frozenset[str] = frozenset()

    @property
    def marks_writes(self) -> bool:
        """Whether the journal tells which changes are our own."""
        return self.mark != "?"

    def quote(self, identifier: str) -> str:
        """An identifier in quotes, each part of a dotted name on its own."""
        left, right = self.quotes
        return ".".join(left + part.replace(right, right * 2) + right for part in identifier.split("."))

    def own(self, column: str) -> str:
        """A column of the agent's own tables."""
        return self.quote(column) if column in self.reserved else column

    def text(self, name: str, column: Column) -> str:
        """A column of the ERP as text."""
        return self.as_text(self.quote(name), column)


_NATIVE = re.compile(r"\((-?\d+)\) \(SQL\w+\)\s*$")
_PREFIX = re.compile(r"^(\[[^\]]*\]\s*)+")


def native_code(message: str) -> int:
    """The native error number: drivers give it only inside the message. 0 when there is none."""
    found = _NATIVE.search(message)
    return int(found.group(1)) if found else 0


def first_sentence(message: str) -> str:
    """The error's first line without driver prefixes and without the row values that DETAIL lines carry."""
    text = re.split(r"\n|;\s*$", _PREFIX.sub("", message).strip())[0]
    text = re.sub(r"(\s*\(-?\d+\))*(\s*\(SQL\w+\))?\s*$", "", text)
    return text.removeprefix("ERROR: ").removeprefix("FATAL: ").rstrip(" ;")[:300]


def literal(text: str) -> str:
    """A text in a script, where nothing can be bound."""
    return "'" + text.replace("'", "''") + "'"


def beside(spec: ObjectSpec, name: str) -> str:
    """A name in the schema of an object's table, where its triggers live."""
    place, dot, _ = spec.name.rpartition(".")
    return f"{place}{dot}{name}"


def released_by(number: str, hint: str = "") -> Callable[[str, int], str]:
    """Journal rows released by a list of exact numbers, each of them bound as ``number``."""
    return lambda table, count: f"DELETE FROM {table}{hint} WHERE seq IN ({', '.join([number] * count)})"  # noqa: S608


def trigger_base(own: OwnTables, spec: ObjectSpec, longest: int, *, octets: bool = False) -> str:
    """What the names of an object's triggers begin with; two letters fit behind it.

    A name beyond what the database allows would be cut, or refused: it ends in a digest of the whole.
    ``octets``: the database counts bytes, of which an umlaut takes two.
    """
    whole = f"{own.journal.rpartition('.')[2]}_{spec.name.rpartition('.')[2]}"
    if len(whole.encode() if octets else whole) + 2 <= longest:
        return whole
    digest = hashlib.sha256(whole.encode()).hexdigest()[:8]
    kept = whole[: longest - 11]
    if octets:
        kept = kept.encode()[: longest - 11].decode(errors="ignore")
    return f"{kept}_{digest}"
