"""How an observation changes an image. Nothing here compares the clocks of two systems (I29)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from agent.core.change import Operation
from agent.core.entity import Grade, Image, Stale
from agent.core.record import record
from agent.core.value import Canonical

#: Salesforce commit times have second precision: a commit stamped 12:00:01 happened before 12:00:02.
PRECISION = timedelta(seconds=1)


class Effect(StrEnum):
    """What an observation did to the image."""

    MERGED = "merged"  # the image now says what the observation says
    OLDER = "older"  # the image already had it, or something later
    EQUAL = "equal"  # when it happened cannot be told, and it says nothing new
    STALE = "stale"  # what the record holds now cannot be told: read it


@record(frozen=True, slots=True)
class Seen:
    """One decoded observation of a record.

    fields  canonical values that it names;  whole: it names all of them
    unknown fields that it names with a value that the contract cannot hold: they are not known any more
    at      the source's commit time;  order: its place in the source's order, 0 if it has none
    """

    fields: Mapping[str, Canonical]
    unknown: frozenset[str] = frozenset()
    operation: Operation = Operation.UPDATE
    whole: bool = False
    order: int = 0
    at: datetime | None = None
    version: str | None = None


def merge_event(
    image: Image | None, seen: Seen, slack: timedelta, token: int, *, tells_merges: bool = False
) -> tuple[Image, Effect]:
    """Merge an event of an ordered stream. It overwrites only what it is provably newer than.

    A read has no version that could be compared with an event: only the source's own clock, with slack,
    tells which came first. In doubt the image becomes stale, unless the event says nothing new.
    ``tells_merges``: a read, but no event, tells whether a deleted record was merged into another.
    """
    complete = seen.operation in (Operation.CREATE, Operation.UNDELETE)
    if image is None:
        first = Image(fields=dict(seen.fields), fresh=False, grade=Grade.TOLD)
        if not complete:
            return _merged(first.marked(Stale.CHANGED, token), seen, token), Effect.STALE
        return _merged(replace(first, fresh=True, token=token), seen, token), Effect.MERGED
    if seen.order and seen.order < image.order:
        return image, Effect.OLDER
    effect = _compare(image, seen, slack)
    if effect is not Effect.OLDER and _must_be_read(image, seen, tells_merges=tells_merges):
        return image.marked(Stale.CHANGED, token), Effect.STALE
    match effect:
        case Effect.OLDER:
            return image, Effect.OLDER
        case Effect.STALE if _says_nothing_new(image, seen):
            return image, Effect.EQUAL
        case Effect.STALE:
            return image.marked(Stale.CHANGED, token), Effect.STALE
        case _:
            return _merged(image, seen, token), Effect.MERGED


def _must_be_read(image: Image, seen: Seen, *, tells_merges: bool) -> bool:
    """Whether only a read can tell: an update alone never brings a deleted record back (I21).

    An event that does shows all of the record, and what it may not show as empty.
    """
    if seen.operation is Operation.DELETE:
        return tells_merges and image.exists
    return seen.operation is Operation.UNDELETE or not image.exists


def _compare(image: Image, seen: Seen, slack: timedelta) -> Effect:
    if image.not_before is None or image.not_after is None:
        return Effect.MERGED
    if seen.at is None:
        return Effect.STALE
    if seen.at + PRECISION + slack <= image.not_before:
        return Effect.OLDER
    if seen.at > image.not_after + slack:
        return Effect.MERGED
    return Effect.STALE


def _says_nothing_new(image: Image, seen: Seen) -> bool:
    if (seen.operation is Operation.DELETE) == image.exists or seen.unknown:
        return False
    return all(name in image.fields and image.fields[name] == value for name, value in seen.fields.items())


def _merged(image: Image, seen: Seen, token: int) -> Image:
    if seen.operation is Operation.DELETE:
        return replace(image, exists=False, token=token, order=max(image.order, seen.order))
    fields = {**image.fields, **seen.fields}
    if seen.unknown:
        fields = {name: value for name, value in fields.items() if name not in seen.unknown}
    faulty = image.faulty or seen.unknown
    return Image(
        fields=fields,
        fresh=image.fresh,
        grade=image.grade,
        stale=image.stale,
        token=token,
        order=max(image.order, seen.order),
        answered=image.answered,
        version=seen.version or _from_commit(seen) or image.version,
        not_before=image.not_before,
        not_after=image.not_after,
        faulty=(image.faulty - seen.fields.keys()) | seen.unknown if faulty else faulty,
        base=image.base,
    )


def _from_commit(seen: Seen) -> str | None:
    return seen.at.isoformat() if seen.at else None


def confirm_by_echo(image: Image, command: Mapping[str, Canonical], token: int) -> Image:
    """Our own write came back in the stream with equal values: the image is what the target holds.

    Only a mark of our own write is lifted; a gap needs a read.
    """
    if image.stale is not Stale.CONFIRM:
        return image
    if any(image.fields.get(name) != value for name, value in command.items()):
        return image
    return replace(image, fresh=True, stale=None, token=token)


@dataclass(frozen=True, slots=True)
class Found:
    """What a read by key found; ``fields`` is None when there is no such record.

    unknown  fields whose value the contract cannot hold
    lacking  fields of which it says nothing: they stay what the system was last confirmed to hold
    into     the entity that a record which is gone was merged into
    """

    fields: Mapping[str, Canonical] | None
    unknown: frozenset[str] = frozenset()
    into: str | None = None
    version: str | None = None
    not_before: datetime | None = None
    not_after: datetime | None = None
    lacking: frozenset[str] = frozenset()

    def onto(self, image: Image | None) -> dict[str, Canonical] | None:
        """What the system holds now, as far as it is known; None when there is no such record."""
        if self.fields is None or image is None:
            return None if self.fields is None else dict(self.fields)
        known = self.lacking - image.faulty
        seen = {name: image.fields[name] for name in known if name in image.fields}
        # What we have written since it was seen last was accepted: the older value is not there any more.
        held = {name: image.base[name].value for name in known if name in image.base}
        return {**self.fields, **seen, **held}


def apply_read(image: Image | None, found: Found, issued: int, token: int) -> tuple[Image, Effect]:
    """Replace the image by a read that was issued when the store's counter stood at ``issued``.

    If the image was touched since, which of both is newer cannot be told: it stays as it is, stale.
    """
    fields = found.onto(image)
    if image is not None and image.token > issued:
        if fields is None and image.fresh and not image.exists:
            return image, Effect.EQUAL
        if fields is not None and image.exists and dict(image.fields) == fields:
            return image, Effect.EQUAL
        return image.marked(Stale.CHANGED, token), Effect.STALE
    earlier = image or Image(fields={}, fresh=False)
    return replace(
        earlier,
        fields=fields if fields is not None else earlier.fields,
        exists=fields is not None,
        fresh=True,
        stale=None,
        grade=Grade.READ,
        token=token,
        faulty=found.unknown | (earlier.faulty & found.lacking),
        merged_into=found.into if fields is None else None,
        version=found.version,
        not_before=found.not_before,
        not_after=found.not_after,
    ), Effect.MERGED


def apply_told(image: Image | None, seen: Seen, written: frozenset[str], token: int) -> tuple[Image, Effect]:
    """Take what a source told about an object that cannot be read. An older message changes nothing.

    What is absent from a message that is not whole is unchanged, never null. A message that the system made
    before it reported our command as posted says nothing about the fields in ``written``.
    """
    if image is not None and seen.order and seen.order < image.order:
        return image, Effect.OLDER
    earlier = image or Image(fields={}, fresh=True, grade=Grade.TOLD)
    if seen.order and seen.order < earlier.answered:
        own = {name: value for name, value in seen.fields.items() if name not in written}
        seen = replace(seen, fields=own)
    merged = _merged(earlier, seen, token)
    return replace(merged, fresh=True, stale=None, grade=Grade.TOLD, version=seen.version), Effect.MERGED


def assume(image: Image | None, fields: Mapping[str, Canonical], order: int, token: int) -> Image:
    """The image of a target that cannot be read, after it reported our command as posted."""
    earlier = image or Image(fields={}, fresh=True)
    return replace(
        earlier,
        fields={**earlier.fields, **fields},
        exists=True,
        merged_into=None,
        fresh=True,
        stale=None,
        grade=Grade.ASSUMED,
        token=token,
        answered=max(earlier.answered, order),
    )
