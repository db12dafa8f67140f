"""Isthmus: an embedded sync agent with a Change Data Capture mirror."""

__version__ = "0.1.0"
