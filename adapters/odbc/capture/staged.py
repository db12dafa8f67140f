"""What a program of the ERP says of commands that were put into its staging table: late answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from adapters.odbc import staging
from adapters.odbc.capture.strategy import Captured
from adapters.odbc.session import Session
from agent.core.change import Answer, Change, ChangeKind
from agent.errors import Refused

#: What the stream of this strategy begins with; the object's name follows.
NAME = "staging"
_CHUNK = 200


class Staged:
    """The answers of one staging table, each released by its number once it is durable here."""

    resumes: ClassVar[bool] = False

    def __init__(self, object_name: str, table: str) -> None:
        self._object = object_name
        self._name = table

    def open(self, session: Session, positions: Mapping[str, bytes]) -> None:
        """What was handed out before is looked for anew. Raises Refused where the table is not as needed."""
        self._inbox(session)

    def look(self, session: Session, limit: int, outstanding: frozenset[int]) -> Captured:
        """Answers that were not handed out yet; a state that may still change is not told."""
        inbox = self._inbox(session)
        statement = staging.answers(session.dialect, inbox, limit + len(outstanding))
        found = session.rows(statement, list(staging.FINAL))
        rows = [row for row in found if int(row[0]) not in outstanding][:limit]
        changes = tuple(self._answer(row) for row in rows)
        return Captured(
            self._stream, changes, tuple(int(row[0]) for row in rows), rest_s=0.0 if rows else None
        )

    def ack(self, session: Session, receipt: Sequence[int]) -> None:
        """Mark exactly these rows."""
        inbox = self._inbox(session)
        for start in range(0, len(receipt), _CHUNK):
            chunk = [str(number) for number in receipt[start : start + _CHUNK]]
            session.run(staging.take(session.dialect, inbox, len(chunk)), ["1", *chunk])

    def _inbox(self, session: Session) -> staging.Inbox:
        inbox = staging.Inbox.of(session.table(self._name))
        if inbox.lacking:
            session.forget(self._name)
            raise Refused(
                f"staging table '{self._name}' lacks {', '.join(inbox.lacking)}",
                where=session.erp.name,
                remedy=f"add them, or name another table as staging of tables.{self._object}",
            )
        return inbox

    def _answer(self, row: Sequence[object]) -> Change:
        number, message_id, state, key, text = (None if part is None else str(part) for part in row)
        said = (state or "").strip().lower()
        answer = Answer(
            handle=(message_id or "").rstrip(),
            outcome=staging.FINAL[said],
            code="" if said == "accepted" else said,
            text=text or "",
            key=key.rstrip() if key and key.strip() else None,
        )
        source_id = f"{message_id}:{number}:{said}"
        return Change(source_id, self._stream, ChangeKind.ANSWER, self._object, answer=answer)

    @property
    def _stream(self) -> str:
        return f"{NAME}:{self._object}"
