"""Who may come in: OAuth, tokens, certificates."""
