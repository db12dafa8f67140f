"""From files to changes: what SAP tells us, in SAP's names.

One file is all or nothing: a fault anywhere in it, or a file of another system, makes one undecodable
change of the whole file. An IDoc that is well formed but says nothing we know (another message type, a
value that is no number) makes one undecodable change of that IDoc; the others count.
"""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from adapters.idoc.answers import answer_of, status_answer
from adapters.idoc.format.dictionary import Dictionary
from adapters.idoc.format.document import Idoc, Segment
from adapters.idoc.format.flat import FileKind, kind_of, read_idocs, read_status
from adapters.idoc.format.framing import LastLine
from adapters.idoc.format.problems import IdocFault, Problem, ReadFault, ValueFault
from adapters.idoc.format.text import Record
from adapters.idoc.format.values import NODATA, pad_key, read_date, read_decimal, read_moment
from adapters.idoc.settings import Settings
from agent.core.change import Change, ChangeKind, Operation, RawValue
from agent.core.objects import FieldSpec, FieldType, ObjectSpec

STREAM = "files"
#: A broken file up to this size is kept whole in its change; of a larger one the beginning, and the
#: file itself.
_KEPT_WHOLE = 1 << 20
_KEPT_HEAD = 1 << 16
_WHOLE = {"005", "009", "018"}
_FIRST_SECOND = datetime(2000, 1, 1)


@dataclass(frozen=True, slots=True)
class Reading:
    """What a file says: its changes, whether it could be read, and how far its IDocs go (CREDAT,
    CRETIM, DOCNUM).
    """

    changes: tuple[Change, ...]
    readable: bool
    reached: str = ""


class Inbound:
    """Reads files of one SAP system. Pure: bytes in, changes out."""

    def __init__(self, settings: Settings, objects: Sequence[ObjectSpec], dictionary: Dictionary) -> None:
        self._settings = settings
        self._objects = {entry.name: entry for entry in objects if entry.capture}
        self._dictionary = dictionary

    def read(self, content: bytes) -> Reading:
        """The changes of one file. Raises nothing: what is wrong becomes a change that says so."""
        try:
            if kind_of(io.BytesIO(content), self._settings.encoding) is FileKind.STATUS:
                return Reading(_once(self._statuses(content)), True)
            idocs = tuple(
                read_idocs(
                    io.BytesIO(content),
                    encoding=self._settings.encoding,
                    dictionary=self._dictionary,
                    last_line=LastLine(self._settings.final_line.value),
                )
            )
            for idoc in idocs:
                self._check_system(idoc)
        except IdocFault as fault:
            return Reading((broken_file(content, str(fault)),), False)
        changes = _once(change for idoc in idocs for change in self._changes(idoc, content))
        return Reading(changes, True, _reached(idocs[-1]))

    def _check_system(self, idoc: Idoc) -> None:
        """A copied system still sends with its original's names: nothing of it may be taken. Raises
        ReadFault.
        """
        control, wanted = idoc.control, self._settings
        expected = (
            ("MANDT", control["MANDT"] or wanted.client, wanted.client),
            ("SNDPRN", control["SNDPRN"], wanted.receiver_partner),
            ("RCVPRN", control["RCVPRN"], wanted.sender_partner),
        )
        for name, found, right in expected:
            if found != right:
                raise _at(idoc, f"wrong system: {name} is '{found}', this one is '{right}'")
        if control["TEST"]:
            raise _at(idoc, "the test flag of the control record is set")

    def _changes(self, idoc: Idoc, content: bytes) -> Iterator[Change]:
        raw = content[idoc.span.start : idoc.span.end] if idoc.span else b""
        base = Change(_source_id(idoc, raw), STREAM, ChangeKind.UNDECODABLE, idoc.message_type, raw=raw)
        try:
            base = replace(base, order=order_of(idoc.control))
            yield from self._understood(idoc, base)
        except IdocFault as fault:
            yield replace(base, reason=str(fault))

    def _understood(self, idoc: Idoc, base: Change) -> Sequence[Change]:
        """All changes of an IDoc, or a fault: an IDoc is not half understood."""
        if idoc.message_type == "ALEAUD":
            return _numbered(base, self._answers(idoc, base))
        spec = self._objects.get(idoc.message_type)
        if spec is None:
            raise _at(idoc, f"message type {idoc.message_type} is not mapped to an entity")
        segment_type = spec.key.split(".")[0]
        roots = [segment for segment in idoc.walk() if segment.type == segment_type]
        if not roots:
            raise _at(idoc, f"the IDoc has no segment {segment_type}, which holds the key")
        return _numbered(base, [self._told(spec, root, base) for root in roots])

    def _answers(self, idoc: Idoc, base: Change) -> list[Change]:
        found: list[Change] = []
        for header in (segment for segment in idoc.walk() if segment.type == "E1ADHDR"):
            names = header.values(self._dictionary)
            about = names["MESTYP_LNG"] or names["MESTYP"]
            for state in header.below("E1STATE"):
                found.append(self._answer(state, replace(base, object=about)))
        if not found:
            raise _at(idoc, "an ALEAUD IDoc without a segment E1STATE answers nothing")
        return found

    def _answer(self, state: Segment, base: Change) -> Change:
        try:
            return replace(base, kind=ChangeKind.ANSWER, answer=answer_of(state, self._dictionary))
        except ValueFault as fault:
            return replace(base, reason=str(fault))

    def _told(self, spec: ObjectSpec, root: Segment, base: Change) -> Change:
        values = root.values(self._dictionary)
        key = pad_key(values[spec.key.split(".")[1]], self._dictionary.length_of(spec.key))
        if not key:
            raise ValueFault("the key is blank", field=spec.key)
        function = values.get("MSGFN", "")
        fields = self._fields(spec, root)
        operation = {"003": Operation.DELETE, "009": Operation.CREATE}.get(function, Operation.UPDATE)
        whole = function in _WHOLE and all(entry.name in fields for entry in spec.fields)
        return replace(
            base, kind=ChangeKind.TOLD, keys=(key,), operation=operation, fields=fields, whole=whole
        )

    def _fields(self, spec: ObjectSpec, root: Segment) -> Mapping[str, RawValue]:
        """Mapped fields of the segments that were sent. A segment that is absent says nothing: no
        deletion.
        """
        fields: dict[str, RawValue] = {}
        for entry in spec.fields:
            segment_type, name = entry.name.split(".")
            segments = list(root.below(segment_type))
            if len(segments) > 1:
                reason = f"the segment stands {len(segments)} times, and the mapping names none of them"
                raise ValueFault(reason, field=entry.name)
            if not segments:
                continue
            text = segments[0].value(name, self._dictionary)
            if text != NODATA:
                fields[entry.name] = read_value(text, entry)
        return fields

    def _statuses(self, content: bytes) -> Iterator[Change]:
        """The changes of a status file (EDI_DS40). Raises ReadFault for a record of another client."""
        for fields, record in read_status(io.BytesIO(content), encoding=self._settings.encoding):
            if fields["MANDT"] and fields["MANDT"] != self._settings.client:
                raise record.fault(f"wrong system: MANDT is '{fields['MANDT']}'")
            yield self._status(fields, record, content[record.offset : record.end])

    def _status(self, fields: Mapping[str, str], record: Record, raw: bytes) -> Change:
        names = (fields["MANDT"], fields["DOCNUM"], fields["LOGDAT"], fields["LOGTIM"], fields["STATUS"])
        source_id = "-".join(("EDI_DS40", *names, hashlib.sha256(raw).hexdigest()[:32]))
        change = Change(source_id, STREAM, ChangeKind.UNDECODABLE, "STATUS", raw=raw)
        try:
            return replace(change, kind=ChangeKind.ANSWER, answer=status_answer(fields))
        except ValueFault as fault:
            return replace(change, reason=str(record.fault(str(fault))))


