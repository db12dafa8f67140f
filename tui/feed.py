"""What the watching worker tells the screens. Workers post, screens paint."""

from __future__ import annotations

from textual.message import Message

from agent.operations.wire import ExceptionPage, Overview, Trace


class Fresh(Message):
    """The service answered. ``detail`` is what the screen called ``place`` asked for beside it."""

    def __init__(self, overview: Overview, place: str, detail: ExceptionPage | Trace | None) -> None:
        super().__init__()
        self.overview = overview
        self.place = place
        self.detail = detail


class Lost(Message):
    """Nobody answered, or with a refusal; ``why`` says what to do."""

    def __init__(self, why: str) -> None:
        super().__init__()
        self.why = why
