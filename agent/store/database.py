"""Opening the store: one SQLite file, one process that owns it, one writer.

WAL with synchronous=FULL: what was acknowledged survives a power cut. Exactly one SQLite library may touch
the file in this process, and nothing else may open it: closing any other descriptor of the file would drop
SQLite's POSIX locks (sqlite.org/howtocorrupt.html section 2.2).
"""

from __future__ import annotations

import fcntl
import os
import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from agent import failpoints
from agent.clock import Clock, milliseconds
from agent.errors import Fenced, StoreError
from agent.store import beside, entities, outbox
from agent.store.transaction import Transaction

#: "Isth" as a big-endian number: `file` and this program know whose database it is.
APPLICATION_ID = 0x49737468
#: The newest migration this program knows.
SCHEMA = 1

FILE = "isthmus.db"
#: How often the token is written beside the store at most, in seconds.
NOTE_EVERY_S = 1.0


class Store:
    """The open store. ``transaction`` is the only way to write; use it from one thread."""

    def __init__(self, directory: Path, clock: Clock, connection: sqlite3.Connection, lock: int) -> None:
        self.directory = directory
        self.clock = clock
        self._connection = connection
        self._lock = lock
        self.epoch = int(self._meta("epoch", "0"))
        self.token = int(self._meta("token", "0"))
        self._noted = 0.0

    @classmethod
    def open(cls, directory: Path, clock: Clock) -> Store:
        """Lock, check, migrate and start a life of the store. Raises StoreError or Fenced."""
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = _lock(directory)
        try:
            store = cls._opened(directory, clock, lock)
        except BaseException:
            os.close(lock)
            raise
        return store

    @classmethod
    def _opened(cls, directory: Path, clock: Clock, lock: int) -> Store:
        file = directory / FILE
        try:
            _upgrade(file)
            connection = connect(file)
            file.chmod(0o600)
            _check(connection, file)
            store = cls(directory, clock, connection, lock)
        except sqlite3.DatabaseError as error:
            raise StoreError(
                f"it is no database, or it is damaged: {error}",
                where=str(file),
                remedy="keep the file aside and restore the last backup",
            ) from error
        try:
            store._begin_life()
        except BaseException:
            connection.close()
            raise
        return store

    @property
    def file(self) -> Path:
        """The database file, for readers in this process."""
        return self.directory / FILE

    @contextmanager
    def transaction(self, *labels: str, actor: str = "agent") -> Iterator[Transaction]:
        """One transaction: all of it or nothing. ``labels`` name the failpoints around its commit."""
        connection = self._connection
        connection.execute("BEGIN IMMEDIATE")
        try:
            self._fence()
            token = self.token + 1
            tx = Transaction(connection, milliseconds(self.clock.now()), token, self.epoch, actor)
            yield tx
            if tx.written:
                connection.execute("UPDATE meta SET value = ? WHERE key = 'token'", (str(token),))
            _pass(labels, "before_commit")
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        if tx.written:
            self.token = token
        _pass(labels, "after_commit")
        if self.clock.monotonic() - self._noted >= NOTE_EVERY_S:
            self._note_token()

    def close(self) -> None:
        """Close in good order; the lock falls last. Safe to call twice."""
        if self._lock < 0:
            return
        self._note_token()
        self._connection.close()
        os.close(self._lock)
        self._lock = -1

    def _fence(self) -> None:
        row = self._connection.execute("SELECT value FROM meta WHERE key = 'epoch'").fetchone()
        if row is None or int(row[0]) != self.epoch:
            raise Fenced(
                "a later life of this store has begun", where=str(self.file), remedy="stop this agent"
            )

    def _begin_life(self) -> None:
        """Compare the epoch with the one kept beside the store: an older store was restored (I22)."""
        known, token = beside.number(self.directory / "epoch"), beside.number(self.directory / "token")
        if self.epoch == 0:
            self._set_epoch(known + 1)
        elif known > self.epoch or token > self.token:
            self._set_epoch(max(known, self.epoch) + 1, restored=True)
        if self.epoch != known:
            beside.keep(self.directory / "epoch", self.epoch)
        beside.fsync_directory(self.directory)
        self._note_token()

    def _note_token(self) -> None:
        """Keep beside the store how far it is, so that an older copy put in its place is noticed.

        Written after the commit that it speaks of, so it never runs ahead of a store that lost nothing.
        """
        self._noted = self.clock.monotonic()
        beside.note(self.directory / "token", self.token)

    def _set_epoch(self, epoch: int, *, restored: bool = False) -> None:
        """Begin an epoch; after a restore, in the same transaction, nothing is assumed any more."""
        connection = self._connection
        connection.execute("BEGIN IMMEDIATE")
        for key, value in (("epoch", str(epoch)), ("token", str(self.token + 1))):
            connection.execute(
                "INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = ?",
                (key, value, value),
            )
        connection.execute(
            "INSERT INTO meta (key, value) VALUES ('store', ?) ON CONFLICT (key) DO NOTHING",
            (secrets.token_hex(8),),
        )
        if restored:
            now = milliseconds(self.clock.now())
            tx = Transaction(connection, now, self.token + 1, epoch, "agent")
            outbox.sent_is_uncertain(tx, "the store was restored")
            entities.stale_everything(tx)
            tx.journal("store", str(epoch), "running", "restored", "older than the last life of the agent")
        label = "restore" if restored else "epoch"
        _pass((label,), "before_commit")
        connection.execute("COMMIT")
        _pass((label,), "after_commit")
        self.epoch, self.token = epoch, self.token + 1

    def _meta(self, key: str, default: str) -> str:
        row = self._connection.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return str(row[0]) if row else default


