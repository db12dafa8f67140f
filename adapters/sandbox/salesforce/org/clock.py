"""The org's clock: real time, which a test may shift or freeze. The whole server reads only this one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


class OrgClock:
    """Aware UTC time of the org."""

    def __init__(self) -> None:
        self._offset = timedelta()
        self._frozen: datetime | None = None

    def now(self) -> datetime:
        """Current time of the org."""
        return self._frozen or datetime.now(UTC) + self._offset

    def second(self) -> datetime:
        """Current time cut to whole seconds, as every system timestamp and commit time of an org is."""
        return self.now().replace(microsecond=0)

    def advance(self, seconds: float) -> None:
        """Moves the clock, frozen or not."""
        step = timedelta(seconds=seconds)
        if self._frozen is not None:
            self._frozen += step
        self._offset += step

    def freeze(self, at: datetime | None = None) -> None:
        """Stops the clock at ``at`` (aware), or where it is."""
        self._frozen = at or self.now()

    def resume(self) -> None:
        """Lets a frozen clock run on from where it stopped."""
        if self._frozen is not None:
            self._offset = self._frozen - datetime.now(UTC)
            self._frozen = None
