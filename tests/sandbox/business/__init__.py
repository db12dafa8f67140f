"""The people of the sandbox systems, working in real ones."""
