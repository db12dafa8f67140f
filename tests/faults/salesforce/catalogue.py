"""All scenarios: importing this declares them."""

from __future__ import annotations

from tests.faults.salesforce import streams
from tests.faults.salesforce.scene import CATALOGUE

__all__ = ["CATALOGUE", "streams"]
