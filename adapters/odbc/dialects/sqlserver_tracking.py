"""SQL Server's Change Tracking: versions in the order of commits, keys and operations, net of each row."""

from __future__ import annotations

from adapters.odbc.dialect import Tracking

_OBJECT = "OBJECT_ID(N'{name}')"
_SNAPSHOT = "(SELECT snapshot_isolation_state FROM sys.databases WHERE database_id = DB_ID())"
_RIGHT = "VIEW CHANGE TRACKING"

TRACKING = Tracking(
    switch=(
        "IF NOT EXISTS (SELECT 1 FROM sys.change_tracking_databases WHERE database_id = DB_ID())"
        " ALTER DATABASE CURRENT SET CHANGE_TRACKING = ON (CHANGE_RETENTION = 7 DAYS, AUTO_CLEANUP = ON)",
        f"IF {_SNAPSHOT} = 0 ALTER DATABASE CURRENT SET ALLOW_SNAPSHOT_ISOLATION ON",
    ),
    enable=(
        f"IF NOT EXISTS (SELECT 1 FROM sys.change_tracking_tables WHERE object_id = {_OBJECT})"  # noqa: S608
        " ALTER TABLE {table} ENABLE CHANGE_TRACKING WITH (TRACK_COLUMNS_UPDATED = OFF)",
    ),
    disable=(
        "ALTER TABLE {table} DISABLE CHANGE_TRACKING",
        "ALTER DATABASE CURRENT SET CHANGE_TRACKING = OFF",
    ),
    right=_RIGHT,
    standing="SELECT (SELECT CONCAT(retention_period, ' ', LOWER(retention_period_units_desc),"  # noqa: S608
    " CASE is_auto_cleanup_on WHEN 0 THEN ', never removed' ELSE '' END)"
    " FROM sys.change_tracking_databases WHERE database_id = DB_ID()),"
    f" (SELECT '1' FROM sys.change_tracking_tables WHERE object_id = {_OBJECT}),"
    f" CAST(HAS_PERMS_BY_NAME(N'{{name}}', 'OBJECT', '{_RIGHT}') AS NVARCHAR(1)),"
    f" CAST({_SNAPSHOT} AS NVARCHAR(1))",
    # A table that was made anew has another number, one that was emptied another beginning. A database that
    # was put back, or lost its last moments with a server, counts on from earlier, on another fork.
    state="SELECT CAST(CHANGE_TRACKING_CURRENT_VERSION() AS NVARCHAR(20)),"  # noqa: S608
    f" CAST(CHANGE_TRACKING_MIN_VALID_VERSION({_OBJECT}) AS NVARCHAR(20)),"
    f" CONCAT({_OBJECT}, '.', (SELECT begin_version FROM sys.change_tracking_tables"
    f" WHERE object_id = {_OBJECT}), '.', (SELECT recovery_fork_guid FROM sys.database_recovery_status"
    f" WHERE database_id = DB_ID())), CAST({_SNAPSHOT} AS NVARCHAR(1))",
    begin=("SET TRANSACTION ISOLATION LEVEL SNAPSHOT", "BEGIN TRANSACTION"),
    end=("IF @@TRANCOUNT > 0 COMMIT TRANSACTION", "SET TRANSACTION ISOLATION LEVEL READ COMMITTED"),
    # CHANGETABLE takes variables and no expressions
    changes="SET NOCOUNT ON; DECLARE @since BIGINT = CAST(? AS BIGINT), @upto BIGINT = CAST(? AS BIGINT);"
    " SELECT CAST(c.SYS_CHANGE_VERSION AS NVARCHAR(20)), c.SYS_CHANGE_OPERATION, {key},"
    " CAST(c.SYS_CHANGE_CONTEXT AS VARCHAR(128)) FROM CHANGETABLE(CHANGES {table}, @since) c"
    " WHERE c.SYS_CHANGE_VERSION <= @upto{behind} ORDER BY c.SYS_CHANGE_VERSION, {place}{limit}",
    behind=" AND (c.SYS_CHANGE_VERSION > CAST(? AS BIGINT) OR {place} > {mark})",
    # through VARCHAR: a text of wide letters would be cut at 64 of them, and be read back with NULs between
    declare="DECLARE @context VARBINARY(128) = CAST(CAST(? AS VARCHAR(128)) AS VARBINARY(128)); ",
    context="WITH CHANGE_TRACKING_CONTEXT (@context) ",
)
