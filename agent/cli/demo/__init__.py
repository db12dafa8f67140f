"""``demo``: the whole product on one machine with nothing configured, judged by somebody else."""

from __future__ import annotations

from agent.cli.demo.command import register

__all__ = ["register"]
