"""GET limits: what is left of the org's allowances."""

from __future__ import annotations

from adapters.sandbox.salesforce.rest.answers import Answer
from adapters.sandbox.salesforce.rest.calls import Call

DAILY_EVENTS = 25_000
DAILY_BATCHES = 15_000


def show(call: Call) -> Answer:
    """Every allowance with ``Max`` and ``Remaining``."""
    delivered = call.org.stream.delivered
    left = {
        "DailyApiRequests": (call.org.calls.org.limit, call.org.calls.remaining),
        "DailyDeliveredPlatformEvents": (DAILY_EVENTS, DAILY_EVENTS - delivered),
        "MonthlyPlatformEventsUsageEntitlement": (DAILY_EVENTS * 30, DAILY_EVENTS * 30 - delivered),
        "DailyBulkApiBatches": (DAILY_BATCHES, DAILY_BATCHES - call.org.bulk_batches),
        "DailyBulkV2QueryJobs": (10_000, 10_000 - call.org.bulk_queries),
        "DataStorageMB": (1024, 1024),
        "FileStorageMB": (1024, 1024),
    }
    return Answer({name: {"Max": most, "Remaining": max(0, rest)} for name, (most, rest) in left.items()})
