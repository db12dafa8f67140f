"""Capture of an ERP's changes: one strategy per table, each a module; all of them run in the worker."""
