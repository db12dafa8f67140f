"""The judge: on made-up findings, and as a process on real sandbox systems."""
