"""Reading for people: named queries on a connection of their own, each answer out of one snapshot.

A read transaction is short: one that stays open would let the write-ahead log grow without end.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiosqlite

from agent.errors import StoreError
from agent.store.database import APPLICATION_ID, FILE, SCHEMA

Rows = list[Mapping[str, Any]]

#: Rows of one kind in a story at most; the newest are kept and the rest is counted.
STORY = 500

SYSTEMS = "SELECT name, kind, state, since, reason, contact, event FROM system ORDER BY name"
POSITIONS = "SELECT system, min(moved) AS moved FROM position GROUP BY system"
GAPS = "SELECT system, type, since, why, taken, total, going, paced FROM gap ORDER BY system, since"
#: Fields that a system does not take or show, with the exception that stands for each and who waits.
WITHHELD = """
SELECT w.target AS system, w.type, w.field, w.refused, w.unseen, w.since, coalesce(x.cause, '') AS cause,
 coalesce(x.remedy, '') AS remedy, coalesce(x.id, 0) AS exception, (SELECT count(*) FROM waiting AS p
  WHERE p.waits_on = w.target || '.' || w.type || '.' || w.field) AS waiting
 FROM withheld AS w LEFT JOIN exception AS x ON x.kind = 'field' AND x.entity = '' AND x.state = 'open'
  AND x.system = w.target AND x.mark = '' AND x.subject = w.type || '.' || w.field
 ORDER BY w.target, w.type, w.field"""
#: The oldest change that each target has still to be told of.
OLDEST_OPEN = """
SELECT o.target, min(coalesce(i.at, i.received)) AS at FROM obligation AS o JOIN inbox AS i ON i.seq = o.inbox
 WHERE o.state = 'open' GROUP BY o.target"""
QUEUES = """
SELECT target, state, count(*) AS count FROM outbox
 WHERE state IN ('ready', 'sent', 'stored', 'uncertain') GROUP BY target, state"""
HOLDS = "SELECT scope, since, actor, why FROM hold ORDER BY since, scope"
#: Commands that wait for an approval, by scope.
HELD = """
SELECT type || '@' || target || ':' || kind AS scope, count(*) AS count FROM outbox
 WHERE held = 1 AND state = 'ready' GROUP BY 1"""
#: Commands that were tried, were certainly not applied, and are tried again.
RETRYING = """
SELECT target, count(*) AS count, min(not_before) AS next FROM outbox
 WHERE state = 'ready' AND attempts > 0 GROUP BY target"""
CONFLICTS = "SELECT state, count(*) AS count FROM conflict GROUP BY state"
EXCEPTION_KINDS = """
SELECT kind, count(*) AS count, min(opened) AS oldest, sum(due <= :now) AS late FROM exception
 WHERE state = 'open' GROUP BY kind"""
EXCEPTION_MONEY = """
SELECT DISTINCT CASE entity WHEN '' THEN 'exception ' || id ELSE entity END AS whose, amount, currency
 FROM exception WHERE state = 'open' AND amount IS NOT NULL"""

OBSERVED = "SELECT coalesce(sum(targets), 0) AS count FROM inbox"
#: What every observation announced against what there is; sums alone could cancel each other out.
MISMATCHED = """
SELECT count(*) AS count FROM inbox
 WHERE inbox.targets <> (SELECT count(*) FROM obligation AS o WHERE o.inbox = inbox.seq)"""
OBLIGATIONS = """
SELECT coalesce(e.type, '') AS type, o.target, o.state, count(*) AS count FROM obligation AS o
 LEFT JOIN entity AS e ON e.id = o.entity GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"""
ORPHANS = """
SELECT count(*) AS count FROM obligation AS o WHERE o.state = 'open'
 AND NOT EXISTS (SELECT 1 FROM outbox AS c WHERE c.entity = o.entity AND c.target = o.target
  AND c.state IN ('ready', 'sent', 'stored', 'uncertain'))
 AND NOT EXISTS (SELECT 1 FROM waiting AS w WHERE w.entity = o.entity AND w.target = o.target)
 AND NOT EXISTS (SELECT 1 FROM image AS i WHERE i.entity = o.entity AND i.fresh = 0)"""
#: A conflict or a delete at one system may hold back every target of its entity.
UNEXPLAINED = """
SELECT count(*) AS count FROM obligation AS o WHERE o.state IN ('parked', 'excepted')
 AND (o.entity, o.target) NOT IN (SELECT entity, system FROM exception)
 AND o.entity NOT IN (SELECT entity FROM exception WHERE kind IN ('conflict', 'deleted', 'immutable'))"""
UNCONFIRMED = """
SELECT count(*) AS count FROM obligation AS o WHERE o.state = 'confirmed'
 AND NOT EXISTS (SELECT 1 FROM outbox AS c WHERE c.number = o.command AND c.state = 'accepted')"""
UNSUPERSEDED = """
SELECT count(*) AS count FROM obligation AS o WHERE o.state = 'superseded' AND NOT EXISTS
 (SELECT 1 FROM obligation AS n WHERE n.entity = o.entity AND n.target = o.target AND n.inbox > o.inbox)"""

_EXCEPTION = """
SELECT x.*, coalesce(e.type, '') AS type, coalesce(e.business_key, '') AS business_key,
 coalesce(c.state, '') AS command_state, coalesce(c.message_id, '') AS message_id,
 (SELECT max(k.id) FROM conflict AS k WHERE k.entity = x.entity AND k.state = 'open' AND x.kind = 'conflict'
  AND k.loser_system || '.' || k.field = x.mark) AS conflict
 FROM exception AS x LEFT JOIN entity AS e ON e.id = x.entity LEFT JOIN outbox AS c ON c.number = x.command"""
EXCEPTIONS = f"{_EXCEPTION} WHERE x.state = :state ORDER BY x.due, x.id LIMIT :limit"
EXCEPTION = f"{_EXCEPTION} WHERE x.id = :id"
EXCEPTION_COUNT = "SELECT count(*) AS count FROM exception WHERE state = :state"
#: Conflicts, each with the person's ruling where there was one.
_RULED = """
SELECT k.*, coalesce(e.type, '') AS type, coalesce(e.business_key, '') AS business_key,
 j.at AS ruled, coalesce(j.actor, '') AS actor, coalesce(j.why, '') AS reason
 FROM found AS k LEFT JOIN entity AS e ON e.id = k.entity
 LEFT JOIN journal AS j
  ON j.subject = 'conflict' AND j.subject_id = CAST(k.id AS TEXT) AND j.before = 'open'
 ORDER BY k.state = 'open' DESC, iif(k.state = 'open', k.id, -k.id)"""
CONFLICT_LIST = f"""
WITH found AS (SELECT * FROM conflict WHERE :state IN (state, 'all')
 ORDER BY state = 'open' DESC, iif(state = 'open', id, -id) LIMIT :limit){_RULED}"""  # noqa: S608 - constants
CONFLICT = f"WITH found AS (SELECT * FROM conflict WHERE id = :id){_RULED}"  # noqa: S608 - constants
CONFLICT_COUNT = "SELECT count(*) AS count FROM conflict WHERE :state IN (state, 'all')"
EVENTS = "SELECT * FROM journal ORDER BY id DESC LIMIT :limit"

#: Every name under which something may be known.
MATCHES = """
WITH names(name) AS (SELECT value FROM json_each(:names)),
found(entity, found_by) AS (
 SELECT id, 'canonical id' FROM entity WHERE id IN names
 UNION ALL SELECT id, 'business key' FROM entity WHERE business_key IN names
 UNION ALL SELECT entity, 'key at ' || system FROM binding WHERE key IN names
 UNION ALL SELECT entity, 'message id' FROM outbox WHERE message_id IN names
 UNION ALL SELECT entity, 'number at ' || target FROM outbox WHERE handle IN names AND handle IS NOT NULL
 UNION ALL SELECT entity, 'correlation id' FROM outbox WHERE correlation IN names
 UNION ALL SELECT entity, 'correlation id' FROM inbox WHERE correlation IN names AND entity IS NOT NULL)
