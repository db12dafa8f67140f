"""The disk lies, fills up or loses its power: what was acknowledged stays, and what did not work is said."""
