"""What PostgreSQL (13 or later) knows of open transactions, and a journal that is read below them.

A row keeps the transaction that wrote it. Below the oldest one that is open nothing can appear any more, so a
position moves on without a hole, and rows need not be deleted by us: a DBA's job calls what purges them.
"""

from __future__ import annotations

from collections.abc import Sequence

from adapters.odbc.dialect import Horizon, OwnTables, literal


def _quote(name: str) -> str:
    return ".".join('"' + part.replace('"', '""') + '"' for part in name.split("."))


def _bare(name: str, end: str) -> str:
    return _quote(f"{name.rpartition('.')[2]}_{end}")


def _purge(own: OwnTables) -> str:
    return _quote(f"{own.journal}_purge")


def _install(own: OwnTables, tables: Sequence[str]) -> list[str]:
    journal, meta = _quote(own.journal), _quote(own.meta)
    names = ", ".join(literal(table) for table in tables)
    body = (
        f"WITH gone AS (DELETE FROM {journal} WHERE object IN ({names}) AND noted_at < now() - keep"  # noqa: S608
        f" RETURNING xid, seq), marked AS (UPDATE {meta} SET (purged, purged_seq) ="
        " (SELECT xid, seq FROM gone ORDER BY xid DESC, seq DESC LIMIT 1)"
        " WHERE EXISTS (SELECT 1 FROM gone)) SELECT count(*) FROM gone"
    )
    return [
        f"ALTER TABLE {journal} ADD COLUMN IF NOT EXISTS xid xid8 NOT NULL DEFAULT pg_current_xact_id()",
        f"ALTER TABLE {journal} ADD COLUMN IF NOT EXISTS noted_at TIMESTAMPTZ NOT NULL"
        " DEFAULT clock_timestamp()",
        f"ALTER TABLE {meta} ADD COLUMN IF NOT EXISTS purged xid8 NOT NULL DEFAULT '0'",
        f"ALTER TABLE {meta} ADD COLUMN IF NOT EXISTS purged_seq BIGINT NOT NULL DEFAULT 0",
        f"CREATE INDEX IF NOT EXISTS {_bare(own.journal, 'xid')} ON {journal} (xid, seq)",
        f"CREATE OR REPLACE FUNCTION {_purge(own)}(keep interval) RETURNS bigint LANGUAGE sql"
        f" SECURITY DEFINER SET search_path FROM CURRENT AS $isthmus$ {body} $isthmus$",
    ]


def _remove(own: OwnTables) -> list[str]:
    return [f"DROP FUNCTION IF EXISTS {_purge(own)}(interval)"]


def _objects(count: int) -> str:
    return f"object IN ({', '.join(['?'] * count)})"


def _read(own: OwnTables, objects: int, limit: int) -> str:
    """One statement: bound and rows are of the same snapshot."""
    return (
        "SELECT CAST(seq AS TEXT), object, key, op, message_id, CAST(xid AS TEXT)"  # noqa: S608
        f" FROM {_quote(own.journal)} r WHERE {_objects(objects)}"
        " AND (r.xid, r.seq) > (CAST(? AS xid8), CAST(? AS bigint))"
        f" AND r.xid < pg_snapshot_xmin(pg_current_snapshot()) ORDER BY r.xid, r.seq LIMIT {limit}"
    )


def _state(own: OwnTables) -> str:
    return (
        "SELECT instance, CAST(purged AS TEXT), CAST(purged_seq AS TEXT),"  # noqa: S608
        f" (SELECT CAST(count(*) AS TEXT) FROM {_quote(own.journal)} WHERE seq = CAST(? AS bigint)),"
        " CAST(pg_snapshot_xmin(pg_current_snapshot()) AS TEXT),"
        f" CAST(pg_snapshot_xmax(pg_current_snapshot()) AS TEXT) FROM {_quote(own.meta)}"
    )


def _release(own: OwnTables, objects: int) -> str:
    return (
        f"DELETE FROM {_quote(own.journal)} WHERE {_objects(objects)}"  # noqa: S608
        " AND (xid, seq) < (CAST(? AS xid8), CAST(? AS bigint))"
    )


HORIZON = Horizon(
    install=_install,
    remove=_remove,
    read=_read,
    state=_state,
    release=_release,
    open="SELECT CAST(coalesce(max(extract(epoch FROM clock_timestamp() - since)), 0) AS TEXT),"
    " CAST(count(*) FILTER (WHERE since IS NULL) AS TEXT) FROM ("
    " SELECT xact_start AS since FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
    " AND backend_type = 'client backend' AND (backend_xid IS NOT NULL OR state IS NULL)"
    " UNION ALL SELECT prepared FROM pg_prepared_xacts) t",
)