def read_value(text: str, spec: FieldSpec) -> RawValue:
    """A field's value by its type. Blank text stays "", a blank number or date is None. Raises ValueFault."""
    try:
        if spec.type is FieldType.DECIMAL:
            return read_decimal(text)
        if spec.type is FieldType.INTEGER:
            number = read_decimal(text)
            if number is not None and number != number.to_integral_value():
                raise ValueError("not a whole number")
            return None if number is None else int(number)
        if spec.type is FieldType.DATE:
            return read_date(text)
    except ValueError as error:
        raise ValueFault(str(error), field=spec.name) from None
    return text


def order_of(control: Mapping[str, str]) -> int:
    """Where an IDoc stands in its system's order: seconds of SAP's clock since 2000, then 30 bits of DOCNUM.

    Fits 63 bits. SAP's clock has no zone: in the hour that summer time repeats, later IDocs may come first.
    0 where the sender filled neither. Raises ValueFault.
    """
    try:
        moment = read_moment(control["CREDAT"], control["CRETIM"])
    except ValueError as error:
        raise ValueFault(str(error), field="EDI_DC40.CREDAT") from None
    if moment is None:
        return 0
    digits = re.sub(r"[^0-9]", "", control["DOCNUM"])
    seconds = max(0, int((moment - _FIRST_SECOND).total_seconds()))
    return min(seconds, (1 << 33) - 1) << 30 | int(digits or 0) % (1 << 30)


def broken_file(content: bytes, reason: str, digest: str = "") -> Change:
    """The one change of a file that cannot be read: its reason, and its bytes as far as they are kept."""
    digest = digest or hashlib.sha256(content).hexdigest()
    raw = content if len(content) <= _KEPT_WHOLE else content[:_KEPT_HEAD]
    if len(raw) < len(content):
        reason = f"{reason}; kept are the first {len(raw)} bytes, SHA-256 of the file {digest}"
    return Change(f"file-{digest}", STREAM, ChangeKind.UNDECODABLE, "", reason=reason, raw=raw)


def _source_id(idoc: Idoc, raw: bytes) -> str:
    """DOCNUM alone is used again after a system copy: partner, client, time and content make the identity."""
    control = idoc.control
    names = (control["SNDPRN"], control["MANDT"], control["DOCNUM"], control["CREDAT"], control["CRETIM"])
    return "-".join((*names, hashlib.sha256(raw).hexdigest()[:32]))


def _numbered(base: Change, changes: Sequence[Change]) -> list[Change]:
    """Changes of one IDoc, each with its own identity."""
    if len(changes) == 1:
        return list(changes)
    return [replace(each, source_id=f"{base.source_id}-{at}") for at, each in enumerate(changes, 1)]


def _once(changes: Iterator[Change]) -> tuple[Change, ...]:
    """An IDoc that stands twice in one file is one change."""
    return tuple({change.source_id: change for change in changes}.values())


def _reached(idoc: Idoc) -> str:
    return " ".join((idoc.control["CREDAT"], idoc.control["CRETIM"], idoc.number))


def _at(idoc: Idoc, reason: str) -> ReadFault:
    line, offset = (idoc.span.line, idoc.span.start) if idoc.span else (0, 0)
    return ReadFault(Problem(reason, line=line, offset=offset))
