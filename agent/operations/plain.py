"""Exceptions, conflicts and stories as plain text, for terminals without a screen and for pipes."""

from __future__ import annotations

from agent.operations.wire import (
    ConflictItem,
    ConflictPage,
    ExceptionItem,
    ExceptionPage,
    FlowPage,
    Held,
    Record,
    Side,
    Trace,
    age,
)


def exceptions_text(page: ExceptionPage) -> str:
    """Each exception with owner, due date, cause and what to do, oldest due first, under a head."""
    lines = [
        f"{page.total} exceptions"
        + (f", the first {len(page.items)}" if page.total > len(page.items) else "")
    ]
    for item in page.items:
        lines.append(
            f"{item.id}  {_due(item)}  {item.kind}  {item.system}  {item.business_key or item.type or '-'}"
            f"  {_money(item)}owner {item.owner}  {item.code} {item.cause}".rstrip()
        )
        if item.remedy:
            lines.append(f"     do: {item.remedy}")
    return "\n".join(lines)


def exception_text(item: ExceptionItem) -> str:
    """Everything about one exception."""
    facts = {
        "Exception": f"{item.id} {item.kind} at {item.system}, {_due(item)}",
        "Record": f"{item.type} {item.business_key} {item.entity}".strip(),
        "Field": item.field,
        "Cause": f"{item.code} {item.cause}".strip(),
        "Do": item.remedy,
        "At risk": _money(item).strip(),
        "Owner": item.owner,
        "Opened": f"{item.opened:%Y-%m-%d %H:%M:%S} UTC",
        "Due": f"{item.due:%Y-%m-%d %H:%M:%S} UTC",
        "Command": f"{item.command} {item.command_state} {item.message_id}" if item.command else "",
        "Closed": f"{item.closed:%Y-%m-%d %H:%M:%S} UTC: {item.resolution}" if item.closed else "",
    }
    return "\n".join(f"{name:<10} {text}" for name, text in facts.items() if text)


def conflicts_text(page: ConflictPage) -> str:
    """A line per conflict, open ones first, under a head that says how many there are."""
    lines = [
        f"{page.total} conflicts" + (f", the first {len(page.items)}" if page.total > len(page.items) else "")
    ]
    lines += [
        f"{item.id}  {item.state}  {item.business_key or item.type or '-'}  {item.field}  {_sides(item)}"
        f"  {_decided(item)}"
        for item in page.items
    ]
    return "\n".join(lines)


def conflict_text(item: ConflictItem) -> str:
    """Everything about one conflict, and how to rule it while it waits."""
    masked = " (personal data is not shown: look at both systems)" if item.pii else ""
    facts = {
        "Conflict": f"{item.id} {item.state}, {item.at:%Y-%m-%d %H:%M:%S} UTC",
        "Record": f"{item.type} {item.business_key} {item.entity}".strip(),
        "Field": f"{item.field}{masked}",
        "Winner": f"{item.winner_system}: {_value(item.winner)}",
        "Loser": f"{item.loser_system}: {_value(item.loser)}",
        "Before": _value(item.base),
        "By": "" if item.waits else _decided(item),
        "Reason": item.reason,
        "Ruled": f"{item.ruled:%Y-%m-%d %H:%M:%S} UTC" if item.ruled else "",
    }
    if item.waits:
        facts |= {
            f"Keep {system}": f'isthmus conflicts rule {item.id} --keep {system} --reason "..."'
            for system in (item.winner_system, item.loser_system)
        }
    width = max(len(name) for name in facts)
    return "\n".join(f"{name:<{width}}  {text}" for name, text in facts.items() if text)


def choice_text(item: ConflictItem, keep: Side) -> str:
    """What a ruling on a conflict as it is shown will do."""
    sides = [(item.winner_system, item.winner), (item.loser_system, item.loser)]
    (kept, value), (other, lost) = sides if keep == "winner" else sides[::-1]
    return (
        f"{item.type} {item.business_key}, {item.field}: keep {kept} {_value(value)},"
        f" set aside {other} {_value(lost)}"
    )


def flow_text(page: FlowPage) -> str:
    """A line per system, then one per scope that waits for an approval, and how to let it go."""
    lines = []
    for system in page.systems:
        lines.append(f"{system.name}  {_hold(system.held) or 'flows'}  {system.ready} ready")
    for scope in page.scopes:
        lines.append(f"{scope.scope}  {_hold(scope.held)}  {scope.commands} commands wait for an approval")
        lines.append(f'     do: isthmus flow release {scope.scope} --reason "..."')
    return "\n".join(lines)


def _hold(held: Held | None) -> str:
    if held is None:
        return ""
    all_ = " with all systems" if held.scope == "*" else ""
    return f"HELD{all_} since {held.since:%Y-%m-%d %H:%M:%S} UTC by {held.actor}: {held.reason}"


def trace_text(trace: Trace) -> str:
    """The story of the record, or what the key may mean."""
    if trace.record is not None:
        return _record(trace.record)
    if not trace.matches:
        return f"nothing is known by the name '{trace.key}': no record, command or observation"
    lines = [f"{len(trace.matches)} matches for '{trace.key}'; trace one of them by its canonical id"]
    lines += [f"{m.entity or '-'}  {m.type} {m.business_key}  by {m.found_by}" for m in trace.matches]
    return "\n".join(lines)


def _record(record: Record) -> str:
    lines = [f"{record.type} {record.business_key}  {record.entity}"]
    lines += [f"PARKED {mark}: a person must look" for mark in record.parked]
    lines += [f"WAITS {target}: {why}" for target, why in record.waiting.items()]
    for key in record.keys:
        until = f" until {key.until:%Y-%m-%d %H:%M:%S}" if key.until else ""
        lines.append(f"key   {key.system}: {key.key} ({key.role}){until}")
    for image in record.images:
        state = "fresh" if image.fresh else f"STALE {image.stale}"
        there = "" if image.present else "DELETED "
        lines.append(
            f"image {image.system}: {there}{state}, {image.grade}, seen {image.seen:%Y-%m-%d %H:%M:%S}"
        )
    for field in record.fields:
        differs = f", DIFFERS at {', '.join(field.differs)}" if field.differs else ""
        lines.append(f"field {field.name} = {field.agreed or '(none)'} ({field.rule}){differs}")
    lines += [f"{count} older {name} are not shown" for name, count in record.omitted.items()]
    lines.append("story, times UTC by the agent's clock")
    for line in record.lines:
        at = f"{line.at:%Y-%m-%d %H:%M:%S}.{line.at.microsecond // 1000:03d}"
        lines.append(f"{at}  {line.place}  {line.what}  {line.text}  {line.ref}".rstrip())
    return "\n".join(lines)


def _due(item: ExceptionItem) -> str:
    if item.state == "closed":
        return "closed"
    return "LATE" if item.late else f"due within {age((item.due - item.opened).total_seconds())} of opening"


def _money(item: ExceptionItem) -> str:
    return f"{item.currency or '?'} {item.amount}  " if item.amount is not None else ""


def _sides(item: ConflictItem) -> str:
    return f"{item.winner_system} {_value(item.winner)} / {item.loser_system} {_value(item.loser)}"


def _value(cell: str) -> str:
    return f"'{cell}'" if cell else "(none)"


def _decided(item: ConflictItem) -> str:
    """By whom, or what it waits for."""
    if item.waits:
        return f"keep {item.winner_system} / keep {item.loser_system}"
    if item.state == "open":
        return "a delivered document: reverse it and post it anew"
    return f"{item.by}, by hand" if item.by else item.rule
