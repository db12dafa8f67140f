"""Business on purpose: people who work in the sandbox's Salesforce, ERP and SAP at once, from a seed.

They use the systems as people and their programs do; nothing here knows of an agent.
"""

from __future__ import annotations

from adapters.sandbox.business.business import Business
from adapters.sandbox.business.settings import Faults, Settings, Share, Summary, Until
from adapters.sandbox.business.tamper import tamper

__all__ = ["Business", "Faults", "Settings", "Share", "Summary", "Until", "tamper"]
