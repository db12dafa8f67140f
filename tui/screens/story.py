"""The story of a record: what every system calls it and holds, who decides, and what happened, in order."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import BindingType

from agent.operations.wire import Client, FieldState, Line, Record, Trace
from tui.look import Look, clock, zone
from tui.screens.watched import WIDE, Detail, Watched, bound
from tui.widgets.page import Row


class RecordScreen(Watched):
    """Where `t` leads: one record, or the list of what the key may mean."""

    PLACE: ClassVar[str] = "record"
    BINDINGS: ClassVar[list[BindingType]] = bound("record")

    def __init__(self, look: Look, key: str) -> None:
        super().__init__(look)
        self.key = key

    async def fetch(self, client: Client) -> Detail:
        """What the key leads to now."""
        return await client.trace(self.key)

    def content(self, width: int, height: int) -> list[Row]:
        """The record, or the matches."""
        if not isinstance(self.detail, Trace):
            return []
        if self.detail.record is not None:
            return story(self.detail.record, width, self.look)
        return matches(self.detail, width, self.look)

    def action_open(self) -> None:
        """Of several matches, the one under the cursor."""
        if self.page.chosen:
            self.key = self.page.chosen
            self.app.call_later(self.app.run_action, "app.reload")


def matches(trace: Trace, width: int, look: Look) -> list[Row]:
    """Several things that a key may mean, or none."""
    if not trace.matches:
        text = f" nothing is known by the name '{trace.key}': no record, command or observation"
        return [Row.of(look.fit(text, width), "warn")]
    rows = [Row.of(look.fit(f" TRACE {trace.key}: {len(trace.matches)} matches", width), "head")]
    for match in trace.matches:
        text = f"{match.type} {match.business_key}  by {match.found_by}  {match.entity}".strip()
        rows.append(Row.of(look.fit(text, width - 1), "", match.entity))
    return rows


def story(record: Record, width: int, look: Look) -> list[Row]:
    """The whole record."""
    rows = [
        Row.of(look.fit(f" {record.type.upper()} {record.business_key}   {record.entity}", width), "head")
    ]
    if record.parked:
        rows.append(
            Row.of(look.fit(f" PARKED    {', '.join(record.parked)}: a person must look", width), "bad")
        )
    for target, why in record.waiting.items():
        rows.append(Row.of(look.fit(f" WAITS     {target}: {why}", width), "warn"))
    rows += _systems(record, width, look)
    rows += _fields(record, width, look)
    head = f" STORY     times {zone(record.lines[0].at)}, by the agent's clock" if record.lines else " STORY"
    rows.append(Row.of(look.fit(head, width), "dim"))
    if record.omitted:
        left = ", ".join(f"{count} {name}" for name, count in record.omitted.items())
        rows.append(Row.of(look.fit(f" {left} before these are not shown", width), "warn"))
    for told in record.lines:
        rows += _line(told, width, look)
    return rows


def _systems(record: Record, width: int, look: Look) -> list[Row]:
    keys = {key.system: key for key in record.keys if key.until is None}
    images = {image.system: image for image in record.images}
    rows = [Row.of(look.fit(f" {'SYSTEM':<14} {'key':<22} {'image':<16} {'grade':<8} seen", width), "dim")]
    for system in sorted({*keys, *images}):
        key, image = keys.get(system), images.get(system)
        state, grade, seen = "nothing seen", "", ""
        if image is not None:
            state = "fresh" if image.fresh else f"STALE {image.stale}"
            state = state if image.present else f"DELETED {state}"
            grade, seen = image.grade, clock(image.seen)
        name = key.key + (f" ({key.role})" if key.role != "live" else "") if key else "no key"
        text = f" {look.fit(system, 14)} {look.fit(name, 22)} {look.fit(state, 16)} {grade:<8} {seen}"
        rows.append(Row.of(look.fit(text, width), "" if image and image.fresh else "warn"))
    return rows


def _fields(record: Record, width: int, look: Look) -> list[Row]:
    wide = width >= WIDE
    systems = [image.system for image in record.images]
    head = f" {'FIELD':<16} {'agreed':<24} {'rule':<26}"
    head += "".join(f" {look.fit(system, 20)}" for system in systems) if wide else " differs at"
    rows = [Row.of(look.fit(head, width), "dim")]
    for field in record.fields:
        rows.append(Row.of(look.fit(_field(field, systems if wide else None, look), width)))
    return rows


def _field(field: FieldState, systems: list[str] | None, look: Look) -> str:
    text = f" {look.fit(field.name, 16)} {look.fit(field.agreed, 24)} {look.fit(field.rule, 26)}"
    if systems is None:
        return f"{text} {', '.join(field.differs)}"
    for system in systems:
        value = field.values.get(system, "-")
        text += f" {look.fit(f'{value} DIFFERS' if system in field.differs else value, 20)}"
    return text


def _line(told: Line, width: int, look: Look) -> list[Row]:
    """A line of the story; its text is never cut."""
    head = f" {clock(told.at, precise=True)} {look.fit(told.place, 11)} {look.fit(told.what, 10)} "
    text = f"{told.text}  {told.ref}".strip()
    parts = look.wrap(text, max(width - len(head), 20))
    style = "bad" if told.what in ("rejected", "uncertain") else ""
    return [Row.of(f"{head if n == 0 else ' ' * len(head)}{part}", style) for n, part in enumerate(parts)]