def _pass(labels: tuple[str, ...], side: str) -> None:
    for label in labels:
        failpoints.hit(f"{label}.{side}")


def connect(file: Path, *, read_only: bool = False) -> sqlite3.Connection:
    """A connection with the store's settings (sqlite.org/pragma.html)."""
    connection = sqlite3.connect(
        f"file:{file}{'?mode=ro' if read_only else ''}",
        uri=True,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=256,
    )
    pragmas = ["busy_timeout = 5000", "foreign_keys = ON", "trusted_schema = OFF", "mmap_size = 0"]
    if read_only:
        pragmas.append("query_only = ON")
    else:
        pragmas += [
            "auto_vacuum = INCREMENTAL",
            "journal_mode = WAL",
            "synchronous = FULL",
            "cell_size_check = ON",
            "journal_size_limit = 67108864",
            "wal_autocheckpoint = 4000",
        ]
    for pragma in pragmas:
        connection.execute(f"PRAGMA {pragma}")
    return connection


def _lock(directory: Path) -> int:
    """Own the store for life. The lock is on a file of its own, never on the database."""
    descriptor = os.open(directory / "agent.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.pread(descriptor, 64, 0).decode(errors="replace").strip() or "unknown"
        os.close(descriptor)
        raise Fenced(
            f"another agent owns this store (process {holder})",
            where=str(directory),
            remedy="stop it, or use another state_dir",
        ) from None
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, str(os.getpid()).encode(), 0)
    return descriptor


def _upgrade(file: Path) -> None:
    """Refuse what is not ours or newer than this program; bring an older schema up to date."""
    application = version = 0
    if file.exists():
        connection = connect(file, read_only=True)
        application = connection.execute("PRAGMA application_id").fetchone()[0]
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        things = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        connection.close()
        if application == 0 and things:
            application = -1
    if application not in (0, APPLICATION_ID):
        raise StoreError(
            "this is another program's database", where=str(file), remedy="choose another state_dir"
        )
    if version > SCHEMA:
        raise StoreError(
            f"its schema is version {version}, this program knows {SCHEMA}",
            where=str(file),
            remedy="run the newer program, or restore the backup taken before its upgrade",
        )
    if version < SCHEMA:
        # Alembic and SQLAlchemy cost half a second to import: only a new schema pays.
        from agent.store.migration import upgrade

        upgrade(file)


def _check(connection: sqlite3.Connection, file: Path) -> None:
    """Refuse to run on a damaged database."""
    fault = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if fault != "ok":
        connection.close()
        raise StoreError(
            f"the database is damaged: {fault}",
            where=str(file),
            remedy="keep the file aside and restore the last backup",
        )
