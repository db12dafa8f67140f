"""All scenarios at an ERP over ODBC: importing this declares them."""

from __future__ import annotations

from tests.faults.odbc import agents, links, locks, outages, tables, writers
from tests.faults.odbc.scene import CATALOGUE

__all__ = ["CATALOGUE", "agents", "links", "locks", "outages", "tables", "writers"]
