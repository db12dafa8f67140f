"""Entities with everything that planning looks at: images, agreed values, keys, open commands."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from agent.core.entity import Agreed, Base, Ended, Entity, Grade, Image, Stale
from agent.store import bindings, outbox
from agent.store.transaction import Transaction, dump, load

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
    tx.run(
        "INSERT INTO entity (id, type, birth, born, agreed, parked, refused, absent)"
        " VALUES (?, ?, ?, ?, '{}', '[]', '{}', '[]')",
        born.id,
        born.type,
        born.birth,
        born.seq,
    )


def exists(tx: Transaction, entity: str, type_: str) -> bool:
    """Whether there is such an entity of this type."""
    return tx.one("SELECT 1 FROM entity WHERE id = ? AND type = ?", entity, type_) is not None


def get(tx: Transaction, entity: str) -> Entity:
    """Load an entity. Raises KeyError when there is none."""
    row = tx.one(
        "SELECT type, birth, agreed, parked, refused, ended, merged_into, absent FROM entity WHERE id = ?",
        entity,
    )
    if row is None:
        raise KeyError(entity)
    agreed = {name: Agreed(value, number, system) for name, (value, number, system) in load(row[2]).items()}
    return Entity(
        id=entity,
        type=row[0],
        images=images(tx, entity),
        agreed=agreed,
        keys=bindings.keys(tx, entity),
        commands=outbox.standing(tx, entity),
        parked=frozenset(load(row[3])),
        refused=load(row[4]),
        birth=row[1],
        ended=Ended(row[5], row[6]) if row[5] is not None else None,
        absent=frozenset(load(row[7])),
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


def images(tx: Transaction, entity: str) -> dict[str, Image]:
    """The images of an entity, by system."""
    found = tx.rows(
        "SELECT system, fields, base, fresh, grade, present, stale, token, order_no, answered, version,"
        " not_before, not_after, faulty, merged_into FROM image WHERE entity = ?",
        entity,
    )
    return {
        row[0]: Image(
            fields=load(row[1]),
            base={
                name: Base(value, number, tuple(ruled))
                for name, (value, number, ruled) in load(row[2]).items()
            },
            fresh=bool(row[3]),
            grade=Grade(row[4]),
            exists=bool(row[5]),
            stale=Stale(row[6]) if row[6] else None,
            token=row[7],
            order=row[8],
            answered=row[9],
            version=row[10],
            not_before=_time(row[11]),
            not_after=_time(row[12]),
            faulty=frozenset(load(row[13])),
            merged_into=row[14],
        )
        for row in found
    }


def save(tx: Transaction, before: Entity, after: Entity) -> None:
    """Write what differs between two states of an entity, and journal every change of freshness."""
    for system, image in after.images.items():
        earlier = before.images.get(system)
        if image != earlier:
            _save_image(tx, after.id, system, image, earlier)
    if _written(after) != _written(before):
        agreed = {name: [a.value, a.number, a.system] for name, a in after.agreed.items()}
        ended = after.ended
        tx.run(
            "UPDATE entity SET agreed = ?, parked = ?, refused = ?, ended = ?, merged_into = ?, absent = ?"
            " WHERE id = ?",
            dump(agreed),
            dump(sorted(after.parked)),
            dump(after.refused),
            ended.by if ended is not None else None,
            ended.into if ended is not None else None,
            dump(sorted(after.absent)),
            after.id,
        )
    if after.ended != before.ended:
        was, is_ = ("lives" if e.ended is None else "ended" for e in (before, after))
        why = "is there again" if after.ended is None else _ending(after.ended)
        tx.journal("entity", after.id, was, is_, why)


def _written(entity: Entity) -> tuple[object, ...]:
    return entity.agreed, entity.parked, entity.refused, entity.ended, entity.absent


def _ending(ended: Ended) -> str:
    return f"deleted by {ended.by}" if ended.into is None else f"merged into {ended.into} by {ended.by}"


def label(tx: Transaction, entity: str, business_key: str | None, lane: str | None) -> None:
    """Keep what people call the entity, and the lane that it stands in."""
    tx.run(
        "UPDATE entity SET business_key = ?, lane = ? WHERE id = ?"
        " AND (business_key IS NOT ? OR lane IS NOT ?)",
        business_key,
        lane,
        entity,
        business_key,
        lane,
    )


def _save_image(tx: Transaction, entity: str, system: str, image: Image, earlier: Image | None) -> None:
    base = {name: [b.value, b.number, b.ruled] for name, b in image.base.items()}
    tx.run(
        "INSERT INTO image (entity, system, fields, base, fresh, grade, present, stale, stale_since, token,"
        " order_no, answered, version, not_before, not_after, faulty, merged_into, seen)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (entity, system) DO UPDATE SET fields = excluded.fields, base = excluded.base,"
        " fresh = excluded.fresh, grade = excluded.grade, present = excluded.present,"
        " stale = excluded.stale, stale_since = CASE WHEN excluded.fresh = 1 THEN NULL"
        " ELSE coalesce(image.stale_since, excluded.stale_since) END,"
        " token = excluded.token, order_no = excluded.order_no, answered = excluded.answered,"
        " version = excluded.version, not_before = excluded.not_before, not_after = excluded.not_after,"
        " lapsed = NULL, faulty = excluded.faulty, merged_into = excluded.merged_into, seen = excluded.seen",
        entity,
        system,
        dump(image.fields),
        dump(base),
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
    )
    was = _freshness(earlier)
    if was != _freshness(image):
        tx.journal("image", f"{entity}@{system}", was, _freshness(image), image.stale or "confirmed")


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


def restore_lapsed(tx: Transaction, system: str, type_: str, token: int, limit: int) -> list[str]:
    """Of so many images that lapsed by the gap of this token nothing happened: they are fresh again.

    Returns their entities.
    """
    found = tx.rows(
        "SELECT image.entity FROM image JOIN entity ON entity.id = image.entity"
        " WHERE image.system = ? AND image.fresh = 0 AND image.lapsed = ? AND entity.type = ? LIMIT ?",
        system,
        token,
        type_,
        limit,
    )
    entities = [str(row[0]) for row in found]
    tx.run_many(
        "UPDATE image SET fresh = 1, stale = NULL, stale_since = NULL, lapsed = NULL, token = ?"
        " WHERE entity = ? AND system = ?",
        [(tx.token, entity, system) for entity in entities],
    )
    return entities


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


def lane_ahead(tx: Transaction, entity: str, target: str, skip_parked: bool) -> str | None:
    """The nearest earlier entity of the same lane that has no live key at the target, or None."""
    row = tx.one(
        "SELECT earlier.id FROM entity AS mine JOIN entity AS earlier ON earlier.type = mine.type"
        " AND earlier.born < mine.born AND (earlier.lane = mine.lane OR (earlier.lane IS NULL AND EXISTS"
        " (SELECT 1 FROM image WHERE image.entity = earlier.id AND image.system = earlier.birth"
        " AND image.fresh = 0)))"
        " WHERE mine.id = ? AND mine.lane IS NOT NULL AND NOT EXISTS (SELECT 1 FROM binding"
        " WHERE binding.entity = earlier.id AND binding.system = ? AND binding.valid_to IS NULL)"
        " AND NOT (? AND earlier.parked LIKE ?) AND earlier.parked NOT LIKE ?"
        " AND NOT EXISTS (SELECT 1 FROM waiting WHERE waiting.entity = earlier.id AND waiting.target = ?"
        " AND waiting.reason = 'deleted') ORDER BY earlier.born LIMIT 1",
        entity,
        target,
        int(skip_parked),
        f'%"{target}"%',
        f'%"{PASSED}{target}"%',
        target,
    )
    return str(row[0]) if row else None


def holding(tx: Transaction, type_: str, system: str) -> list[str]:
    """All entities of a type that have an image at a system."""
    found = tx.rows(
        "SELECT image.entity FROM image JOIN entity ON entity.id = image.entity"
        " WHERE entity.type = ? AND image.system = ?",
        type_,
        system,
    )
    return [str(row[0]) for row in found]


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
