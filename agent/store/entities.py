"""Entities with everything that planning looks at: images, agreed values, keys, open commands."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from agent.core.entity import Agreed, Base, Ended, Entity, Grade, Image, Stale
from agent.core.value import Canonical
from agent.store import bindings, outbox
from agent.store.known import UNKNOWN
from agent.store.transaction import Transaction, dump, load

_NOTHING = frozenset[str]()
GRADES = {str(grade): grade for grade in Grade}
#: Makes a named tuple of a row: there are fifty a record, and its own constructor costs three times that.
_tuple = tuple.__new__

#: Begins the mark of a target to which a person decided that a document will not be sent.
PASSED = "passed:"


@dataclass(frozen=True, slots=True)
class Born:
    """An entity seen for the first time."""

    id: str
    type: str
    birth: str
    seq: int


def add(tx: Transaction, born: Born) -> None:
    """Write a new entity; ``seq`` is the inbox row that it was first seen in: its place in its lane."""
    tx.later(
        "INSERT INTO entity (id, type, birth, born, agreed, parked, refused, absent)"
        " VALUES (?, ?, ?, ?, '{}', '[]', '{}', '[]')",
        born.id,
        born.type,
        born.birth,
        born.seq,
        of=born.id,
    )
    new = Written(born.type, born.birth, {}, _NOTHING, {}, None, _NOTHING, None, None)
    tx.known.put("entity", born.id, new)


def exists(tx: Transaction, entity: str, type_: str) -> bool:
    """Whether there is such an entity of this type."""
    return tx.one("SELECT 1 FROM entity WHERE id = ? AND type = ?", entity, type_) is not None


class Written(NamedTuple):
    """A row of the table: what of an entity is in no other one."""

    type: str
    birth: str
    agreed: Mapping[str, Agreed]
    parked: frozenset[str]
    refused: Mapping[str, Mapping[str, Canonical]]
    ended: Ended | None
    absent: frozenset[str]
    business_key: str | None
    lane: str | None


_COLUMNS = "type, birth, agreed, parked, refused, ended, merged_into, absent, business_key, lane"


def read_ahead(tx: Transaction, entities: Collection[str]) -> None:
    """Learn these entities and their images."""
    ids = dump(list(entities))
    for id_, *row in tx.rows(
        f"SELECT id, {_COLUMNS} FROM entity WHERE id IN (SELECT value FROM json_each(?))",  # noqa: S608 - ours
        ids,
    ):
        tx.known.put("entity", id_, _written(row))
    seen: dict[str, dict[str, Image]] = {entity: {} for entity in entities}
    for id_, *row in tx.rows(
        f"SELECT entity, {_IMAGE} FROM image WHERE entity IN (SELECT value FROM json_each(?))"  # noqa: S608 - ours
        " ORDER BY entity, system",
        ids,
    ):
        seen[id_][row[0]] = _image(row)
    tx.known.put_all("image", seen)


def get(tx: Transaction, entity: str) -> Entity:
    """Load an entity. Raises KeyError when there is none."""
    written = _row(tx, entity)
    return Entity(
        id=entity,
        type=written.type,
        images=images(tx, entity),
        agreed=written.agreed,
        keys=bindings.keys(tx, entity),
        commands=outbox.standing(tx, entity),
        parked=written.parked,
        refused=written.refused,
        birth=written.birth,
        ended=written.ended,
        absent=written.absent,
    )


def _row(tx: Transaction, entity: str) -> Written:
    known = tx.known.get("entity", entity)
    if known is UNKNOWN:
        row = tx.one(f"SELECT {_COLUMNS} FROM entity WHERE id = ?", entity)  # noqa: S608 - our own names
        if row is None:
            raise KeyError(entity)
        known = _written(row)
    written: Written = known
    return written


def _written(row: Sequence[Any]) -> Written:
    type_, birth, agreed, parked, refused, ended, into, absent, key, lane = row
    return Written(
        type_,
        birth,
        {name: _tuple(Agreed, one) for name, one in load(agreed).items()},
        _set(parked),
        load(refused),
        Ended(ended, into) if ended is not None else None,
        _set(absent),
        key,
        lane,
    )


def successor(tx: Transaction, entity: str) -> str:
    """The entity that took the place of one that was merged, over any number of merges; else itself."""
    row = tx.one(
        "WITH RECURSIVE chain (id, depth) AS (VALUES (?, 0) UNION SELECT entity.merged_into, depth + 1"
        " FROM entity JOIN chain ON entity.id = chain.id WHERE merged_into IS NOT NULL AND depth < 100)"
        " SELECT chain.id FROM chain JOIN entity ON entity.id = chain.id ORDER BY depth DESC LIMIT 1",
        entity,
    )
    return str(row[0]) if row else entity


def ended(tx: Transaction, entity: str, target: str) -> bool:
    """Whether the record was deleted for good, or is to stay deleted at the target."""
    row = tx.one("SELECT ended, absent FROM entity WHERE id = ?", entity)
    return row is not None and (row[0] is not None or target in load(row[1]))


_IMAGE = (
    "system, fields, base, fresh, grade, present, stale, token, order_no, answered, version, not_before,"
    " not_after, faulty, merged_into"
)


def images(tx: Transaction, entity: str) -> dict[str, Image]:
    """The images of an entity, by system."""
    known = tx.known.get("image", entity)
    if known is not UNKNOWN:
        return dict(known)
    found = tx.rows(f"SELECT {_IMAGE} FROM image WHERE entity = ?", entity)  # noqa: S608 - our own names
    return {row[0]: _image(row) for row in found}


def _image(row: Sequence[Any]) -> Image:
    return Image(
        fields=load(row[1]),
        base={
            name: _tuple(Base, (value, number, tuple(ruled) if ruled else ()))
            for name, (value, number, ruled) in load(row[2]).items()
        },
        fresh=bool(row[3]),
        grade=GRADES[row[4]],
        exists=bool(row[5]),
        stale=Stale(row[6]) if row[6] else None,
        token=row[7],
        order=row[8],
        answered=row[9],
        version=row[10],
        not_before=datetime.fromisoformat(row[11]) if row[11] else None,
        not_after=datetime.fromisoformat(row[12]) if row[12] else None,
        faulty=_set(row[13]),
        merged_into=row[14],
    )


def save(tx: Transaction, before: Entity, after: Entity) -> None:
    """Write what differs between two states of an entity, and journal every change of freshness."""
    known = tx.known.get("image", after.id)
    for system, image in after.images.items():
        earlier = before.images.get(system)
        if image is not earlier and image != earlier:
            _save_image(tx, after.id, system, image, earlier)
    if known is not UNKNOWN:
        tx.known.put("image", after.id, dict(sorted(after.images.items())))
    if _decided(after) != _decided(before):
        _save_row(tx, after)
    if after.ended != before.ended:
        was, is_ = ("lives" if e.ended is None else "ended" for e in (before, after))
        why = "is there again" if after.ended is None else _ending(after.ended)
        tx.journal("entity", after.id, was, is_, why)


def _save_row(tx: Transaction, after: Entity) -> None:
    known = tx.known.get("entity", after.id)
    ended = after.ended
    tx.later(
        "UPDATE entity SET agreed = ?, parked = ?, refused = ?, ended = ?, merged_into = ?, absent = ?"
        " WHERE id = ?",
        dump({name: tuple(agreed) for name, agreed in after.agreed.items()}),
        dump(sorted(after.parked)),
        dump(after.refused),
        ended.by if ended is not None else None,
        ended.into if ended is not None else None,
        dump(sorted(after.absent)),
        after.id,
        of=after.id,
    )
    if known is not UNKNOWN:
        agreed, parked, refused, _, absent = _decided(after)
        of = known._replace(agreed=agreed, parked=parked, refused=refused, ended=ended, absent=absent)
        tx.known.put("entity", after.id, of)


def _decided(
    entity: Entity,
) -> tuple[
    Mapping[str, Agreed],
    frozenset[str],
    Mapping[str, Mapping[str, Canonical]],
    Ended | None,
    frozenset[str],
]:
    return entity.agreed, entity.parked, entity.refused, entity.ended, entity.absent


def _ending(ended: Ended) -> str:
    return f"deleted by {ended.by}" if ended.into is None else f"merged into {ended.into} by {ended.by}"


def label(tx: Transaction, entity: str, business_key: str | None, lane: str | None) -> None:
    """Keep what people call the entity, and the lane that it stands in."""
    known = tx.known.get("entity", entity)
    if known is not UNKNOWN and (known.business_key, known.lane) == (business_key, lane):
        return
    tx.later(
        "UPDATE entity SET business_key = ?, lane = ? WHERE id = ?"
        " AND (business_key IS NOT ? OR lane IS NOT ?)",
        business_key,
        lane,
        entity,
        business_key,
        lane,
        of=entity,
    )
    if known is not UNKNOWN:
        tx.known.put("entity", entity, known._replace(business_key=business_key, lane=lane))


def _save_image(tx: Transaction, entity: str, system: str, image: Image, earlier: Image | None) -> None:
    """Write an image; a document that is as it was is not written again."""
    same_fields = earlier is not None and earlier.fields == image.fields
    same_base = earlier is not None and earlier.base == image.base
    values = (
        None if same_fields else dump(image.fields),
        None if same_base else dump({name: tuple(base) for name, base in image.base.items()}),
        int(image.fresh),
        image.grade,
        int(image.exists),
        image.stale,
        None if image.fresh else tx.now,
        image.token,
        image.order,
        image.answered,
        image.version,
        image.not_before.isoformat() if image.not_before else None,
        image.not_after.isoformat() if image.not_after else None,
        dump(sorted(image.faulty)),
        image.merged_into,
        tx.now,
        entity,
        system,
    )
    tx.later(_INSERT_IMAGE if earlier is None else _UPDATE_IMAGE, *values, of=entity)
    was = _freshness(earlier)
    if was != _freshness(image):
        tx.journal("image", f"{entity}@{system}", was, _freshness(image), image.stale or "confirmed")


_INSERT_IMAGE = (
    "INSERT INTO image (fields, base, fresh, grade, present, stale, stale_since, token, order_no, answered,"
    " version, not_before, not_after, faulty, merged_into, seen, entity, system)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_UPDATE_IMAGE = (
    "UPDATE image SET fields = coalesce(?1, fields), base = coalesce(?2, base), fresh = ?3, grade = ?4,"
    " present = ?5, stale = ?6, stale_since = CASE WHEN ?3 = 1 THEN NULL ELSE coalesce(stale_since, ?7) END,"
    " token = ?8, order_no = ?9, answered = ?10, version = ?11, not_before = ?12, not_after = ?13,"
    " lapsed = NULL, faulty = ?14, merged_into = ?15, seen = ?16 WHERE entity = ?17 AND system = ?18"
)


def _freshness(image: Image | None) -> str:
    if image is None:
        return "unknown"
    return "fresh" if image.fresh else "stale"


#: Whether an image is read by its key, and not with all others of its type to close their gap.
_READ_ALONE = (
    "(image.lapsed IS NULL OR NOT EXISTS (SELECT 1 FROM gap WHERE gap.system = image.system"
    " AND gap.type = binding.type) OR EXISTS (SELECT 1 FROM waiting WHERE waiting.entity = image.entity))"
)


def stale(tx: Transaction, system: str, type_: str, confirm_before: int, limit: int) -> list[str]:
    """Keys of the records of a type at a system that are to be read now.

    Those that only wait for our own write to be seen may wait since ``confirm_before`` for their echo; those
    of which nothing was heard, for the reading that closes their gap, unless something waits for them.
    """
    found = tx.rows(
        "SELECT binding.key FROM image"  # noqa: S608 - constants only
        " JOIN binding ON binding.entity = image.entity AND binding.system = image.system"
        " AND binding.valid_to IS NULL AND binding.role IN ('live', 'retired')"
        f" WHERE image.system = ? AND image.fresh = 0 AND binding.type = ? AND {_READ_ALONE}"
        " AND (image.stale <> 'confirm' OR image.stale_since <= ?)"
        " ORDER BY image.stale_since LIMIT ?",
        system,
        type_,
        confirm_before,
        limit,
    )
    return [str(row[0]) for row in found]


def oldest_stale(tx: Transaction, system: str) -> int | None:
    """Since when (ms) the image waits that has waited longest at a system."""
    row = tx.one(
        "SELECT min(image.stale_since) FROM image"  # noqa: S608 - constants only
        " JOIN binding ON binding.entity = image.entity"
        " AND binding.system = image.system AND binding.valid_to IS NULL"
        " AND binding.role IN ('live', 'retired')"
        f" WHERE image.system = ? AND image.fresh = 0 AND {_READ_ALONE}",
        system,
    )
    return None if row is None or row[0] is None else int(row[0])


def stale_scope(tx: Transaction, system: str, type_: str, reason: Stale) -> int:
    """Mark every image of a type at a system stale: anything may have changed. Returns how many.

    The stream may begin again with lower numbers: only the read that follows tells what is older.
    """
    return tx.run(
        "UPDATE image SET lapsed = CASE WHEN fresh = 1 OR lapsed IS NOT NULL THEN ?1 END,"
        " fresh = 0, stale = ?2, stale_since = coalesce(stale_since, ?3), token = ?1, order_no = 0,"
        " answered = 0 WHERE system = ?4 AND entity IN (SELECT id FROM entity WHERE type = ?5)",
        tx.token,
        reason,
        tx.now,
        system,
        type_,
    )


#: Where looking through all images begins: before the first (entity, system).
FIRST = ("", "")


def restore_lapsed(
    tx: Transaction, system: str, type_: str, token: int, behind: tuple[str, str], looked_at: int
) -> tuple[list[str], tuple[str, str] | None]:
    """Images that lapsed by the gap of this token are fresh again: nothing happened of them.

    Looks at so many images ``behind`` one. Returns the entities restored, and the last image looked at;
    None for it at the end.
    """
    found = tx.rows(
        "SELECT entity, system, CASE WHEN system = ? AND fresh = 0 AND lapsed = ?"
        " THEN (SELECT type FROM entity WHERE id = image.entity) = ? ELSE 0 END"
        " FROM image WHERE (entity, system) > (?, ?) ORDER BY entity, system LIMIT ?",
        system,
        token,
        type_,
        *behind,
        looked_at,
    )
    entities = [str(entity) for entity, _, lapsed in found if lapsed]
    tx.run_many(
        "UPDATE image SET fresh = 1, stale = NULL, stale_since = NULL, lapsed = NULL, token = ?"
        " WHERE entity = ? AND system = ?",
        [(tx.token, entity, system) for entity in entities],
    )
    last = (str(found[-1][0]), str(found[-1][1])) if len(found) == looked_at else None
    return entities, last


def count_stale(tx: Transaction, system: str, type_: str) -> int:
    """How many images of a type at a system are stale."""
    row = tx.one(
        "SELECT count(*) FROM image JOIN entity ON entity.id = image.entity"
        " WHERE image.system = ? AND image.fresh = 0 AND entity.type = ?",
        system,
        type_,
    )
    return int(row[0]) if row else 0


def stale_everything(tx: Transaction) -> None:
    """After a restore no image is what its system holds (I22)."""
    tx.run(
        "UPDATE image SET fresh = 0, stale = 'gap', stale_since = ?, token = ?, order_no = 0, answered = 0",
        tx.now,
        tx.token,
    )


#: Of the same type, born before it, in its lane or in one that is not known before it is read.
_SAME_LANE = "earlier.lane = mine.lane"
_UNREAD = (
    "earlier.lane IS NULL AND EXISTS (SELECT 1 FROM image WHERE image.entity = earlier.id"
    " AND image.system = earlier.birth AND image.fresh = 0)"
)
#: Nearly all have arrived: only of the others more than the index holds is looked at.
_AHEAD = (
    "SELECT earlier.born, earlier.id FROM entity AS mine JOIN entity AS earlier INDEXED BY ix_entity_lane"
    " ON earlier.type = mine.type AND earlier.born < mine.born AND {lane}"
    " WHERE mine.id = ?1 AND mine.lane IS NOT NULL AND CASE WHEN EXISTS (SELECT 1 FROM binding"
    " WHERE entity = earlier.id AND system = ?2 AND role = 'live' AND valid_to IS NULL) THEN 0"
    " WHEN EXISTS (SELECT 1 FROM binding"
    " WHERE entity = earlier.id AND system = ?2 AND valid_to IS NULL) THEN 0"
    " WHEN EXISTS (SELECT 1 FROM waiting WHERE entity = earlier.id AND target = ?2"
    " AND reason = 'deleted') THEN 0"
    " ELSE NOT (?3 AND earlier.parked LIKE ?4) AND earlier.parked NOT LIKE ?5 END"
    " ORDER BY earlier.born LIMIT 1"
)


def lane_ahead(tx: Transaction, entity: str, target: str, skip_parked: bool) -> str | None:
    """The first earlier entity of the same lane that has no live key at the target, or None."""
    values = (
        entity,
        target,
        int(skip_parked),
        f'%"{target}"%',
        f'%"{PASSED}{target}"%',
    )
    ahead = [tx.one(_AHEAD.format(lane=lane), *values) for lane in (_SAME_LANE, _UNREAD)]
    first = min((row for row in ahead if row is not None), default=None)
    return str(first[1]) if first else None


def holding(tx: Transaction, type_: str, system: str) -> list[str]:
    """All entities of a type that have an image at a system."""
    found = tx.rows(
        "SELECT image.entity FROM image JOIN entity ON entity.id = image.entity"
        " WHERE entity.type = ? AND image.system = ?",
        type_,
        system,
    )
    return [str(row[0]) for row in found]


def _set(text: str) -> frozenset[str]:
    """The strings of a JSON list, which nearly always holds none."""
    return frozenset(load(text)) if text != "[]" else _NOTHING
