"""The pure core: no I/O, clock, randomness, logging or async. Everything that decides lives here."""
