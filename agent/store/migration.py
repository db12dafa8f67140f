"""Bringing an older schema up to date, with Alembic, after a verified copy of what was there."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine, event
from sqlalchemy.engine import Engine

from agent.errors import StoreError


def upgrade(file: Path) -> None:
    """Migrate the file to the newest schema in one transaction; a copy of an older one stays beside it."""
    from agent.store.database import APPLICATION_ID, SCHEMA

    engine = _engine(file)
    try:
        _copy(file)
        with engine.begin() as connection:
            config = Config()
            config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
            connection.exec_driver_sql(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.exec_driver_sql(f"PRAGMA user_version = {SCHEMA}")
    finally:
        engine.dispose()


def _copy(file: Path) -> None:
    with sqlite3.connect(file) as source:
        version = source.execute("PRAGMA user_version").fetchone()[0]
        if version:
            copy = file.with_name(f"{file.stem}-before-{version + 1}.db")
            copy.unlink(missing_ok=True)
            source.execute("VACUUM INTO ?", (str(copy),))
            with sqlite3.connect(copy) as made:
                if made.execute("PRAGMA integrity_check(1)").fetchone()[0] != "ok":
                    raise StoreError(
                        "the copy before the upgrade is damaged; nothing was changed",
                        where=str(copy),
                        remedy="check the disk, then start again",
                    )
            made.close()
    source.close()


def _engine(file: Path) -> Engine:
    """An engine whose transactions really include DDL: sqlite3 must not begin or commit by itself."""
    engine = create_engine(f"sqlite:///{file}")

    @event.listens_for(engine, "connect")
    def autocommit(dbapi_connection: sqlite3.Connection, _record: object) -> None:
        dbapi_connection.isolation_level = None

    @event.listens_for(engine, "begin")
    def begin(connection: object) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")  # type: ignore[attr-defined] # SQLAlchemy's own type

    return engine
