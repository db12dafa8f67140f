"""Scripts worth keeping: the shortest that tells each mutant from the product, and what hunts once found.

Each is data: operations of the world in their order, and the promise that the judge names.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tests.flow.stories import BORN, Operation

SLOWLY: list[Operation] = [("pace", (3.5,)), ("events_at_once", (1,))]


@dataclass(frozen=True)
class Pinned:
    """A script and the promise that it breaks where the fault is."""

    promise: str
    script: list[Operation]


#: Mutant → the script that catches it.
CATCHES: Mapping[str, Pinned] = {
    "pos_first": Pinned(
        "I1", [("create", ()), ("crash_at", ("intake.after_commit", 1)), ("intake", ("sf",))]
    ),
    "ack_first": Pinned("I10", [*BORN, ("edit_erp", (0, "note")), ("fault", ("sf", "never-arrived"))]),
    "random_key": Pinned("I14", [("create", ()), ("fault", ("erp", "answer-lost"))]),
    "ignore_gap": Pinned("I8", [("create", ()), ("gap", (0,))]),
    "no_base": Pinned("I10", [*BORN, ("edit_erp", (0, "phone"))]),
    "no_cas": Pinned(
        "I10",
        [
            *BORN,
            ("edit_cloud", (0, "Phone")),
            ("intake", ("sf",)),
            ("edit_erp", (0, "phone")),
            ("deliver", ("erp",)),
        ],
    ),
    "base_at_send": Pinned(
        "I10",
        [
            ("create", ()),
            ("intake", ("sf",)),
            ("edit_cloud", (0, "Phone")),
            ("deliver", ("erp",)),
            ("gap", (0,)),
        ],
    ),
    "no_version": Pinned(
        "I8",
        [
            *SLOWLY,
            *BORN,
            ("edit_cloud", (0, "Name")),
            ("edit_cloud", (0, "Name")),
            ("edit_erp", (0, "terms")),
            ("intake", ("erp",)),
            ("deliver", ("sf",)),
            ("wait", (5.0,)),
            ("confirm", ("sf",)),
            ("deliver", ("erp",)),
            ("wait", (5.0,)),
            ("confirm", ("erp",)),
            ("intake", ("sf",)),
            ("deliver", ("erp",)),
        ],
    ),
    "plan_dirty": Pinned("I9", [*BORN, ("edit_erp", (0, "phone"))]),
    "no_readback": Pinned(
        "I11",
        [
            ("create", ()),
            ("settle", ()),
            ("book_document", (0,)),
            ("edit_cloud", (1, "Terms")),
            ("edit_cloud", (1, "Terms")),
            ("intake", ("erp",)),
            ("deliver", ("sf",)),
            ("pay_document", (1,)),
        ],
    ),
    "echo_by_user": Pinned("I8", [("flow", (True,)), ("create", ())]),
    "no_lane": Pinned(
        "I17",
        [*BORN, ("fault", ("sf", "never-arrived")), ("book_document", (0,)), ("book_document", (0,))],
    ),
    "resend_lost": Pinned(
        "I11",
        [
            ("pace", (1.1,)),
            *BORN,
            ("book_document", (0,)),
            ("fault", ("sf", "late")),
            ("intake", ("erp",)),
            ("deliver", ("sf",)),
            ("pay_document", (0,)),
        ],
    ),
    "no_wait_for_late": Pinned(
        "I8",
        [
            *BORN,
            ("fault", ("sf", "late")),
            ("edit_sap", (0, "AUFSD")),
            ("intake", ("sap",)),
            ("deliver", ("sf",)),
            ("wait", (1.2,)),
            ("edit_sap", (0, "AUFSD")),
        ],
    ),
}

#: What it was → a script at which a promise once broke, or that is easily broken by a change.
REGRESSIONS: Mapping[str, Pinned] = {
    "a refusal outlived its park because another field waited for a ruling": Pinned(
        "I15",
        [
            *BORN,
            ("fault", ("sf", "refused")),
            ("edit_cloud", (0, "Note")),
            ("edit_erp", (0, "note")),
            ("intake", ("erp",)),
            ("deliver", ("sf",)),
            ("edit_erp", (0, "note")),
            ("intake", ("erp",)),
        ],
    ),
    "a record that came back under its old key held a value of a lost update": Pinned(
        "I11",
        [
            *BORN,
            ("fault", ("sf", "late")),
            ("edit_erp", (0, "terms")),
            ("intake", ("erp",)),
            ("deliver", ("sf",)),
            ("edit_erp", (0, "terms")),
            ("wait", (130.0,)),
            ("deliver", ("sf",)),
            ("delete_cloud", (0,)),
            ("confirm", ("sf",)),
            ("undelete_cloud", (0,)),
        ],
    ),
    "the create of a merged record was in flight for both": Pinned(
        "I20",
        [("create", ()), ("create", ()), ("fault", ("erp", "answer-lost")), ("merge_cloud", (0,))],
    ),
    "a plain restart was taken for a restored store": Pinned(
        "I8", [*BORN, ("restart", ()), ("edit_cloud", (0, "Name"))]
    ),
    "two events of one second were told apart by their order alone": Pinned(
        "I10",
        [
            *BORN,
            ("edit_cloud", (0, "Name")),
            ("create", ()),
            ("edit_cloud", (0, "Phone")),
            ("edit_erp", (0, "phone")),
        ],
    ),
    "a person's retry met a document that others of its lane wait for": Pinned(
        "I17",
        [
            *BORN,
            ("fault", ("sf", "refused")),
            ("book_document", (0,)),
            ("book_document", (0,)),
            ("settle", ()),
            ("pay_document", (1,)),
        ],
    ),
    "a field that was taken again waited for a person's word about another one": Pinned(
        "I8",
        [
            ("second_erp", ()),
            *BORN,
            ("edit_erp", (0, "name")),
            ("intake", ("erp",)),
            ("edit_second", (0, "note")),
            ("lack", ("erp", "name", True)),
            ("intake", ("eu",)),
            ("edit_erp", (0, "note")),
            ("deliver", ("erp",)),
        ],
    ),
}
