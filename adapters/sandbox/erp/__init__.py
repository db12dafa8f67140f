"""A sample ERP in a legacy style: its own tables, rules and users, in any supported database over ODBC.

It knows nothing of an agent beside it: what captures and writes it is installed by others.
"""

from __future__ import annotations

from adapters.sandbox.erp.business import Business, Line, Refusal
from adapters.sandbox.erp.traffic import SampleErp

__all__ = ["Business", "Line", "Refusal", "SampleErp"]
