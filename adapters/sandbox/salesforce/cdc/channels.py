"""Topics: single objects, all objects, platform events, and custom channels whose members may be enriched
and filtered (Tooling API: PlatformEventChannel and PlatformEventChannelMember)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from adapters.sandbox.salesforce.org.errors import ApiError
from adapters.sandbox.salesforce.org.values import Value

ALL_CHANGES = "/data/ChangeEvents"
MOST_ENRICHED = 10
MOST_CHANNELS = 100
Test = Callable[[Mapping[str, Value]], bool]


@dataclass(frozen=True, slots=True)
class Member:
    """One object on a channel. ``enriched`` fields (``fields`` are their parts) come along on updates and
    deletes with the values of the moment of delivery; events whose record fails ``test`` are not
    delivered."""

    source: str
    enriched: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()
    filter_text: str = ""
    test: Test | None = None


@dataclass(frozen=True, slots=True)
class Topic:
    """What a topic carries: sources (objects or notices) and, for channels, how each is delivered."""

    name: str
    members: Mapping[str, Member | None]
    single: bool
    publishable: bool = False


@dataclass(slots=True)
class Channels:
    """The custom channels of the org by name (``Sync__chn``)."""

    _channels: dict[str, dict[str, Member]] = field(default_factory=dict)

    def add(self, name: str) -> None:
        """A new channel without members. Raises ApiError."""
        if not name.endswith("__chn") or not name.removesuffix("__chn").isidentifier():
            raise ApiError("INVALID_FIELD", f"'{name}': the name of a channel ends with __chn", ("FullName",))
        if name in self._channels:
            raise ApiError("DUPLICATE_DEVELOPER_NAME", f"there is a channel {name}", ("FullName",))
        if len(self._channels) == MOST_CHANNELS:
            raise ApiError("LIMIT_EXCEEDED", f"an org has {MOST_CHANNELS} channels at most")
        self._channels[name] = {}

    def join(self, name: str, member: Member) -> None:
        """Puts an object on a channel, or changes how it is delivered there. Raises ApiError."""
        if name not in self._channels:
            raise ApiError("INVALID_FIELD", f"no channel {name}", ("EventChannel",))
        if len(member.enriched) > MOST_ENRICHED:
            raise ApiError("LIMIT_EXCEEDED", f"a member has {MOST_ENRICHED} enriched fields at most")
        self._channels[name][member.source] = member

    def leave(self, name: str, source: str) -> None:
        """Takes an object off a channel."""
        self._channels.get(name, {}).pop(source, None)

    def names(self) -> list[str]:
        """The custom channels."""
        return list(self._channels)

    def members(self, name: str) -> list[Member]:
        """The objects on a channel."""
        return list(self._channels[name].values())

    def topic(self, name: str) -> Topic | None:
        """The topic of a channel, ``/data/Sync__chn``."""
        members = self._channels.get(name.removeprefix("/data/")) if name.startswith("/data/") else None
        return None if members is None else Topic(name, dict(members), single=False)
