"""What is sent to a target and what came of it: the output side of every adapter."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from agent.core.change import RawValue
from agent.core.record import record


class DeliveryKind(StrEnum):
    """What the command does to the record at the target."""

    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"


class OutcomeKind(StrEnum):
    """What came of a command."""

    ACCEPTED = "accepted"  # the target holds it
    STORED = "stored"  # handed over; the answer comes later through intake
    REJECTED = "rejected"  # the target said no, nothing was changed; `reason` says what kind of no
    RETRY = "retry"  # certainly not applied; send again later
    UNCERTAIN = "uncertain"  # sent, answer lost: it may or may not have been applied


class Reason(StrEnum):
    """Why a command was rejected: what the core may do about it."""

    BUSINESS = "business"  # a rule of the target; a person must look
    PRECONDITION = "precondition"  # the record changed since it was seen; read again and plan again
    GONE = "gone"  # there is no such record any more; read again and plan again
    INVALID = "invalid"  # the target cannot hold this value (too long, wrong type); a person must look
    FIELD = "field"  # the object lacks a field, or we may not write it; `fields` names it, for every record
    DUPLICATE_ID = "duplicate-id"  # the message id is in the ledger with another payload


class Resolution(StrEnum):
    """How an uncertain command may leave that state, by what the target can do (DESIGN section 1)."""

    RESEND = "resend"  # `apply` again with the same message id: the target has at most one effect of it
    REREAD = "reread"  # wait out the target's longest request, read, plan again; never resend
    PERSON = "person"  # nobody but a person can tell


@dataclass(frozen=True, slots=True)
class Guarantees:
    """What a target can really do for one object. The configuration is checked against it.

    compare_and_set   an update can be made conditional on what was last seen
    read_back         records can be read by key
    delete            records can be deleted
    answers           outcomes come late, through intake (``stored``)
    on_uncertain_*    how a lost answer is resolved for an update and for a create
    max_request_s     how long the target may go on working on a request whose answer was lost
    tells_merges      a read of a record that is gone tells into which other it was merged
    batch             how many commands one call of ``apply`` may carry
    backlog           how many it may carry where so many wait; 0 where that is no other way
    families          a create may refer to a record that another create of the same ``apply`` makes
    """

    compare_and_set: bool
    read_back: bool
    delete: bool
    answers: bool
    on_uncertain_update: Resolution
    on_uncertain_create: Resolution
    max_request_s: float = 0.0
    batch: int = 1
    backlog: int = 0
    families: bool = False
    tells_merges: bool = False


@record(frozen=True, slots=True)
class Guard:
    """What must still hold at the target for a conditional update.

    version   the target's own version of the record, where it has one
    values    target field → value last seen, for targets that compare values
    """

    version: str | None = None
    values: Mapping[str, RawValue] = field(default_factory=dict)


@record(frozen=True, slots=True)
class Delivery:
    """One command on its way out, in the target's own names and values.

    message_id   identity at the target: the same on every try, after a restart and a replay
    reference    canonical id of the entity, for targets that keep an external id
    key          the target's key; None for a create
    pending      reference field → ``reference`` of the create in the same ``apply`` whose key it is to hold;
                 only where the target guarantees ``families``. One stands before those that refer to it
    payload_hash SHA-256 of kind, key and fields in canonical form; a ledger keeps it beside the message id
    number       the command's number, unique within its epoch (an IDoc's DOCNUM is made of both)
    epoch        the life of the store in which the command was planned
    fence        the epoch of the store that sends now; a ledger refuses an older one
    life         the life of the store that sends now; a witness refuses every other than the one it saw last
    uncertain    an earlier try was sent and its answer lost: apply at most once, or find out
    """

    message_id: str
    entity_type: str
    object: str
    kind: DeliveryKind
    key: str | None
    reference: str
    fields: Mapping[str, RawValue]
    guard: Guard | None = None
    payload_hash: str = ""
    number: int = 0
    epoch: int = 1
    fence: int = 1
    life: str = ""
    uncertain: bool = False
    correlation_id: str = ""
    pending: Mapping[str, str] = field(default_factory=dict)


@record(frozen=True, slots=True)
class Outcome:
    """What came of one command. ``key`` is the target's key of a created record.

    ``handle`` is the target-side number of what was handed over (an IDoc's DOCNUM): late answers name it.
    ``evidence`` is what proves it (a response id, a file name), masked and short, for the journal.
    ``retry_after`` in seconds where the target said so. ``carried``: the fields that arrived, where an
    earlier hand-over of the same record stands for this one and said something else; None means all.
    ``fields``: the target's fields that it lacks or does not let us write (Reason.FIELD).
    """

    kind: OutcomeKind
    key: str | None = None
    reason: Reason | None = None
    code: str = ""
    text: str = ""
    evidence: str = ""
    handle: str | None = None
    retry_after: float | None = None
    carried: frozenset[str] | None = None
    fields: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Mark:
    """What a witness keeps of the life of the store that acted last at its system (I22).

    life    its id; "" where no life was ever seen
    epoch   the epoch in which it acts
    token   how far its store was: every effect at the system rests on transactions up to this one
    host    the machine on which it runs, for people
    stamp   drawn at random for each mark, and kept in the store before the mark is written; "" where the
            life has read there, but had no effect yet
    """

    life: str = ""
    epoch: int = 0
    token: int = 0
    host: str = ""
    stamp: str = ""
