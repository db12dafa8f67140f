"""Hands IDocs to SAP as files, each at most once.

prepare: temporary file, synced with its directory · the engine commits "sent" · apply: rename,
directory synced. SAP checks no duplicates, so after a crash the temporary file decides: present means
the rename never happened, absent means SAP has it. A file that SAP took is only stored: what came of it
is told by ALEAUD, hours later.

A known residue: the temporary file of a command that was withdrawn after ``prepare`` stays. It cannot be
told from one that an uncertain command still needs, and there a missing file would read as "SAP has it".
An operator may remove a ``.tmp`` whose command (epoch and number are in its name) is settled.
"""

from __future__ import annotations

import asyncio
import errno
import io
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import structlog

from adapters.idoc.book import Book, Entry, digests
from adapters.idoc.directory import read_file, sync_directory
from adapters.idoc.format.dictionary import Dictionary
from adapters.idoc.format.flat import read_idocs
from adapters.idoc.format.flat_writing import write_idoc
from adapters.idoc.format.problems import IdocFault, ValueFault
from adapters.idoc.outbound import Outbound, document_number, file_name
from adapters.idoc.settings import Settings
from adapters.idoc.witness import DirectoryWitness
from agent import failpoints
from agent.core.change import Row
from agent.core.delivery import (
    Delivery,
    DeliveryKind,
    Guarantees,
    Mark,
    Outcome,
    OutcomeKind,
    Reason,
    Resolution,
)
from agent.core.objects import ObjectSpec
from agent.errors import Refused, Unreachable

log = structlog.get_logger(__name__)

TEMPORARY = ".tmp"
#: Errors of a network drive whose server gave no answer (rename(2), nfs(5) "soft"): it may still act.
_NO_ANSWER = frozenset(
    {errno.EIO, errno.ETIMEDOUT, errno.ESTALE, errno.EHOSTDOWN, errno.EHOSTUNREACH}
    | {errno.ECONNRESET, errno.ECONNABORTED, errno.ENOTCONN, errno.EINTR, errno.EAGAIN}
)
_GUARANTEES = Guarantees(
    compare_and_set=False,
    read_back=False,
    delete=False,
    answers=True,
    on_uncertain_update=Resolution.RESEND,
    on_uncertain_create=Resolution.RESEND,
    batch=50,
)


