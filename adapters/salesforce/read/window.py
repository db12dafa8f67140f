"""The server's clock around a read: up to when every commit is in its rows, and from when none is."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from adapters.salesforce.connection.rest import Reply

Window = tuple[datetime | None, datetime | None]
#: The Date header and commit times are whole seconds, cut.
SECOND = timedelta(seconds=1)


def of_reply(reply: Reply, slack: timedelta) -> Window:
    """Of one answer.

    The query ran between our sending and the server's Date, D, the second in which it wrote the answer.
    The server received the request at D minus our waiting time at the earliest: what was committed before
    that is in the rows. A commit time is cut to its second, so one more is taken off; nothing committed
    behind the end of second D can be in the rows. Both ends are widened by the slack.
    """
    if reply.date is None:
        return None, None
    return between(reply.date - timedelta(seconds=reply.elapsed), reply.date, slack)


def between(begun: datetime, ended: datetime, slack: timedelta) -> Window:
    """Of something that the server began and ended at these times (a bulk job)."""
    return begun - SECOND - slack, ended + SECOND + slack


def common(windows: Sequence[Window]) -> Window:
    """What holds for the rows of all queries together."""
    first = [begin for begin, _ in windows if begin is not None]
    last = [end for _, end in windows if end is not None]
    if not windows or len(first) < len(windows):
        return None, None
    return min(first), max(last)
