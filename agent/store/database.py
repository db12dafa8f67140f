"""Opening the store: one SQLite file, one process that owns it, one writer.

WAL with synchronous=FULL: what was acknowledged survives a power cut. Exactly one SQLite library may touch
the file in this process, and nothing else may open it: closing any other descriptor of the file would drop
SQLite's POSIX locks (sqlite.org/howtocorrupt.html section 2.2).
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import socket
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import structlog

from agent import failpoints
from agent.clock import Clock, milliseconds
from agent.errors import Fenced, StoreError
from agent.store import beside, entities, fault, inspection, lives, outbox
from agent.store.space import Ballast
from agent.store.transaction import Transaction

log = structlog.get_logger()

#: "Isth" as a big-endian number: `file` and this program know whose database it is.
APPLICATION_ID = 0x49737468
#: The newest migration this program knows.
SCHEMA = 1

FILE = "isthmus.db"
LOG = f"{FILE}-wal"
#: Pages (4096 bytes) in the write-ahead log after which a commit copies them into the database.
CHECKPOINT_PAGES = 4000
#: How often the token is written beside the store at most, in seconds.
NOTE_EVERY_S = 1.0


@dataclass(frozen=True, slots=True)
class Log:
    """The write-ahead log: pages in it, and how many of them are in the database already."""

    pages: int
    copied: int


@dataclass(frozen=True, slots=True)
class Begin:
    """How a life is to begin.

    beyond      begin an epoch behind this one, because a system has seen more than this store knows
    why         what was seen, for the journal
    take_over   a person decided that this store goes on although another life took over from it
    host        this machine's name; None asks the machine
    """

    beyond: int | None = None
    why: str = ""
    take_over: bool = False
    host: str | None = None


class Store:
    """The open store. ``transaction`` is the only way to write; use it from one thread."""

    def __init__(self, directory: Path, clock: Clock, connection: sqlite3.Connection, lock: int) -> None:
        self.directory = directory
        self.clock = clock
        self._connection = connection
        self._lock = lock
        self.epoch = int(self._meta("epoch", "0"))
        self.token = int(self._meta("token", "0"))
        self.ballast = Ballast(directory)
        self._noted = 0.0
        self._unnoted = False
        self._broken: StoreError | None = None
        self.life = lives.Life("", "", 0, False, {})
        self.inspected = False
        self._inspecting: sqlite3.Connection | None = None

    @classmethod
    def open(cls, directory: Path, clock: Clock, begin: Begin | None = None) -> Store:
        """Lock, check, migrate and start a life of the store. Raises StoreError or Fenced.

        Where the disk is full, the ballast is given up for it.
        """
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = _lock(directory)
        except OSError as error:
            raise fault.of_system(error, directory) from error
        try:
            try:
                return cls._opened(directory, clock, lock, begin or Begin())
            except fault.DiskFull:
                if not Ballast(directory).release():
                    raise
                return cls._opened(directory, clock, lock, begin or Begin())
        except BaseException:
            os.close(lock)
            raise

    @classmethod
    def _opened(cls, directory: Path, clock: Clock, lock: int, begin: Begin) -> Store:
        file = directory / FILE
        try:
            beside.write_again(directory / LOG)
            _upgrade(file)
            with contextlib.ExitStack() as stack:
                connection = connect(file)
                stack.callback(connection.close)
                file.chmod(0o600)
                store = cls(directory, clock, connection, lock)
                if file.stat().st_size <= inspection.AT_ONCE:
                    inspection.inspect(connection, file)
                    store.inspected = True
                store._begin_life(begin)
                stack.pop_all()
        except sqlite3.Error as error:
            raise fault.of(error, file) or inspection.damaged(file, str(error)) from error
        except OSError as error:
            raise fault.of_system(error, file) from error
        return store

    @property
    def broken(self) -> StoreError | None:
        """What the disk did, after which nothing is written any more."""
        return self._broken

    @property
    def file(self) -> Path:
        """The database file, for readers in this process."""
        return self.directory / FILE

    def inspect(self) -> None:
        """Read the whole database on a connection of its own, while it is used: call it on another thread.

        Raises StoreError for a damaged one.
        """
        try:
            with contextlib.closing(connect(self.file, read_only=True)) as connection:
                self._inspecting = connection
                inspection.inspect(connection, self.file)
        except sqlite3.Error as error:
            if error.sqlite_errorcode == sqlite3.SQLITE_INTERRUPT:
                return
            raise fault.of(error, self.file) or inspection.damaged(self.file, str(error)) from error
        finally:
            self._inspecting = None
        self.inspected = True

    def stop_inspecting(self) -> None:
        """Let a running inspection end at once, from any thread. It has said nothing then."""
        running = self._inspecting
        if running is not None:
            running.interrupt()

    def log_size(self) -> int:
        """Bytes of the write-ahead log."""
        try:
            return (self.directory / LOG).stat().st_size
        except FileNotFoundError:
            return 0

    @contextmanager
    def transaction(self, *labels: str, actor: str = "agent") -> Iterator[Transaction]:
        """One transaction: all of it or nothing. ``labels`` name the failpoints around its commit.

        Raises DiskFull when there was no room: it may be run again. Raises DiskFault when the disk failed,
        and from then on always: what it did not write may look written until the machine is switched off.
        """
        if self._broken is not None:
            raise self._broken
        connection = self._connection
        tx = Transaction(
            connection, milliseconds(self.clock.now()), self.token + 1, self.epoch, actor, self.file
        )
        try:
            connection.execute("BEGIN IMMEDIATE")
            self._fence()
            yield tx
            if tx.fault is not None:
                raise tx.fault
            tx.flush()
            if tx.written:
                connection.execute("UPDATE meta SET value = ? WHERE key = 'token'", (str(tx.token),))
            _pass(labels, "before_commit")
            connection.execute("COMMIT")
        except BaseException as error:
            found = self._taken_back(error)
            if found is error:
                raise
            raise found from error
        if tx.written:
            self.token = tx.token
        _pass(labels, "after_commit")
        if self.clock.monotonic() - self._noted >= NOTE_EVERY_S:
            self._note_token()

    def _taken_back(self, error: BaseException) -> BaseException:
        """Roll back, and say what went wrong: the disk, or what was raised."""
        said = fault.of(error, self.file) if isinstance(error, sqlite3.Error) else None
        try:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
        except sqlite3.Error as worse:
            said = fault.of(worse, self.file) or fault.DiskFault(str(worse), where=str(self.file))
        found = said or error
        if isinstance(found, fault.DiskFault) and not isinstance(found, fault.DiskFull):
            self._broken = found
        return found

    def checkpoint(self) -> Log:
        """Copy the log into the database as far as readers allow; how long it is. Raises DiskFault."""
        if self._broken is not None:
            raise self._broken
        try:
            row = self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        except sqlite3.Error as error:
            found = self._taken_back(error)
            raise found if found is not error else fault.DiskFault(str(error)) from error
        return Log(max(int(row[1]), 0), max(int(row[2]), 0))

    def close(self) -> None:
        """Close in good order; the lock falls last. Safe to call twice."""
        if self._lock < 0:
            return
        self._note_token()
        self._connection.close()
        os.close(self._lock)
        self._lock = -1

    def _fence(self) -> None:
        if self._meta("epoch", "") != str(self.epoch) or self._meta(lives.LIFE, "") != self.life.id:
            raise Fenced(
                "a later life of this store has begun, or an agent on a copy of it has taken over",
                where=str(self.file),
                remedy="stop this agent; isthmus status tells the rest",
            )

    def _begin_life(self, begin: Begin) -> None:
        """Compare the store with what is kept beside it: an older one was restored (I22)."""
        if not begin.take_over:
            lives.check(self._connection, str(self.file))
        known, token = beside.number(self.directory / "epoch"), beside.number(self.directory / "token")
        older = known > self.epoch or token > self.token
        if self.epoch == 0:
            self._live(begin, known + 1)
        elif older or begin.beyond is not None:
            why = begin.why or "older than the last life of the agent"
            self._live(begin, max(known, self.epoch, begin.beyond or 0) + 1, why)
        else:
            self._live(begin, self.epoch)
        if self.epoch != known:
            beside.keep(self.directory / "epoch", self.epoch)
        beside.fsync_directory(self.directory)
        self._note_token()

    def _note_token(self) -> None:
        """Keep beside the store how far it is, so that an older copy put in its place is noticed.

        Written after the commit that it speaks of, so it never runs ahead of a store that lost nothing.
        """
        self._noted = self.clock.monotonic()
        try:
            beside.note(self.directory / "token", self.token)
        except OSError as error:
            # What was committed stays committed; all that suffers is how well a restore is noticed.
            if not self._unnoted:
                log.warning("the token is not kept beside the store", action="store.token", reason=str(error))
            self._unnoted = True
        else:
            self._unnoted = False

    def _live(self, begin: Begin, epoch: int, restored: str = "") -> None:
        """Begin a life, in a new epoch where there is to be one; after a restore nothing is assumed."""
        connection = self._connection
        token = self.token + (epoch != self.epoch)
        connection.execute("BEGIN IMMEDIATE")
        for key, value in (("epoch", str(epoch)), ("token", str(token))):
            connection.execute(
                "INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = ?",
                (key, value, value),
            )
        connection.execute(
            "INSERT INTO meta (key, value) VALUES ('store', ?) ON CONFLICT (key) DO NOTHING",
            (secrets.token_hex(8),),
        )
        tx = Transaction(connection, milliseconds(self.clock.now()), token, epoch, "agent", self.file)
        if restored:
            outbox.sent_is_uncertain(tx, "the store was restored")
            entities.stale_everything(tx)
            lives.leave_renewal(tx, restored)
            tx.journal("store", str(epoch), "running", "restored", restored)
        life = lives.begin(tx, begin.host or socket.gethostname(), renewed=bool(restored))
        tx.flush()
        label = "restore" if restored else "epoch" if epoch != self.epoch else "life"
        _pass((label,), "before_commit")
        connection.execute("COMMIT")
        _pass((label,), "after_commit")
        self.epoch, self.token, self.life = epoch, token, life

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
            f"wal_autocheckpoint = {CHECKPOINT_PAGES}",
        ]
    try:
        for pragma in pragmas:
            connection.execute(f"PRAGMA {pragma}")
    except BaseException:
        connection.close()
        raise
    return connection


def _lock(directory: Path) -> int:
    """Own the store for life. The lock is on a file of its own, never on the database."""
    descriptor = os.open(directory / "agent.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Overwritten, not cut off first: on a full disk the room that it has must not be given away.
        os.pwrite(descriptor, f"{os.getpid():<20}".encode(), 0)
    except BlockingIOError:
        holder = os.pread(descriptor, 64, 0).decode(errors="replace").strip() or "unknown"
        os.close(descriptor)
        raise Fenced(
            f"another agent owns this store (process {holder})",
            where=str(directory),
            remedy="stop it, or use another state_dir",
        ) from None
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _upgrade(file: Path) -> None:
    """Refuse what is not ours or newer than this program; bring an older schema up to date."""
    application = version = 0
    if file.exists():
        with contextlib.closing(_plain(file)) as connection:
            application = connection.execute("PRAGMA application_id").fetchone()[0]
            version = connection.execute("PRAGMA user_version").fetchone()[0]
            things = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
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

        try:
            upgrade(file)
        except Exception as error:
            behind = getattr(error, "orig", None)  # SQLAlchemy's own error around SQLite's
            if isinstance(behind, sqlite3.Error):
                raise behind from error
            raise


def _plain(file: Path) -> sqlite3.Connection:
    """A connection that changes no setting. Not a read-only one: it could not take back what a power cut
    left half done in a migration, and would refuse the file (sqlite.org/lockingv3.html, hot journals).
    """
    connection = sqlite3.connect(f"file:{file}?mode=rw", uri=True, isolation_level=None)
    connection.execute("PRAGMA busy_timeout = 5000")
    return connection
