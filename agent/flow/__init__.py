"""The shell: a file per step, in the order in which data moves. Nothing here tests business data."""
