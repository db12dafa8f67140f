"""Alembic's entry point: runs on the connection that the store hands over, in the caller's transaction."""

from __future__ import annotations

from alembic import context
from sqlmodel import SQLModel

from agent.store import tables

assert "outbox" in SQLModel.metadata.tables, tables.__name__

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=SQLModel.metadata,
    render_as_batch=True,
    transaction_per_migration=False,
)
context.run_migrations()
