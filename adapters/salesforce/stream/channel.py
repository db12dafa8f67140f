"""Which subscriptions are held, and which objects are taken from each.

Every object is taken from one stream only: changes that came by two would be two changes. Without a word it
is the object's own topic; a channel that carries several keeps the order of a transaction over them.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from agent.core.objects import ObjectSpec

#: Stands for every captured object that no other channel names.
REST = "*"
#: Carries the changes of every object for which the org captures changes.
ALL = "/data/ChangeEvents"


@dataclass(frozen=True, slots=True)
class Channel:
    """One subscription: its topic, and the captured objects whose changes are taken from it.

    managed   developer name or id of the managed subscription that keeps the place too; "" for none
    """

    topic: str
    objects: tuple[str, ...]
    managed: str = ""

    @property
    def several(self) -> bool:
        """Whether it may carry objects that are not taken from it."""
        return self.topic == ALL or self.topic.endswith("__chn")


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong about a channel in the settings: key below the system's, text, nearest valid word."""

    key: str
    text: str
    nearest: str | None = None


def topic_of(object_name: str) -> str:
    """The change event topic of an object: ``/data/AccountChangeEvent``, ``/data/Invoice__ChangeEvent``."""
    stem = object_name[:-1] if object_name.endswith("__c") else object_name
    return f"/data/{stem}ChangeEvent"


def channels_of(
    objects: Sequence[ObjectSpec], chosen: Mapping[str, Sequence[str]], managed: Mapping[str, str]
) -> tuple[Channel, ...]:
    """The subscriptions for these objects; settings that ``faults`` finds fault with must not get here."""
    captured = [spec.name for spec in objects if spec.capture]
    named = {name for names in chosen.values() for name in names}
    rest = tuple(name for name in captured if name not in named)
    taken = {topic: _resolved(names, rest) for topic, names in chosen.items()}
    if REST not in named:
        taken |= {topic_of(name): (name,) for name in rest}
    return tuple(Channel(topic, names, managed.get(topic, "")) for topic, names in taken.items())


def faults(
    objects: Sequence[ObjectSpec], chosen: Mapping[str, Sequence[str]], managed: Mapping[str, str]
) -> Iterator[Fault]:
    """Everything about channels that cannot be used, as far as the settings tell."""
    captured = [spec.name for spec in objects if spec.capture]
    at: dict[str, str] = {}
    for topic, names in chosen.items():
        key = f"channels.{topic}"
        if not names:
            yield Fault(key, 'names no object; "*" stands for all that no other channel names')
        for name in names:
            if name in at:
                twice = f"{name} is taken from {at[name]} already: an object belongs to one channel"
                yield Fault(key, twice)
            elif name != REST and name not in captured:
                nearest = difflib.get_close_matches(name, captured, n=1)
                text = f"{name} is no object here whose changes are captured"
                yield Fault(key, text, nearest[0] if nearest else None)
            elif name != REST and not Channel(topic, ()).several and topic != topic_of(name):
                yield Fault(key, f"this topic never carries {name}", topic_of(name))
            at[name] = topic
        if REST in names and not Channel(topic, ()).several:
            yield Fault(key, 'a topic of one object cannot carry "*"', ALL)
    followed = {channel.topic for channel in channels_of(objects, chosen, {})}
    users: dict[str, str] = {}
    for topic, subscription in managed.items():
        key = f"managed.{topic}"
        if topic not in followed:
            nearest = difflib.get_close_matches(topic, followed, n=1)
            yield Fault(key, "this topic is not followed", nearest[0] if nearest else None)
        if subscription in users:
            yield Fault(key, f"{subscription} keeps the place in {users[subscription]} already")
        users[subscription] = topic


def moved(channels: Sequence[Channel], positions: Collection[str]) -> tuple[str, tuple[str, ...]] | None:
    """A stream with a stored position that is not followed any more, and the objects that it told of.

    They are taken from another stream now, whose place has nothing to do with that one: what lies between is
    not known. None where there is no such stream.
    """
    followed = {channel.topic for channel in channels}
    captured = tuple(name for channel in channels for name in channel.objects)
    for stream in sorted(set(positions) - followed):
        if stream.startswith("/data/"):
            several = Channel(stream, ()).several
            told = captured if several else tuple(n for n in captured if topic_of(n) == stream)
            if told:
                return stream, told
    return None


def _resolved(names: Sequence[str], rest: tuple[str, ...]) -> tuple[str, ...]:
    plain = tuple(name for name in names if name != REST)
    return plain + rest if REST in names else plain