class IdocFiles:
    """The target side of one SAP system on file ports."""

    def __init__(
        self,
        name: str,
        settings: Settings,
        objects: Sequence[ObjectSpec],
        outbound: Outbound,
        dictionary: Dictionary,
    ) -> None:
        self.witness = DirectoryWitness(name, settings.archive_dir)
        self._book = Book(settings.archive_dir)
        self._name = name
        self._settings = settings
        self._keys = {entry.name: entry.key for entry in objects}
        self._outbound = outbound
        self._dictionary = dictionary

    def guarantees(self, object: str) -> Guarantees:
        """Files can only be handed over; SAP answers late."""
        return _GUARANTEES

    async def prepare(self, deliveries: Sequence[Delivery]) -> None:
        """Write a temporary file for each command that was not sent before. Raises Unreachable."""
        await asyncio.to_thread(self._prepare, deliveries)

    async def apply(self, deliveries: Sequence[Delivery]) -> Sequence[Outcome]:
        """Give each file its final name."""
        return await asyncio.to_thread(self._apply_all, deliveries)

    async def find(self, object: str, fields: Mapping[str, object]) -> Sequence[Row]:
        """Nothing can be looked up through a file port."""
        return ()

    async def find_many(
        self, object: str, questions: Sequence[Mapping[str, object]]
    ) -> Sequence[Sequence[Row]]:
        """The same for each question."""
        return [await self.find(object, fields) for fields in questions]

    async def close(self) -> None:
        """Nothing is held open."""

    def _prepare(self, deliveries: Sequence[Delivery]) -> None:
        written = 0
        for delivery in deliveries:
            if delivery.uncertain:
                continue  # a new temporary file would read as "never handed over"
            try:
                content = self._encode(delivery)
            except ValueFault as fault:
                log.info("refused", action="idoc.value_refused", system=self._name, field=fault.field)
                continue  # apply answers it as rejected
            try:
                self._write(self._temporary(delivery), content)
            except OSError as error:
                raise self._unreachable(error) from error
            written += 1
        if written:
            try:
                sync_directory(self._settings.outbound_dir)
            except OSError as error:
                raise self._unreachable(error) from error
            failpoints.hit("idoc.after_fsync")

    def _write(self, path: Path, content: bytes) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
        with os.fdopen(os.open(path, flags, 0o640), "wb") as stream:
            stream.write(content)
            stream.flush()
            failpoints.hit("idoc.before_fsync")
            os.fsync(stream.fileno())

    def _encode(self, delivery: Delivery) -> bytes:
        idoc = self._outbound.idoc(delivery, self._keys[delivery.object])
        return write_idoc(idoc, encoding=self._settings.encoding, dictionary=self._dictionary)

    def _apply_all(self, deliveries: Sequence[Delivery]) -> list[Outcome]:
        """All of them while no other life of the store can take over."""
        done: list[Outcome] = []
        try:
            with self.witness.held() as mark:
                for delivery in deliveries:
                    done.append(self._apply(delivery, mark))
        except (OSError, Refused) as error:
            text = _text(error) if isinstance(error, OSError) else error.message
            done += [_not_now(delivery, "no-mark", text) for delivery in deliveries[len(done) :]]
        return done

    def _apply(self, delivery: Delivery, mark: Mark) -> Outcome:
        if delivery.life != mark.life:
            text = f"another life of the store was here, in epoch {mark.epoch} on {mark.host}"
            return _not_now(delivery, "fenced", text)
        temporary, final = self._temporary(delivery), self._final(delivery)
        try:
            handle = document_number(delivery)
            if delivery.kind is DeliveryKind.CREATE:
                entry = self._booked(delivery, mark, handle)
                if entry is not None:
                    return self._stands_for(delivery, entry)
            if not temporary.exists():
                return self._without_temporary(delivery, handle)
            if final.exists():
                return self._with_both(delivery, handle)
        except ValueFault as fault:
            return _rejected(fault)
        except OSError as error:
            return Outcome(OutcomeKind.RETRY, text=_text(error))
        return self._hand_over(temporary, final, handle)

    def _booked(self, delivery: Delivery, mark: Mark, handle: str) -> Entry | None:
        """The hand-over by a lost life that created this record already; None where there is none.

        Else the create is in the book from here on.
        """
        own, entry = file_name(delivery), self._book.find(delivery.reference)
        if entry is not None and entry.file == own:
            return entry if entry.handle != handle else None
        if not self._temporary(delivery).exists():
            return None  # handed over before there was a book, or nothing was prepared
        made = Entry(delivery.reference, mark.life, mark.token, own, handle, digests(delivery.fields))
        if entry is not None and not self.witness.knows(entry.life, entry.token):
            left = self._settings.outbound_dir / (entry.file + TEMPORARY)
            if left.exists():
                self._remove(left)  # it was never handed over, and now never will be
            else:
                made = replace(made, handle=entry.handle, fields=entry.fields)
        self._book.write(made)
        return made if made.handle != handle else None

    def _stands_for(self, delivery: Delivery, entry: Entry) -> Outcome:
        """What a lost life handed over is this record: SAP's answer to that one is awaited."""
        temporary = self._temporary(delivery)
        if temporary.exists():
            self._remove(temporary)
        return Outcome(
            OutcomeKind.STORED,
            handle=entry.handle,
            code="created-before",
            evidence=f"a lost life of the store handed it over as {entry.handle}",
            carried=entry.said(delivery.fields),
        )

    def _remove(self, path: Path) -> None:
        failpoints.hit("idoc.before_remove")
        path.unlink()
        failpoints.hit("idoc.after_remove")
        sync_directory(path.parent)

    def _hand_over(self, temporary: Path, final: Path, handle: str) -> Outcome:
        try:
            failpoints.hit("idoc.before_rename")
            temporary.rename(final)
        except OSError as error:
            if self._never_renamed(temporary, final, error):
                return Outcome(OutcomeKind.RETRY, text=_text(error))
            return Outcome(OutcomeKind.UNCERTAIN, text=_text(error), handle=handle)
        try:
            failpoints.hit("idoc.after_rename")
            sync_directory(final.parent)
        except OSError as error:
            return Outcome(OutcomeKind.UNCERTAIN, text=_text(error), handle=handle)
        return _stored(handle, f"handed over as {final.name}")

    def _never_renamed(self, temporary: Path, final: Path, error: OSError) -> bool:
        """Whether a rename that failed certainly had no effect, and will have none.

        On a network drive it may take effect and report an error, even after the error was reported. Opening
        asks the server for the file; a status could come from the client's memory.
        """
        if error.errno in _NO_ANSWER:
            return False
        try:
            os.close(os.open(temporary, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC))
            return not final.exists()
        except OSError:
            return False

    def _without_temporary(self, delivery: Delivery, handle: str) -> Outcome:
        """Renamed before (uncertain), or never written: refused by prepare, or removed by somebody."""
        final = self._final(delivery)
        if delivery.uncertain:
            there = "waits for SAP" if final.exists() else "was taken by SAP"
            return _durable(final, handle, f"{final.name} {there}")
        if final.exists():
            return self._with_final(delivery, handle)
        self._encode(delivery)
        return Outcome(
            OutcomeKind.RETRY,
            code="not-prepared",
            text=f"{final.name}{TEMPORARY} is not there; it was not sent",
        )

    def _with_both(self, delivery: Delivery, handle: str) -> Outcome:
        """The final name is taken: by this very command, else the number was used before."""
        outcome = self._with_final(delivery, handle)
        failpoints.hit("idoc.before_discard")
        self._temporary(delivery).unlink()
        failpoints.hit("idoc.after_discard")
        sync_directory(self._settings.outbound_dir)
        return outcome

    def _with_final(self, delivery: Delivery, handle: str) -> Outcome:
        final = self._final(delivery)
        limit = self._settings.max_file_mb << 20
        if self._message_in(read_file(final, limit)[0]) == delivery.message_id:
            return _durable(final, handle, f"{final.name} waits for SAP")
        return Outcome(
            OutcomeKind.REJECTED,
            reason=Reason.DUPLICATE_ID,
            code="file-exists",
            text=f"{final.name} is there with another message; the epoch's numbers were used before",
        )

    def _message_in(self, content: bytes) -> str:
        """The message id that a file of ours carries; "" where it cannot be read."""
        try:
            stream = read_idocs(
                io.BytesIO(content), encoding=self._settings.encoding, dictionary=self._dictionary
            )
            return next(stream).control["ARCKEY"]
        except IdocFault:
            return ""

    def _final(self, delivery: Delivery) -> Path:
        return self._settings.outbound_dir / file_name(delivery)

    def _temporary(self, delivery: Delivery) -> Path:
        return self._settings.outbound_dir / (file_name(delivery) + TEMPORARY)

    def _unreachable(self, error: OSError) -> Unreachable:
        return Unreachable(
            f"{_text(error)} in {self._settings.outbound_dir}",
            where=self._name,
            remedy="check that the directory is mounted, writable and has space",
        )


def _not_now(delivery: Delivery, code: str, text: str) -> Outcome:
    """Nothing was done with it now; what an earlier try did stays open."""
    kind = OutcomeKind.UNCERTAIN if delivery.uncertain else OutcomeKind.RETRY
    return Outcome(kind, code=code, text=text)


def _durable(final: Path, handle: str, evidence: str) -> Outcome:
    """Stored, once the name is durable: an earlier process may have died between rename and sync."""
    try:
        sync_directory(final.parent)
    except OSError as error:
        return Outcome(OutcomeKind.UNCERTAIN, text=_text(error), handle=handle)
    return _stored(handle, evidence)


def _stored(handle: str, evidence: str) -> Outcome:
    return Outcome(OutcomeKind.STORED, handle=handle, evidence=evidence)


def _rejected(fault: ValueFault) -> Outcome:
    return Outcome(
        OutcomeKind.REJECTED, reason=Reason.INVALID, code="value", text=str(fault), evidence=fault.field
    )


def _text(error: OSError) -> str:
    return error.strerror or type(error).__name__
