"""Everything that an operator may see and do: wire types, reads, verbs."""
