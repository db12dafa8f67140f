"""How much business, of which kinds, where; and what came of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

#: Called as (done, operations a second so far, seconds or operations left).
Progress = Callable[[int, float, float], None]


@dataclass(frozen=True, slots=True)
class Share:
    """How often each kind of operation happens, relative to the others.

    customer       a customer is born in Salesforce
    master_data    name or address is edited in Salesforce
    amendment      several fields at once: in Salesforce, or credit limit and terms together in the ERP
    phone          the phone number is edited, in Salesforce or in the ERP
    phone_clash    the same customer's phone is edited in both at once
    credit_limit, payment_terms   an ERP user's edits
    order_block    a SAP user sets or clears the block
    invoice        the ERP bills a customer
    payment        an open invoice is paid
    cancellation   an open invoice is cancelled
    """

    customer: int = 12
    master_data: int = 14
    amendment: int = 8
    phone: int = 10
    phone_clash: int = 5
    credit_limit: int = 10
    payment_terms: int = 7
    order_block: int = 8
    invoice: int = 16
    payment: int = 9
    cancellation: int = 1


@dataclass(frozen=True, slots=True)
class Faults:
    """How many faults of each kind happen on purpose, spread over the run by the seed."""

    gap: int = 1
    undecodable: int = 1
    answer_lost: int = 1
    broken_idoc: int = 1

    def total(self) -> int:
        """All of them."""
        return self.gap + self.undecodable + self.answer_lost + self.broken_idoc


NO_FAULTS = Faults(gap=0, undecodable=0, answer_lost=0, broken_idoc=0)


@dataclass(frozen=True, slots=True)
class Settings:
    """Where the systems are and what business to do.

    salesforce      URL of the org;  client_id, client_secret: how its users sign in
    erp             ODBC connection string of the sample ERP
    sap             URL of the sample SAP's control port
    journal         file for the edits that were made, one JSON object a line; appended to
    rate            operations a second
    first_customers are created before anything else happens
    hands           how many operations may be under way at once
    """

    salesforce: str
    client_id: str
    client_secret: str = field(repr=False)
    erp: str = field(repr=False)
    sap: str
    journal: Path
    seed: int = 1
    rate: float = 10.0
    first_customers: int = 5
    hands: int = 8
    share: Share = field(default_factory=Share)
    faults: Faults = NO_FAULTS


@dataclass(frozen=True, slots=True)
class Until:
    """When business ends: after so many seconds or operations, whichever comes first; at least one is set."""

    seconds: float | None = None
    operations: int | None = None

    def __post_init__(self) -> None:
        if self.seconds is None and self.operations is None:
            raise ValueError("business needs an end: seconds, operations, or both")

    def expected(self, rate: float) -> int:
        """About how many operations that will be."""
        by_time = int(self.seconds * rate) if self.seconds is not None else None
        return min(value for value in (by_time, self.operations) if value is not None)


@dataclass(slots=True)
class Summary:
    """What was done.

    done       operations by kind that were carried out;  idle: had nothing to act on yet
    refused    the system's own rules said no;  unknown: edits whose answer was lost
    retries    times somebody tried again;  edits: lines written to the journal;  faults: armed, by kind
    """

    done: dict[str, int] = field(default_factory=dict)
    idle: int = 0
    refused: int = 0
    unknown: int = 0
    retries: int = 0
    edits: int = 0
    faults: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def operations(self) -> int:
        """All operations, those that could not be done among them."""
        return sum(self.done.values()) + self.idle + self.refused

    @property
    def rate(self) -> float:
        """Operations a second."""
        return self.operations / self.seconds if self.seconds else 0.0
