"""The state of one entity as decisions see it: images, base, agreed values, bindings, open commands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from agent.core.delivery import DeliveryKind
from agent.core.record import record
from agent.core.value import Canonical


class Grade(StrEnum):
    """How an image came to be."""

    READ = "read"  # fetched
    TOLD = "told"  # the source sent the object
    ASSUMED = "assumed"  # our command was reported as posted


class Stale(StrEnum):
    """Why an image is not fresh. A later mark never weakens an earlier one."""

    CONFIRM = "confirm"  # our own write was accepted and is to be seen
    CHANGED = "changed"  # something changed, and what is not certain
    GAP = "gap"  # a stretch of the stream is missing
    UNDECODABLE = "undecodable"  # what the source sent cannot be understood


STRENGTH = {Stale.CONFIRM: 0, Stale.CHANGED: 1, Stale.GAP: 2, Stale.UNDECODABLE: 3}


class CommandState(StrEnum):
    """Where a command stands. The graph is in ``transitions``."""

    READY = "ready"  # planned, or to be tried again: certainly not applied
    SENT = "sent"  # committed before the call
    STORED = "stored"  # handed over, answer pending
    UNCERTAIN = "uncertain"  # sent, answer lost
    ACCEPTED = "accepted"  # the target holds it
    REJECTED = "rejected"  # the target said no; nothing was changed
    SUPERSEDED = "superseded"  # a newer plan took its place before it had an effect, or a read answered it


#: States in which a command stands between an entity and a target (I17: at most one).
OPEN = frozenset({CommandState.READY, CommandState.SENT, CommandState.STORED, CommandState.UNCERTAIN})
#: Open states in which the command may have had an effect: planning waits.
IN_FLIGHT = frozenset({CommandState.SENT, CommandState.STORED, CommandState.UNCERTAIN})


class Base(NamedTuple):
    """The last agreed value that a system was confirmed to hold.

    number  which agreed value it was (Agreed.number)
    ruled   a value of this system that a decision has already set aside, so that it is decided once
    """

    value: Canonical
    number: int
    ruled: tuple[Canonical, ...] = ()


class Agreed(NamedTuple):
    """The current agreed value of a field: what every live system is to hold, and who said so last."""

    value: Canonical
    number: int
    system: str


@record(frozen=True, slots=True)
class Image:
    """What one system was last seen to hold.

    fields       canonical values; a field that is absent is not known
    token        the store's counter when it was last touched: a read issued before that proves nothing
    order        the newest position in the system's own order that is merged in
    answered     the position of the newest answer that an assumed image rests on
    version      the system's own version of the record
    not_before   of the last read: every commit up to then is in it (the system's clock)
    not_after    of the last read: no later commit is in it
    faulty       fields whose value there cannot be held by the contract: not known until it is corrected
    merged_into  of a record that is gone because the system merged it: the entity that took its place
    """

    fields: Mapping[str, Canonical]
    fresh: bool
    grade: Grade = Grade.READ
    exists: bool = True
    stale: Stale | None = None
    token: int = 0
    order: int = 0
    answered: int = 0
    version: str | None = None
    not_before: datetime | None = None
    not_after: datetime | None = None
    faulty: frozenset[str] = frozenset()
    merged_into: str | None = None
    base: Mapping[str, Base] = field(default_factory=dict)

    def marked(self, reason: Stale, token: int) -> Image:
        """The same image, stale. A stronger earlier reason stays."""
        kept = self.stale if self.stale and STRENGTH[self.stale] > STRENGTH[reason] else reason
        return self._with(self.base, kept, token, fresh=False)

    def with_base(self, base: Mapping[str, Base]) -> Image:
        """The same image with other agreed values confirmed."""
        return self._with(base, self.stale, self.token, fresh=self.fresh)

    def _with(self, base: Mapping[str, Base], stale: Stale | None, token: int, *, fresh: bool) -> Image:
        """Written out, as every outcome passes here: ``dataclasses.replace`` costs five times as much."""
        return Image(
            self.fields,
            fresh,
            self.grade,
            self.exists,
            stale,
            token,
            self.order,
            self.answered,
            self.version,
            self.not_before,
            self.not_after,
            self.faulty,
            self.merged_into,
            base,
        )


@record(frozen=True, slots=True)
class OpenCommand:
    """A command that stands open between the entity and a target.

    fields   canonical field → value it writes;  numbers: field → Agreed.number of that value
    """

    number: int
    state: CommandState
    kind: DeliveryKind
    fields: Mapping[str, Canonical]
    numbers: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Ended:
    """A tombstone: the record is gone for good where its existence is decided.

    by    the system that owns its existence, or OPERATOR for a person's ruling
    into  the entity that it was merged into there; a placeholder while that one is not known
    """

    by: str
    into: str | None = None


#: Stands for a person where a system is named that decided about existence.
OPERATOR = "operator"


@record(frozen=True, slots=True)
class Entity:
    """Everything that planning may look at.

    parked   targets, or (target, field) pairs as "target.field", that wait for a person
    keys     system → key there (live bindings)
    refused  target → the fields it refused: the same ones are not sent again by themselves
    ended    set once its existence has ended: what is left of it elsewhere is deleted, if at all
    absent   systems where it was deleted and, by a person's ruling, is to stay so
    """

    id: str
    type: str
    images: Mapping[str, Image] = field(default_factory=dict)
    agreed: Mapping[str, Agreed] = field(default_factory=dict)
    keys: Mapping[str, str] = field(default_factory=dict)
    commands: Mapping[str, OpenCommand] = field(default_factory=dict)
    parked: frozenset[str] = frozenset()
    refused: Mapping[str, Mapping[str, Canonical]] = field(default_factory=dict)
    birth: str = ""
    ended: Ended | None = None
    absent: frozenset[str] = frozenset()

    def gone(self, system: str) -> bool:
        """Whether the system is known not to have the record any more."""
        image = self.images.get(system)
        return image is not None and image.fresh and not image.exists

    def image(self, system: str) -> Image | None:
        """The image of a system, or None when nothing was seen there."""
        return self.images.get(system)

    def with_image(self, system: str, image: Image) -> Entity:
        """The entity with one image replaced."""
        return self.with_values({**self.images, system: image}, self.agreed, self.parked)

    def with_key(self, system: str, key: str) -> Entity:
        """The entity with its key at a system."""
        return self._with({**self.keys, system: key}, self.commands)

    def with_commands(self, commands: Mapping[str, OpenCommand]) -> Entity:
        """The entity with these commands open."""
        return self._with(self.keys, commands)

    def without_command(self, target: str) -> Entity:
        """The entity with nothing open for a target."""
        return self._with(self.keys, {name: one for name, one in self.commands.items() if name != target})

    def _with(self, keys: Mapping[str, str], commands: Mapping[str, OpenCommand]) -> Entity:
        return Entity(
            self.id,
            self.type,
            self.images,
            self.agreed,
            keys,
            commands,
            self.parked,
            self.refused,
            self.birth,
            self.ended,
            self.absent,
        )

    def with_values(
        self, images: Mapping[str, Image], agreed: Mapping[str, Agreed], parked: frozenset[str]
    ) -> Entity:
        """The entity with what merging finds. Written out: every event passes here several times."""
        return Entity(
            self.id,
            self.type,
            images,
            agreed,
            self.keys,
            self.commands,
            parked,
            self.refused,
            self.birth,
            self.ended,
            self.absent,
        )
