"""The dashboard: a reader of the service, never a part of the engine."""

from tui.app import IsthmusApp, picture, render_svg

__all__ = ["IsthmusApp", "picture", "render_svg"]
