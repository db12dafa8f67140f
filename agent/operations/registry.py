"""Every verb that an operator has, once: name, level of confirmation, role, text. Screens only show them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class Role(IntEnum):
    """What somebody may do; each role may do what those below it may."""

    VIEWER = 0
    OPERATOR = 1
    APPROVER = 2


class Level(IntEnum):
    """How much a verb asks before it acts."""

    LOOK = 0  # nothing
    NOTE = 1  # nothing; it can be undone
    ONE = 2  # what will happen, and a yes
    MANY = 3  # the number and a reason, typed
    ALL = 4  # the system's name and a reason, typed


@dataclass(frozen=True, slots=True)
class Verb:
    """One verb of the command line, the socket and the dashboard."""

    name: str
    level: Level
    role: Role
    text: str


VERBS: dict[str, Verb] = {
    verb.name: verb
    for verb in (
        Verb("status", Level.LOOK, Role.VIEWER, "how every system does, what waits, and whether it adds up"),
        Verb("exceptions list", Level.LOOK, Role.VIEWER, "what a person must look at, oldest due first"),
        Verb("exceptions show", Level.LOOK, Role.VIEWER, "one exception with cause and remedy"),
        Verb(
            "conflicts list", Level.LOOK, Role.VIEWER, "where two systems changed the same, open ones first"
        ),
        Verb("conflicts show", Level.LOOK, Role.VIEWER, "one conflict: who holds what, and what was decided"),
        Verb("trace", Level.LOOK, Role.VIEWER, "the story of a record, by any of its names"),
        Verb("exceptions retry", Level.ONE, Role.OPERATOR, "try again what was refused"),
        Verb("conflicts rule", Level.ONE, Role.OPERATOR, "say which system's value holds, with a reason"),
        Verb("exceptions resolve", Level.ONE, Role.OPERATOR, "rule about a deletion or a lost answer"),
        Verb("flow list", Level.LOOK, Role.VIEWER, "what is held, since when, by whom and why"),
        Verb("flow hold", Level.NOTE, Role.OPERATOR, "send nothing more to a system, or to all of them"),
        Verb("flow release", Level.ONE, Role.OPERATOR, "let a system go on, or agree to a mass change"),
        Verb("exceptions close", Level.MANY, Role.OPERATOR, "close without sending, with a reason"),
    )
}
