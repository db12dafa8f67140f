"""Is each user's edit still there, or overwritten by somebody who had seen it, or a recorded loser?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from .findings import Lost, shown
from .journal import Edit
from .mapping import Meaning
from .world import World

_Losers = set[tuple[str, str, Meaning]]
_Final = Mapping[str, Meaning]


def lost_edits(world: World, edits: Sequence[Edit], losers: _Losers) -> tuple[list[Lost], list[Lost]]:
    """Lost edits, and those lost within the limit that Salesforce's whole seconds set."""
    lost: list[Lost] = []
    excused: list[Lost] = []
    for (object_name, key, _), group in _by_value(edits).items():
        final = _final(world, object_name, key, group[0])
        if group[0].field.owner:
            lost += _owned(group, final)
            continue
        for edit in _shared(group, final, losers):
            (excused if _within_a_second(world, edit) else lost).append(
                _finding(edit, final, "nobody who had seen it overwrote it, and no conflict names it")
            )
    return lost, excused


def _by_value(edits: Iterable[Edit]) -> dict[tuple[str, str, str], list[Edit]]:
    groups: dict[tuple[str, str, str], list[Edit]] = {}
    for edit in edits:
        groups.setdefault((edit.object, edit.key, edit.field.name), []).append(edit)
    return groups


def _final(world: World, object_name: str, key: str, edit: Edit) -> _Final:
    """System → what it holds now; a system that holds no such record is left out."""
    return {
        system: holding.fields[edit.field.name]
        for system, rows in world.holdings[object_name].items()
        if system in edit.field.places
        for holding in rows
        if holding.number == key
    }


def _owned(group: Sequence[Edit], final: _Final) -> list[Lost]:
    """The owner holds what its users wrote last; edits of unknown outcome after that may hold instead."""
    owner = group[0].field.owner
    own = [edit for edit in group if edit.system == owner]
    strangers = [edit for edit in group if edit.system != owner and edit.certain]
    lost = [_finding(edit, final, f"only users of {owner} write this field") for edit in strangers]
    certain = [position for position, edit in enumerate(own) if edit.certain]
    if not certain:
        return lost
    last = own[certain[-1] :]
    if owner not in final:
        return [*lost, _finding(last[0], final, f"the record is gone from {owner}")]
    if final[owner] not in {edit.value for edit in last}:
        lost.append(_finding(last[0], final, f"{owner} does not hold what its users wrote last"))
    return lost


def _shared(group: Sequence[Edit], final: _Final, losers: _Losers) -> list[Edit]:
    unaccounted = []
    for position, edit in enumerate(group):
        named = (edit.key, edit.field.name, edit.value) in losers
        holds = bool(final) and all(value == edit.value for value in final.values())
        if edit.certain and not (named or holds or _overwritten(position, group)):
            unaccounted.append(edit)
    return unaccounted


def _overwritten(position: int, group: Sequence[Edit]) -> bool:
    """Whether somebody wrote another value after seeing this one, in whatever system.

    Where the file does not say what was seen, the next edit in the same system counts as having seen it.
    """
    edit = group[position]
    if any(other.told_seen and other.seen == edit.value and other is not edit for other in group):
        return True
    later = [other for other in group[position + 1 :] if other.system == edit.system]
    return bool(later) and not later[0].told_seen


def _within_a_second(world: World, edit: Edit) -> bool:
    """Whether Salesforce could not tell this edit from an earlier write of the same second.

    If-Unmodified-Since counts whole seconds: a writer who read the record after a write of that second, but
    before this edit, passes the condition. Shown by Salesforce's own log, else not excused.
    """
    if edit.system != "salesforce":
        return False
    name = edit.field.places["salesforce"][0]
    for position, entry in enumerate(world.writes):
        if entry["fields"].get(name) != edit.value:
            continue
        same = [other for other in world.writes[:position] if other["id"] == entry["id"]]
        after = [other for other in world.writes[position + 1 :] if other["id"] == entry["id"]]
        written = [other for other in after if name in other["fields"]]
        if same and same[-1]["time"] == entry["time"] and written:
            return True
    return False


def _finding(edit: Edit, final: _Final, why: str) -> Lost:
    visible = {system: shown(value, edit.field) for system, value in final.items()}
    value = shown(edit.value, edit.field)
    return Lost(edit.object, edit.key, edit.field.name, edit.system, value, visible, why)
