"""What is held: systems by a person's word, scopes because they would be a mass change."""

from __future__ import annotations

from agent.operations.wire.status import Held, Wire


class FlowSystem(Wire):
    """One system. ``held`` is the hold on it, or the one on all systems; ``ready`` commands wait for it."""

    name: str
    held: Held | None = None
    ready: int = 0


class HeldScope(Wire):
    """One kind of command for one entity type at one target that waits for an approval."""

    scope: str
    held: Held
    commands: int = 0


class FlowPage(Wire):
    """Everything that may be held, and what is."""

    systems: tuple[FlowSystem, ...] = ()
    scopes: tuple[HeldScope, ...] = ()
