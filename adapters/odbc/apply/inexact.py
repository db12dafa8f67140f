"""Why a group of commands is taken apart although the database refused nothing."""

from __future__ import annotations


class Inexact(Exception):
    """The statements for many did not take every row as asked: each is to be tried for itself."""
