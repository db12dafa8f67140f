"""The configuration: one TOML file becomes settings, systems and rules, or a list of all its problems."""

from agent.config.configuration import load
from agent.config.labels import labelled
from agent.config.problems import Fault
from agent.config.rules import objects, rules
from agent.config.shape import AgentSettings, Config, EntitySettings, SystemSettings

__all__ = [
    "AgentSettings",
    "Config",
    "EntitySettings",
    "Fault",
    "SystemSettings",
    "labelled",
    "load",
    "objects",
    "rules",
]
