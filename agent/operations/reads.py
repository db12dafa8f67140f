"""Looking at the store: everything that a screen or ``--json`` shows, each answer out of one snapshot."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from agent import __version__
from agent.clock import Clock, moment
from agent.core.rulebook import Rulebook
from agent.errors import InputError
from agent.flow.ruling import Shown
from agent.operations import figures, story
from agent.operations.figures import Life
from agent.operations.privacy import Privacy
from agent.operations.timeline import journal_why
from agent.operations.verdict import verdict
from agent.operations.wire import (
    PAGE,
    ConflictItem,
    ConflictPage,
    Conservation,
    Digests,
    Event,
    ExceptionItem,
    ExceptionPage,
    FlowPage,
    Match,
    Overview,
    Status,
    Trace,
    clean,
)
from agent.store import reads
from agent.store.reads import Rows, Snapshot, StoreReader

#: Exceptions and events on the first screen.
WORST, RECENT = 20, 30
#: The account of I15 may take this share of the time, at most, while somebody watches.
SHARE = 10
#: Lengths to which SAP pads customer, document and IDoc numbers with zeros.
PADDED = (8, 10, 12, 16)


class StoreReads:
    """Answers out of one store. ``life`` tells what only the running process knows."""

    def __init__(self, reader: StoreReader, book: Rulebook, clock: Clock, life: Life | None = None) -> None:
        self._reader = reader
        self._privacy = Privacy(book)
        self._clock = clock
        self._life = life or Life()
        self._account: Conservation | None = None
        self._account_until = 0.0

    async def status(self) -> Status:
        """How the agent does, with conservation checked now."""
        async with self._reader.snapshot() as snapshot:
            return await self._status(snapshot, await self._conservation(snapshot))

    async def overview(self) -> Overview:
        """Status with its verdict, the worst exceptions and the last events.

        On a large store the account of I15 takes long: it is then as old as ``checked`` says.
        """
        async with self._reader.snapshot() as snapshot:
            account = self._account
            if account is None or self._clock.monotonic() >= self._account_until:
                account = await self._conservation(snapshot)
            status = await self._status(snapshot, account)
            worst = await self._items(snapshot, await self._open(snapshot, "open", WORST))
            recent = await snapshot.rows(reads.EVENTS, limit=RECENT)
        judged = verdict(status)
        return Overview(
            status=status,
            code=int(judged.code),
            verdict=judged.word,
            reasons=judged.reasons,
            worst=worst,
            recent=tuple(_event(row) for row in recent),
        )

    async def exceptions(self, state: str = "open", limit: int = PAGE) -> ExceptionPage:
        """Exceptions in one state, oldest due first. Raises InputError for another state."""
        if state not in ("open", "closed"):
            raise InputError(f"'{clean(state)}' is no state of an exception", remedy="say open or closed")
        async with self._reader.snapshot() as snapshot:
            rows = await self._open(snapshot, state, max(1, min(limit, PAGE)))
            total = await snapshot.count(reads.EXCEPTION_COUNT, state=state)
            return ExceptionPage(total=total, items=await self._items(snapshot, rows))

    async def exception(self, number: int) -> ExceptionItem:
        """One exception. Raises InputError when there is none."""
        async with self._reader.snapshot() as snapshot:
            items = await self._items(snapshot, await snapshot.rows(reads.EXCEPTION, id=number))
        if not items:
            raise InputError(
                f"there is no exception {number}", remedy="isthmus exceptions list shows those that are open"
            )
        return items[0]

    async def conflicts(self, state: str = "open", limit: int = PAGE) -> ConflictPage:
        """Conflicts in one state or in all, open ones first. Raises InputError for another state."""
        if state not in ("open", "decided", "all"):
            raise InputError(f"'{clean(state)}' is no state of a conflict", remedy="say open, decided or all")
        async with self._reader.snapshot() as snapshot:
            rows = await snapshot.rows(reads.CONFLICT_LIST, state=state, limit=max(1, min(limit, PAGE)))
            total = await snapshot.count(reads.CONFLICT_COUNT, state=state)
            held = await _documents(snapshot, rows)
        return ConflictPage(total=total, items=tuple(self._conflict(row, held) for row in rows))

    async def conflict(self, number: int) -> ConflictItem:
        """One conflict. Raises InputError when there is none."""
        async with self._reader.snapshot() as snapshot:
            rows = await snapshot.rows(reads.CONFLICT, id=number)
            held = await _documents(snapshot, rows)
        if not rows:
            raise InputError(
                f"there is no conflict {number}", remedy="isthmus conflicts list shows those that are open"
            )
        return self._conflict(rows[0], held)

    async def flow(self) -> FlowPage:
        """What is held, and how much stands ready at every system."""
        async with self._reader.snapshot() as snapshot:
            return await figures.flow(snapshot, self._life)

    async def trace(self, key: str) -> Trace:
        """A record by any of its names. Several matches are listed; a single one comes with its record."""
        names = orjson.dumps(_spellings(key)).decode()
        async with self._reader.snapshot() as snapshot:
            found: dict[str, Match] = {}
            for row in await snapshot.rows(reads.MATCHES, names=names):
                entity, by = str(row["entity"]), clean(row["found_by"])
                known = found.get(entity)
                found[entity] = Match(
                    entity=entity,
                    type=clean(row["type"]),
                    business_key=self._privacy.business_key(str(row["type"]), row["business_key"]),
                    found_by=f"{known.found_by}, {by}" if known else by,
                )
            loose = [_loose(row) for row in await snapshot.rows(reads.LOOSE, names=names)]
            told = None
            if len(found) == 1:
                today = self._clock.now().date()
                told = await story.record(snapshot, self._privacy, next(iter(found)), today)
        return Trace(key=clean(key), matches=(*found.values(), *loose), record=told)

    async def ready(self) -> None:
        """Show that the store can be read. Raises StoreError when it cannot."""
        await self._reader.changed()

    async def close(self) -> None:
        """Stop reading."""
        await self._reader.close()

    async def _status(self, snapshot: Snapshot, account: Conservation) -> Status:
        now = self._clock.now()
        systems = await figures.systems(snapshot, self._life, now)
        lives = await snapshot.rows(reads.LAST_LIFE)
        life = lives[0] if lives else {"id": "", "host": "", "fenced_by": ""}
        return Status(
            service=self._life.service,
            note=self._life.note,
            version=__version__,
            epoch=await snapshot.epoch(),
            life=str(life["id"]),
            host=clean(life["host"]),
            fenced=clean(life["fenced_by"]),
            started=self._life.started,
            at=now,
            systems=systems,
            replay_headroom_s=await figures.headroom_s(snapshot, systems, now),
            conservation=account,
            exceptions=await figures.exceptions(snapshot, now),
            conflicts=await figures.conflicts(snapshot),
            uncertain=sum(system.queue.uncertain for system in systems),
            progress=dict(self._life.progress()),
        )

    async def _conservation(self, snapshot: Snapshot) -> Conservation:
        began = self._clock.monotonic()
        self._account = await figures.conservation(snapshot, self._clock.now())
        ended = self._clock.monotonic()
        self._account_until = ended + SHARE * (ended - began)
        return self._account

    async def _open(self, snapshot: Snapshot, state: str, limit: int) -> Rows:
        return await snapshot.rows(reads.EXCEPTIONS, state=state, limit=limit)

    async def _items(self, snapshot: Snapshot, rows: Rows) -> tuple[ExceptionItem, ...]:
        """Exceptions as they may be shown: a refusal that repeats personal data loses it."""
        documents = await _documents(snapshot, rows)
        return tuple(self._item(row, documents.get(row["entity"], [])) for row in rows)

    def _item(self, row: Mapping[str, Any], documents: list[str]) -> ExceptionItem:
        type_, due = str(row["type"]), moment(row["due"])
        secrets = self._privacy.secrets(type_, documents)
        return ExceptionItem(
            id=row["id"],
            kind=row["kind"],
            system=clean(row["system"]),
            entity=clean(row["entity"]),
            type=clean(type_),
            business_key=self._privacy.business_key(type_, row["business_key"]),
            field=clean(
                row["mark"].partition(".")[2] or (row["subject"] if row["kind"] == "unmapped" else "")
            ),
            code=clean(row["code"]),
            cause=self._privacy.text(row["cause"], secrets),
            remedy=self._privacy.text(row["remedy"], secrets) + _verb(row["conflict"]),
            amount=None if row["amount"] is None else clean(row["amount"]),
            currency=None if row["currency"] is None else clean(row["currency"]),
            owner=clean(row["owner"]),
            opened=moment(row["opened"]),
            due=due,
            late=row["state"] == "open" and due <= self._clock.now(),
            state=row["state"],
            closed=None if row["closed"] is None else moment(row["closed"]),
            resolution=self._privacy.text(row["resolution"], secrets),
            command=row["command"],
            command_state=row["command_state"],
            message_id=clean(row["message_id"]),
            conflict=row["conflict"],
        )

    def _conflict(self, row: Mapping[str, Any], documents: Mapping[str, list[str]]) -> ConflictItem:
        type_, name = str(row["type"]), str(row["field"])
        secrets = self._privacy.secrets(type_, documents.get(row["entity"], []))
        values = {side: orjson.loads(row[side]) for side in ("winner", "loser", "base")}
        shown = Shown.of(row["winner"], row["loser"])
        return ConflictItem(
            id=row["id"],
            state=row["state"],
            entity=clean(row["entity"]),
            type=clean(type_),
            business_key=self._privacy.business_key(type_, row["business_key"]),
            field=clean(name),
            pii=self._privacy.is_pii(type_, name),
            rule=clean(row["rule"]),
            winner_system=clean(row["winner_system"]),
            loser_system=clean(row["loser_system"]),
            at=moment(row["at"]),
            shown=Digests(winner=shown.winner, loser=shown.loser),
            by=clean(row["actor"]),
            reason=self._privacy.text(row["reason"], secrets),
            ruled=None if row["ruled"] is None else moment(row["ruled"]),
            **{side: self._privacy.cell(type_, name, value) for side, value in values.items()},
        )


async def _documents(snapshot: Snapshot, rows: Rows) -> dict[str, list[str]]:
    """Every value that is known of the entities behind rows: entity → JSON objects."""
    wanted = orjson.dumps(sorted({row["entity"] for row in rows if row["entity"]})).decode()
    documents: dict[str, list[str]] = {}
    for held in await snapshot.rows(reads.VALUES, entities=wanted):
        documents.setdefault(held["entity"], []).append(held["fields"])
    return documents


def _verb(conflict: int | None) -> str:
    """How a conflict is ruled."""
    if conflict is None:
        return ""
    return f": isthmus conflicts show {conflict}, then isthmus conflicts rule {conflict} --keep SYSTEM"


def _spellings(key: str) -> list[str]:
    key = key.strip()
    if not (key.isascii() and key.isdigit()):
        return [key]
    return sorted({key, *(key.zfill(length) for length in PADDED)})


def _loose(row: Mapping[str, Any]) -> Match:
    place = f"{row['object']} {row['key'] or ''} at {row['system']}"
    return Match(entity="", type="", found_by=clean(f"observation #{row['seq']} of {place}, not bound yet"))


def _event(row: Mapping[str, Any]) -> Event:
    return Event(
        id=row["id"],
        at=moment(row["at"]),
        subject=clean(f"{row['subject']} {row['subject_id']}"),
        before=clean(row["before"]),
        after=clean(row["after"]),
        why=journal_why(row, frozenset()),
        actor=clean(row["actor"]),
        correlation=clean(row["correlation"]),
    )
