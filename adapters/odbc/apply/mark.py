"""What makes the database's own change tracking tell which writes are ours."""

from __future__ import annotations

from dataclasses import dataclass

from adapters.odbc.apply.command import Command
from adapters.odbc.session import Session
from adapters.odbc.tables import Capture


@dataclass(frozen=True, slots=True)
class Mark:
    """Of one statement: what stands in front of it and of its verb, and what is bound before its values."""

    declare: str = ""
    context: str = ""
    bound: tuple[str, ...] = ()

    @classmethod
    def of(cls, session: Session, command: Command) -> Mark:
        """Of a command's statements; nothing where its table is not captured by change tracking."""
        tracking = session.dialect.tracking
        if tracking is None or session.erp.table(command.delivery.object).capture is not _TRACKED:
            return cls()
        return cls(tracking.declare, tracking.context, (command.delivery.message_id,))

    def before(self, statement: str) -> str:
        """A statement that begins with its verb."""
        return f"{self.declare}{self.context}{statement}"


_TRACKED = Capture.CHANGE_TRACKING
