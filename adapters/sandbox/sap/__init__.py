"""A sample SAP on IDoc file ports: ``SampleSap`` holds the options, ``serve`` runs it."""

from __future__ import annotations

from adapters.sandbox.sap.options import SampleSap, Switches
from adapters.sandbox.sap.server import serve

__all__ = ["SampleSap", "Switches", "serve"]