SELECT DISTINCT found.entity, found.found_by, coalesce(e.type, '') AS type,
 coalesce(e.business_key, '') AS business_key
 FROM found LEFT JOIN entity AS e ON e.id = found.entity ORDER BY e.type, found.entity"""
#: Observations that no entity stands behind yet.
LOOSE = """
SELECT seq, system, object, key FROM inbox WHERE entity IS NULL
 AND (key IN (SELECT value FROM json_each(:names)) OR correlation IN (SELECT value FROM json_each(:names)))
 ORDER BY seq LIMIT 50"""
ENTITY = "SELECT * FROM entity WHERE id = :entity"
BINDINGS = "SELECT * FROM binding WHERE entity = :entity ORDER BY valid_from, id"
IMAGES = "SELECT * FROM image WHERE entity = :entity ORDER BY system"
#: Every canonical value that was seen of an entity or sent for it, as JSON objects: field → value.
VALUES = """
SELECT entity, fields FROM image WHERE entity IN (SELECT value FROM json_each(:entities))
 UNION SELECT entity, fields FROM outbox WHERE entity IN (SELECT value FROM json_each(:entities))"""
LAST_LIFE = "SELECT id, host, fenced_by FROM life ORDER BY number DESC LIMIT 1"
WAITING = "SELECT * FROM waiting WHERE entity = :entity ORDER BY target"
OBSERVATIONS = "SELECT * FROM inbox WHERE entity = :entity ORDER BY seq DESC LIMIT :limit"
OBSERVATION_COUNT = "SELECT count(*) AS count FROM inbox WHERE entity = :entity"
OBSERVATION_OBLIGATIONS = """
SELECT * FROM obligation WHERE inbox IN (SELECT seq FROM inbox WHERE entity = :entity)
 ORDER BY inbox, target"""
COMMANDS = "SELECT * FROM outbox WHERE entity = :entity ORDER BY number DESC LIMIT :limit"
COMMAND_COUNT = "SELECT count(*) AS count FROM outbox WHERE entity = :entity"
CAUSES = """
SELECT * FROM cause WHERE command IN (SELECT number FROM outbox WHERE entity = :entity) ORDER BY inbox"""
CONFLICTS_OF = "SELECT * FROM conflict WHERE entity = :entity ORDER BY id"
EXCEPTIONS_OF = "SELECT id, system, kind, code FROM exception WHERE entity = :entity ORDER BY id"
JOURNAL = """
SELECT * FROM journal WHERE subject = :subject AND subject_id IN (SELECT value FROM json_each(:ids))
 ORDER BY id DESC LIMIT :limit"""


class Snapshot:
    """Queries that all see the same state of the store."""

    def __init__(self, connection: aiosqlite.Connection) -> None:
        self._connection = connection

    async def rows(self, query: str, **values: Any) -> Rows:
        """All rows of a named query."""
        found = await self._connection.execute_fetchall(query, values)
        return [dict(row) for row in found]

    async def count(self, query: str, **values: Any) -> int:
        """The number that a query ends in."""
        return int((await self.rows(query, **values))[0]["count"])

    async def epoch(self) -> int:
        """The store's life."""
        found = await self.rows("SELECT value FROM meta WHERE key = 'epoch'")
        return int(found[0]["value"]) if found else 0


