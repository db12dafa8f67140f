"""What a unit of work left for others to do: which loops have to be woken after its commit."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Effects:
    """Systems with commands to send, with images to read, and with gaps to close."""

    deliver: set[str] = field(default_factory=set)
    confirm: set[str] = field(default_factory=set)
    snapshot: set[str] = field(default_factory=set)

    def add(self, other: Effects) -> None:
        """Take over what another unit left."""
        self.deliver |= other.deliver
        self.confirm |= other.confirm
        self.snapshot |= other.snapshot
