"""How long a comparison of a whole table takes, in how much memory, beside a bare scan of it."""