class StoreReader:
    """Reads one store, read-only. One snapshot at a time; others wait their turn."""

    def __init__(self, connection: aiosqlite.Connection) -> None:
        self._connection = connection
        self._turn = asyncio.Lock()

    @classmethod
    async def open(cls, file: Path) -> StoreReader:
        """Open for reading. Raises StoreError for what is not a store of this program."""
        try:
            connection = await _connect(file, "mode=ro")
        except aiosqlite.OperationalError as error:
            raise StoreError(
                f"the store cannot be read: {error}",
                where=str(file),
                remedy="start the agent once, or read as the user it runs as",
            ) from error
        return cls(connection)

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[Snapshot]:
        """One state of the store for as long as the block lasts."""
        async with self._turn:
            await self._connection.execute("BEGIN")
            try:
                yield Snapshot(self._connection)
            finally:
                await self._connection.execute("ROLLBACK")

    async def changed(self) -> int:
        """A number that differs once another connection has committed. Raises StoreError."""
        try:
            async with self._turn:
                found = await self._connection.execute_fetchall("PRAGMA data_version")
        except (aiosqlite.Error, ValueError) as error:
            raise StoreError(f"the store cannot be read: {error}", remedy="look at the log") from error
        return int(next(iter(found))[0])

    async def close(self) -> None:
        """Stop reading."""
        await self._connection.close()


async def _connect(file: Path, how: str) -> aiosqlite.Connection:
    """A connection that cannot write, whatever it is asked to."""
    uri = f"file:{quote(os.fspath(file))}?{how}"
    connection = await aiosqlite.connect(uri, uri=True, isolation_level=None)
    try:
        connection.row_factory = aiosqlite.Row
        for pragma in ("query_only = ON", "busy_timeout = 5000", "trusted_schema = OFF", "mmap_size = 0"):
            await connection.execute(f"PRAGMA {pragma}")
        application = await connection.execute_fetchall("PRAGMA application_id")
        version = await connection.execute_fetchall("PRAGMA user_version")
        _check(file, int(next(iter(application))[0]), int(next(iter(version))[0]))
    except BaseException:
        await connection.close()
        raise
    return connection


def _check(file: Path, application: int, version: int) -> None:
    if application != APPLICATION_ID:
        raise StoreError("this is no store of this program", where=str(file), remedy="check state_dir")
    if version != SCHEMA:
        raise StoreError(
            f"its schema is version {version}, this program reads {SCHEMA}",
            where=str(file),
            remedy="use the program that the agent was last started with, or start this one",
        )


@contextmanager
def quiet(directory: Path) -> Iterator[None]:
    """Hold the agent's lock, shared, so that no agent starts meanwhile. Raises StoreError when one runs."""
    try:
        descriptor = os.open(directory / "agent.lock", os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        raise StoreError(
            "there is no store here yet", where=str(directory), remedy="start the agent: isthmus run"
        ) from None
    except PermissionError:
        raise StoreError(
            "this user may not read the store", where=str(directory), remedy="ask as the agent's user"
        ) from None
    try:
        _share(descriptor, directory)
        yield
    finally:
        os.close(descriptor)


def _share(lock: int, directory: Path) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.pread(lock, 64, 0).decode(errors="replace").strip() or "unknown"
        raise StoreError(
            f"the agent runs (process {holder}) but does not answer on its control socket",
            where=str(directory),
            remedy="look at its log; restart the service if it hangs",
        ) from None


async def open_quiet(directory: Path) -> StoreReader:
    """Open the store of an agent that does not run; call within ``quiet``.

    Without an agent there may be no shared-memory file, and a reader that may not write to the folder cannot
    make one. Nobody writes while the lock is held, so that the file may then be taken as it is.
    """
    file = directory / FILE
    log = directory / f"{FILE}-wal"
    if os.access(directory, os.W_OK) or (log.exists() and log.stat().st_size):
        return await StoreReader.open(file)
    return StoreReader(await _connect(file, "mode=ro&immutable=1"))
